import Coordination
import Machine
import Simulation
import Testing
import Wire

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

    // MARK: Handovers

    private let first = MemberID(store: StoreID("a"), number: 1)
    private let second = MemberID(store: StoreID("b"), number: 2)

    /// A group whose primary, registered by session 9, is the first of two in-sync stores, in term 4.
    private func oracleOfAGroup() -> MasteryOracle {
        var oracle = MasteryOracle()
        let config = GroupConfig(lineage: Lineage("l"), term: 4, primary: first, inSync: [first, second])
        _ = oracle.look(takesOffice(1), of: 7)
        _ = oracle.look([.create(path: "/data/alpha/1", data: [], mode: .ephemeral)], of: 9)
        _ = oracle.look([.create(path: Paths.config(ofGroup: "alpha"), data: config.bytes, mode: .persistent)], of: 7)
        return oracle
    }

    private func handsOver(term: UInt64 = 5, to heir: MemberID, released: GroupConfig.Office?) -> [MultiOperation] {
        let config = GroupConfig(lineage: Lineage("l"), term: term, primary: heir, inSync: [heir], released: released)
        return [
            .set(path: Paths.config(ofGroup: "alpha"), data: config.bytes, version: 0),
            .set(path: Paths.primary(ofGroup: "alpha"), data: config.primaryBytes, version: -1),
        ]
    }

    @Test func aPrimaryMayGiveItsOwnOfficeAway() {
        var oracle = oracleOfAGroup()
        #expect(oracle.look(handsOver(to: second, released: .init(number: 1, term: 4)), of: 9) == nil)
        // It is not the primary any more.
        let again = oracle.look(handsOver(term: 6, to: second, released: .init(number: 1, term: 4)), of: 9)
        #expect(again?.invariant == "only the newest master writes")
    }

    @Test func nobodyGivesAwayAnOfficeThatIsNotItsOwn() {
        let stranger = MemberID(store: StoreID("c"), number: 3)
        let own = GroupConfig.Office(number: 1, term: 4)
        for (operations, session) in [
            (handsOver(to: second, released: own), Int64(8)),
            (handsOver(to: second, released: nil), 9),
            (handsOver(to: second, released: .init(number: 2, term: 4)), 9),
            (handsOver(to: stranger, released: own), 9),
            (handsOver(term: 6, to: second, released: own), 9),
            ([.set(path: Paths.primary(ofGroup: "alpha"), data: [], version: -1)], 9),
        ] {
            var oracle = oracleOfAGroup()
            #expect(oracle.look(operations, of: session)?.invariant == "only the newest master writes")
        }
    }
}
