import Machine
import Testing
import Wire

@testable import Coordination

@Suite("What a group needs")
struct GroupPlanTests {
    private let config = GroupConfig(
        lineage: Lineage("l"), term: 4, primary: member("a/1"), inSync: [member("a/1"), member("c/3"), member("b/2")])

    private func members(_ stores: [UInt64: StoreRegistration]) -> SortedMap<UInt64, StoreRegistration> {
        var map = SortedMap<UInt64, StoreRegistration>()
        for (number, store) in stores { map[number] = store }
        return map
    }

    private func plan(_ stores: [UInt64: StoreRegistration], _ config: GroupConfig? = nil) -> GroupPlan {
        GroupPlan(config: config ?? self.config, members: members(stores), isRegistered: { stores[$0] != nil })
    }

    @Test func aPrimaryThatIsThereStays() {
        #expect(plan([1: .test("a")]) == .settled)
    }

    private func deposed(
        _ stores: [UInt64: StoreRegistration], heirs: [MemberID], primary: MemberID = member("a/1"), term: UInt64 = 4
    ) -> GroupPlan {
        let gone = Suspicions.Finding(primary: primary, term: term, heirs: heirs, reason: "")
        return GroupPlan(config: config, members: members(stores), gone: gone, isRegistered: { stores[$0] != nil })
    }

    @Test func aPrimaryThatIsThereAndGoneIsDeposedForOneThatIsKnownToLive() {
        let all: [UInt64: StoreRegistration] = [1: .test("a"), 2: .test("b"), 3: .test("c"), 4: .test("d")]
        let others = [member("b/2"), member("c/3")]
        #expect(deposed(all, heirs: [member("c/3")]) == .depose(old: member("a/1"), new: member("c/3"), inSync: others))
        #expect(deposed(all, heirs: others.reversed()) == .depose(old: member("a/1"), new: member("b/2"), inSync: others))
        #expect(
            deposed([1: .test("a"), 3: .test("c")], heirs: [member("c/3")])
                == .depose(old: member("a/1"), new: member("c/3"), inSync: [member("c/3")]))
    }

    @Test func nobodyIsDeposedForSomebodyWhoIsNotInSyncOrNotThereOrInAnotherTerm() {
        let all: [UInt64: StoreRegistration] = [1: .test("a"), 2: .test("b"), 3: .test("c"), 4: .test("d")]
        #expect(deposed(all, heirs: [member("d/4"), member("a/1")]) == .settled)
        #expect(deposed([1: .test("a"), 5: .test("b")], heirs: [member("b/2")]) == .settled)
        #expect(deposed(all, heirs: [member("b/2")], term: 3) == .settled)
        #expect(deposed(all, heirs: [member("b/2")], primary: member("c/3")) == .settled)
    }

    @Test func anInSyncStoreInItsRecordedLifeIsChosen() {
        let chosen = plan([2: .test("b"), 3: .test("c"), 4: .test("d"), 5: .test("a", lineage: "l")])
        #expect(chosen == .replace(old: member("a/1"), new: member("b/2"), inSync: [member("b/2"), member("c/3")]))
    }

    @Test func aLaterLifeOnlyIfNoRecordedOneIsLeftAndOnlyIfWhole() {
        #expect(
            plan([5: .test("b", lineage: "l"), 6: .test("c", lineage: "l"), 7: .test("b", lineage: "l")])
                == .replace(old: member("a/1"), new: member("c/6"), inSync: [member("c/6")]),
            "of the lives of one store only the newest counts")
        for wrong in [
            StoreRegistration.test("b", whole: false, lineage: "l"), .test("b", lineage: "other"), .test("b"),
            .test("d", lineage: "l"),
        ] {
            guard case .stuck(let problem) = plan([5: wrong]) else {
                Issue.record("\(wrong) was chosen")
                continue
            }
            #expect(problem.hasPrefix("no in-sync store is alive"))
        }
    }

    /// It was chosen at bootstrap, and its session ended before it took the lineage up.
    @Test func aSoleStoreThatNeverTookOfficeMayHaveNoLineage() {
        let first = GroupConfig(lineage: Lineage("l"), term: 1, primary: member("a/1"), inSync: [member("a/1")])
        #expect(plan([2: .test("a")], first) == .replace(old: member("a/1"), new: member("a/2"), inSync: [member("a/2")]))
    }

    /// It was chosen by an operator, and its session ended before it took the new lineage up.
    @Test func aSoleStoreThatNeverTookUpANewLineageMayHoldTheOneBefore() {
        let recovered = GroupConfig(
            lineage: Lineage("new"), term: 5, primary: member("a/1"), inSync: [member("a/1")],
            former: [Lineage("older"), Lineage("old")])
        let again = GroupPlan.replace(old: member("a/1"), new: member("a/2"), inSync: [member("a/2")])
        #expect(plan([2: .test("a", lineage: "old")], recovered) == again)
        #expect(plan([2: .test("a", lineage: "new")], recovered) == again)
        for other in ["older", "another"] {
            guard case .stuck = plan([2: .test("a", lineage: other)], recovered) else {
                Issue.record("a store with the history \(other) was chosen")
                continue
            }
        }
    }

    @Test func aWipedStoreIsNeverChosen() {
        // A new disk under the old address: another store.
        guard case .stuck = plan([5: .test("z"), 6: .test("y", lineage: "l", last: Position(term: 9, seq: 99))]) else {
            Issue.record("a store that was not in-sync was chosen")
            return
        }
    }

    @Test func aGroupOfEmptyStoresBeginsWithTheLowestNumber() {
        #expect(GroupPlan(bootstrapping: members([:])) == .settled)
        #expect(
            GroupPlan(bootstrapping: members([4: .test("b"), 2: .test("a")])) == .bootstrap(member("a/2"), isImported: false))
    }

    @Test func importedDataComesFirst() {
        let imported = StoreRegistration.test("c", last: Position(term: 0, seq: 5), keys: true)
        #expect(
            GroupPlan(bootstrapping: members([2: .test("a"), 4: imported])) == .bootstrap(member("c/4"), isImported: true))
        guard case .stuck = GroupPlan(bootstrapping: members([3: imported, 4: imported])) else {
            Issue.record("one of two imports was chosen")
            return
        }
    }

    @Test func anUnknownHistoryIsLeftAlone() {
        let stranger = StoreRegistration.test("c", lineage: "l", last: Position(term: 2, seq: 5), keys: true)
        let cases: [[UInt64: StoreRegistration]] = [
            [2: .test("a"), 4: stranger], [4: stranger], [4: .test("c", last: Position(term: 2, seq: 1))],
        ]
        for stores in cases {
            guard case .stuck = GroupPlan(bootstrapping: members(stores)) else {
                Issue.record("\(stores) was bootstrapped")
                continue
            }
        }
    }
}
