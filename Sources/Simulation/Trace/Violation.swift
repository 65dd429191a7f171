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

    /// Tells whether two failures are the same one: the invariant and the wording, without numbers and names that hold any.
    public var fingerprint: String {
        let words = "\(invariant): \(detail)".split { $0 == " " || $0 == "\n" }
        return words.map { word in
            word.utf8.contains { (48...57).contains($0) } ? "#" : String(word)
        }.joined(separator: " ")
    }

    public var description: String { "\(invariant): \(detail)" }
}
