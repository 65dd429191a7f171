import DequeModule
import Machine
import Wire

/// Reads of a primary that trust no clock: each is answered when a round of the in-sync stores that began after it arrived has
/// come back (`Primary+Confirming` says why that is enough).
///
/// At most one round is under way, and at most one gathers: however many reads there are, each store is asked once in the time
/// that an answer takes, and each read waits for less than two of those.
struct ConfirmedReads: Sendable {
    typealias Read = PendingCalls.Read

    /// For the next round.
    private var gathered: Deque<Read> = []
    /// Those of the round that is under way.
    private var asked: Deque<Read> = []
    /// The round that is under way.
    private(set) var round: UInt64?

    var count: Int { gathered.count + asked.count }

    /// Whether reads wait for a round to begin, and none is under way.
    var needsRound: Bool { round == nil && !gathered.isEmpty }

    mutating func add(_ read: Read) { gathered.append(read) }

    /// A round was begun: its messages leave after everything that was gathered had arrived.
    mutating func began(_ round: UInt64) {
        precondition(needsRound, "one round at a time")
        swap(&gathered, &asked)
        self.round = round
    }

    /// The round came back.
    mutating func confirmed(
        at position: GroupPosition, into effects: inout Sink, _ value: (_ key: [UInt8]) -> [UInt8]?
    ) {
        guard round != nil else { return }
        round = nil
        effects.reached(.confirmedRoundCompleted)
        if asked.count > 1 { effects.reached(.confirmedRoundShared) }
        while let read = asked.popFirst() { read.origin.answer(.done(.value(value(read.key)), at: position), into: &effects) }
    }

    /// Reads that arrived before `instant` have waited long enough. The round goes on: who was gathered meanwhile needs another.
    mutating func fail(before instant: Instant, group: String, into effects: inout Sink) {
        ConfirmedReads.fail(&asked, before: instant, group, into: &effects)
        ConfirmedReads.fail(&gathered, before: instant, group, into: &effects)
        // A round that nobody waits for is not waited for.
        if asked.isEmpty { round = nil }
    }

    private static func fail(
        _ reads: inout Deque<Read>, before instant: Instant, _ group: String, into effects: inout Sink
    ) {
        while let read = reads.first, read.arrived < instant {
            reads.removeFirst()
            effects.reached(.confirmedReadRefused)
            let reason = "group \(group): not every in-sync store has confirmed in time who is primary; nothing was read"
            read.origin.fail(.unavailable, reason, into: &effects)
        }
    }

    /// The primary is over.
    mutating func failAll(_ reason: String, into effects: inout Sink) {
        if count > 0 { effects.reached(.confirmedReadCutOff) }
        while let read = asked.popFirst() { read.origin.fail(.unavailable, "\(reason); nothing was read", into: &effects) }
        while let read = gathered.popFirst() { read.origin.fail(.unavailable, "\(reason); nothing was read", into: &effects) }
        round = nil
    }
}

extension DataNode {
    /// Before the messages of a batch leave: whoever waits to be confirmed goes with them.
    mutating func beginRound(into effects: inout Sink) {
        guard pending.confirmed.count > 0 else { return }
        // The answers that came in this batch may have been the last of a round, and then the next begins.
        answerConfirmed(into: &effects)
        if pending.confirmed.needsRound, let round = primary?.beginRound() { pending.confirmed.began(round) }
    }

    mutating func answerConfirmed(into effects: inout Sink) {
        guard let round = pending.confirmed.round, primary?.isConfirmed(round) == true else { return }
        pending.confirmed.confirmed(at: position(store.commit), into: &effects) { store.value(of: $0) }
    }
}
