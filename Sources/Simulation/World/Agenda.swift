import Machine

/// What is going to happen, ordered by time and, within one moment, by when it was planned.
///
/// A heap with four branches, so that what is taken moves half as many. The items are small and trivial on purpose: messages, requests and file contents wait in the model that
/// they belong to, so that a sift moves a few words.
@usableFromInline struct Agenda<Item: Sendable>: Sendable {
    @usableFromInline struct Entry: Sendable {
        @usableFromInline var time: Int64
        @usableFromInline var sequence: UInt64
        @usableFromInline var item: Item

        @inlinable init(time: Int64, sequence: UInt64, item: Item) {
            self.time = time
            self.sequence = sequence
            self.item = item
        }

        @inlinable @inline(__always) func isBefore(_ other: Entry) -> Bool {
            time < other.time || (time == other.time && sequence < other.sequence)
        }
    }

    @usableFromInline var heap: [Entry] = []
    @usableFromInline var planned: UInt64 = 0

    @inlinable init() {}

    @inlinable var count: Int { heap.count }
    @inlinable var nextTime: Instant? { heap.first.map { Instant(nanoseconds: $0.time) } }

    @inlinable mutating func plan(_ item: Item, at time: Instant) {
        let entry = Entry(time: time.nanoseconds, sequence: planned, item: item)
        planned += 1
        heap.append(entry)
        heap.withUnsafeMutableBufferPointer { heap in
            var hole = heap.count - 1
            while hole > 0 {
                let parent = (hole - 1) / 4
                guard entry.isBefore(heap[parent]) else { break }
                heap[hole] = heap[parent]
                hole = parent
            }
            heap[hole] = entry
        }
    }

    /// Takes the earliest item if it is due at `limit` or before.
    @inlinable mutating func takeNext(until limit: Instant) -> (item: Item, time: Instant)? {
        guard let first = heap.first, first.time <= limit.nanoseconds else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty {
            heap.withUnsafeMutableBufferPointer { heap in
                var hole = 0
                while true {
                    let first = 4 * hole + 1
                    guard first < heap.count else { break }
                    var child = first
                    for other in (first + 1)..<max(first + 1, min(first + 4, heap.count))
                    where heap[other].isBefore(heap[child]) { child = other }
                    guard heap[child].isBefore(last) else { break }
                    heap[hole] = heap[child]
                    hole = child
                }
                heap[hole] = last
            }
        }
        return (first.item, Instant(nanoseconds: first.time))
    }
}
