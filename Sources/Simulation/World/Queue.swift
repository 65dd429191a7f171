/// A first-in, first-out queue in one array: taking from the front moves a mark, and the space is reclaimed now and then.
struct Queue<Element> {
    private var items: [Element] = []
    private var head = 0

    init() {}

    var count: Int { items.count - head }
    var isEmpty: Bool { head == items.count }
    var first: Element? { isEmpty ? nil : items[head] }

    /// The `index`-th from the front.
    subscript(index: Int) -> Element {
        get { items[head + index] }
        _modify { yield &items[head + index] }
    }

    mutating func append(_ element: Element) { items.append(element) }

    mutating func popFirst() -> Element? {
        guard head < items.count else { return nil }
        let element = items[head]
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
    mutating func keepFirst(_ count: Int) {
        guard count < self.count else { return }
        items.removeLast(self.count - count)
    }

    mutating func removeAll() {
        items.removeAll(keepingCapacity: true)
        head = 0
    }
}

extension Queue: Sendable where Element: Sendable {}
