import Machine

/// What is going to happen, ordered by time and, within one moment, by when it was planned.
///
/// A heap with four branches, so that what is taken moves half as many. What it sifts is only *when*: one number for each item, which
/// compares and moves without a branch. The items wait in their places; messages, requests and file contents wait in the model that
/// they belong to.
@usableFromInline struct Agenda<Item: Sendable>: Sendable {
    /// From the top: the time, the item's place in the order of planning, and where in `items` it is (24 bits).
    @usableFromInline typealias Key = UInt128

    @usableFromInline var heap: [Key] = []
    @usableFromInline var items: [Item] = []
    @usableFromInline var freePlaces: [Int] = []
    @usableFromInline var planned: UInt64 = 0

    @inlinable init() {}

    @inlinable var count: Int { heap.count }
    @inlinable var nextTime: Instant? { heap.first.map { Instant(nanoseconds: Self.time(of: $0)) } }

    @inlinable @inline(__always) static func time(of key: Key) -> Int64 { Int64(truncatingIfNeeded: key >> 64) }

    @inlinable mutating func plan(_ item: Item, at time: Instant) {
        let place: Int
        if let free = freePlaces.popLast() {
            place = free
            items[place] = item
        } else {
            place = items.count
            precondition(place < 1 << 24, "an agenda has its limits")
            items.append(item)
        }
        let key = Key(UInt64(time.nanoseconds)) << 64 | Key(planned << 24 | UInt64(place))
        planned += 1
        heap.append(key)
        heap.withUnsafeMutableBufferPointer { heap in
            var hole = heap.count - 1
            while hole > 0 {
                let parent = (hole - 1) / 4
                guard key < heap[parent] else { break }
                heap[hole] = heap[parent]
                hole = parent
            }
            heap[hole] = key
        }
    }

    /// Takes the earliest item if it is due at `limit` or before.
    @inlinable mutating func takeNext(until limit: Instant) -> (item: Item, time: Instant)? {
        guard let first = heap.first, Self.time(of: first) <= limit.nanoseconds else { return nil }
        let last = heap.removeLast()
        if !heap.isEmpty { heap.withUnsafeMutableBufferPointer { Self.sift(last, into: $0) } }
        let place = Int(truncatingIfNeeded: first & 0xFF_FFFF)
        freePlaces.append(place)
        return (items[place], Instant(nanoseconds: Self.time(of: first)))
    }

    /// Fills the hole at the top. What comes from the end nearly always belongs near the end: so the hole goes all the way down
    /// first, by the earliest of each four, and `last` is compared only from there on upwards.
    @inlinable static func sift(_ last: Key, into heap: UnsafeMutableBufferPointer<Key>) {
        var hole = 0
        while 4 * hole + 4 < heap.count {
            let first = 4 * hole + 1
            let left = heap[first + 1] < heap[first] ? first + 1 : first
            let right = heap[first + 3] < heap[first + 2] ? first + 3 : first + 2
            let child = heap[right] < heap[left] ? right : left
            heap[hole] = heap[child]
            hole = child
        }
        var child = 4 * hole + 1
        if child < heap.count {
            for other in (child + 1)..<max(child + 1, heap.count) where heap[other] < heap[child] { child = other }
            heap[hole] = heap[child]
            hole = child
        }
        while hole > 0 {
            let parent = (hole - 1) / 4
            guard last < heap[parent] else { break }
            heap[hole] = heap[parent]
            hole = parent
        }
        heap[hole] = last
    }
}
