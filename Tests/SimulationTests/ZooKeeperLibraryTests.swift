import Machine
import Testing

@testable import Simulation

/// What stands between a node and the ensemble: the client library with the adapter over it. The same rules are shown of the
/// real ones in `ZooKeeperAdapterTests` and `ConformanceTests`.
@Suite struct ZooKeeperLibraryTests: ZooKeeperClients {
    @Test func whatNoServerTakesIsRefusedInItsTurn() {
        var world = connected(1)
        let large = [UInt8](repeating: 0, count: 1 << 20)
        world.tell(
            0, request(1, .create(path: "/a", data: [], mode: .persistent)),
            request(2, .create(path: "/large", data: large, mode: .persistent)), request(3, .get(path: "/a//b", watch: true)),
            request(4, .multi([.check(path: "/a", version: 7), .delete(path: "/\u{1}", version: 0)])),
            request(5, .exists(path: "/😀", watch: true)), request(6, .exists(path: "/large", watch: false)))
        #expect(world.run { $0.probe(0).reply(6) != nil })
        let answers = world.probe(0).coordination.compactMap { kind in
            if case .reply(let id, let reply) = kind { "\(id.serial) \(failure(reply).map { "\($0)" } ?? "done")" } else { nil }
        }
        #expect(answers == ["1 done", "2 badArguments", "3 badArguments", "4 badArguments", "5 badArguments", "6 done"])
        #expect(world.probe(0).reply(4) == .failed(.badArguments, operations: []))
        // And the connection lives.
        #expect(!world.probe(0).coordination.contains(.disconnected))
    }

    @Test func withoutAConnectionRequestsWaitForTheNext() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            world.beginZooKeeperOutage()
            world.run(for: .milliseconds(100))
            world.tell(
                0, request(1, .create(path: "/a", data: [], mode: .persistent)), request(2, .get(path: "bad", watch: false)))
            world.run(for: .milliseconds(100))
            #expect(world.probe(0).reply(1) == nil && world.probe(0).reply(2) == nil)
            world.endZooKeeperOutage()
            #expect(world.run { $0.probe(0).reply(2) != nil })
            guard isConnectedNow(world, 0), failure(world.probe(0).reply(1)) != .connectionLoss else { continue }
            #expect(world.probe(0).reply(1) == .created(path: "/a"))
        }
    }

    @Test func withoutAConnectionForASessionTimeoutRequestsEnd() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed)
            world.beginZooKeeperOutage()
            world.run(for: .milliseconds(50))
            let asked = world.now
            world.tell(
                0, request(1, .create(path: "/a", data: [], mode: .persistent)), request(2, .get(path: "bad", watch: false)))
            #expect(world.run { $0.probe(0).reply(2) != nil })
            // The session timeout is a second here, and the adapter looks every quarter of one.
            #expect((995...1_350).contains((world.now - asked).milliseconds))
            #expect(failure(world.probe(0).reply(1)) == .connectionLoss)
            #expect(failure(world.probe(0).reply(2)) == .badArguments)
            world.endZooKeeperOutage()
            world.run(for: .seconds(5))
            // It was never sent.
            #expect(world.zooKeeper.committedData(at: "/a") == nil)
        }
    }

    @Test func aCloseWaitsForWhatWasAskedBefore() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed)
            _ = ask(&world, 1, 1, .children(path: "/", watch: true))
            world.tell(
                0, request(1, .create(path: "/e", data: [], mode: .ephemeral)), request(2, .children(path: "/", watch: true)),
                .coordination(.closeSession(session)), request(3, .exists(path: "/", watch: false)))
            #expect(world.run { $0.probe(0).coordination.contains(.closed) })
            let story = world.probe(0).coordination.drop { !isReply($0) }
            #expect(story.map(brief) == ["reply 1", "reply 2", "reply 3", "closed"])
            #expect(failure(world.probe(0).reply(3)) == .closing)
            #expect(failure(ask(&world, 0, 4, .exists(path: "/", watch: false))) == .sessionExpired)
            #expect(world.zooKeeper.committedData(at: "/e") == nil)
            // Once is enough, and each is answered.
            world.tell(0, .coordination(.closeSession(session)))
            #expect(world.run { $0.probe(0).coordination.count { $0 == .closed } == 2 })
        }
    }

    func isReply(_ kind: CoordinationEvent.Kind) -> Bool { if case .reply = kind { true } else { false } }

    @Test func aCloseWithoutAConnectionLeavesTheSessionToExpire() {
        var world = connected(1)
        _ = ask(&world, 0, 1, .create(path: "/e", data: [], mode: .ephemeral))
        world.beginZooKeeperOutage()
        world.run(for: .milliseconds(50))
        world.tell(0, request(2, .exists(path: "/", watch: false)), .coordination(.closeSession(session)))
        world.run(for: .milliseconds(10))
        #expect(world.probe(0).coordination.suffix(2).map(brief) == ["reply 2", "closed"])
        #expect(failure(world.probe(0).reply(2)) == .closing)
        world.endZooKeeperOutage()
        world.run(for: .milliseconds(500))
        #expect(world.zooKeeper.committedData(at: "/e") != nil)
        world.run(for: .seconds(2))
        #expect(world.zooKeeper.committedData(at: "/e") == nil)
    }

    @Test func aCloseThatNobodyAnswersIsGivenUp() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(1, seed: seed) { $0.zooKeeper.requestedTimeout = .seconds(10) }
            let server = server(world, 0)
            world.setZooKeeperCut(0, server: server, true)
            let asked = world.now
            world.tell(0, .coordination(.closeSession(session)))
            #expect(world.run(atMost: .seconds(7)) { $0.probe(0).coordination.contains(.closed) })
            #expect((world.now - asked).milliseconds >= 1_000)
        }
    }

    @Test func anExpiryAnswersWhatWaitsBeforeItIsTold() {
        var world = connected(1)
        for server in 0..<3 { world.setZooKeeperCut(0, server: server, true) }
        world.run(for: .seconds(3))
        world.tell(0, request(1, .exists(path: "/", watch: false)))
        for server in 0..<3 { world.setZooKeeperCut(0, server: server, false) }
        #expect(world.run { $0.probe(0).coordination.last == .expired })
        #expect(world.probe(0).coordination.suffix(2).map(brief) == ["reply 1", "expired"])
        #expect([.sessionExpired, .connectionLoss].contains(failure(world.probe(0).reply(1))))
        #expect(failure(ask(&world, 0, 2, .exists(path: "/", watch: false))) == .sessionExpired)
    }

    @Test func twoWatchesOnANodeThatIsGoneAreToldOnce() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = connected(2, seed: seed) { $0.zooKeeper.servers = 1 }
            _ = ask(&world, 1, 1, .create(path: "/n", data: [], mode: .persistent))
            for (serial, operation) in [
                CoordinationOperation.get(path: "/n", watch: true), .children(path: "/n", watch: true),
                .exists(path: "/n", watch: true),
            ].enumerated() {
                _ = ask(&world, 0, UInt64(serial + 1), operation)
            }
            world.setZooKeeperCut(0, server: 0, true)
            world.breakZooKeeperConnections(of: 0)
            _ = ask(&world, 1, 2, .delete(path: "/n", version: -1))
            world.setZooKeeperCut(0, server: 0, false)
            #expect(world.run { isConnectedNow($0, 0) })
            _ = ask(&world, 0, 9, .sync(path: "/"))
            #expect(world.probe(0).coordination.filter(isWatch).map(brief) == ["/n deleted"])
        }
    }
}
