import Machine
import Simulation
import Testing
import Wire

@testable import ClusterSimulation

/// The copied part of a log against what its group committed: right ones, and each way to be wrong.
@Suite struct CopyOracleTests {
    private static let session = SessionID(opened: Position(term: 1, seq: 2))

    private static func entry(_ term: UInt64, _ seq: UInt64, _ operation: Operation, _ sequence: UInt64? = nil) -> Entry {
        let identity = sequence.map { RequestIdentity(session: session, sequence: $0, lowestOpen: 1) }
        return Entry(position: Position(term: term, seq: seq), operation: operation, identity: identity)
    }

    private static func put(_ key: String, _ value: String) -> Operation { StoreWorkloads.put(key, value) }

    /// `b` is deleted, `a` is overwritten; the session did both.
    private let committed = [
        entry(1, 1, .beginTerm), entry(1, 2, .openSession), entry(1, 3, put("a", "1")), entry(1, 4, put("b", "1")),
        entry(1, 5, StoreWorkloads.delete("b"), 1), entry(2, 6, .beginTerm), entry(2, 7, put("a", "2"), 2),
        entry(2, 8, put("c", "3")),
    ]

    private struct Copy {
        var entries = [entry(2, 7, put("a", "2"), 2)]
        var runs = ["1 1 5", "2 6 7"]
        var memories = ["memory 1:2 1", "result 1 5 deleted", "result 2 7 put"]
        var end = "2 7 5"

        var log: LogImage {
            var text = "%aviary 2 x 01234567\n%copy 01234567\n"
            for entry in entries {
                let record = LogImage.Record(entry)
                text += String(decoding: record.content, as: UTF8.self) + "\n"
                text += "# \(record.term) \(record.seq) 0 0 \(String(decoding: record.identity, as: UTF8.self)) 01234567\n"
                    .replacing("  ", with: " ")
            }
            for line in runs { text += "%run \(line) 01234567\n" }
            for line in memories { text += "%\(line) 01234567\n" }
            text += "%copied \(end) 01234567\nYw==\nMw==\n# 2 8 7 7 01234567\n"
            return LogImage(Array(text.utf8))
        }
    }

    private func difference(_ change: (inout Copy) -> Void = { _ in }) -> String? {
        var copy = Copy()
        change(&copy)
        return CopyOracle.difference(copy.log, process: 0, committed: committed.map { EntryIdentity($0) })?.invariant
    }

    @Test func theStateAtItsPositionIsRight() {
        #expect(difference() == nil)
        #expect(Copy().log.copiedThrough == 7 && Copy().log.ownPart.map(\.seq) == [8])
        // What was superseded may be there.
        #expect(difference { $0.entries.insert(committed[2], at: 0) } == nil)
    }

    @Test func anyOtherIsSeen() {
        let wrong = "a copy is the state at its position"
        #expect(difference { $0.entries = [] } == wrong, "a key is missing")
        #expect(difference { $0.entries = [committed[2]] } == wrong, "a key has an older value")
        #expect(difference { $0.entries.insert(committed[3], at: 0) } == wrong, "a deleted key is there")
        #expect(difference { $0.entries[0].operation = Self.put("a", "other") } == wrong, "another value")
        #expect(difference { $0.entries[0].position.term = 1 } == wrong, "another term")
        #expect(difference { $0.entries.append(committed[7]) } == wrong, "an entry after the end")
        #expect(difference { $0.end = "2 9 5" } == wrong, "more than was committed")
        #expect(difference { $0.runs = ["1 1 4", "2 5 7"] } == wrong, "other runs")
        #expect(difference { $0.runs = ["1 1 5"] } == wrong, "a run is missing")
        #expect(difference { $0.memories = [] } == wrong, "a session is forgotten")
        #expect(difference { $0.memories.removeLast() } == wrong, "a result is forgotten")
        #expect(difference { $0.memories[1] = "result 1 5 missing" } == wrong, "another result")
    }

    @Test func aCopyTakesTheLogsPlaceOnlyWhereNothingCommittedIsLost() {
        let identities = committed.map { EntryIdentity($0) }
        for commit in [7, 8] as [UInt64] {
            var oracle = CommittedPrefixOracle(processes: 1, groups: 1)
            #expect(oracle.opened(0, group: 0, life: 1, log: identities, commit: commit) == nil)
            #expect(oracle.isNews(0, life: 1, isOpen: true, oldest: 8, last: 8, commit: 7))
            #expect(oracle.isOpening(0, life: 1, oldest: 8))
            let found = oracle.opened(0, group: 0, life: 1, copied: Copy().log, log: [identities[7]], commit: 7)
            #expect(found?.invariant == (commit == 7 ? nil : "committed entries stay"))
        }
    }
}
