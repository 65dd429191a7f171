import Coordination
import Machine
import Testing
import Wire

@Suite("Views")
struct ViewTests {
    var bench = Bench.connected()
    var ring = RingView(owner: 1, timer: TimerID(purpose: 1), random: SeededRandom(seed: 1))
    var group = GroupView(group: "g", owner: 2, timer: TimerID(purpose: 2), random: SeededRandom(seed: 2))

    private func record(_ version: UInt64) -> [UInt8] { RingRecord(version: version, sealed: false, groups: []).bytes }

    private mutating func ringStep(_ kind: CoordinationEvent.Kind) -> Bool {
        ring.step(bench.happened(kind), session: bench.session, at: bench.now, into: &bench.sink)
    }

    private mutating func groupStep(_ kind: CoordinationEvent.Kind) -> Bool {
        group.step(bench.happened(kind), session: bench.session, at: bench.now, into: &bench.sink)
    }

    /// Syncs, reads, and answers with this version of the node.
    private mutating func readRing(_ reply: CoordinationReply) throws -> Bool {
        let sync = try bench.request()
        #expect(sync.operation == .sync(path: "/ring"))
        _ = ringStep(.reply(sync.id, .synced))
        let get = try bench.request()
        #expect(get.operation == .get(path: "/ring", watch: true))
        return ringStep(.reply(get.id, reply))
    }

    private mutating func reconnect() {
        _ = ringStep(.disconnected)
        _ = ringStep(.connected(sessionID: 7, timeout: .seconds(4)))
    }

    @Test mutating func theReadArmsTheWatchAndIsWhatCounts() throws {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try readRing(.data(record(1), Stat(mzxid: 5, version: 0))))
        #expect(ring.record?.version == 1 && ring.version == 0 && ring.isCurrent(bench.session))

        #expect(!ringStep(.watchFired(path: "/ring", .deleted)))
        #expect(!ring.isCurrent(bench.session))
        let get = try bench.request()
        #expect(get.operation == .get(path: "/ring", watch: true))
        // Deleted, and created again before it was read: what was read is what is.
        #expect(ringStep(.reply(get.id, .data(record(2), Stat(mzxid: 9, version: 0)))))
        #expect(ring.record?.version == 2)
    }

    @Test mutating func aChangeWhileItIsBeingReadIsReadToo() throws {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try readRing(.data(record(1), Stat(mzxid: 5))))
        _ = ringStep(.watchFired(path: "/ring", .dataChanged))
        let first = try bench.request()
        _ = ringStep(.watchFired(path: "/ring", .dataChanged))
        #expect(bench.requests().isEmpty)
        _ = ringStep(.reply(first.id, .data(record(2), Stat(mzxid: 6, version: 1))))
        #expect(!ring.isCurrent(bench.session))
        #expect(try bench.request().operation == .get(path: "/ring", watch: true))
    }

    @Test mutating func aMissingNodeIsWaitedFor() throws {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try !readRing(noNode))
        let exists = try bench.request()
        #expect(exists.operation == .exists(path: "/ring", watch: true))
        #expect(ringStep(.reply(exists.id, .existence(nil))))
        #expect(ring.isLoaded && !ring.exists && ring.version == -1)
        _ = ringStep(.watchFired(path: "/ring", .created))
        let get = try bench.request()
        #expect(ringStep(.reply(get.id, .data(record(1), Stat(mzxid: 5)))))
        #expect(ring.exists)
    }

    /// A new connection may lead to a server that lags behind what was seen.
    @Test mutating func nothingNewerIsReplacedByOlder() throws {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try readRing(.data(record(2), Stat(mzxid: 9, version: 1))))
        reconnect()
        #expect(try !readRing(.data(record(1), Stat(mzxid: 5, version: 0))))
        #expect(ring.record?.version == 2 && !ring.isCurrent(bench.session))
        ring.timerFired(try bench.lastTimer(), session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try !readRing(.data(record(2), Stat(mzxid: 9, version: 1))))
        #expect(ring.isCurrent(bench.session))
    }

    @Test mutating func whatWasKnownOutlivesTheSession() throws {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try readRing(.data(record(2), Stat(mzxid: 9, version: 1))))
        for event in bench.expire() { _ = ring.step(event, session: bench.session, at: bench.now, into: &bench.sink) }
        #expect(ring.record?.version == 2)
        #expect(try !readRing(.data(record(2), Stat(mzxid: 9, version: 1))))
    }

    @Test mutating func anUnreadableRingIsNoneButIsThere() throws {
        ring.refresh(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(try readRing(.data(bytes("?"), Stat(mzxid: 9, version: 4))))
        #expect(ring.record == nil && ring.exists && ring.version == 4)
    }

    /// Answers the requests of the group's view from what is there; returns how often each path was read.
    private mutating func serve(_ nodes: [String: [UInt8]], czxid: Int64 = 1, pzxid: Int64 = 1) -> [String] {
        var read: [String] = []
        while case let requests = bench.requests(), !requests.isEmpty {
            for request in requests {
                let reply: CoordinationReply
                switch request.operation {
                case .sync: reply = .synced
                case .children: reply = .children(nodes.keys.sorted(), Stat(czxid: czxid, pzxid: pzxid))
                case .exists: reply = .existence(nil)
                case .get(let path, _):
                    let name = String(path.dropFirst("/data/g/".count))
                    if nodes[name] != nil { read.append(name) }
                    reply = nodes[name].map { .data($0, Stat(mzxid: pzxid, version: 3)) } ?? noNode
                case .create, .delete, .set, .multi: reply = lost
                }
                _ = groupStep(.reply(request.id, reply))
            }
        }
        return read
    }

    @Test mutating func aGroupIsItsMembersAndItsConfiguration() throws {
        let config = GroupConfig(lineage: Lineage("l"), term: 2, primary: member("a/1"), inSync: [member("a/1")])
        var nodes = [
            "top": bytes("4"), "primary": bytes("1"), "config": config.bytes, "1": StoreRegistration.test("a").bytes,
            "3": bytes("garbage"),
        ]
        group.begin(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(!group.isLoaded)
        _ = serve(nodes)
        #expect(group.isLoaded && group.isCurrent(bench.session))
        #expect(group.registered == [1, 3] && group.members.keys == [1])
        #expect(group.config == config && group.configVersion == 3)
        #expect(group.primaryAddress == Address(host: "a", port: 1))

        // A number's node is read once.
        nodes["4"] = StoreRegistration.test("b").bytes
        nodes["3"] = nil
        _ = groupStep(.watchFired(path: "/data/g", .childrenChanged))
        #expect(serve(nodes, pzxid: 2) == ["4"])
        #expect(group.registered == [1, 4] && group.members.keys == [1, 4])

        // The parent was deleted and made again: the same number is another life.
        nodes["1"] = StoreRegistration.test("c").bytes
        _ = groupStep(.watchFired(path: "/data/g", .deleted))
        _ = serve(nodes, czxid: 5, pzxid: 6)
        #expect(group.members[1]?.store == StoreID("c"))
    }

    @Test mutating func aLaggingServerBringsNoMemberBack() throws {
        group.begin(session: bench.session, at: bench.now, into: &bench.sink)
        _ = serve(["2": StoreRegistration.test("b").bytes], pzxid: 9)
        _ = groupStep(.disconnected)
        _ = groupStep(.connected(sessionID: 7, timeout: .seconds(4)))
        _ = serve(["1": StoreRegistration.test("a").bytes], pzxid: 3)
        #expect(group.registered == [2] && !group.isCurrent(bench.session))
    }
}
