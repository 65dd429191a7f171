/// A first-in, first-out queue in one array that is used as a ring: neither end moves what is in between.
///
/// An element that is taken is moved out, not copied: messages and events hold other things.
@usableFromInline struct Queue<Element> {
    /// As many as a power of two; nil where there is no element.
    @usableFromInline var ring: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline var count = 0

    @inlinable init() {}

    @inlinable var isEmpty: Bool { count == 0 }
    @inlinable var last: Element? { count == 0 ? nil : ring[place(count - 1)] }
    @inlinable var first: Element? { count == 0 ? nil : ring[head] }

    @inlinable @inline(__always) func place(_ index: Int) -> Int { (head + index) & (ring.count - 1) }

    /// The `index`-th from the front.
    @inlinable subscript(index: Int) -> Element {
        _read { yield ring[place(index)]! }
        _modify { yield &ring[place(index)]! }
    }

    /// Looks at the `index`-th from the front in its place: to read it through the subscript copies the whole of it.
    @inlinable @inline(__always) mutating func look<Answer>(at index: Int, _ look: (inout Element) -> Answer) -> Answer {
        look(&ring[place(index)]!)
    }

    @inlinable mutating func append(_ element: consuming Element) {
        if count == ring.count { grow() }
        ring[place(count)] = element
        count += 1
    }

    @inline(never) @inlinable mutating func grow() {
        var larger: [Element?] = []
        larger.reserveCapacity(max(4, 2 * count))
        for index in 0..<count { larger.append(ring[place(index)].take()) }
        while larger.count < max(4, 2 * count) { larger.append(nil) }
        ring = larger
        head = 0
    }

    @inlinable mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = ring[head].take()
        head = (head + 1) & (ring.count - 1)
        count -= 1
        return element
    }

    /// Takes the first if it is as wanted.
    @inlinable mutating func popFirst(where isWanted: (inout Element) -> Bool) -> Element? {
        count > 0 && look(at: 0, isWanted) ? popFirst() : nil
    }

    /// Keeps the first `kept` elements.
    @inlinable mutating func keepFirst(_ kept: Int) {
        while count > max(0, kept) {
            count -= 1
            ring[place(count)] = nil
        }
    }

    @inlinable mutating func removeAll() { keepFirst(0) }
}

extension Queue: Sendable where Element: Sendable {}
