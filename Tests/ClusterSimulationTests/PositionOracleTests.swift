import Machine
import Testing
import Wire

@testable import ClusterSimulation

@Suite struct PositionOracleTests {
    /// k = a, then l = x, then k = b, then no k.
    private let committed: [EntryIdentity] = [
        .beginTerm, .put(key: [1], value: [10]), .put(key: [2], value: [30]), .put(key: [1], value: [11]), .delete(key: [1]),
    ].enumerated().map { index, operation in
        EntryIdentity(Entry(position: Position(term: 1, seq: UInt64(index + 1)), operation: operation))
    }

    private func position(_ seq: UInt64, _ lineage: String = "l") -> GroupPosition {
        GroupPosition(group: "alpha", lineage: Lineage(lineage), seq: seq)
    }

    private func judge(
        _ value: [UInt8]?, of key: [UInt8] = [1], at seq: UInt64, atLeast: GroupPosition? = nil, knowing count: Int = 5
    ) -> String? {
        var oracle = PositionOracle(groups: 1)
        return oracle.answered(
            value, of: key, at: position(seq), atLeast: atLeast, group: 0, committed: Array(committed.prefix(count)), to: "c"
        )?.invariant
    }

    @Test func theStateAtThePositionIsRight() {
        #expect(judge(nil, at: 0) == nil)
        #expect(judge([10], at: 2) == nil)
        #expect(judge([10], at: 3) == nil)
        #expect(judge([11], at: 4) == nil)
        #expect(judge(nil, at: 5) == nil)
        #expect(judge([30], of: [2], at: 5) == nil)
        #expect(judge(nil, of: [3], at: 5) == nil)
    }

    @Test func anEarlierOrLaterStateIsSeen() {
        let wrong = "reads return the state at the position that they name"
        #expect(judge([10], at: 4) == wrong)
        #expect(judge([11], at: 3) == wrong)
        #expect(judge([11], at: 5) == wrong)
        #expect(judge(nil, at: 4) == wrong)
        #expect(judge([30], at: 4) == wrong)
    }

    @Test func whatIsNotCommittedIsSeen() {
        #expect(judge([11], at: 4, knowing: 3) == "answers come from what is committed")
    }

    @Test func aDemandThatIsNotMetIsSeen() {
        #expect(judge([11], at: 4, atLeast: position(4)) == nil)
        #expect(judge([10], at: 3, atLeast: position(4)) == "stale reads are not below the position that they demand")
        #expect(judge([11], at: 4, atLeast: position(2, "m")) == "stale reads are not below the position that they demand")
    }

    @Test func anotherHistoryIsSeen() {
        var oracle = PositionOracle(groups: 1)
        for (lineage, invariant) in [("l", nil), ("m", "a group has one history")] {
            let found = oracle.answered(
                nil, of: [3], at: position(1, lineage), atLeast: nil, group: 0, committed: committed, to: "c")
            #expect(found?.invariant == invariant)
        }
    }
}
