import Coordination
import Machine
import Placement
import Testing
import Wire

@Suite("Mastership")
struct MastershipTests {
    var bench = Bench.connected()
    var groups = SortedMap<String, GroupView>()
    var ring = RingView(owner: 1, timer: TimerID(purpose: 1), random: SeededRandom(seed: 1))
    var master: Mastership
    /// What the ensemble holds; every node at version 3.
    var nodes: [String: [UInt8]] = [:]
    var zxid: Int64 = 1

    init() {
        groups["g"] = GroupView(group: "g", owner: 2, timer: TimerID(purpose: 2), random: SeededRandom(seed: 2))
        master = Mastership(
            epoch: 5, port: CoordinationPort(owner: 9), session: bench.session, timer: TimerID(purpose: 9), virtualNodes: 2,
            random: SeededRandom(seed: 3))
    }

    private mutating func step(_ kind: CoordinationEvent.Kind) {
        let event = bench.happened(kind)
        _ = ring.step(event, session: bench.session, at: bench.now, into: &bench.sink)
        let session = bench.session
        let now = bench.now
        for index in groups.keys.indices {
            groups.update(at: index) { view in _ = view.step(event, session: session, at: now, into: &bench.sink) }
        }
        master.step(event, groups: &groups, ring: &ring, session: session, at: now, into: &bench.sink)
    }

    /// Answers reads until the views are current; returns the transaction that the master then sends, if any.
    private mutating func settle() throws -> (request: Bench.Request, operations: [MultiOperation])? {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        let session = bench.session
        groups.update("g") { $0.refresh(session: session, at: .zero, into: &bench.sink) }
        return try transaction()
    }

    private mutating func transaction() throws -> (request: Bench.Request, operations: [MultiOperation])? {
        var found: (Bench.Request, [MultiOperation])?
        for _ in 0..<100 {
            for request in bench.requests() {
                if case .multi(let operations) = request.operation {
                    try #require(found == nil, "two transactions at once")
                    found = (request, operations)
                } else {
                    step(.reply(request.id, read(request.operation)))
                }
            }
            master.review(groups, ring: ring, session: bench.session, at: bench.now, into: &bench.sink)
        }
        return found
    }

    private func read(_ operation: CoordinationOperation) -> CoordinationReply {
        switch operation {
        case .sync: return .synced
        case .exists(let path, _): return .existence(nodes[path].map { _ in Stat(mzxid: zxid, version: 3) })
        case .get(let path, _): return nodes[path].map { .data($0, Stat(mzxid: zxid, version: 3)) } ?? noNode
        case .children(let path, _):
            let names = nodes.keys.filter { $0.hasPrefix(path + "/") }.map { String($0.dropFirst(path.count + 1)) }
            return .children(names.sorted(), Stat(pzxid: zxid))
        case .create, .delete, .set, .multi: return lost
        }
    }

    private mutating func loseThePrimary() {
        let config = GroupConfig(
            lineage: Lineage("l"), term: 4, primary: member("a/1"), inSync: [member("a/1"), member("b/2")])
        nodes["/data/g/config"] = config.bytes
        nodes["/data/g/2"] = StoreRegistration.test("b").bytes
    }

    @Test mutating func aRecoveryProvesInItsTransactionThatNoInSyncStoreIsThere() throws {
        loseThePrimary()
        nodes["/data/g/2"] = nil
        nodes["/data/g/3"] = StoreRegistration.test("c", lineage: "l").bytes
        let unasked = try settle()
        #expect(unasked == nil)
        let view = try #require(groups["g"])
        let candidate = Recovered.Candidate(member: member("c/3"), last: Position(term: 4, seq: 9))
        let reply = master.recover(
            RecoverRequest(group: "g", store: nil, acceptsDataLoss: true, by: "ada"), id: 1, topVersion: 8,
            candidates: [candidate], view, session: bench.session, at: bench.now, into: &bench.sink)
        #expect(reply == nil)
        let (request, operations) = try #require(try transaction())
        let proof: [MultiOperation] = [1, 2].flatMap { number in
            [
                .create(path: "/data/g/\(number)", data: [], mode: .persistent),
                .delete(path: "/data/g/\(number)", version: -1),
            ]
        }
        #expect(
            Array(operations.prefix(7)) == [
                .check(path: "/server/epoch", version: 5), .check(path: "/data/g/top", version: 8),
            ] + proof + [.check(path: "/data/g/3", version: -1)])
        step(.reply(request.id, .failed(.nodeExists, operations: operations.map { _ in nil })))
        guard case .failed(let error)? = master.takeRecoveries().first?.reply else {
            Issue.record("it was told that it is done")
            return
        }
        #expect(error.code == .unavailable && !error.mayHaveHappened)
    }

    @Test mutating func aPrimaryIsReplacedInOneTransactionThatProvesItsAbsence() throws {
        loseThePrimary()
        let (request, operations) = try #require(try settle())
        let next = GroupConfig(lineage: Lineage("l"), term: 5, primary: member("b/2"), inSync: [member("b/2")])
        #expect(
            operations == [
                .check(path: "/server/epoch", version: 5),
                .create(path: "/data/g/1", data: [], mode: .persistent),
                .delete(path: "/data/g/1", version: -1),
                .check(path: "/data/g/2", version: -1),
                .set(path: "/data/g/config", data: next.bytes, version: 3),
                .set(path: "/data/g/primary", data: bytes("2"), version: -1),
            ])
        nodes["/data/g/config"] = next.bytes
        zxid += 1
        step(.reply(request.id, .multi([])))
        #expect(try transaction() == nil)
        #expect(bench.lines.contains("primary replaced"))
    }

    @Test mutating func aDeposedMasterStops() throws {
        loseThePrimary()
        let (request, _) = try #require(try settle())
        let codes = [CoordinationError?](repeating: .runtimeInconsistency, count: 5)
        step(.reply(request.id, .failed(.badVersion, operations: [.badVersion] + codes)))
        #expect(master.isDeposed)
        #expect(try settle() == nil)
    }

    @Test mutating func afterAnUnknownOutcomeEverythingIsReadAgain() throws {
        loseThePrimary()
        let (request, operations) = try #require(try settle())
        step(.reply(request.id, lost))
        #expect(try transaction() == nil, "not at once")
        #expect(!master.isDeposed)
        let timer = try bench.lastTimer()
        #expect(master.timerFired(timer))
        let again = try #require(try transaction())
        #expect(again.operations == operations)
    }

    /// Two groups fail at once; the timer that ends the first pause must not be the last.
    @Test mutating func everyGroupIsTriedAgain() throws {
        loseThePrimary()
        groups["h"] = GroupView(group: "h", owner: 3, timer: TimerID(purpose: 3), random: SeededRandom(seed: 4))
        for (path, data) in nodes { nodes[path.replacing("/data/g", with: "/data/h")] = data }
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        let session = bench.session
        for index in groups.keys.indices {
            groups.update(at: index) { $0.refresh(session: session, at: .zero, into: &bench.sink) }
        }
        var tries: [String: Int] = [:]
        for _ in 0..<200 {
            for request in bench.requests() {
                if case .multi(let operations) = request.operation, case .create(let path, _, _) = operations[1] {
                    tries[path, default: 0] += 1
                    step(.reply(request.id, lost))
                } else {
                    step(.reply(request.id, read(request.operation)))
                }
            }
            master.review(groups, ring: ring, session: bench.session, at: bench.now, into: &bench.sink)
            guard bench.sink.items.isEmpty else { continue }
            if tries.values.allSatisfy({ $0 > 3 }), tries.count == 2 { return }
            let timers = bench.effects.compactMap { effect in
                if case .setTimer(let timer, let at) = effect, timer.purpose == 9 { at } else { nil as Instant? }
            }
            bench.now = max(bench.now, try #require(timers.last))
        }
        Issue.record("tries: \(tries)")
    }

    @Test mutating func aGroupWithoutInSyncStoreIsReportedOnce() throws {
        loseThePrimary()
        nodes["/data/g/2"] = nil
        #expect(try settle() == nil)
        #expect(try settle() == nil)
        #expect(bench.lines.filter { $0 == "group has no primary" }.count == 1)
    }

    @Test mutating func aLostStandbyIsNoticedAndNothingElseChanges() throws {
        loseThePrimary()
        nodes["/data/g/1"] = StoreRegistration.test("a").bytes
        nodes["/data/g/2"] = nil
        #expect(try settle() == nil)
        #expect(try settle() == nil)
        #expect(bench.lines.filter { $0 == "in-sync standby is gone" }.count == 1)
    }

    // MARK: The first configuration, and the ring

    private func ringOperation(_ operations: [MultiOperation]) -> (RingRecord?, Int32?) {
        switch operations.last {
        case .create("/ring", let data, .persistent): (RingRecord(data), nil)
        case .set("/ring", let data, let version): (RingRecord(data), version)
        case .create, .set, .check, .delete, nil: (nil, nil)
        }
    }

    @Test mutating func anEmptyGroupEntersTheOpenRing() throws {
        nodes["/data/g/1"] = StoreRegistration.test("a").bytes
        let (_, operations) = try #require(try settle())
        #expect(operations.count == 5)
        #expect(operations[0] == .check(path: "/server/epoch", version: 5))
        #expect(operations[1] == .check(path: "/data/g/1", version: -1))
        guard case .create("/data/g/config", let data, .persistent) = operations[2], let config = GroupConfig(data) else {
            Issue.record("\(operations[2])")
            return
        }
        #expect(config.term == 1 && config.primary == member("a/1") && config.inSync == [member("a/1")])
        #expect(operations[3] == .set(path: "/data/g/primary", data: bytes("1"), version: -1))
        let (record, version) = ringOperation(operations)
        #expect(record == RingRecord(version: 1, sealed: false, groups: [Ring.Group(name: "g", virtualNodes: 2)]))
        #expect(version == nil)
    }

    @Test mutating func aGroupThatComesToASealedRingIsPending() throws {
        nodes["/data/g/1"] = StoreRegistration.test("a").bytes
        nodes["/ring"] = RingRecord(version: 4, sealed: true, groups: [Ring.Group(name: "f", virtualNodes: 2)]).bytes
        let (_, operations) = try #require(try settle())
        #expect(operations.count == 4)
    }

    @Test mutating func importedDataSealsTheRingAtOnce() throws {
        nodes["/data/g/1"] = StoreRegistration.test("a", last: Position(term: 0, seq: 3), keys: true).bytes
        let (_, operations) = try #require(try settle())
        #expect(ringOperation(operations).0?.sealed == true)
    }

    @Test mutating func importedDataEntersNoRingThatOthersShare() throws {
        nodes["/data/g/1"] = StoreRegistration.test("a", last: Position(term: 0, seq: 3), keys: true).bytes
        nodes["/ring"] = RingRecord(version: 4, sealed: false, groups: [Ring.Group(name: "f", virtualNodes: 2)]).bytes
        let (_, operations) = try #require(try settle())
        #expect(operations.count == 4)
    }

    @Test mutating func anOpenRingIsChangedAtTheVersionThatWasRead() throws {
        nodes["/data/g/1"] = StoreRegistration.test("a").bytes
        nodes["/ring"] = RingRecord(version: 4, sealed: false, groups: [Ring.Group(name: "f", virtualNodes: 2)]).bytes
        let (_, operations) = try #require(try settle())
        let (record, version) = ringOperation(operations)
        #expect(record?.version == 5 && record?.groups.map(\.name) == ["f", "g"] && version == 3)
    }

    @Test mutating func withAnUnreadableRingOrConfigurationNothingIsDone() throws {
        nodes["/data/g/1"] = StoreRegistration.test("a").bytes
        nodes["/ring"] = bytes("?")
        #expect(try settle() == nil)
        nodes["/ring"] = nil
        nodes["/data/g/config"] = bytes("?")
        zxid += 1
        #expect(try settle() == nil)
    }
}
