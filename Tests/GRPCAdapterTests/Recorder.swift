import Foundation

/// What happened, in order, for tests to wait for.
final class Recorder<Element: Sendable>: @unchecked Sendable {
    private let condition = NSCondition()
    private var elements: [Element] = []

    func append(_ element: Element) {
        condition.lock()
        elements.append(element)
        condition.broadcast()
        condition.unlock()
    }

    func clear() {
        condition.lock()
        elements = []
        condition.unlock()
    }

    var all: [Element] {
        condition.lock()
        defer { condition.unlock() }
        return elements
    }

    /// Waits until what happened is enough; false if that takes too long.
    func wait(atMost seconds: Double = 30, until isEnough: ([Element]) -> Bool) -> Bool {
        let end = Date(timeIntervalSinceNow: seconds)
        condition.lock()
        defer { condition.unlock() }
        while !isEnough(elements) {
            if !condition.wait(until: end) { return isEnough(elements) }
        }
        return true
    }
}
