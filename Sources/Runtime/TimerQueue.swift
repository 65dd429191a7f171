import HeapModule
import Machine

/// The timers that a node has set, earliest first.
///
/// Replaced and cancelled timers stay in the heap as husks until their time comes or husks outnumber the living, so that
/// setting a timer again (every node does it with every heartbeat) costs O(log n).
struct TimerQueue {
    private struct Alarm: Comparable {
        let deadline: Instant
        /// Order of setting: breaks ties, and tells the living alarm of an identity from its husks.
        let serial: UInt64
        let id: TimerID

        static func < (a: Alarm, b: Alarm) -> Bool { (a.deadline, a.serial) < (b.deadline, b.serial) }
    }

    private var heap = Heap<Alarm>()
    private var living: [TimerID: UInt64] = [:]
    private var serial: UInt64 = 0

    /// Number of timers that are set.
    var count: Int { living.count }

    /// Sets a timer; replaces the one of the same identity.
    mutating func set(_ id: TimerID, at deadline: Instant) {
        serial += 1
        living[id] = serial
        heap.insert(Alarm(deadline: deadline, serial: serial, id: id))
        dropHusksIfMany()
    }

    mutating func cancel(_ id: TimerID) {
        living[id] = nil
        dropHusksIfMany()
    }

    /// The time of the earliest timer; nil where none is set.
    var nextDeadline: Instant? {
        mutating get {
            while let first = heap.min {
                if living[first.id] == first.serial { return first.deadline }
                heap.removeMin()
            }
            return nil
        }
    }

    /// Takes the earliest timer whose time has come; nil where there is none.
    mutating func popDue(at now: Instant) -> TimerID? {
        while let first = heap.min, first.deadline <= now {
            heap.removeMin()
            guard living[first.id] == first.serial else { continue }
            living[first.id] = nil
            return first.id
        }
        return nil
    }

    private mutating func dropHusksIfMany() {
        guard heap.count > 2 * living.count + 64 else { return }
        heap = Heap(heap.unordered.filter { living[$0.id] == $0.serial })
    }
}
