import Machine

/// An operator's word that a group shall go on without its in-sync stores: whatever only they had is given up.
public struct RecoverRequest: Hashable, Sendable {
    /// What is kept of the operator's name, in bytes.
    public static let longestName = 128

    public var group: String
    /// The store that shall be primary; nil: of those that answer the one whose log goes furthest.
    public var store: StoreID?
    /// Without it nothing is done, and the answer says what would be.
    public var acceptsDataLoss: Bool
    /// Who asks, for the record.
    public var by: String

    public init(group: String, store: StoreID?, acceptsDataLoss: Bool, by: String) {
        self.group = group
        self.store = store
        self.acceptsDataLoss = acceptsDataLoss
        self.by = by
    }
}

/// What came of it, or what would.
public struct Recovered: Hashable, Sendable {
    /// A store that could go on, and where its log ends.
    public struct Candidate: Hashable, Sendable {
        public var member: MemberID
        public var last: Position

        public init(member: MemberID, last: Position) {
            self.member = member
            self.last = last
        }
    }

    /// Whether it was done.
    public var isDone: Bool
    /// The store that is primary and only member, or would be.
    public var chosen: Candidate
    /// Others that answered. They give up what they hold, and take a copy.
    public var others: [Candidate]
    /// The history and the term that end, and the in-sync stores of which none is there. Entries after `chosen.last` that they had
    /// are lost.
    public var formerLineage: Lineage
    public var formerTerm: UInt64
    public var formerInSync: [MemberID]
    /// The history and the term that begin; the lineage is empty where nothing was done.
    public var lineage: Lineage
    public var term: UInt64

    public init(
        isDone: Bool, chosen: Candidate, others: [Candidate], formerLineage: Lineage, formerTerm: UInt64,
        formerInSync: [MemberID], lineage: Lineage, term: UInt64
    ) {
        self.isDone = isDone
        self.chosen = chosen
        self.others = others
        self.formerLineage = formerLineage
        self.formerTerm = formerTerm
        self.formerInSync = formerInSync
        self.lineage = lineage
        self.term = term
    }
}
