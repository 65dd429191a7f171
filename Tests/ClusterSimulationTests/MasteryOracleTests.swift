import Coordination
import Machine
import Simulation
import Testing

@testable import ClusterSimulation

/// Transactions as the ensemble commits them, of masters that keep to their epoch and of those that do not.
@Suite struct MasteryOracleTests {
    private func takesOffice(_ version: Int32) -> [MultiOperation] {
        [.set(path: Paths.serverEpoch, data: [], version: version - 1)]
    }

    private func names(_ epoch: Int32) -> [MultiOperation] {
        [
            .check(path: Paths.serverEpoch, version: epoch),
            .set(path: Paths.primary(ofGroup: "alpha"), data: [], version: -1),
        ]
    }

    @Test func mastersOneAfterTheOtherAreRight() {
        var oracle = MasteryOracle()
        #expect(oracle.look(takesOffice(1), of: 7) == nil)
        #expect(oracle.look(names(1), of: 7) == nil)
        #expect(oracle.look(takesOffice(2), of: 8) == nil)
        #expect(oracle.look(names(2), of: 8) == nil)
        // Other writes are anybody's.
        #expect(oracle.look([.set(path: Paths.config(ofGroup: "alpha"), data: [], version: 3)], of: 7) == nil)
        #expect(oracle.epochs == 2)
    }

    @Test func anotherSessionUnderTheSameEpochIsWrong() {
        var oracle = MasteryOracle()
        #expect(oracle.look(takesOffice(1), of: 7) == nil)
        #expect(oracle.look(names(1), of: 8)?.invariant == "one master writes per epoch")
    }

    @Test func aDeposedMasterThatDoesNotCheckItsEpochIsSeen() {
        var oracle = MasteryOracle()
        #expect(oracle.look(takesOffice(1), of: 7) == nil)
        #expect(oracle.look(takesOffice(2), of: 8) == nil)
        #expect(oracle.look(names(-1), of: 7)?.invariant == "only the newest master writes")
    }
}
