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

    private let group: String
    private let me: MemberID
    /// The primary of the current term as far as it has spoken.
    private(set) public var primary: (member: MemberID, address: Address, term: UInt64)?
    /// End of what passed the check in the primary's term, synced or not.
    private var verifiedEnd: UInt64 = 0
    /// What was told last, so that a sync which moves nothing says nothing.
    private var told: UInt64 = 0
    /// The log's write mark that must be durable before anything of this term is acked: its adoption, and the lease that acks promise.
    private var adoptionMark: UInt64 = 0
    /// How far the primary has committed, as it said last.
    private var primaryCommit: UInt64 = 0
    /// The newest append that is not answered yet.
    private var owed: (echo: Echo, lease: Nanoseconds, outcome: AppendReply.Outcome)?
    private var newestEcho: (echo: Echo, lease: Nanoseconds)?

    /// What a reply repeats of its append, so that the primary can tell which one it answers.
    private struct Echo: Hashable, Sendable {
        var sentAt: Int64
        var round: UInt64

        init(_ append: Append) {
            sentAt = append.sentAt
            round = append.round
        }
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
        // Before anything about terms: those of different histories cannot be compared.
        if let other = otherHistory(append, own: store.lineage, last: store.last) {
            reply(
                to: address, term: store.adoptedTerm, verified: 0, echo: Echo(append), outcome: .otherLineage(other),
                into: &effects
            )
            return .dropped
        }
        guard append.term >= store.adoptedTerm else {
            effects.reached(.appendOfOlderTermRefused)
            reply(to: address, term: store.adoptedTerm, verified: 0, echo: Echo(append), outcome: .olderTerm, into: &effects)
            return .dropped
        }
        if let known = primary, known.term == append.term, known.member != append.from {
            effects.log(
                .error, "append from a second primary of one term was dropped",
                [LogField("term", append.term), LogField("known", known.member), LogField("sender", append.from)]
            )
            return .dropped
        }
        if primary?.term != append.term {
            // While the log is being rewritten nothing can be made durable, a term neither; the primary tries again.
            guard !store.isRewriting else { return .dropped }
            if let primary, append.term > primary.term { effects.reached(.higherTermFollowed) }
            follow(append, at: address, store: &store)
        }
        primary?.address = address
        heardAt = now
        return take(append, store: &store, into: &effects)
    }

    /// The store's own history where it is not the sender's; imported data is nobody's history but its own, and is never
    /// overwritten.
    private func otherHistory(_ append: Append, own: Lineage?, last: Position) -> Lineage? {
        if let own { return own == append.lineage ? nil : own }
        return last.seq > 0 ? Lineage("") : nil
    }

    /// A higher term begins: durably, before anything else of it.
    private mutating func follow(_ append: Append, at address: Address, store: inout LogStore) {
        if store.lineage == nil { adoptionMark = store.set(lineage: append.lineage) }
        if append.term > store.adoptedTerm { adoptionMark = store.adopt(term: append.term) }
        adoptionMark = max(adoptionMark, store.demandSync())
        primary = (append.from, address, append.term)
        verifiedEnd = 0
        told = 0
        primaryCommit = 0
        owed = nil
        newestEcho = nil
    }

    private mutating func take(_ append: Append, store: inout LogStore, into effects: inout Sink) -> Verdict {
        guard !store.isRewriting else {
            effects.reached(.appendDuringRewrite)
            owed = (Echo(append), append.lease, .busy)
            return .dropped
        }
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
        if owed == nil, verified > told, let newest = newestEcho { owed = (newest.echo, newest.lease, .accepted) }
        guard let answer = owed else { return }
        owed = nil
        told = verified
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
