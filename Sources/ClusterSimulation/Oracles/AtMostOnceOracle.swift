import Machine
import Simulation
import Wire

// Property: a mutation of a client session takes effect at most once, however often it is sent; every answer to it says the same;
// and a session that is not open has no effect.

/// What each group has executed of each client session, by its committed entries, and what clients were told of it.
struct AtMostOnceOracle: Sendable {
    private struct Mutation: Hashable {
        var group: Int
        var session: SessionID
        var sequence: UInt64
    }

    private struct GroupSession: Hashable {
        var group: Int
        var session: SessionID
    }

    private struct Answer: Hashable {
        var result: KeyResult
        var seq: UInt64
    }

    /// The entry of each mutation that was committed.
    private var executed = LookupTable<Mutation, UInt64>()
    private var answers = LookupTable<Mutation, Answer>()
    private var isOpen = LookupTable<GroupSession, Bool>()
    /// How many answers were compared with earlier ones.
    private(set) var compared = 0

    /// A group committed an entry that has to do with sessions.
    mutating func committed(_ event: SessionEvent, at position: Position, group: Int) -> Violation? {
        switch event {
        case .opens: isOpen[GroupSession(group: group, session: SessionID(opened: position))] = true
        case .closes(let session): isOpen[GroupSession(group: group, session: session)] = nil
        case .mutation(let identity):
            guard isOpen[GroupSession(group: group, session: identity.session)] != nil else {
                return Violation(
                    "a session that is not open has no effect",
                    "\(name(identity, group)) was committed as entry \(position.seq), and its session is not open")
            }
            let mutation = Mutation(group: group, session: identity.session, sequence: identity.sequence)
            if let before = executed[mutation] {
                return Violation(
                    "a mutation takes effect at most once",
                    "\(name(identity, group)) was committed as entry \(before), and again as entry \(position.seq)")
            }
            executed[mutation] = position.seq
            return difference(mutation, identity)
        }
        return nil
    }

    private func name(_ identity: RequestIdentity, _ group: Int) -> String {
        "mutation \(identity) of group \(ClusterPlan.groupNames[group % 4])"
    }

    /// A client was told what a mutation has done.
    mutating func answered(_ identity: RequestIdentity, group: Int, _ result: KeyResult, seq: UInt64) -> Violation? {
        let mutation = Mutation(group: group, session: identity.session, sequence: identity.sequence)
        guard let first = answers[mutation] else {
            answers[mutation] = Answer(result: result, seq: seq)
            return difference(mutation, identity)
        }
        compared += 1
        if first == Answer(result: result, seq: seq) { return nil }
        return Violation(
            "repeats are answered alike",
            "\(name(identity, group)) was answered with \(first.result) of entry \(first.seq), and a repeat with \(result) of entry "
                + "\(seq)")
    }

    /// Between what a client was told and what was committed, where both are known. A primary may answer and stop in one step: then
    /// others show what it had committed, later.
    private func difference(_ mutation: Mutation, _ identity: RequestIdentity) -> Violation? {
        guard let entry = executed[mutation], let answer = answers[mutation], answer.seq != entry else { return nil }
        return Violation(
            "a mutation is answered by what was committed",
            "\(name(identity, mutation.group)) was answered as entry \(answer.seq), and was committed as entry \(entry)")
    }
}
