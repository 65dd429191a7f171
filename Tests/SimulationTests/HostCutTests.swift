import Machine
import Testing

@testable import Simulation

@Suite struct HostCutTests: ZooKeeperClients {
    @Test func itCutsHostsOffFromTheOthersAndFromZooKeeperAndNotFromClients() throws {
        var (deaf, mute, both, together) = (0, 0, 0, 0)
        for seed in 1...60 as ClosedRange<UInt64> {
            var world = connected(4, seed: seed) { $0.network.givingUp = Spread(.seconds(600)) }
            var random = SeededRandom(seed: seed)
            let drawn = world.drawFault(.hostCut, mayHit: { $0 == 2 }, random: &random)
            let fault = try #require(drawn)
            let host = fault.processes
            #expect(host.contains(2))
            world.begin(fault)
            var (hears, isHeard) = (true, true)
            for from in 0..<4 {
                for to in 0..<4 where from != to {
                    if host.contains(from) == host.contains(to) {
                        #expect(!world.network.isCut(from: from, to: to))
                    } else if world.network.isCut(from: from, to: to) {
                        if host.contains(to) { hears = false } else { isHeard = false }
                    }
                }
            }
            if host.count == 4 { continue }
            #expect(!hears || !isHeard)
            if hears { mute += 1 } else if isHeard { deaf += 1 } else { both += 1 }
            if host.count > 1 { together += 1 }

            // Clients are answered.
            let before = world.probe(2).batches
            world.tell(2, request(1, .create(path: "/a", data: [], mode: .persistent)))
            #expect(world.run(atMost: .seconds(1)) { $0.probe(2).batches > before })
            // ZooKeeper does not answer it, though it answers the others.
            let other = try #require((0..<4).first { !host.contains($0) })
            #expect(ask(&world, other, 1, .create(path: "/b", data: [], mode: .persistent)) == .created(path: "/b"))
            world.run(for: .seconds(5))
            #expect(failure(world.probe(2).reply(1)) == .connectionLoss || world.probe(2).reply(1) == nil)
            #expect(!isConnectedNow(world, 2))

            world.end(fault)
            for from in 0..<4 { for to in 0..<4 where from != to { #expect(!world.network.isCut(from: from, to: to)) } }
            // It is told what became of its session: that takes an answer.
            #expect(world.run { self.expirations($0, 2) == 1 })
        }
        #expect(deaf > 0 && mute > 0 && both > 0 && together > 0)
    }

    /// Two that overlap are one that is longer; and what made a way slow before goes on doing so.
    @Test func whoIsCutOffTwiceIsReachedWhenBothHaveEnded() {
        let addresses = ProbeWorld.addresses(2)
        var world = connected(2) {
            $0.network.latency = Spread(.milliseconds(1))
            $0.network.givingUp = Spread(.seconds(600))
        }
        world.tell(1, .send("open", to: addresses[0]))
        world.run(for: .seconds(1))
        let paths = [Fault.Path(from: 0, to: 1), Fault.Path(from: 1, to: 0)]
        func cut(_ paths: [Fault.Path], amount: Int64) -> Fault {
            let servers = Array(0..<world.zooKeeperServers)
            return Fault(.hostCut, processes: [0], paths: paths, servers: servers, amount: amount, lasts: .seconds(60))
        }
        let (first, second) = (cut(paths, amount: 1), cut(paths, amount: 1))
        let slow = Fault(.slowPath, paths: paths, amount: 1_000, lasts: .seconds(60))
        world.begin(slow)
        world.begin(first)
        world.begin(second)
        world.end(first)
        world.tell(1, .send("late", to: addresses[0]))
        world.run(for: .seconds(20))
        #expect(!isConnectedNow(world, 0))
        #expect(world.probe(0).received == ["open"])
        world.end(second)
        world.run(for: .milliseconds(500))
        #expect(world.probe(0).received == ["open"])
        world.run(for: .seconds(20))
        #expect(isConnectedNow(world, 0) || expirations(world, 0) == 1)
        #expect(world.probe(0).received == ["open", "late"])
    }

    @Test func whatStillGetsThroughMayBeLate() {
        let addresses = ProbeWorld.addresses(2)
        var world = ProbeWorld.make(2) { $0.network.latency = Spread(.milliseconds(1)) }
        world.tell(1, .send("open", to: addresses[0]))
        world.run(for: .seconds(1))
        let fault = Fault(
            .hostCut, processes: [0], paths: [Fault.Path(from: 0, to: 1)], servers: [0], amount: 1_000, lasts: .seconds(60))
        world.begin(fault)
        world.tell(1, .send("late", to: addresses[0]))
        world.run(for: .milliseconds(900))
        #expect(world.probe(0).received == ["open"])
        world.run(for: .milliseconds(200))
        #expect(world.probe(0).received == ["open", "late"])
        world.end(fault)
        world.tell(1, .send("soon", to: addresses[0]))
        world.run(for: .milliseconds(50))
        #expect(world.probe(0).received == ["open", "late", "soon"])
    }
}
