/// A condition that did not come true in time.
public struct TimedOut: Error, CustomStringConvertible {
    public let description: String
    public init(description: String) { self.description = description }
}

/// Waits until `condition` is true. The bound is generous: it is there to end a broken test, not to measure anything.
///
/// - Throws: `TimedOut`, naming `what`, after `timeout`; and whatever `condition` throws, at once.
public func eventually(
    _ what: String, timeout: Duration = .seconds(60), condition: () async throws -> Bool
) async throws {
    _ = try await eventuallyValue(what, timeout: timeout) { try await condition() ? true : nil }
}

/// Waits until `value` is there and returns it; otherwise like `eventually`.
public func eventuallyValue<Value>(
    _ what: String, timeout: Duration = .seconds(60), _ value: () async throws -> Value?
) async throws -> Value {
    let clock = ContinuousClock()
    let deadline = clock.now + timeout
    while true {
        if let value = try await value() { return value }
        if clock.now >= deadline { throw TimedOut(description: "not within \(timeout): \(what)") }
        try await clock.sleep(for: .milliseconds(10))
    }
}
