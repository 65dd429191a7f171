/// A first-in, first-out queue in one array: taking from the front moves a mark, and the space is reclaimed now and then.
///
/// An element that is taken is moved out, not copied: messages and events are large, and hold other things.
@usableFromInline struct Queue<Element> {
    /// nil where it was taken: before `head`.
    @usableFromInline var items: [Element?] = []
    @usableFromInline var head = 0

    @inlinable init() {}

    @inlinable var count: Int { items.count - head }
    @inlinable var isEmpty: Bool { head == items.count }
    @inlinable var first: Element? { isEmpty ? nil : items[head] }

    /// The `index`-th from the front.
    @inlinable subscript(index: Int) -> Element {
        _read { yield items[head + index]! }
        _modify { yield &items[head + index]! }
    }

    @inlinable mutating func append(_ element: Element) { items.append(element) }

    @inlinable mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let element = items[head].take()
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 32 && head * 2 >= items.count {
            items.removeFirst(head)
            head = 0
        }
        return element
    }

    /// Keeps the first `count` elements.
    @inlinable mutating func keepFirst(_ count: Int) {
        guard count < self.count else { return }
        items.removeLast(self.count - count)
    }

    @inlinable mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        head = 0
    }
}

extension Queue: Sendable where Element: Sendable {}
