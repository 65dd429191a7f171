import Machine

/// # A consistent copy of a store, on its way to a learner
///
/// What a learner gets that has nothing in common with the primary's log, or is so far behind that the log's tail would be more.
/// The pieces of one copy are numbered from 0 and come in this order: entries, oldest first; the runs of the log; the memories of
/// client sessions; the end. Only with the end does the learner know as of which position the copy is what the group had
/// committed; before, it is nothing.
///
/// The sender speaks to a store either in appends or in pieces of one copy. Whoever gets an append that was sent after a piece
/// knows that its copy is over; who gets a piece that was sent before an append knows that it is late.
public struct CopyPiece: Hashable, Sendable {
    public var group: String
    public var lineage: Lineage
    /// The sender's term.
    public var term: UInt64
    public var from: MemberID
    /// The number of the life that this is meant for.
    public var to: UInt64
    /// Which copy: a sender gives no number twice in one term.
    public var copy: UInt64
    /// The piece's place in the copy. Of `nothing`, the place of the next one.
    public var index: UInt64
    public var content: CopyContent
    /// The sender's clock when it sent this, in nanoseconds; echoed in the reply, and compared with that of its appends.
    public var sentAt: Int64

    public init(
        group: String, lineage: Lineage, term: UInt64, from: MemberID, to: UInt64, copy: UInt64, index: UInt64,
        content: CopyContent, sentAt: Int64
    ) {
        self.group = group
        self.lineage = lineage
        self.term = term
        self.from = from
        self.to = to
        self.copy = copy
        self.index = index
        self.content = content
        self.sentAt = sentAt
    }
}

public enum CopyContent: Hashable, Sendable {
    /// Puts and deletes in the order of the log, each key's last one among them; what was superseded is left out.
    case entries([Entry])
    /// Which term made which entries, from 1 to the copy's position without gaps, in as many pieces as it takes.
    case runs([TermRun])
    /// What is remembered of client sessions as of the copy's position.
    case sessions([SessionMemory])
    case end(CopyEnd)
    /// A sign of life, which asks how far the learner is.
    case nothing
}

public struct CopyEnd: Hashable, Sendable {
    /// The copy is what was committed through here.
    public var position: Position
    /// The highest sequence number of a delete that was left out.
    public var dropped: UInt64

    public init(position: Position, dropped: UInt64) {
        self.position = position
        self.dropped = dropped
    }
}

/// What the replicated state remembers of one client session.
public struct SessionMemory: Hashable, Sendable {
    /// What became of one of its mutations.
    public struct Outcome: Hashable, Sendable {
        public var sequence: UInt64
        /// The entry that did it.
        public var seq: UInt64
        /// Of a delete: whether the key existed. nil: it was a put.
        public var existed: Bool?

        public init(sequence: UInt64, seq: UInt64, existed: Bool?) {
            self.sequence = sequence
            self.seq = seq
            self.existed = existed
        }
    }

    public var session: SessionID
    public var lowestOpen: UInt64
    /// By their sequence numbers, ascending.
    public var outcomes: [Outcome]

    public init(session: SessionID, lowestOpen: UInt64, outcomes: [Outcome]) {
        self.session = session
        self.lowestOpen = lowestOpen
        self.outcomes = outcomes
    }
}
