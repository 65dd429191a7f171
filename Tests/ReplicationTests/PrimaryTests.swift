import Coordination
import Machine
import Replication
import Storage
import Testing
import Wire

@Suite("The sending side of replication")
struct PrimaryTests {
    static let me = MemberID(store: StoreID("me"), number: 1)
    static let standby = MemberID(store: StoreID("s"), number: 2)
    static let options = ReplicationOptions()
    var disk = StoreInMemory()
    var now = Instant.zero + .seconds(100)
    var promise = Promise(start: .zero, lease: .zero)
    var primary: Primary

    init() { primary = PrimaryTests.primary(of: [PrimaryTests.me, PrimaryTests.standby], on: &disk, at: now) }

    private static func config(_ inSync: [MemberID], term: UInt64 = 4) -> GroupConfig {
        GroupConfig(lineage: Lineage("l"), term: term, primary: me, inSync: inSync)
    }

    private static func primary(of inSync: [MemberID], on disk: inout StoreInMemory, at now: Instant) -> Primary {
        Primary(
            group: "g", me: me, config: config(inSync), version: 3, options: options,
            port: CoordinationPort(owner: 9, session: SessionToken(1)), store: &disk.store, now: now
        )
    }

    private static func registration(_ member: MemberID) -> StoreRegistration {
        StoreRegistration(
            address: Address(host: "n\(member.number)", port: 1), store: member.store, whole: true, lineage: Lineage("l"),
            last: .zero, keys: false, guid: "g"
        )
    }

    private mutating func register(_ members: [MemberID]) {
        var map = SortedMap<UInt64, StoreRegistration>()
        for member in members { map[member.number] = PrimaryTests.registration(member) }
        primary.registered(members.map(\.number), map, store: &disk.store, now: now)
    }

    @discardableResult private mutating func endBatch() -> [AviaryEffect] {
        _ = primary.batchEnded(store: &disk.store, promise: promise, isIdle: true, now: now, into: &disk.sink)
        disk.flush()
        return disk.takeEffects()
    }

    private mutating func ack(
        _ verified: UInt64, sentAt: Instant? = nil, round: UInt64 = 0, from member: MemberID = standby
    ) {
        let reply = AppendReply(
            group: "g", term: 4, from: member, verified: verified, echo: (sentAt ?? now).nanoseconds, round: round,
            outcome: .accepted
        )
        #expect(primary.replied(reply, store: &disk.store, now: now, into: &disk.sink) == nil)
    }

    private mutating func takeOffice() {
        register([PrimaryTests.me, PrimaryTests.standby])
        endBatch()
        disk.sync()
        endBatch()
        disk.sync()
        ack(1)
        endBatch()
    }

    private mutating func write(_ seq: UInt64) {
        disk.store.append(
            Entry(position: Position(term: 4, seq: seq), operation: .put(key: Array("k\(seq)".utf8), value: [1]))
        )
    }

    private func appends(_ effects: [AviaryEffect]) -> [Append] {
        effects.compactMap { effect in
            guard case .send(.append(let append), _) = effect else { return nil }
            return append
        }
    }

    private func configWrites(_ effects: [AviaryEffect]) -> [(CoordinationID, GroupConfig)] {
        effects.compactMap { effect in
            guard case .coordination(.request(_, let id, .multi(let operations))) = effect,
                case .set(_, let data, 3)? = operations.last, let config = GroupConfig(data)
            else { return nil }
            return (id, config)
        }
    }

    @Test mutating func officeNeedsEveryInSyncStore() {
        register([PrimaryTests.me, PrimaryTests.standby])
        endBatch()
        disk.sync()
        endBatch()
        disk.sync()
        endBatch()
        #expect(!primary.isServing, "the standby has not acked the term's first entry")
        ack(0)
        endBatch()
        #expect(!primary.isServing)
        ack(1)
        endBatch()
        #expect(primary.isServing)
        #expect(disk.store.commit == 1)
    }

    @Test mutating func officeWaitsForThePromisesThatItGave() {
        promise.give(to: .init(number: 9, term: 1), for: .milliseconds(400), now: now)
        takeOffice()
        #expect(!primary.isServing)
        #expect(primary.wakeUp(promise: promise) == now + .milliseconds(400))
        now = now + .milliseconds(400)
        endBatch()
        #expect(primary.isServing)
    }

    @Test mutating func committedIsWhatEveryInSyncStoreHasSynced() {
        takeOffice()
        write(2)
        endBatch()
        ack(2)
        endBatch()
        #expect(disk.store.commit == 1, "the standby has it, the own sync is missing")
        disk.sync()
        endBatch()
        #expect(disk.store.commit == 2)
        write(3)
        endBatch()
        disk.sync()
        endBatch()
        #expect(disk.store.commit == 2, "the own disk has it, the standby's ack is missing")
    }

    @Test mutating func theLeaseRunsFromTheSendNotFromTheAck() {
        takeOffice()
        let sent = now
        now = now + .milliseconds(300)
        ack(1, sentAt: sent)
        #expect(primary.leaseHolds(at: sent + .milliseconds(379)))
        #expect(!primary.leaseHolds(at: sent + .milliseconds(380)), "400 ms less 5 % of drift")
    }

    @Test mutating func aVanishedStandbyCountsUntilZooKeeperHasTakenItOut() throws {
        takeOffice()
        register([PrimaryTests.me])
        write(2)
        let effects = endBatch()
        disk.sync()
        endBatch()
        #expect(disk.store.commit == 1, "shrunk locally is not shrunk")
        #expect(!primary.leaseHolds(at: now + .milliseconds(500)))
        let (id, config) = try #require(configWrites(effects).first)
        #expect(config.inSync == [PrimaryTests.me])
        _ = primary.coordinated(id, .multi([.checked, .set(Stat(version: 4))]), now: now, into: &disk.sink)
        endBatch()
        #expect(disk.store.commit == 2)
        #expect(primary.leaseHolds(at: now + .seconds(1000)), "alone no lease is needed")
    }

    @Test mutating func aSilentStandbyIsShrunkAway() {
        takeOffice()
        for _ in 0..<15 {
            now = now + .milliseconds(100)
            primary.heartbeat()
            #expect(configWrites(endBatch()).isEmpty)
        }
        now = now + .milliseconds(1)
        #expect(configWrites(endBatch()).map(\.1.inSync) == [[PrimaryTests.me]])
    }

    @Test mutating func aStandbyWhoseDiskHangsIsShrunkAwayThoughItAnswers() {
        takeOffice()
        write(2)
        var shrunk: [[MemberID]] = []
        for _ in 0..<17 {
            now = now + .milliseconds(100)
            primary.heartbeat()
            shrunk += configWrites(endBatch()).map(\.1.inSync)
            disk.sync()
            ack(1)
        }
        #expect(shrunk == [[PrimaryTests.me]])
    }

    @Test mutating func afterAPauseOfItsOwnItListensBeforeItJudges() {
        takeOffice()
        now = now + .seconds(30)
        #expect(configWrites(endBatch()).isEmpty, "nobody was asked while it stood still")
        now = now + .milliseconds(100)
        ack(1)
        #expect(configWrites(endBatch()).isEmpty)
    }

    @Test mutating func aBusyStoreIsAskedAgainInsteadOfSentTheWholeLog() {
        takeOffice()
        write(2)
        endBatch()
        let busy = AppendReply(
            group: "g", term: 4, from: PrimaryTests.standby, verified: 0, echo: now.nanoseconds, outcome: .busy
        )
        _ = primary.replied(busy, store: &disk.store, now: now, into: &disk.sink)
        primary.heartbeat()
        let probes = appends(endBatch())
        #expect(probes.map(\.entries.count) == [0])
        #expect(probes.first?.previous.seq == 2)
    }

    @Test mutating func aLearnerCountsBeforeItGrowsAndGrowsWhenLevel() throws {
        disk = StoreInMemory()
        primary = PrimaryTests.primary(of: [PrimaryTests.me], on: &disk, at: now)
        register([PrimaryTests.me, PrimaryTests.standby])
        endBatch()
        disk.sync()
        endBatch()
        disk.sync()
        endBatch()
        #expect(primary.isServing)
        for seq in 2...1001 { write(UInt64(seq)) }
        endBatch()
        disk.sync()
        endBatch()
        #expect(disk.store.commit == 1001, "a learner holds nothing up")
        ack(500)
        #expect(configWrites(endBatch()).isEmpty, "too far behind")
        ack(900)
        #expect(configWrites(endBatch()).isEmpty, "near, but not at the commit mark")
        write(1002)
        endBatch()
        disk.sync()
        endBatch()
        #expect(disk.store.commit == 1001, "commits wait for the joiner by now")
        ack(1001)
        let writes = configWrites(endBatch())
        #expect(writes.map(\.1.inSync) == [[PrimaryTests.me, PrimaryTests.standby]])
    }

    @Test mutating func acksOfAnotherTermAreWorthNothing() {
        takeOffice()
        write(2)
        endBatch()
        disk.sync()
        let reply = AppendReply(
            group: "g", term: 3, from: PrimaryTests.standby, verified: 2, echo: now.nanoseconds, outcome: .accepted
        )
        _ = primary.replied(reply, store: &disk.store, now: now, into: &disk.sink)
        endBatch()
        #expect(disk.store.commit == 1)
    }

    @Test mutating func aNewerTermEndsIt() {
        takeOffice()
        let reply = AppendReply(
            group: "g", term: 5, from: PrimaryTests.standby, verified: 0, echo: now.nanoseconds, outcome: .olderTerm
        )
        #expect(primary.replied(reply, store: &disk.store, now: now, into: &disk.sink) != nil)
    }

    // MARK: Rounds of confirmed reads

    @Test mutating func aRoundLeavesAtOnceAndIsConfirmedByAnswersToIt() {
        takeOffice()
        let round = primary.beginRound()
        #expect(appends(endBatch()).map(\.round) == [round], "no heartbeat is waited for")
        ack(1, round: round - 1)
        #expect(!primary.isConfirmed(round), "that answers what was sent before the reads arrived, however late it comes")
        ack(1, round: round)
        #expect(primary.isConfirmed(round))
        let next = primary.beginRound()
        #expect(!primary.isConfirmed(next))
    }

    @Test mutating func aLostRoundIsMadeUpForByTheNextHeartbeat() {
        takeOffice()
        let round = primary.beginRound()
        endBatch()
        primary.heartbeat()
        #expect(appends(endBatch()).map(\.round) == [round])
    }

    @Test mutating func anAnswerToARoundThatWasNeverBegunIsWorthNothing() {
        takeOffice()
        ack(1, round: 1)
        #expect(!primary.isConfirmed(primary.beginRound()))
    }

    @Test mutating func beforeOfficeNothingIsConfirmed() {
        #expect(!primary.isConfirmed(0))
    }

    @Test mutating func aPrimaryAloneNeedsNobodyAndAJoinerCounts() {
        disk = StoreInMemory()
        primary = PrimaryTests.primary(of: [PrimaryTests.me], on: &disk, at: now)
        register([PrimaryTests.me, PrimaryTests.standby])
        endBatch()
        disk.sync()
        endBatch()
        disk.sync()
        endBatch()
        #expect(primary.isConfirmed(primary.beginRound()), "a learner does not count")
        ack(1)
        #expect(configWrites(endBatch()).map(\.1.inSync) == [[PrimaryTests.me, PrimaryTests.standby]])
        let round = primary.beginRound()
        endBatch()
        #expect(!primary.isConfirmed(round), "a growth that may be in force counts")
        ack(1, round: round)
        #expect(primary.isConfirmed(round))
    }

    @Test mutating func afterALostLinkEntriesAreSentAgainOnceItAnswers() {
        takeOffice()
        write(2)
        endBatch()
        disk.sync()
        primary.linkDown(Address(host: "n2", port: 1))
        #expect(endBatch().isEmpty, "a link that is down is not fed")
        primary.heartbeat()
        #expect(appends(endBatch()).map(\.entries.count) == [0])
        ack(1)
        let again = appends(endBatch()).map { $0.entries.map(\.position.seq) }
        #expect(again == [[2]])
    }

    // MARK: Handing over

    private mutating func handOver(to number: UInt64? = nil, leaving: Bool = true) -> String? {
        primary.beginHandover(to: number, leaving: leaving, now: now, into: &disk.sink)
    }

    @Test("A handover waits until everything is committed and answered, and then writes the heir and the office that ended")
    mutating func handoverWritesConfig() throws {
        takeOffice()
        write(2)
        endBatch()
        #expect(handOver() == nil)
        #expect(configWrites(endBatch()).isEmpty, "its last entry is not committed")
        disk.sync()
        ack(2)
        let written = try #require(configWrites(endBatch(heir: true)).first?.1)
        #expect(written.term == 5 && written.primary == PrimaryTests.standby && written.inSync == [PrimaryTests.standby])
        #expect(written.released == GroupConfig.Office(number: 1, term: 4))
    }

    @Test("A store that does not leave stays in-sync")
    mutating func transferKeepsTheSet() throws {
        takeOffice()
        #expect(handOver(to: 2, leaving: false) == nil)
        let written = try #require(configWrites(endBatch(heir: true)).first?.1)
        #expect(written.inSync == [PrimaryTests.me, PrimaryTests.standby])
    }

    @Test("Until the write is decided it is silent: no lease, no message")
    mutating func silentWhileUndecided() throws {
        takeOffice()
        ack(1)
        #expect(primary.leaseHolds(at: now))
        #expect(handOver() == nil)
        let (id, _) = try #require(configWrites(endBatch(heir: true)).first)
        #expect(!primary.leaseHolds(at: now))
        primary.heartbeat()
        #expect(appends(endBatch()).isEmpty)
        #expect(primary.coordinated(id, .failed(.connectionLoss, operations: []), now: now, into: &disk.sink) == nil)
        #expect(!primary.leaseHolds(at: now) && primary.isHandingOver)
    }

    @Test("Decided, it is over, and names its heir")
    mutating func decided() throws {
        takeOffice()
        #expect(handOver() == nil)
        let (id, _) = try #require(configWrites(endBatch(heir: true)).first)
        let verdict = primary.coordinated(
            id, .multi([.checked, .checked, .set(Stat(version: 4)), .set(Stat(version: 9))]), now: now, into: &disk.sink)
        #expect(verdict == .handedOver(to: PrimaryTests.standby))
    }

    @Test("Refused, it serves again, on acks of messages that left since")
    mutating func refusedHandover() throws {
        takeOffice()
        let before = now
        #expect(handOver() == nil)
        let (id, _) = try #require(configWrites(endBatch(heir: true)).first)
        now = now + .milliseconds(5)
        let refusal = CoordinationReply.failed(
            .noNode, operations: [nil, .noNode, .runtimeInconsistency, .runtimeInconsistency])
        #expect(primary.coordinated(id, refusal, now: now, into: &disk.sink) == nil)
        #expect(!primary.isHandingOver && primary.failedHandover == "ZooKeeper refused it")
        ack(1, sentAt: before)
        #expect(!primary.leaseHolds(at: now), "who acked that may have been freed of it")
        ack(1, sentAt: now)
        #expect(primary.leaseHolds(at: now))
    }

    @Test("A standby that says nothing is left behind, one that says that it is busy is not, and neither is one not yet heard")
    mutating func silence() {
        let silence = PrimaryTests.options.silenceTimeout
        takeOffice()
        for isBusy in [true, false] {
            let end = now + silence + .milliseconds(100)
            var writes = 0
            while now < end {
                now = now + .milliseconds(50)
                if isBusy {
                    let busy = AppendReply(
                        group: "g", term: 4, from: PrimaryTests.standby, verified: 0, echo: now.nanoseconds, round: 0,
                        outcome: .busy)
                    #expect(primary.replied(busy, store: &disk.store, now: now, into: &disk.sink) == nil)
                }
                primary.witnessed(at: now)
                writes += configWrites(endBatch()).count
            }
            #expect((writes > 0) == !isBusy)
        }
        // Its first answer waits for its disk.
        self = Self()
        register([PrimaryTests.me, PrimaryTests.standby])
        endBatch()
        disk.sync()
        endBatch()
        let end = now + silence + .milliseconds(100)
        while now < end {
            now = now + .milliseconds(50)
            primary.witnessed(at: now)
            #expect(configWrites(endBatch()).isEmpty)
        }
    }

    @Test("What does not finish in time ends the handover, not the office")
    mutating func abandoned() {
        takeOffice()
        write(2)
        endBatch()
        #expect(handOver() == nil)
        now = now + PrimaryTests.options.replicationTimeout / 2
        ack(1)
        endBatch()
        now = now + PrimaryTests.options.replicationTimeout / 2 + .milliseconds(1)
        endBatch()
        #expect(
            !primary.isHandingOver && primary.failedHandover?.hasPrefix("what was under way did not finish in 1501 ms") == true)
    }

    @Test("Only an in-sync standby that answers can succeed, and the refusal says who cannot and why")
    mutating func heirs() {
        #expect(handOver() == "it is still taking office in term 4")
        takeOffice()
        #expect(handOver(to: 1) == "number 1 is the primary")
        #expect(handOver(to: 7) == "number 7 is not in-sync (in-sync standbys: 2)")
        now = now + PrimaryTests.options.replicationTimeout + .milliseconds(1)
        #expect(handOver(to: 2) == "number 2 does not answer")
        #expect(handOver() == "no in-sync standby answers")
        ack(1)
        #expect(handOver() == nil)
        #expect(handOver() == "it is handing over to 2 already")
    }

    @Test("The heir need not wait for its promise to the office that was released, but for those to others")
    mutating func releasedPromise() {
        let released = GroupConfig.Office(number: 9, term: 3)
        func heir(_ promise: Promise) -> Bool {
            var disk = StoreInMemory()
            var config = PrimaryTests.config([PrimaryTests.me])
            config.released = released
            var primary = Primary(
                group: "g", me: PrimaryTests.me, config: config, version: 3, options: PrimaryTests.options,
                port: CoordinationPort(owner: 9, session: SessionToken(1)), store: &disk.store, now: now)
            for _ in 0..<3 {
                _ = primary.batchEnded(store: &disk.store, promise: promise, isIdle: true, now: now, into: &disk.sink)
                disk.flush()
                disk.sync()
            }
            return primary.isServing
        }
        var promise = Promise(start: .zero, lease: .zero)
        promise.give(to: released, for: .milliseconds(400), now: now)
        #expect(heir(promise))
        promise.give(to: GroupConfig.Office(number: 8, term: 3), for: .milliseconds(400), now: now)
        #expect(!heir(promise), "another life")
        promise.give(to: released, for: .milliseconds(400), now: now)
        #expect(!heir(promise), "the promise to the other is still running")
    }

    /// The config write of a handover ends with the node that names the primary.
    private mutating func endBatch(heir: Bool) -> [AviaryEffect] {
        endBatch().map { effect in
            guard case .coordination(.request(let token, let id, .multi(let operations))) = effect,
                case .set("/data/g/primary", _, -1)? = operations.last
            else { return effect }
            return .coordination(.request(token, id, .multi(operations.dropLast())))
        }
    }
}
