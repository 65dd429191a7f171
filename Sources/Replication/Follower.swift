import Coordination
import Machine
import Storage
import Wire

/// # The receiving side of replication
///
/// A standby or a learner (it does not know which, and need not) takes entries from the primary of its current term into
/// its log, and acks what is synced.
///
/// Promises:
/// - No ack of a lower term leaves once a term was adopted, and the adoption is durable before the first ack of the term.
/// - An ack names the last *synced* entry *that passed the check of its predecessor in this term*, never the bare end of the
///   log: the end may still hold entries that the new primary never had.
/// - The log is cut only where an entry of a different term stands in an entry's place, and never below the commit mark.
///
/// Acks go out once per batch, and again when a sync moved the end of what is verified: a heartbeat's answer (a promise)
/// never waits for an fsync.
public struct Follower: Sendable {
    /// Runs of the log that a mismatch reply carries at most.
    static let reportedRuns = 4096

    let group: String
    let me: MemberID
    /// The primary of the current term as far as it has spoken.
    private(set) public var primary: (member: MemberID, address: Address, term: UInt64)?
    /// End of what passed the check in the primary's term, synced or not.
    var verifiedEnd: UInt64 = 0
    /// What was told last, so that a sync which moves nothing says nothing.
    private(set) var told: UInt64 = 0
    /// The log's write mark that must be durable before anything of this term is acked: its adoption, and the lease that acks promise.
    private var adoptionMark: UInt64 = 0
    /// How far the primary has committed, as it said last.
    private var primaryCommit: UInt64 = 0
    /// The newest append or piece of a copy that is not answered yet.
    var owed: (echo: Echo, lease: Nanoseconds, outcome: AppendReply.Outcome)?
    private var newestEcho: (echo: Echo, lease: Nanoseconds)?
    /// When the newest append of this term was sent, by the primary's clock.
    var newestAppend = Int64.min
    /// The copy that is being taken, or was taken last in this term, as long as no append came after it.
    var copy: CopyReceipt?

    /// What a reply repeats of its append, so that the primary can tell which one it answers.
    struct Echo: Hashable, Sendable {
        var sentAt: Int64
        var round: UInt64
    }

    /// Who speaks as primary.
    struct Sender {
        var member: MemberID
        var address: Address
        var lineage: Lineage
        var term: UInt64
        var echo: Echo
    }

    public init(group: String, me: MemberID) {
        self.group = group
        self.me = me
    }

    /// When the primary was last heard.
    public private(set) var heardAt: Instant?

    /// What came of an append.
    public enum Verdict: Equatable {
        case taken
        /// Not for this life, malformed, or of a term that is over.
        case dropped
        /// This store must not go on: one line for the operator.
        case broken(String)
    }

    /// An append arrived. `address` is where its sender can be reached.
    public mutating func received(
        _ append: Append, from address: Address, store: inout LogStore, now: Instant, into effects: inout Sink
    ) -> Verdict {
        guard append.group == group, append.to == me.number, append.from != me, isWellFormed(append, store) else {
            if append.group == group, append.to != me.number { effects.reached(.appendForAnotherLife) }
            return .dropped
        }
        let sender = Sender(
            member: append.from, address: address, lineage: append.lineage, term: append.term, echo: Echo(append))
        guard accepts(sender, store: &store, now: now, into: &effects) else { return .dropped }
        return take(append, store: &store, into: &effects)
    }

    /// Whether this is the primary of the term that is followed, from now on at least.
    mutating func accepts(_ sender: Sender, store: inout LogStore, now: Instant, into effects: inout Sink) -> Bool {
        // Before anything about terms: those of different histories cannot be compared.
        if let other = otherHistory(sender.lineage, own: store.lineage, last: store.last) {
            refuse(sender, .otherLineage(other), store: store, into: &effects)
            return false
        }
        guard sender.term >= store.adoptedTerm else {
            effects.reached(.appendOfOlderTermRefused)
            refuse(sender, .olderTerm, store: store, into: &effects)
            return false
        }
        if let known = primary, known.term == sender.term, known.member != sender.member {
            effects.log(
                .error, "append from a second primary of one term was dropped",
                [LogField("term", sender.term), LogField("known", known.member), LogField("sender", sender.member)]
            )
            return false
        }
        if primary?.term != sender.term {
            // While the log is being rewritten nothing can be made durable, a term neither; the primary tries again.
            guard !store.isRewriting else { return false }
            if let primary, sender.term > primary.term { effects.reached(.higherTermFollowed) }
            follow(sender, store: &store, into: &effects)
        }
        primary?.address = sender.address
        heardAt = now
        return true
    }

    private func refuse(_ sender: Sender, _ outcome: AppendReply.Outcome, store: LogStore, into effects: inout Sink) {
        reply(
            to: sender.address, term: store.adoptedTerm, verified: 0, echo: sender.echo, outcome: outcome, into: &effects)
    }

    /// The store's own history where it is not the sender's; imported data is nobody's history but its own, and is never
    /// overwritten.
    private func otherHistory(_ lineage: Lineage, own: Lineage?, last: Position) -> Lineage? {
        if let own { return own == lineage ? nil : own }
        return last.seq > 0 ? Lineage("") : nil
    }

    /// A higher term begins: durably, before anything else of it.
    private mutating func follow(_ sender: Sender, store: inout LogStore, into effects: inout Sink) {
        dropCopy(store: &store, into: &effects)
        newestAppend = Int64.min
        if store.lineage == nil { adoptionMark = store.set(lineage: sender.lineage) }
        if sender.term > store.adoptedTerm { adoptionMark = store.adopt(term: sender.term) }
        adoptionMark = max(adoptionMark, store.demandSync())
        primary = (sender.member, sender.address, sender.term)
        verifiedEnd = 0
        told = 0
        primaryCommit = 0
        owed = nil
        newestEcho = nil
    }

    private mutating func take(_ append: Append, store: inout LogStore, into effects: inout Sink) -> Verdict {
        if let copy, append.sentAt < copy.newest { return .dropped }
        newestAppend = max(newestAppend, append.sentAt)
        guard !store.isRewriting else {
            effects.reached(.appendDuringRewrite)
            owed = (Echo(append), append.lease, .busy)
            return .dropped
        }
        // Who is sent appends is sent no copy.
        if copy != nil { dropCopy(store: &store, into: &effects) }
        if append.lease > store.longestLease {
            // A later life of this store must know how long it may be bound, whatever it is set to itself.
            effects.reached(.longerLeaseRemembered)
            adoptionMark = max(adoptionMark, store.remember(lease: append.lease))
        }
        guard store.term(at: append.previous.seq) == append.previous.term else {
            effects.reached(.appendDidNotFit)
            let runs = store.runs.suffix(Follower.reportedRuns)
            owed = (Echo(append), append.lease, .mismatch(last: store.last, runs: Array(runs)))
            return .dropped
        }
        for entry in append.entries {
            if let term = store.term(at: entry.position.seq) {
                if term == entry.position.term {
                    effects.reached(.entriesRepeated)
                    continue
                }
                let keep = entry.position.seq - 1
                guard keep >= store.commit else {
                    return .broken(
                        "primary \(append.from) of term \(append.term) asks for \(entry.position) where the committed entry "
                            + "\(term):\(entry.position.seq) stands; the commit mark is \(store.commit)"
                    )
                }
                effects.log(
                    .notice, "log parts from the primary's and is cut",
                    [
                        LogField("after", keep), LogField("end", store.last), LogField("term", append.term),
                        LogField("commit", store.commit),
                    ]
                )
                effects.reached(.logCutAtDivergence)
                store.truncate(after: keep, into: &effects)
                owed = (Echo(append), append.lease, .busy)
                return .taken
            }
            store.append(entry)
        }
        verifiedEnd = max(verifiedEnd, append.previous.seq + UInt64(append.entries.count))
        primaryCommit = max(primaryCommit, append.commit)
        owed = (Echo(append), append.lease, .accepted)
        newestEcho = (Echo(append), append.lease)
        return .taken
    }

    /// Answers what the batch brought, and tells of what a sync has verified since.
    public mutating func batchEnded(store: inout LogStore, promise: inout Promise, now: Instant, into effects: inout Sink) {
        guard let primary, store.adoptedTerm == primary.term, store.durableMark >= adoptionMark else { return }
        let verified = min(verifiedEnd, store.durable)
        // What is only in memory here is not committed here, whoever else has it: a crash would take the mark back.
        if primaryCommit > verified { effects.reached(.commitWaitedForOwnSync) }
        if min(primaryCommit, verified) > store.commit { _ = store.commit(through: min(primaryCommit, verified)) }
        if copy != nil { copyAdvanced(written: store.copyTaken?.written) }
        if owed == nil, verified > told, copy == nil, let newest = newestEcho { owed = (newest.echo, newest.lease, .accepted) }
        guard let answer = owed else { return }
        owed = nil
        if case .copying = answer.outcome {} else { told = verified }
        if answer.outcome == .accepted {
            promise.give(
                to: GroupConfig.Office(number: primary.member.number, term: primary.term), for: answer.lease, now: now)
        }
        reply(
            to: primary.address, term: primary.term, verified: verified, echo: answer.echo, outcome: answer.outcome,
            into: &effects
        )
    }

    private func reply(
        to address: Address, term: UInt64, verified: UInt64, echo: Echo, outcome: AppendReply.Outcome, into effects: inout Sink
    ) {
        let reply = AppendReply(
            group: group, term: term, from: me, verified: verified, echo: echo.sentAt, round: echo.round, outcome: outcome)
        effects.append(.send(.appendReply(reply), to: address))
    }

    /// Bytes from a peer are outside input: entries must follow each other, and no term may run ahead of the sender's.
    private func isWellFormed(_ append: Append, _ store: LogStore) -> Bool {
        guard append.term > 0, append.previous.term <= append.term, append.lease.count >= 0,
            append.lease <= Append.longestLease, (append.previous.seq == 0) == (append.previous == .zero)
        else { return false }
        var before = append.previous
        for entry in append.entries {
            guard entry.position.seq == before.seq &+ 1, entry.position.term >= before.term, entry.position.term <= append.term,
                entry.isConsistent, store.fits(entry.operation)
            else { return false }
            before = entry.position
        }
        return true
    }
}

extension Follower.Echo {
    init(_ append: Append) { self.init(sentAt: append.sentAt, round: append.round) }
}
