import Machine

/// What nodes say to each other. Messages may be lost, and links break; within one link they keep their order.
///
/// A reference in size: from a machine to the wire and back it is moved many times, and looked at once.
public indirect enum PeerMessage: Hashable, Sendable {
    /// Primary to every other registered store of its group; with no entries it is a heartbeat.
    case append(Append)
    case appendReply(AppendReply)
    /// Primary to a learner that cannot be fed from the log. Answered by `appendReply`.
    case copyPiece(CopyPiece)
    /// Server to primary: a client's request on its way to the owner of its key.
    case forward(id: UInt64, KeyRequest)
    case forwardReply(id: UInt64, ClientReply)
    /// Server to primary: an operator wants it to hand over. Answered by `forwardReply`.
    case transfer(id: UInt64, TransferRequest)
    /// A server passes an operator's recovery on to the master.
    case recover(id: UInt64, RecoverRequest)
    case statusQuery(id: UInt64)
    case statusReply(id: UInt64, ReplicaStatus)
    /// In-sync standby to master: it does not hear its primary.
    case suspicion(Suspicion)
    /// Master to a data node: who is there?
    case probe(id: UInt64)
    case probeReply(ProbeReply)
    /// A primary that does not hear a standby, to the master: does anybody hear *this* node? Any server answers.
    case ping(id: UInt64)
    case pong(id: UInt64)
}

/// Log entries on their way from a primary to another store.
public struct Append: Hashable, Sendable {
    /// Nobody asks for a longer promise, and nobody gives one, whatever a message or a log says.
    public static let longestLease = Nanoseconds.seconds(60)

    public var group: String
    public var lineage: Lineage
    /// The sender's term.
    public var term: UInt64
    public var from: MemberID
    /// The number of the life that this is meant for; any other life of that address drops it.
    public var to: UInt64
    /// The entry right before `entries`; it must be in the receiver's log.
    public var previous: Position
    public var entries: [Entry]
    /// The sender's commit mark.
    public var commit: UInt64
    /// The sender's clock when it sent this, in nanoseconds; echoed in the reply, meaningless to anybody else.
    public var sentAt: Int64
    /// How long the receiver promises, from its reply on, not to serve as primary.
    public var lease: Nanoseconds
    /// The sender's newest round of confirmed reads; echoed in the reply, so that it tells which reads this was sent after.
    public var round: UInt64

    public init(
        group: String, lineage: Lineage, term: UInt64, from: MemberID, to: UInt64, previous: Position, entries: [Entry],
        commit: UInt64, sentAt: Int64, lease: Nanoseconds, round: UInt64 = 0
    ) {
        self.group = group
        self.lineage = lineage
        self.term = term
        self.from = from
        self.to = to
        self.previous = previous
        self.entries = entries
        self.commit = commit
        self.sentAt = sentAt
        self.lease = lease
        self.round = round
    }
}

public struct AppendReply: Hashable, Sendable {
    public var group: String
    /// The replier's current term; one above the primary's means that it is no longer primary.
    public var term: UInt64
    public var from: MemberID
    /// The last synced sequence number that passed the check of its predecessor in this term; never the bare end of the log.
    public var verified: UInt64
    /// `sentAt` of the newest append or piece of a copy that this answers.
    public var echo: Int64
    /// `round` of the same append.
    public var round: UInt64
    public var outcome: Outcome

    public enum Outcome: Hashable, Sendable {
        /// The reply is also the promise that the append's `lease` asked for.
        case accepted
        /// The sender's term is over.
        case olderTerm
        /// The entry before the append is not in the log. The newest runs of the replier's log, oldest first.
        case mismatch(last: Position, runs: [TermRun])
        /// The replier is rewriting its log: try again.
        case busy
        /// The replier takes a copy: of that one it has got the pieces below `received`, and written those below `written`. The
        /// end counts as written once the copy has taken the log's place.
        case copying(copy: UInt64, received: UInt64, written: UInt64)
        /// The replier holds another history and takes nothing.
        case otherLineage(Lineage)
    }

    public init(
        group: String, term: UInt64, from: MemberID, verified: UInt64, echo: Int64, round: UInt64 = 0, outcome: Outcome
    ) {
        self.group = group
        self.term = term
        self.from = from
        self.verified = verified
        self.echo = echo
        self.round = round
        self.outcome = outcome
    }
}

/// What an in-sync standby tells the master when its promise has run out and the primary was not heard. Repeated for as long
/// as that stays so.
public struct Suspicion: Hashable, Sendable {
    public var group: String
    /// The primary's term, by the standby's view of the group's configuration.
    public var term: UInt64
    public var primary: MemberID
    /// The standby.
    public var by: MemberID
    /// For how long it has not heard the primary.
    public var silence: Nanoseconds

    public init(group: String, term: UInt64, primary: MemberID, by: MemberID, silence: Nanoseconds) {
        self.group = group
        self.term = term
        self.primary = primary
        self.by = by
        self.silence = silence
    }
}

/// A data node's answer to the master's probe. It is given by the machine itself, so a process that hangs gives none.
public struct ProbeReply: Hashable, Sendable {
    public var id: UInt64
    public var group: String
    /// The life that answers; its number is 0 while it is not registered.
    public var member: MemberID
    /// The term of which this life is the primary, in office or on the way there; 0 where it is none.
    public var term: UInt64
    /// Whether it has a ZooKeeper session that is connected: without one a primary cannot shrink its in-sync set.
    public var coordinated: Bool
    /// How many living standbys that do not hear it are a reason to replace it, because it would have to go on with fewer than
    /// minsync; 0: none are.
    public var yieldsTo: UInt64

    public init(id: UInt64, group: String, member: MemberID, term: UInt64, coordinated: Bool, yieldsTo: UInt64 = 0) {
        self.id = id
        self.group = group
        self.member = member
        self.term = term
        self.coordinated = coordinated
        self.yieldsTo = yieldsTo
    }
}
