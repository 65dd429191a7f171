import Machine
import Replication
import Storage
import Testing
import Wire

@Suite("The receiving side of replication")
struct FollowerTests {
    static let me = MemberID(store: StoreID("me"), number: 7)
    static let primary = MemberID(store: StoreID("p"), number: 1)
    static let next = MemberID(store: StoreID("q"), number: 2)
    static let address = Address(host: "p", port: 1)
    let lineage = Lineage("l")
    var disk = StoreInMemory()
    var follower = Follower(group: "g", me: FollowerTests.me)
    var promise = Promise(start: .zero, lease: .zero)
    var now = Instant.zero

    private func entry(_ term: UInt64, _ seq: UInt64) -> Entry {
        Entry(
            position: Position(term: term, seq: seq), operation: .put(key: Array("k\(seq)".utf8), value: Array("t\(term)".utf8))
        )
    }

    private func append(
        term: UInt64, after previous: Position, _ entries: [Entry] = [], commit: UInt64 = 0, from: MemberID = primary,
        sentAt: Int64 = 5, round: UInt64 = 0, lease: Nanoseconds = .milliseconds(400)
    ) -> Append {
        Append(
            group: "g", lineage: lineage, term: term, from: from, to: FollowerTests.me.number, previous: previous,
            entries: entries,
            commit: commit, sentAt: sentAt, lease: lease, round: round
        )
    }

    private mutating func receive(_ append: Append) -> Follower.Verdict {
        follower.received(append, from: FollowerTests.address, store: &disk.store, now: now, into: &disk.sink)
    }

    private mutating func endBatch() -> [AppendReply] {
        follower.batchEnded(store: &disk.store, promise: &promise, now: now, into: &disk.sink)
        disk.flush()
        return disk.takeEffects().compactMap { effect in
            guard case .send(.appendReply(let reply), to: FollowerTests.address) = effect else { return nil }
            return reply
        }
    }

    @Test mutating func nothingOfATermIsAckedBeforeTheTermIsDurable() {
        #expect(receive(append(term: 3, after: .zero)) == .taken)
        #expect(endBatch().isEmpty)
        disk.sync()
        let replies = endBatch()
        #expect(replies.map(\.outcome) == [.accepted])
        #expect(replies.first?.term == 3)
    }

    @Test mutating func aLongerLeaseIsInTheLogBeforeItIsPromised() {
        _ = receive(append(term: 1, after: .zero))
        _ = endBatch()
        disk.sync()
        #expect(endBatch().count == 1)
        #expect(disk.store.longestLease == .milliseconds(400))
        _ = receive(append(term: 1, after: .zero, lease: .seconds(2)))
        #expect(endBatch().isEmpty)
        #expect(promise.until == now + .milliseconds(400))
        disk.sync()
        #expect(endBatch().map(\.outcome) == [.accepted])
        #expect(promise.until == now + .seconds(2))
        _ = receive(append(term: 1, after: .zero, lease: .seconds(1)))
        #expect(endBatch().count == 1, "a shorter one waits for nothing")
    }

    @Test mutating func anAckNamesWhatIsSynced() {
        _ = receive(append(term: 1, after: .zero))
        _ = endBatch()
        disk.sync()
        _ = endBatch()
        _ = receive(append(term: 1, after: .zero, [entry(1, 1), entry(1, 2)]))
        #expect(endBatch().map(\.verified) == [0], "the promise does not wait for the sync, the ack of the entries does")
        disk.sync()
        #expect(endBatch().map(\.verified) == [2])
    }

    @Test mutating func anAnswerNamesTheRoundOfItsAppend() {
        _ = receive(append(term: 1, after: .zero, round: 3))
        _ = endBatch()
        disk.sync()
        #expect(endBatch().map(\.round) == [3])
        _ = receive(append(term: 1, after: .zero, [entry(1, 1)], round: 4))
        #expect(endBatch().map(\.round) == [4])
        disk.sync()
        #expect(endBatch().map(\.round) == [4], "the sync's ack answers the same append")
    }

    @Test mutating func theBareEndOfTheLogIsNotAcked() {
        _ = receive(append(term: 1, after: .zero, [entry(1, 1), entry(1, 2), entry(1, 3)]))
        _ = endBatch()
        disk.sync()
        _ = endBatch()
        // A new primary that has the first entry only: 2 and 3 may never have been.
        _ = receive(append(term: 2, after: Position(term: 1, seq: 1), from: FollowerTests.next))
        _ = endBatch()
        disk.sync()
        #expect(endBatch().map(\.verified) == [1])
        #expect(disk.store.last == Position(term: 1, seq: 3), "an append that is shorter than the log cuts nothing")
    }

    @Test mutating func aRealConflictIsCutAndNothingElse() {
        _ = receive(append(term: 1, after: .zero, [entry(1, 1), entry(1, 2), entry(1, 3)]))
        _ = endBatch()
        disk.sync()
        _ = receive(append(term: 2, after: Position(term: 1, seq: 1), [entry(2, 2)], from: FollowerTests.next))
        #expect(disk.store.last == Position(term: 1, seq: 1))
        _ = endBatch()
        disk.sync()
        _ = receive(append(term: 2, after: Position(term: 1, seq: 1), [entry(2, 2)], from: FollowerTests.next))
        _ = endBatch()
        disk.sync()
        #expect(endBatch().last?.verified == 2)
        #expect(disk.store.last == Position(term: 2, seq: 2))
    }

    @Test mutating func goingBelowTheCommitMarkIsTheEnd() {
        _ = receive(append(term: 1, after: .zero, [entry(1, 1), entry(1, 2)], commit: 2))
        _ = endBatch()
        #expect(disk.store.commit == 0, "what is not synced here is not committed here")
        disk.sync()
        _ = endBatch()
        #expect(disk.store.commit == 2)
        let verdict = receive(append(term: 2, after: Position(term: 1, seq: 1), [entry(2, 2)], from: FollowerTests.next))
        guard case .broken = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(disk.store.last == Position(term: 1, seq: 2))
    }

    @Test mutating func anOlderTermIsRefused() {
        _ = receive(append(term: 5, after: .zero))
        _ = endBatch()
        disk.sync()
        _ = endBatch()
        #expect(receive(append(term: 4, after: .zero, [entry(4, 1)], from: FollowerTests.next)) == .dropped)
        #expect(endBatch().map(\.outcome) == [.olderTerm])
        #expect(disk.store.last == .zero)
    }

    @Test mutating func aGapIsAnsweredWithWhatTheLogHolds() {
        _ = receive(append(term: 1, after: .zero, [entry(1, 1)]))
        _ = endBatch()
        disk.sync()
        _ = endBatch()
        _ = receive(append(term: 1, after: Position(term: 1, seq: 4), [entry(1, 5)]))
        let runs = [TermRun(term: 1, first: 1, last: 1)]
        #expect(endBatch().map(\.outcome) == [.mismatch(last: Position(term: 1, seq: 1), runs: runs)])
    }

    @Test mutating func anotherHistoryIsNotTaken() {
        disk.store.set(lineage: Lineage("mine"))
        disk.flush()
        disk.sync()
        #expect(receive(append(term: 9, after: .zero, [entry(9, 1)])) == .dropped)
        #expect(endBatch().map(\.outcome) == [.otherLineage(Lineage("mine"))])
        #expect(disk.store.adoptedTerm == 0)
    }

    @Test mutating func termsOfDifferentHistoriesAreNotCompared() {
        disk.store.set(lineage: Lineage("mine"))
        disk.store.adopt(term: 20)
        disk.flush()
        disk.sync()
        _ = receive(append(term: 1, after: .zero))
        #expect(endBatch().map(\.outcome) == [.otherLineage(Lineage("mine"))], "not olderTerm, which would depose the sender")
    }

    @Test mutating func anEntryThatNoLogTakesIsDropped() {
        let huge = Entry(
            position: Position(term: 1, seq: 1), operation: .put(key: [UInt8](repeating: 1, count: 1 << 20), value: [])
        )
        #expect(receive(append(term: 1, after: .zero, [huge])) == .dropped)
    }

    @Test mutating func anAckIsAPromise() {
        now = .zero + .seconds(10)
        _ = receive(append(term: 1, after: .zero))
        _ = endBatch()
        disk.sync()
        _ = endBatch()
        #expect(promise.until == now + .milliseconds(400))
    }

    @Test mutating func malformedAppendsAreDropped() {
        let gap = [entry(1, 1), entry(1, 3)]
        let future = [entry(2, 1)]
        #expect(receive(append(term: 1, after: .zero, gap)) == .dropped)
        #expect(receive(append(term: 1, after: .zero, future)) == .dropped)
        #expect(receive(append(term: 0, after: .zero)) == .dropped)
        #expect(receive(append(term: 1, after: Position(term: 1, seq: UInt64.max), [entry(1, 0)])) == .dropped)
        #expect(endBatch().isEmpty)
    }
}
