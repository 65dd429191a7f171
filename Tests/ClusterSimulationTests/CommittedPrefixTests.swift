import Machine
import Simulation
import Testing
import Wire

@testable import ClusterSimulation

@Suite struct CommittedPrefixTests {
    private func entry(_ term: UInt64, _ seq: UInt64, _ value: String) -> EntryIdentity {
        EntryIdentity(
            Entry(
                position: Position(term: term, seq: seq), operation: .put(key: Array("k".utf8), value: Array(value.utf8))))
    }

    /// Two stores of one group, open and empty.
    private func twoStores() -> CommittedPrefixOracle {
        var oracle = CommittedPrefixOracle(processes: 2, groups: 1)
        for process in 0..<2 { #expect(oracle.opened(process, group: 0, life: 1, log: [], commit: 0) == nil) }
        return oracle
    }

    @Test func storesThatCommitTheSameAreRight() {
        var oracle = twoStores()
        let log = [entry(1, 1, "a"), entry(1, 2, "b"), entry(2, 3, "c")]
        #expect(oracle.stepped(0, group: 0, last: 3, entries: log, commit: 2) == nil)
        #expect(oracle.stepped(1, group: 0, last: 1, entries: [log[0]], commit: 1) == nil)
        #expect(oracle.known(1, last: 3) == 1)
        #expect(oracle.stepped(1, group: 0, last: 3, entries: [log[1], log[2]], commit: 3) == nil)
        #expect(oracle.stepped(0, group: 0, last: 3, entries: [], commit: 3) == nil)
        #expect(oracle.compared == 3)
    }

    @Test func anotherEntryAtACommittedPlaceIsSeen() {
        for wrong in [entry(1, 2, "x"), entry(2, 2, "b")] {
            var oracle = twoStores()
            #expect(oracle.stepped(0, group: 0, last: 2, entries: [entry(1, 1, "a"), entry(1, 2, "b")], commit: 2) == nil)
            // Not yet while it is in a log only.
            #expect(oracle.stepped(1, group: 0, last: 2, entries: [entry(1, 1, "a"), wrong], commit: 1) == nil)
            let found = oracle.stepped(1, group: 0, last: 2, entries: [], commit: 2)
            #expect(found?.invariant == "stores agree on the committed prefix")
        }
    }

    @Test func whatFewerThanMinSyncHoldIsSeen() {
        for holders in 1...2 {
            var oracle = CommittedPrefixOracle(processes: 2, groups: 1, minSync: 2)
            for process in 0..<2 { #expect(oracle.opened(process, group: 0, life: 1, log: [], commit: 0) == nil) }
            let begin = EntryIdentity(Entry(position: Position(term: 2, seq: 2), operation: .beginTerm))
            let log = [entry(1, 1, "inherited"), begin]
            #expect(oracle.stepped(0, group: 0, last: 2, entries: log, commit: 2) == nil)
            let new = [entry(2, 3, "new")]
            if holders == 2 { #expect(oracle.stepped(1, group: 0, last: 3, entries: log + new, commit: 0) == nil) }
            let found = oracle.stepped(0, group: 0, last: 3, entries: new, commit: 3)
            #expect(found?.invariant == (holders == 2 ? nil : "minsync stores hold what is committed"))
        }
    }

    /// Its ack was on the way when it lost its disk (seed 6206).
    @Test func aStoreHasHeldWhatItAckedThoughItsDiskWasLostSince() {
        for hadIt in [true, false] {
            var oracle = CommittedPrefixOracle(processes: 2, groups: 1, minSync: 2)
            for process in 0..<2 { #expect(oracle.opened(process, group: 0, life: 1, log: [], commit: 0) == nil) }
            let log = [entry(1, 1, "a"), entry(1, 2, "b")]
            #expect(oracle.stepped(0, group: 0, last: 2, entries: log, commit: 0) == nil)
            if hadIt { #expect(oracle.stepped(1, group: 0, last: 2, entries: log, commit: 0) == nil) }
            oracle.closed(1, life: 1)
            #expect(oracle.opened(1, group: 0, life: 2, log: [], commit: 0) == nil)
            #expect(oracle.stepped(1, group: 0, last: 1, entries: [log[0]], commit: 0) == nil)
            let found = oracle.stepped(0, group: 0, last: 2, entries: [], commit: 2)
            #expect(found?.invariant == (hadIt ? nil : "minsync stores hold what is committed"))
        }
    }

    /// The next primary has taken office with the entry, and the former one, who has not heard, gets its ack (seed 195664).
    @Test func aStoreHoldsWhatItAckedThoughItWentOnInALaterTerm() {
        for hadIt in [true, false] {
            var oracle = CommittedPrefixOracle(processes: 2, groups: 1, minSync: 2)
            for process in 0..<2 { #expect(oracle.opened(process, group: 0, life: 1, log: [], commit: 0) == nil) }
            let log = [entry(1, 1, "a"), entry(1, 2, "b")]
            #expect(oracle.stepped(0, group: 0, last: 2, entries: log, commit: 0) == nil)
            let held = hadIt ? log : [log[0]]
            let begin = EntryIdentity(
                Entry(position: Position(term: 2, seq: UInt64(held.count) + 1), operation: .beginTerm))
            #expect(oracle.stepped(1, group: 0, last: UInt64(held.count), entries: held, commit: 0) == nil)
            #expect(oracle.stepped(1, group: 0, last: UInt64(held.count) + 1, entries: [begin], commit: 0) == nil)
            let found = oracle.stepped(0, group: 0, last: 2, entries: [], commit: 2)
            #expect(found?.invariant == (hadIt ? nil : "minsync stores hold what is committed"))
        }
    }

    /// A learner of the new history hears first of what the old one had committed (seed 8687).
    @Test func aNewHistoryBeginsWithWhatTheOldOneHadNotCommitted() {
        var oracle = twoStores()
        let log = [entry(1, 1, "a"), entry(1, 2, "b")]
        #expect(oracle.stepped(0, group: 0, last: 2, entries: log, commit: 2) == nil)
        oracle.historyEnded(0, former: [])
        #expect(oracle.stepped(1, group: 0, last: 1, entries: [log[0]], commit: 1) == nil)
        #expect(oracle.takeBegun() == nil)
        #expect(oracle.stepped(0, group: 0, last: 3, entries: [entry(2, 3, "new")], commit: 3) == nil)
        #expect(oracle.takeBegun() == 0)
        #expect(oracle.committed[0].count == 3)
        let found = oracle.stepped(1, group: 0, last: 5, entries: (2...5).map { entry(3, $0, "z") }, commit: 5)
        #expect(found?.invariant == "stores agree on the committed prefix")
    }

    @Test func whatIsNotCommittedMayBeReplaced() {
        var oracle = twoStores()
        #expect(oracle.stepped(0, group: 0, last: 2, entries: [entry(1, 1, "a"), entry(2, 2, "new")], commit: 2) == nil)
        #expect(oracle.stepped(1, group: 0, last: 2, entries: [entry(1, 1, "a"), entry(1, 2, "old")], commit: 1) == nil)
        #expect(oracle.stepped(1, group: 0, last: 1, entries: [], commit: 1) == nil)
        #expect(oracle.stepped(1, group: 0, last: 2, entries: [entry(2, 2, "new")], commit: 2) == nil)
        #expect(oracle.stepped(1, group: 0, last: 1, entries: [], commit: 2)?.invariant == "committed entries stay")
    }

    @Test func aStoreThatOpensIsComparedFromItsFile() {
        var oracle = twoStores()
        let log = [entry(1, 1, "a"), entry(1, 2, "b")]
        #expect(oracle.stepped(0, group: 0, last: 2, entries: log, commit: 2) == nil)
        oracle.closed(0, life: 1)
        #expect(oracle.isNews(0, life: 2, isOpen: true, last: 2, commit: 1))
        #expect(oracle.opened(0, group: 0, life: 2, log: log, commit: 1) == nil)
        #expect(!oracle.isNews(0, life: 2, isOpen: true, last: 2, commit: 1))
        #expect(oracle.stepped(0, group: 0, last: 2, entries: [], commit: 2) == nil)
        oracle.closed(0, life: 2)
        let found = oracle.opened(0, group: 0, life: 3, log: [log[0], entry(1, 2, "z")], commit: 2)
        #expect(found?.invariant == "stores agree on the committed prefix")
    }

    /// The same entry has one identity, in memory and in a file.
    @Test func recordsAndEntriesAreComparable() {
        let long = String(repeating: "0123456789", count: 20)
        let operations: [Operation] = [
            .beginTerm, .delete(key: Array("k1".utf8)), .put(key: Array("k1".utf8), value: []),
            .put(key: Array("k1".utf8), value: Array("v".utf8)), .put(key: Array("k1".utf8), value: Array("vv".utf8)),
            .put(key: Array("k12".utf8), value: Array("vvv".utf8)), .put(key: Array("k".utf8), value: Array(long.utf8)),
            .put(key: Array("k".utf8), value: Array((long + "0").utf8)),
        ]
        let lines = [
            "%term 1 1 0 0 x", "azE=\n-\n# 1 2 0 0 x", "azE=\n\n# 1 3 0 0 x", "azE=\ndg==\n# 1 4 0 0 x",
            "azE=\ndnY=\n# 1 5 0 0 x", "azEy\ndnZ2\n# 1 6 0 0 x",
            "aw==\n\(base64(long))\n# 1 7 0 0 x", "aw==\n\(base64(long + "0"))\n# 1 8 0 0 x",
        ]
        let image = LogImage(Array((lines.joined(separator: "\n") + "\n").utf8))
        let identities = operations.enumerated().map { index, operation in
            EntryIdentity(Entry(position: Position(term: 1, seq: UInt64(index + 1)), operation: operation))
        }
        #expect(image.records.map { EntryIdentity($0) } == identities)
        for (index, identity) in identities.enumerated() { #expect(identities.firstIndex(of: identity) == index) }
    }

    private func base64(_ text: String) -> String {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        let bytes = Array(text.utf8)
        var encoded = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let word = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0..<4 { encoded.append(place <= group.count ? alphabet[word >> (18 - 6 * place) & 63] : "=") }
        }
        return encoded
    }
}
