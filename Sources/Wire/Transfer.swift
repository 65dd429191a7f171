import Machine

/// An operator's word that a group shall have another primary.
public struct TransferRequest: Hashable, Sendable {
    public var group: String
    /// The number of the store that shall be it; nil: the in-sync standby that has the most of the log.
    public var to: UInt64?

    public init(group: String, to: UInt64?) {
        self.group = group
        self.to = to
    }
}

/// What came of it: the primary of a new term.
public struct Transferred: Hashable, Sendable {
    public var primary: MemberID
    public var term: UInt64

    public init(primary: MemberID, term: UInt64) {
        self.primary = primary
        self.term = term
    }
}
