import Machine
import Testing
import Wire

@testable import ClusterSimulation

@Suite struct AtMostOnceTests {
    private static let session = SessionID(opened: Position(term: 1, seq: 2))
    private static let identity = RequestIdentity(session: session, sequence: 3, lowestOpen: 1)

    /// A group in which the session was opened and the mutation committed as entry 5.
    private func used() -> AtMostOnceOracle {
        var oracle = AtMostOnceOracle()
        #expect(oracle.committed(.opens, at: Position(term: 1, seq: 2), group: 0) == nil)
        #expect(oracle.committed(.mutation(Self.identity), at: Position(term: 1, seq: 5), group: 0) == nil)
        return oracle
    }

    @Test func repeatsThatAreAnsweredAlikeAreRight() {
        var oracle = used()
        for _ in 0..<2 { #expect(oracle.answered(Self.identity, group: 0, .deleted(existed: true), seq: 5) == nil) }
        #expect(oracle.compared == 1)
    }

    @Test func aMutationThatIsCommittedTwiceIsSeen() {
        var oracle = used()
        var other = Self.identity
        other.lowestOpen = 2
        let found = oracle.committed(.mutation(other), at: Position(term: 2, seq: 9), group: 0)
        #expect(found?.invariant == "a mutation takes effect at most once")
        // Another group has sessions of its own.
        #expect(oracle.committed(.opens, at: Position(term: 1, seq: 2), group: 1) == nil)
        #expect(oracle.committed(.mutation(other), at: Position(term: 2, seq: 9), group: 1) == nil)
    }

    @Test func aSessionThatIsNotOpenHasNoEffect() {
        var oracle = used()
        #expect(oracle.committed(.closes(Self.session), at: Position(term: 1, seq: 6), group: 0) == nil)
        var next = Self.identity
        next.sequence = 4
        let found = oracle.committed(.mutation(next), at: Position(term: 1, seq: 7), group: 0)
        #expect(found?.invariant == "a session that is not open has no effect")
    }

    @Test func answersThatDifferAreSeen() {
        for (result, seq) in [(KeyResult.deleted(existed: false), 5), (.deleted(existed: true), 6)] as [(KeyResult, UInt64)] {
            var oracle = AtMostOnceOracle()
            #expect(oracle.answered(Self.identity, group: 0, .deleted(existed: true), seq: 5) == nil)
            #expect(oracle.answered(Self.identity, group: 0, result, seq: seq)?.invariant == "repeats are answered alike")
        }
    }

    @Test func anAnswerThatIsNotWhatWasCommittedIsSeenWhicheverComesFirst() {
        var late = used()
        let wrong = "a mutation is answered by what was committed"
        #expect(late.answered(Self.identity, group: 0, .put, seq: 6)?.invariant == wrong)
        var early = AtMostOnceOracle()
        #expect(early.committed(.opens, at: Position(term: 1, seq: 2), group: 0) == nil)
        #expect(early.answered(Self.identity, group: 0, .put, seq: 6) == nil)
        #expect(early.committed(.mutation(Self.identity), at: Position(term: 1, seq: 5), group: 0)?.invariant == wrong)
    }

    /// What is read from a log's file is what its entries are.
    @Test func entriesAndTheirRecordsHaveTheSameIdentity() {
        let entries = [
            Entry(position: Position(term: 1, seq: 2), operation: .openSession),
            Entry(position: Position(term: 1, seq: 3), operation: .put(key: [1], value: [2]), identity: Self.identity),
            Entry(position: Position(term: 1, seq: 4), operation: .delete(key: [1]), identity: Self.identity),
            Entry(position: Position(term: 1, seq: 5), operation: .closeSession(Self.session)),
            Entry(position: Position(term: 1, seq: 6), operation: .delete(key: [1])),
        ]
        let identities = entries.map { EntryIdentity($0) }
        #expect(identities == entries.map { EntryIdentity(LogImage.Record($0)) })
        #expect(
            identities.map(\.memory)
                == [.opens, .mutation(Self.identity), .mutation(Self.identity), .closes(Self.session), nil])
        #expect(identities[2] != identities[4])
    }
}
