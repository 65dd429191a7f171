import Machine

/// What is going to happen, ordered by time and, within one moment, by when it was planned.
///
/// A heap with four branches, so that what is taken moves half as many; beside it a few *lanes* for what is planned over and over
/// and only once at a time, as the next batch of each process: an item that need not sift through a heap. The items are small and
/// trivial on purpose: messages, requests and file contents wait in the model that they belong to.
@usableFromInline struct Agenda<Item: Sendable>: Sendable {
    /// The time above the place in the order of planning: one number, which is compared without a branch.
    @usableFromInline typealias Moment = UInt128

    @usableFromInline struct Entry: Sendable {
        @usableFromInline var time: Int64
        @usableFromInline var sequence: UInt64
        @usableFromInline var item: Item

        @inlinable init(time: Int64, sequence: UInt64, item: Item) {
            self.time = time
            self.sequence = sequence
            self.item = item
        }

        @inlinable @inline(__always) var moment: Moment { Moment(UInt64(bitPattern: time)) << 64 | Moment(sequence) }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var planned: UInt64 = 0
    /// When the item of each lane is due; `max` where a lane has none.
    @usableFromInline var lanes: [Moment]
    @usableFromInline var laneItems: [Item?]
    @usableFromInline var earliestLane = 0
    /// When that lane's item is due.
    @usableFromInline var earliest = Moment.max

    @inlinable init(lanes: Int = 0) {
        self.lanes = Array(repeating: .max, count: lanes)
        laneItems = Array(repeating: nil, count: lanes)
    }

    /// Plans an item. Times are not negative.
    @inlinable mutating func plan(_ item: Item, at time: Instant) {
        let entry = Entry(time: time.nanoseconds, sequence: planned, item: item)
        planned += 1
        heap.append(entry)
        heap.withUnsafeMutableBufferPointer { heap in
            var hole = heap.count - 1
            while hole > 0 {
                let parent = (hole - 1) / 4
                guard entry.moment < heap[parent].moment else { break }
                heap[hole] = heap[parent]
                hole = parent
            }
            heap[hole] = entry
        }
    }

    /// Plans an item in place of the one that its lane still has, if any.
    @inlinable mutating func plan(_ item: Item, at time: Instant, lane: Int) {
        let moment = Entry(time: time.nanoseconds, sequence: planned, item: item).moment
        planned += 1
        lanes[lane] = moment
        laneItems[lane] = item
        if moment < earliest {
            (earliest, earliestLane) = (moment, lane)
        } else if lane == earliestLane {
            findEarliestLane()
        }
    }

    @inlinable mutating func findEarliestLane() {
        earliest = .max
        for lane in lanes.indices where lanes[lane] < earliest { (earliest, earliestLane) = (lanes[lane], lane) }
    }

    /// Takes the earliest item if it is due at `limit` or before.
    @inlinable mutating func takeNext(until limit: Instant) -> (item: Item, time: Instant)? {
        guard let first = heap.first, first.moment < earliest else { return takeFromLane(until: limit) }
        guard first.time <= limit.nanoseconds else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { heap.withUnsafeMutableBufferPointer { Self.sift(last, into: $0) } }
        return (first.item, Instant(nanoseconds: first.time))
    }

    @inlinable mutating func takeFromLane(until limit: Instant) -> (item: Item, time: Instant)? {
        let time = Int64(truncatingIfNeeded: earliest >> 64)
        guard earliest < .max, time <= limit.nanoseconds, let item = laneItems[earliestLane] else { return nil }
        lanes[earliestLane] = .max
        findEarliestLane()
        return (item, Instant(nanoseconds: time))
    }

    /// Fills the hole at the top. What comes from the end nearly always belongs near the end: so the hole goes all the way down
    /// first, by the earliest of each four, and `last` is compared only from there on upwards.
    @inlinable static func sift(_ last: Entry, into heap: UnsafeMutableBufferPointer<Entry>) {
        var hole = 0
        while 4 * hole + 4 < heap.count {
            let first = 4 * hole + 1
            let left = heap[first + 1].moment < heap[first].moment ? first + 1 : first
            let right = heap[first + 3].moment < heap[first + 2].moment ? first + 3 : first + 2
            let child = heap[right].moment < heap[left].moment ? right : left
            heap[hole] = heap[child]
            hole = child
        }
        var child = 4 * hole + 1
        if child < heap.count {
            for other in child..<heap.count where heap[other].moment < heap[child].moment { child = other }
            heap[hole] = heap[child]
            hole = child
        }
        while hole > 0 {
            let parent = (hole - 1) / 4
            guard last.moment < heap[parent].moment else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = last
    }
}
