import Machine

/// A broken invariant: which, and the values that break it.
public struct Violation: Hashable, Sendable, CustomStringConvertible {
    /// Names the oracle; the same failure has the same name.
    public var invariant: String
    public var detail: String

    public init(_ invariant: String, _ detail: String) {
        self.invariant = invariant
        self.detail = detail
    }

    public var description: String { "\(invariant): \(detail)" }
}
