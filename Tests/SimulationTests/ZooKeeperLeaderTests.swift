import Machine
import Testing

@testable import Simulation

/// Who leads the ensemble, and what clients see of it when that changes.
@Suite struct ZooKeeperLeaderTests: ZooKeeperClients {
    /// Runs until something is so, and sees it also where no client notices.
    func look(_ world: inout ProbeWorld, atMost length: Nanoseconds, until condition: (ProbeWorld) -> Bool) -> Bool {
        let end = world.now + length
        while world.now < end {
            if condition(world) { return true }
            world.run(for: .milliseconds(5))
        }
        return condition(world)
    }

    @Test func aLeaderThatCrashesTakesAllConnectionsAndNoSession() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(3, seed: seed) { $0.zooKeeper.servers = 5 }
            for process in 0..<3 {
                _ = ask(&world, process, 1, .create(path: "/e\(process)", data: [], mode: .ephemeral))
            }
            let crashed = world.zooKeeperLeader
            world.failOverZooKeeper()
            #expect(world.zooKeeperLeader == nil)
            world.run(for: .milliseconds(20))
            for process in 0..<3 { #expect(world.probe(process).coordination.contains(.disconnected)) }
            // Others lead on, the server is back by itself, and all sessions live.
            #expect(look(&world, atMost: .seconds(10)) { $0.zooKeeperLeader != nil })
            #expect(world.zooKeeperLeader != crashed)
            #expect(world.run { world in (0..<3).allSatisfy { isConnectedNow(world, $0) } })
            #expect(look(&world, atMost: .seconds(30)) { $0.zooKeeper.servers.allSatisfy(\.serves) })
            for process in 0..<3 {
                #expect(expirations(world, process) == 0)
                #expect(world.zooKeeper.committedData(at: "/e\(process)") != nil)
            }
        }
    }

    @Test func aNewLeaderGivesSessionsTheirFullTimeoutAgain() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed) { $0.zooKeeper.electing = Spread(.milliseconds(50)) }
            _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
            world.crash(0, losingPower: false)
            world.run(for: .milliseconds(550))
            world.failOverZooKeeper()
            world.run(for: .milliseconds(51))
            // Long over for the leader that was; the next one knows nothing of that.
            world.run(for: .milliseconds(980))
            #expect(world.zooKeeper.committedData(at: "/e") != nil)
            world.run(for: .milliseconds(550))
            #expect(world.zooKeeper.committedData(at: "/e") == nil)
        }
    }

    @Test func whatALostLeaderWasDecidingSurvivesOrVanishes() {
        var truths: [String: Int] = [:]
        for seed in 1...200 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed) {
                $0.zooKeeper.commitTime = Spread(least: .milliseconds(5), usual: .milliseconds(5), worst: .milliseconds(5))
            }
            world.tell(
                0, request(1, .create(path: "/a", data: [], mode: .persistent)),
                request(2, .create(path: "/b", data: [], mode: .persistent)))
            #expect(world.run { $0.zooKeeper.handles[0].requests.count == 2 })
            world.failOverZooKeeper()
            #expect(world.zooKeeper.committedData(at: "/a") == nil)
            #expect(look(&world, atMost: .seconds(10)) { $0.zooKeeperLeader != nil })
            let a = world.zooKeeper.committedData(at: "/a") != nil
            let b = world.zooKeeper.committedData(at: "/b") != nil
            truths["\(a ? "a" : "")\(b ? "b" : "")", default: 0] += 1
            world.run(for: .milliseconds(50))
            #expect(failure(world.probe(0).reply(1)) == .connectionLoss)
            // Once the next leader leads there is no more doubt.
            world.run(for: .seconds(3))
            #expect((world.zooKeeper.committedData(at: "/a") != nil) == a)
        }
        // In their order, so never the second one alone.
        #expect(truths.keys.sorted() == ["", "a", "ab"])
    }

    @Test func aLeaderThatIsCutOffAnswersReadsAndSyncFromThePast() {
        var stale = 0
        for seed in 1...60 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed) {
                $0.zooKeeper.electing = Spread(.milliseconds(10))
                $0.zooKeeper.reconnecting = Spread(.milliseconds(1))
            }
            _ = ask(&world, 0, 1, .create(path: "/n", data: [], mode: .persistent))
            _ = ask(&world, 1, 1, .sync(path: "/"))
            guard let old = world.zooKeeperLeader, server(world, 1) == old, server(world, 0) != old else { continue }
            world.setZooKeeperServerIsolated(old, true)
            // It would take back this one, too.
            world.setZooKeeperCut(0, server: old, true)
            guard look(&world, atMost: .seconds(4), until: { ($0.zooKeeperLeader ?? old) != old && isConnectedNow($0, 0) }),
                case .set? = ask(&world, 0, 2, .set(path: "/n", data: bytes("new"), version: -1)),
                isConnectedNow(world, 1), server(world, 1) == old
            else { continue }
            // Two servers believe that they lead.
            guard world.zooKeeper.leadsAlone(old) else { continue }
            world.tell(1, request(2, .sync(path: "/n")), request(3, .get(path: "/n", watch: false)))
            world.run(for: .milliseconds(90))
            guard world.probe(1).reply(2) == .synced, case .data(let data, _)? = world.probe(1).reply(3) else { continue }
            #expect(data.isEmpty)
            stale += 1
            // A write is not decided, and sync waits behind it, until the leader notices.
            world.tell(1, request(4, .set(path: "/n", data: bytes("no"), version: -1)), request(5, .sync(path: "/n")))
            world.run(for: .seconds(6))
            #expect(failure(world.probe(1).reply(4)) != nil)
            #expect(failure(world.probe(1).reply(5)) != nil)
            #expect(world.zooKeeper.committedData(at: "/n") == bytes("new"))
        }
        #expect(stale > 2)
    }

    @Test func aLeaderThatIsCutOffDecidesNothingAndIfNobodyNoticesGoesOn() {
        var kept = 0
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed)
            _ = ask(&world, 0, 1, .create(path: "/n", data: [], mode: .persistent))
            guard let leader = world.zooKeeperLeader else { continue }
            world.setZooKeeperServerIsolated(leader, true)
            world.tell(0, request(2, .set(path: "/n", data: bytes("x"), version: -1)))
            world.run(for: .milliseconds(100))
            #expect(world.probe(0).reply(2) == nil)
            #expect(world.zooKeeper.committedData(at: "/n") == [])
            world.setZooKeeperServerIsolated(leader, false)
            world.run(for: .milliseconds(400))
            #expect(world.zooKeeperLeader == leader)
            #expect(world.zooKeeper.committedData(at: "/n") == bytes("x"))
            if case .set? = world.probe(0).reply(2) { kept += 1 }
        }
        #expect(kept == 20)
    }

    @Test func aLeaderAloneTakesBackClientsAndKnowsNothingOfTheirExpiry() {
        var served = 0
        for seed in 1...80 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed) {
                $0.zooKeeper.electing = Spread(.milliseconds(10))
                $0.zooKeeper.reconnecting = Spread(.milliseconds(1))
            }
            _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
            guard let old = world.zooKeeperLeader, server(world, 0) != old else { continue }
            for other in 0..<3 where other != old { world.setZooKeeperCut(0, server: other, true) }
            world.setZooKeeperServerIsolated(old, true)
            world.breakZooKeeperConnections(of: 0)
            world.run(for: .milliseconds(100))
            #expect(isConnectedNow(world, 0) && server(world, 0) == old)
            guard look(&world, atMost: .seconds(4), until: { $0.zooKeeper.committedData(at: "/e") == nil }),
                world.zooKeeper.leadsAlone(old), case .existence(_?)? = ask(&world, 0, 2, .exists(path: "/e", watch: false))
            else { continue }
            served += 1
            world.setZooKeeperServerIsolated(old, false)
            #expect(world.run { self.expirations($0, 0) == 1 })
        }
        #expect(served > 2)
    }

    @Test func withoutAMajorityNothingIsServed() {
        var world = connected(1)
        world.setZooKeeperServerDown(0, true)
        world.setZooKeeperServerDown(1, true)
        #expect(world.zooKeeperLeader == nil)
        world.run(for: .milliseconds(50))
        #expect(!isConnectedNow(world, 0))
        world.tell(0, request(1, .create(path: "/a", data: [], mode: .persistent)))
        world.run(for: .seconds(20))
        #expect(failure(world.probe(0).reply(1)) == .connectionLoss)
        world.setZooKeeperServerDown(1, false)
        #expect(world.run { isConnectedNow($0, 0) })
        #expect(expirations(world, 0) == 0)
        #expect(ask(&world, 0, 2, .create(path: "/a", data: [], mode: .persistent)) == .created(path: "/a"))
    }

    @Test func aServerThatIsBackHasWhatWasDecidedBeforeItServes() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            guard let leader = world.zooKeeperLeader else { continue }
            let other = (leader + 1) % 3
            world.setZooKeeperServerDown(other, true)
            guard world.run(until: { isConnectedNow($0, 0) }) else { continue }
            _ = ask(&world, 0, 1, .create(path: "/a", data: [], mode: .persistent))
            world.setZooKeeperServerDown(other, false)
            #expect(!world.zooKeeper.servers[other].serves)
            #expect(look(&world, atMost: .seconds(10)) { $0.zooKeeper.servers[other].serves })
            #expect(world.zooKeeper.servers[other].tree["/a"] != nil)
        }
    }

    @Test func aSlowServerShowsThePastForLong() {
        var late = 0
        for seed in 1...30 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed)
            _ = ask(&world, 0, 1, .create(path: "/n", data: [], mode: .persistent))
            _ = ask(&world, 1, 1, .sync(path: "/"))
            let slow = server(world, 1)
            guard server(world, 0) != slow else { continue }
            world.setZooKeeperServerSlow(slow, true)
            world.run(for: .seconds(3))
            _ = ask(&world, 0, 2, .set(path: "/n", data: bytes("new"), version: -1))
            world.run(for: .milliseconds(250))
            guard case .data(let data, _)? = ask(&world, 1, 2, .get(path: "/n", watch: false)) else { continue }
            #expect(data.isEmpty)
            late += 1
            #expect(ask(&world, 1, 3, .sync(path: "/n")) == .synced)
            guard case .data(let synced, _)? = ask(&world, 1, 4, .get(path: "/n", watch: false)) else { continue }
            #expect(synced == bytes("new"))
        }
        #expect(late > 3)
    }
}
