import Machine
import Testing

@testable import Simulation

/// The model's semantics, one rule of docs/simulation.md a test, as one or two clients see them.
@Suite struct ZooKeeperTests: ZooKeeperClients {
    @Test func nodesAreCreatedReadSetAndDeletedWithVersions() {
        var world = connected(1)
        #expect(ask(&world, 0, 1, .create(path: "/a", data: bytes("x"), mode: .persistent)) == .created(path: "/a"))
        #expect(failure(ask(&world, 0, 2, .create(path: "/a", data: [], mode: .persistent))) == .nodeExists)
        #expect(failure(ask(&world, 0, 3, .create(path: "/b/c", data: [], mode: .persistent))) == .noNode)
        #expect(failure(ask(&world, 0, 4, .set(path: "/a", data: [], version: 5))) == .badVersion)
        guard case .set(let stat)? = ask(&world, 0, 5, .set(path: "/a", data: bytes("yz"), version: 0)) else {
            Issue.record("set failed")
            return
        }
        #expect(stat.version == 1)
        #expect(stat.mzxid > stat.czxid)
        guard case .data(let data, let read)? = ask(&world, 0, 6, .get(path: "/a", watch: false)) else {
            Issue.record("get failed")
            return
        }
        #expect(data == bytes("yz"))
        #expect(read == stat)
        #expect(read.dataLength == 2 && read.ephemeralOwner == 0)
        #expect(ask(&world, 0, 7, .create(path: "/a/b", data: [], mode: .persistent)) == .created(path: "/a/b"))
        #expect(failure(ask(&world, 0, 8, .delete(path: "/a", version: -1))) == .notEmpty)
        #expect(failure(ask(&world, 0, 9, .delete(path: "/a/b", version: 1))) == .badVersion)
        #expect(ask(&world, 0, 10, .delete(path: "/a/b", version: 0)) == .deleted)
        guard case .existence(let existing?)? = ask(&world, 0, 11, .exists(path: "/a", watch: false)) else {
            Issue.record("exists failed")
            return
        }
        // The reported child version counts the creation and the deletion.
        #expect(existing.cversion == 2 && existing.numChildren == 0 && existing.pzxid > existing.mzxid)
        #expect(ask(&world, 0, 12, .delete(path: "/a", version: -1)) == .deleted)
        #expect(failure(ask(&world, 0, 13, .get(path: "/a", watch: true))) == .noNode)
        #expect(ask(&world, 0, 14, .exists(path: "/a", watch: false)) == .existence(nil))
        for path in ["", "a", "/a/", "//", "/a//b", "/./a", "/.."] {
            #expect(
                failure(ask(&world, 0, 20 + UInt64(path.utf8.count) * 100, .create(path: path, data: [], mode: .persistent)))
                    == .badArguments)
        }
    }

    @Test func anEphemeralNodeThatIsDeletedByHandIsGoneThoughItsSessionLives() {
        var world = connected(2)
        _ = ask(&world, 0, 1, .create(path: "/a", data: [], mode: .ephemeral))
        _ = ask(&world, 0, 2, .create(path: "/b", data: [], mode: .ephemeral))
        _ = ask(&world, 1, 1, .sync(path: "/"))
        _ = ask(&world, 1, 2, .exists(path: "/b", watch: true))
        world.deleteEphemeralNode(of: 0, number: 3)
        #expect(world.zooKeeper.ephemeralNodes(of: 0) == ["/a"])
        #expect(world.run { $0.probe(1).coordination.contains(where: isWatch) })
        #expect(ask(&world, 0, 3, .create(path: "/b", data: [], mode: .ephemeral)) == .created(path: "/b"))
        #expect(expirations(world, 0) == 0)
        // Who has no node loses none.
        world.deleteEphemeralNode(of: 1, number: 0)
        #expect(world.zooKeeper.ephemeralNodes(of: 0) == ["/a", "/b"])
    }

    @Test func sequentialNamesCountTheParentsCreations() {
        var world = connected(1)
        _ = ask(&world, 0, 1, .create(path: "/lock", data: [], mode: .persistent))
        #expect(
            ask(&world, 0, 2, .create(path: "/lock/n-", data: [], mode: .ephemeralSequential))
                == .created(path: "/lock/n-0000000000"))
        _ = ask(&world, 0, 3, .create(path: "/lock/other", data: [], mode: .persistent))
        _ = ask(&world, 0, 4, .delete(path: "/lock/other", version: -1))
        #expect(
            ask(&world, 0, 5, .create(path: "/lock/", data: [], mode: .persistentSequential))
                == .created(path: "/lock/0000000002"))
        _ = ask(&world, 0, 6, .delete(path: "/lock/0000000002", version: -1))
        _ = ask(&world, 0, 7, .delete(path: "/lock/n-0000000000", version: -1))
        _ = ask(&world, 0, 8, .delete(path: "/lock", version: -1))
        _ = ask(&world, 0, 9, .create(path: "/lock", data: [], mode: .persistent))
        #expect(
            ask(&world, 0, 10, .create(path: "/lock/n-", data: [], mode: .persistentSequential))
                == .created(path: "/lock/n-0000000000"))
    }

    @Test func ephemeralsHaveAnOwnerAndNoChildrenAndGoWithTheSession() {
        var world = connected(2)
        _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
        #expect(failure(ask(&world, 0, 2, .create(path: "/e/x", data: [], mode: .persistent))) == .noChildrenForEphemerals)
        guard case .existence(let stat?)? = ask(&world, 0, 3, .exists(path: "/e", watch: false)) else {
            Issue.record("the node should be there")
            return
        }
        #expect(stat.ephemeralOwner == sessionID(world, 0))
        world.tell(0, .coordination(.closeSession(session)))
        #expect(world.run { $0.probe(0).coordination.contains(.closed) })
        #expect(world.zooKeeper.committedData(at: "/e") == nil)
        #expect(failure(ask(&world, 0, 4, .exists(path: "/", watch: false))) == .sessionExpired)
    }

    @Test func aMultiIsAllOrNothingAndSaysWhichFailed() {
        var world = connected(1)
        _ = ask(&world, 0, 1, .create(path: "/v", data: [], mode: .persistent))
        let failed = ask(
            &world, 0, 2,
            .multi([
                .create(path: "/m", data: [], mode: .persistent), .check(path: "/v", version: 7),
                .delete(path: "/v", version: -1),
            ]))
        #expect(failed == .failed(.badVersion, operations: [nil, .badVersion, .runtimeInconsistency]))
        #expect(world.zooKeeper.committedData(at: "/m") == nil)
        let done = ask(
            &world, 0, 3,
            .multi([
                .check(path: "/v", version: 0), .create(path: "/m", data: [], mode: .persistent),
                .create(path: "/m/s-", data: [], mode: .ephemeralSequential), .set(path: "/v", data: bytes("1"), version: 0),
                .set(path: "/v", data: bytes("2"), version: 1),
            ]))
        guard case .multi(let results)? = done, results.count == 5, case .set(let first) = results[3],
            case .set(let second) = results[4]
        else {
            Issue.record("\(String(describing: done))")
            return
        }
        #expect(results[0] == .checked && results[2] == .created(path: "/m/s-0000000000"))
        #expect(first.version == 1 && second.version == 2 && first.mzxid == second.mzxid)
        // A proof of absence: create and delete in one transaction.
        let absence = [MultiOperation.create(path: "/x", data: [], mode: .persistent), .delete(path: "/x", version: -1)]
        #expect(ask(&world, 0, 4, .multi(absence)) == .multi([.created(path: "/x"), .deleted]))
        _ = ask(&world, 0, 5, .create(path: "/x", data: [], mode: .persistent))
        #expect(failure(ask(&world, 0, 6, .multi(absence))) == .nodeExists)
    }

    @Test func watchesFireOnceAndBeforeTheReplyThatShowsTheChange() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            _ = ask(&world, 0, 1, .exists(path: "/w", watch: true))
            _ = ask(&world, 0, 2, .children(path: "/", watch: true))
            world.tell(
                0, request(3, .create(path: "/w", data: [], mode: .persistent)), request(4, .get(path: "/w", watch: true)),
                request(5, .set(path: "/w", data: [], version: -1)), request(6, .set(path: "/w", data: [], version: -1)),
                request(7, .children(path: "/w", watch: true)), request(8, .delete(path: "/w", version: -1)))
            _ = world.run { $0.probe(0).reply(8) != nil }
            let story = world.probe(0).coordination.drop { !isWatch($0) }.map(brief)
            #expect(
                story == [
                    "/w created", "/ childrenChanged", "reply 3", "reply 4", "/w dataChanged", "reply 5", "reply 6", "reply 7",
                    "/w deleted", "reply 8",
                ])
        }
    }

    @Test func aCrashedClientsSessionExpiresWithinItsTimeoutAndOneTick() {
        for seed in 1...30 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
            world.crash(0, losingPower: false)
            let start = world.now
            while world.zooKeeper.committedData(at: "/e") != nil { world.run(for: .milliseconds(10)) }
            // Timeout 1,000 ms, last ping up to a third of it old, buckets of 500 ms.
            #expect((600...1_510).contains((world.now - start).milliseconds))
        }
    }

    @Test func anOutageLosesTheConnectionButNotTheSession() {
        var world = connected(1)
        _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
        world.beginZooKeeperOutage()
        world.run(for: .seconds(20))
        #expect(world.probe(0).coordination.last == .disconnected)
        world.tell(0, request(2, .get(path: "/e", watch: false)))
        world.run(for: .seconds(2))
        #expect(failure(world.probe(0).reply(2)) == .connectionLoss)
        world.endZooKeeperOutage()
        let first = sessionID(world, 0)
        #expect(world.run { world in world.probe(0).coordination.last.map(isConnected) ?? false })
        #expect(sessionID(world, 0) == first)
        #expect(world.zooKeeper.committedData(at: "/e") != nil)
    }

    @Test func aClientThatIsCutOffLearnsOfItsExpiryWhenItIsBack() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
            for server in 0..<3 { world.setZooKeeperCut(0, server: server, true) }
            world.run(for: .seconds(3))
            #expect(world.zooKeeper.committedData(at: "/e") == nil)
            #expect(world.probe(0).coordination.last == .disconnected)
            for server in 0..<3 { world.setZooKeeperCut(0, server: server, false) }
            #expect(world.run { $0.probe(0).coordination.last == .expired })
        }
    }

    @Test func aPausedClientExpiresAndSeesItAfterItsPause() {
        var world = connected(1)
        _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
        world.pause(0, for: .seconds(10), midBatch: false)
        world.run(for: .seconds(5))
        #expect(world.zooKeeper.committedData(at: "/e") == nil)
        #expect(!world.probe(0).coordination.contains(.disconnected))
        world.run(for: .seconds(15))
        #expect(Array(world.probe(0).coordination.suffix(2)) == [.disconnected, .expired])
    }

    @Test func connectionLossHasThreeTruths() {
        var truths = Set<String>()
        for seed in 1...300 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            world.tell(0, request(1, .create(path: "/a", data: [], mode: .persistent)))
            world.run(for: .milliseconds(Int64(seed % 12)))
            // Either the client loses its server, or the ensemble its leader.
            if seed % 2 == 0 { for server in 0..<3 { world.setZooKeeperCut(0, server: server, true) } }
            if seed % 2 == 1 { world.failOverZooKeeper() }
            world.run(for: .milliseconds(1))
            let atOnce = world.zooKeeper.committedData(at: "/a") != nil
            world.run(for: .seconds(3))
            let later = world.zooKeeper.committedData(at: "/a") != nil
            guard let reply = world.probe(0).reply(1) else { continue }
            if failure(reply) == .connectionLoss { truths.insert(atOnce ? "applied" : later ? "applied later" : "lost") }
        }
        #expect(truths == ["applied", "applied later", "lost"])
    }

    @Test func readsMayBeStaleButNeverGoBackWithinASession() {
        var sawStale = false
        for seed in 1...40 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed) {
                $0.zooKeeper.lag = Spread(least: .milliseconds(1), usual: .milliseconds(500), worst: .seconds(1))
            }
            _ = ask(&world, 0, 1, .create(path: "/n", data: [], mode: .persistent))
            var newest: Int32 = -1
            for serial in 2...30 as ClosedRange<UInt64> {
                _ = ask(&world, 0, serial, .set(path: "/n", data: [], version: -1))
                let written = Int32(serial - 1)
                if serial % 5 == 0 { world.setZooKeeperServerDown(Int(serial / 5) % 3, true) }
                if serial % 5 == 2 { for server in 0..<3 { world.setZooKeeperServerDown(server, false) } }
                guard case .data(_, let stat)? = ask(&world, 1, serial, .get(path: "/n", watch: false)) else { continue }
                if stat.version < written { sawStale = true }
                #expect(stat.version >= newest)
                newest = stat.version
            }
            if world.probe(1).coordination.contains(.expired) { continue }
            _ = world.run { world in
                world.probe(1).coordination.last { kind in kind == .disconnected || isConnected(kind) }.map(isConnected)
                    ?? false
            }
            world.tell(1, request(90, .sync(path: "/n")), request(91, .get(path: "/n", watch: false)))
            _ = world.run { $0.probe(1).reply(91) != nil }
            if case .data(_, let stat)? = world.probe(1).reply(91), world.probe(1).reply(90) == .synced {
                let truth = world.probe(0).seen.count {
                    if case .coordination(let event) = $0.event, case .reply(_, .set) = event.kind { true } else { false }
                }
                #expect(Int(stat.version) >= truth)
            }
        }
        #expect(sawStale)
    }

    @Test func watchesAreSetAgainAfterAReconnectionByComparingZxids() {
        var fired: [String: Int] = [:]
        for seed in 1...40 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed)
            for (serial, path) in ["/same", "/changed", "/recreated", "/gone"].enumerated() {
                _ = ask(&world, 1, UInt64(serial + 1), .create(path: path, data: [], mode: .persistent))
            }
            world.tell(0, request(1, .sync(path: "/")))
            _ = world.run { $0.probe(0).reply(1) != nil }
            for (serial, path) in ["/same", "/changed", "/recreated", "/gone"].enumerated() {
                _ = ask(&world, 0, UInt64(serial + 2), .get(path: path, watch: true))
            }
            _ = ask(&world, 0, 10, .exists(path: "/missed", watch: true))
            _ = ask(&world, 0, 11, .exists(path: "/made", watch: true))
            for server in 0..<3 { world.setZooKeeperCut(0, server: server, true) }
            _ = ask(&world, 1, 11, .set(path: "/changed", data: [], version: -1))
            _ = ask(&world, 1, 12, .delete(path: "/recreated", version: -1))
            _ = ask(&world, 1, 13, .create(path: "/recreated", data: [], mode: .persistent))
            _ = ask(&world, 1, 14, .delete(path: "/gone", version: -1))
            _ = ask(&world, 1, 15, .create(path: "/missed", data: [], mode: .persistent))
            _ = ask(&world, 1, 16, .delete(path: "/missed", version: -1))
            _ = ask(&world, 1, 17, .create(path: "/made", data: [], mode: .persistent))
            // The client gives its server up after two thirds of its timeout, and is back before it expires.
            guard world.run(atMost: .milliseconds(700), until: { $0.probe(0).coordination.contains(.disconnected) }) else {
                continue
            }
            world.run(for: .milliseconds(1))
            #expect(!world.probe(0).coordination.contains(where: isWatch))
            for server in 0..<3 { world.setZooKeeperCut(0, server: server, false) }
            world.run(for: .seconds(5))
            guard !world.probe(0).coordination.contains(.expired) else { continue }
            for kind in world.probe(0).coordination where isWatch(kind) { fired[brief(kind), default: 0] += 1 }
            fired["runs", default: 0] += 1
        }
        let runs = fired["runs"] ?? 0
        #expect(runs > 5)
        #expect(fired["/changed dataChanged"] == runs)
        #expect(fired["/gone deleted"] == runs)
        #expect(fired["/made created"] == runs)
        // Recreated looks like changed, or, at a server that is behind, like deleted.
        #expect((fired["/recreated dataChanged"] ?? 0) + (fired["/recreated deleted"] ?? 0) >= runs)
        #expect(fired["/same dataChanged"] == nil)
    }

    @Test func anIsolatedServerServesItsClientsThePastUntilItsSyncLimit() {
        var served = 0
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed)
            _ = ask(&world, 0, 1, .create(path: "/n", data: [], mode: .persistent))
            _ = ask(&world, 1, 1, .sync(path: "/"))
            let handle = world.zooKeeper.handlesOfProcess[1][0]
            let server = world.zooKeeper.handles[handle].server
            guard world.zooKeeper.handles[world.zooKeeper.handlesOfProcess[0][0]].server != server,
                server != world.zooKeeperLeader
            else { continue }
            world.setZooKeeperServerIsolated(server, true)
            _ = ask(&world, 0, 2, .set(path: "/n", data: bytes("new"), version: -1))
            guard case .data(let data, _)? = ask(&world, 1, 2, .get(path: "/n", watch: false)) else {
                Issue.record("an isolated server answers reads")
                continue
            }
            #expect(data.isEmpty)
            served += 1
            world.tell(1, request(3, .set(path: "/n", data: bytes("lost?"), version: -1)))
            world.run(for: .milliseconds(500))
            #expect(world.probe(1).reply(3) == nil)
            world.run(for: .seconds(10))
            // Its session has expired meanwhile, at the leader; it hears that from another server.
            #expect(world.probe(1).coordination.contains(.expired))
            #expect(failure(world.probe(1).reply(3)) != nil)
        }
        #expect(served > 3)
    }

    @Test func aLockQueueOfManyClientsIsFairAndSafe() {
        // Ephemeral sequential nodes of five clients under one parent get distinct, growing suffixes.
        var world = connected(5)
        _ = ask(&world, 0, 1, .create(path: "/lock", data: [], mode: .persistent))
        for process in 0..<5 {
            world.tell(process, request(2, .create(path: "/lock/n-", data: [], mode: .ephemeralSequential)))
        }
        #expect(world.run { world in (0..<5).allSatisfy { world.probe($0).reply(2) != nil } })
        let names = world.zooKeeper.committedChildren(of: "/lock")
        #expect(names?.count == 5)
        world.crash(2, losingPower: false)
        #expect(world.run { $0.zooKeeper.committedChildren(of: "/lock")?.count == 4 })
    }
}
