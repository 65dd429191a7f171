import Coordination
import Machine
import Replication
import Storage
import Testing
import Wire

/// A primary that is alone in its in-sync set, and a learner that cannot be fed from its log. What they say to each other arrives
/// when the test says so.
@Suite("A copy for a learner")
struct CopyingTests {
    static let me = MemberID(store: StoreID("me"), number: 1)
    static let learner = MemberID(store: StoreID("l"), number: 2)
    var source = StoreInMemory()
    var sink = StoreInMemory(seed: 2)
    var now = Instant.zero + .seconds(100)
    var promise = Promise(start: .zero, lease: .zero)
    var learnersPromise = Promise(start: .zero, lease: .zero)
    var primary: Primary
    var follower = Follower(group: "g", me: CopyingTests.learner)
    /// On their way.
    var toLearner: [PeerMessage] = []
    var toPrimary: [AppendReply] = []
    var verdict: Follower.Verdict?
    var marks: [LogLine] = []

    init() {
        // Two pieces under way at most, of two entries each.
        let options = ReplicationOptions(tailBytes: 1_000, pieceBytes: 200, windowPieces: 2)
        let config = GroupConfig(lineage: Lineage("l"), term: 4, primary: CopyingTests.me, inSync: [CopyingTests.me])
        primary = Primary(
            group: "g", me: CopyingTests.me, config: config, version: 3, options: options,
            port: CoordinationPort(owner: 9, session: SessionToken(1)), store: &source.store, now: now)
        step()
        source.sync()
        step()
        source.sync()
        step()
        precondition(primary.isServing)
    }

    private static func registration(_ member: MemberID) -> StoreRegistration {
        StoreRegistration(
            address: Address(host: "n\(member.number)", port: 1), store: member.store, whole: true, lineage: Lineage("l"),
            last: .zero, keys: false, guid: "g")
    }

    private mutating func register() {
        var map = SortedMap<UInt64, StoreRegistration>()
        for member in [CopyingTests.me, CopyingTests.learner] { map[member.number] = CopyingTests.registration(member) }
        primary.registered([1, 2], map, store: &source.store, now: now)
    }

    /// The end of a batch of the primary, with all that its disk has to do.
    private mutating func step(heartbeat: Bool = false) {
        if heartbeat { primary.heartbeat() }
        _ = primary.batchEnded(store: &source.store, promise: promise, isIdle: true, now: now, into: &source.sink)
        source.flush()
        for event in source.takeEvents() {
            guard case .walked(let ticket, let walk, let entries) = event else { continue }
            primary.walked(ticket: ticket, walk, entries, store: source.store, now: now, into: &source.sink)
        }
        for effect in source.takeEffects() { if case .send(let message, _) = effect { toLearner.append(message) } }
    }

    /// The learner takes what is on its way, one message per batch.
    private mutating func listen(to messages: [PeerMessage]) {
        for message in messages {
            switch message {
            case .append(let append):
                verdict = follower.received(append, from: address, store: &sink.store, now: now, into: &sink.sink)
            case .copyPiece(let piece):
                verdict = follower.received(piece, from: address, store: &sink.store, now: now, into: &sink.sink)
            default: preconditionFailure("\(message)")
            }
            endOfLearnersBatch()
        }
    }

    private mutating func endOfLearnersBatch() {
        sink.flush()
        sink.sync()
        if sink.takeEvents().contains(.copyTaken) { follower.copyTaken(store: sink.store, into: &sink.sink) }
        follower.batchEnded(store: &sink.store, promise: &learnersPromise, now: now, into: &sink.sink)
        sink.flush()
        sink.sync()
        for effect in sink.takeEffects() { if case .send(.appendReply(let reply), _) = effect { toPrimary.append(reply) } }
    }

    private let address = Address(host: "n1", port: 1)

    private mutating func answer() {
        for reply in toPrimary { #expect(primary.replied(reply, store: &source.store, now: now, into: &source.sink) == nil) }
        toPrimary.removeAll()
    }

    /// Everything arrives; time goes on.
    private mutating func exchange(rounds: Int = 1) {
        for _ in 0..<rounds {
            now = now + .milliseconds(100)
            step(heartbeat: true)
            step()
            let messages = toLearner
            toLearner.removeAll()
            listen(to: messages)
            answer()
        }
    }

    private mutating func write(_ keys: ClosedRange<Int>, value: UInt8 = 1) {
        for key in keys {
            let seq = source.store.last.seq + 1
            source.store.append(
                Entry(
                    position: Position(term: 4, seq: seq),
                    operation: .put(key: Array("k\(key)".utf8), value: Array(repeating: value, count: 30))))
        }
        step()
        source.sync()
        step()
    }

    private var pieces: [CopyPiece] {
        toLearner.compactMap { if case .copyPiece(let piece) = $0 { piece } else { nil } }
    }

    private func expectSame() {
        #expect(sink.store.last == source.store.last && sink.store.commit == source.store.commit)
        #expect(sink.store.runs == source.store.runs && sink.store.keyCount == source.store.keyCount)
        #expect(sink.store.sessions == source.store.sessions)
        for key in 0...30 {
            let key = Array("k\(key)".utf8)
            #expect(sink.store.value(of: key) == source.store.value(of: key))
        }
    }

    @Test mutating func whoHasNothingInCommonTakesACopyAndIsFedFromItsEnd() {
        write(1...20)
        write(5...12, value: 2)
        register()
        exchange(rounds: 40)
        #expect(sink.store.oldest > 20, "it was fed the log")
        expectSame()
        write(1...3, value: 3)
        exchange(rounds: 3)
        expectSame()
    }

    @Test mutating func whatIsWrittenMeanwhileIsInTheCopyOrFollowsIt() {
        write(1...20)
        register()
        for round in 1...8 {
            exchange()
            write(round...(round + 2), value: UInt8(round))
        }
        exchange(rounds: 60)
        #expect(sink.store.oldest > 20)
        expectSame()
    }

    @Test mutating func noMoreIsUnderWayThanTheWindowAllows() {
        write(1...30)
        register()
        exchange()
        for _ in 0..<20 { step() }
        #expect(pieces.count == 2 && pieces.map(\.index) == [0, 1])
    }

    @Test mutating func aLostPieceIsSentAgainAndWhatFollowedIt() {
        write(1...30)
        register()
        exchange(rounds: 2)
        now = now + .milliseconds(1)
        step()
        let lost = pieces.map(\.index)
        #expect(!lost.isEmpty)
        toLearner.removeFirst()
        exchange()
        exchange(rounds: 60)
        #expect(sink.store.oldest > 30)
        expectSame()
    }

    @Test mutating func afterABrokenLinkEverythingIsSentAgainOnceItAnswers() {
        write(1...30)
        register()
        exchange(rounds: 3)
        step()
        toLearner.removeAll()
        primary.linkDown(Address(host: "n2", port: 1))
        for _ in 0..<5 { step() }
        #expect(pieces.isEmpty, "nothing goes where nobody answers")
        exchange(rounds: 60)
        #expect(sink.store.oldest > 30)
        expectSame()
    }

    @Test mutating func aLearnerThatHasLostItsCopyIsSentAnother() {
        write(1...30)
        register()
        exchange(rounds: 4)
        sink.store.dropCopy(into: &sink.sink)
        follower = Follower(group: "g", me: CopyingTests.learner)
        exchange(rounds: 80)
        #expect(sink.store.oldest > 30)
        expectSame()
    }

    /// It may have dropped the copy because it has more. (Seed 235501.)
    @Test mutating func aLearnerThatHasDroppedItsCopyIsAskedWhatItHas() {
        write(1...30)
        register()
        exchange(rounds: 4)
        toLearner.removeAll()
        func says(_ outcome: AppendReply.Outcome) -> AppendReply {
            AppendReply(
                group: "g", term: 4, from: CopyingTests.learner, verified: 0, echo: now.nanoseconds, round: 0, outcome: outcome)
        }
        toPrimary = [says(.copying(copy: 1, received: 0, written: 0))]
        answer()
        for _ in 0..<5 { step() }
        #expect(pieces.isEmpty, "it is asked first")
        now = now + .milliseconds(100)
        step(heartbeat: true)
        guard case .append(let question)? = toLearner.last else {
            Issue.record("\(toLearner)")
            return
        }
        #expect(question.previous == source.store.last && question.entries.isEmpty)
        toLearner.removeAll()
        toPrimary = [says(.mismatch(last: Position(term: 4, seq: 30), runs: [TermRun(term: 4, first: 1, last: 30)]))]
        answer()
        step()
        #expect(pieces.isEmpty)
        guard case .append(let tail)? = toLearner.first else {
            Issue.record("\(toLearner)")
            return
        }
        #expect(tail.previous == Position(term: 4, seq: 30) && tail.entries.first?.position.seq == 31)
    }

    @Test mutating func aPieceOfAnEarlierTermIsRefusedAndACopyEndsWithItsTerm() {
        write(1...30)
        register()
        exchange(rounds: 4)
        step()
        let late = toLearner
        let next = Append(
            group: "g", lineage: Lineage("l"), term: 5, from: MemberID(store: StoreID("x"), number: 3), to: 2, previous: .zero,
            entries: [], commit: 0, sentAt: 1, lease: .zero)
        listen(to: [.append(next)])
        #expect(sink.store.copyTaken == nil && sink.store.adoptedTerm == 5)
        toPrimary.removeAll()
        listen(to: late)
        #expect(toPrimary.map(\.outcome) == [.olderTerm] && toPrimary[0].term == 5)
    }

    @Test mutating func whatWasSentBeforeAnAppendIsNoCopyAnyMore() {
        write(1...30)
        register()
        exchange(rounds: 4)
        step()
        let late = pieces
        #expect(!late.isEmpty)
        now = now + .milliseconds(100)
        let heartbeat = Append(
            group: "g", lineage: Lineage("l"), term: 4, from: CopyingTests.me, to: 2, previous: .zero, entries: [], commit: 0,
            sentAt: now.nanoseconds, lease: .zero)
        listen(to: [.append(heartbeat)])
        #expect(sink.store.copyTaken == nil)
        toPrimary.removeAll()
        listen(to: late.map { .copyPiece($0) })
        #expect(sink.store.copyTaken == nil && toPrimary.isEmpty)
    }

    /// It acked more in this term than the copy has: the primary may count on that.
    @Test mutating func aCopyBelowWhatWasAckedIsDropped() {
        let entries = (1...5).map { Entry(position: Position(term: 4, seq: $0), operation: .put(key: [1], value: [2])) }
        let append = Append(
            group: "g", lineage: Lineage("l"), term: 4, from: CopyingTests.me, to: 2, previous: .zero, entries: entries,
            commit: 0, sentAt: 5, lease: .zero)
        listen(to: [.append(append)])
        #expect(toPrimary.last?.outcome == .accepted && toPrimary.last?.verified == 5)
        listen(to: copy(through: Position(term: 4, seq: 4), sentAt: 6))
        #expect(sink.store.last.seq == 5 && sink.store.copyTaken == nil)
        listen(to: copy(through: Position(term: 4, seq: 5), sentAt: 7, id: 2))
        #expect(sink.store.last.seq == 5 && sink.store.oldest == 6)
    }

    @Test mutating func aCopyWithoutWhatIsCommittedIsFatal() {
        let entries = (1...5).map { Entry(position: Position(term: 3, seq: $0), operation: .put(key: [1], value: [2])) }
        let append = Append(
            group: "g", lineage: Lineage("l"), term: 3, from: CopyingTests.me, to: 2, previous: .zero, entries: entries,
            commit: 5, sentAt: 5, lease: .zero)
        listen(to: [.append(append)])
        #expect(sink.store.commit == 5)
        for position in [Position(term: 4, seq: 4), Position(term: 4, seq: 9)] {
            var test = self
            test.listen(to: test.copy(through: position, sentAt: 6))
            guard case .broken(let why) = test.verdict else {
                Issue.record("\(String(describing: test.verdict))")
                continue
            }
            #expect(why.contains("committed") && test.sink.store.last.seq == 5)
        }
    }

    /// What a peer sends is outside input: it may end a copy, and not the process.
    @Test mutating func anEndThatIsMalformedEndsTheCopyOnly() {
        let entries = (1...5).map { Entry(position: Position(term: 3, seq: $0), operation: .put(key: [1], value: [2])) }
        let append = Append(
            group: "g", lineage: Lineage("l"), term: 3, from: CopyingTests.me, to: 2, previous: .zero, entries: entries,
            commit: 5, sentAt: 5, lease: .zero)
        listen(to: [.append(append)])
        let pieces = copy(through: Position(term: 4, seq: 9), sentAt: 6)
        guard case .copyPiece(var end) = pieces[1] else { return }
        end.content = .end(CopyEnd(position: Position(term: 4, seq: 8), dropped: 0))
        listen(to: [pieces[0], .copyPiece(end)])
        #expect(sink.store.copyTaken == nil && sink.store.last.seq == 5)
        if case .broken(let why)? = verdict { Issue.record("\(why)") }
    }

    @Test mutating func whatFollowsTheEndOfACopyChangesNothing() {
        let pieces = copy(through: Position(term: 4, seq: 9), sentAt: 6)
        guard case .copyPiece(var more) = pieces[0] else { return }
        more.index = 2
        listen(to: pieces + [.copyPiece(more)])
        #expect(sink.store.oldest == 10 && sink.store.last.seq == 9)
    }

    private func copy(through end: Position, sentAt: Int64, id: UInt64 = 1) -> [PeerMessage] {
        let contents: [CopyContent] = [
            .runs([TermRun(term: end.term, first: 1, last: end.seq)]), .end(CopyEnd(position: end, dropped: 0)),
        ]
        return contents.enumerated().map { index, content in
            .copyPiece(
                CopyPiece(
                    group: "g", lineage: Lineage("l"), term: 4, from: CopyingTests.me, to: 2, copy: id, index: UInt64(index),
                    content: content, sentAt: sentAt))
        }
    }

    @Test mutating func noCopyIsSentToAStoreThatCounts() {
        write(1...30)
        let config = GroupConfig(
            lineage: Lineage("l"), term: 4, primary: CopyingTests.me,
            inSync: [CopyingTests.me, MemberID(store: CopyingTests.learner.store, number: 9)])
        _ = primary.observed(config, version: 4, now: now, into: &source.sink)
        register()
        exchange(rounds: 2)
        #expect(pieces.isEmpty && sink.store.copyTaken == nil)
        #expect(sink.store.last.seq > 0, "an earlier life of it is in the set: it is fed")
    }

    @Test mutating func whoIsFarBehindTakesACopyOnlyWhereThatIsLess() {
        write(1...2)
        register()
        exchange(rounds: 30)
        #expect(sink.store.oldest > 1)
        let first = sink.store.oldest
        // As much again and more, but all of it new: the tail is what a copy would be.
        primary.linkDown(Address(host: "n2", port: 1))
        write(3...30)
        exchange(rounds: 60)
        expectSame()
        #expect(sink.store.oldest == first)
    }

    /// Seed 379952: where more is written while a copy is sent than would be another copy, there was one copy after the other.
    @Test(arguments: [1, 4]) mutating func whoHasTakenACopyTakesAnotherOnlyIfItLacksFarMoreThanThat(times: UInt8) {
        write(1...30)
        register()
        for _ in 0..<60 where sink.store.oldest == 1 { exchange() }
        let first = sink.store.oldest
        #expect(first > 1 && source.store.commit == source.store.last.seq)
        // Before it is level, so that it does not count yet.
        primary.linkDown(Address(host: "n2", port: 1))
        for value in 0..<times { write(1...30, value: 2 + value) }
        write(1...5, value: 9)
        exchange(rounds: 60)
        expectSame()
        #expect((sink.store.oldest > first) == (times == 4), "a little more than a copy is fed from the log")
    }
}
