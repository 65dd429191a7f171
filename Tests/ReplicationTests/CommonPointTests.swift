import Replication
import Testing
import Wire

@Suite("Where two logs part")
struct CommonPointTests {
    private func run(_ term: UInt64, _ first: UInt64, _ last: UInt64) -> TermRun {
        TermRun(term: term, first: first, last: last)
    }

    @Test func anEmptyLogSharesNothing() {
        #expect(CommonPoint.of(own: [run(1, 1, 5)], other: []) == .zero)
        #expect(CommonPoint.of(own: [], other: [run(1, 1, 5)]) == .zero)
    }

    @Test func aShorterLogOfTheSameTermsIsAPrefix() {
        #expect(CommonPoint.of(own: [run(1, 1, 5), run(2, 6, 9)], other: [run(1, 1, 3)]) == Position(term: 1, seq: 3))
    }

    @Test func aLongerSuffixOfAnOlderTermIsCut() {
        // The other store was primary of term 1 and appended 6 and 7 that nobody else has.
        #expect(CommonPoint.of(own: [run(1, 1, 5), run(2, 6, 9)], other: [run(1, 1, 7)]) == Position(term: 1, seq: 5))
    }

    @Test func termsThatOnlyOneHasAreSkipped() {
        let own = [run(1, 1, 4), run(3, 5, 8), run(6, 9, 9)]
        let other = [run(1, 1, 4), run(2, 5, 6), run(3, 7, 7), run(5, 8, 12)]
        // Both claim term 3, but at different places: such logs cannot come to be, and the smaller end is still safe to
        // offer, because the append after it is checked.
        #expect(CommonPoint.of(own: own, other: other).term == 3)
        #expect(CommonPoint.of(own: own, other: [run(1, 1, 4), run(2, 5, 6)]) == Position(term: 1, seq: 4))
    }

    @Test func equalLogsAreCommonToTheirEnd() {
        let runs = [run(0, 1, 10), run(1, 11, 11), run(4, 12, 40)]
        #expect(CommonPoint.of(own: runs, other: runs) == Position(term: 4, seq: 40))
    }

    @Test func importedEntriesAreTermZero() {
        #expect(CommonPoint.of(own: [run(0, 1, 10), run(1, 11, 12)], other: [run(0, 1, 6)]) == Position(term: 0, seq: 6))
    }
}
