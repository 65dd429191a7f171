import Machine
import TestSupport
import Testing

@testable import ZooKeeperAdapter

/// Servers that die, stand still and come back. Tests with an ensemble of their own; one at a time, as each needs three JVMs.
@Suite(.serialized) struct FaultTests {
    @Test func aServerThatStandsStillLosesThePendingRequests() async throws {
        let ensemble = try await ZooKeeperEnsemble.start()
        let client = try await Client.connected(ensemble.connectString, timeout: .seconds(10))
        let identity = client.sessionID
        try await client.create("/before")
        ensemble.pause(1)
        let ids = [
            client.send(.create(path: "/unknown", data: [], mode: .persistent)),
            client.send(.get(path: "/before", watch: true)),
            client.send(.multi([.check(path: "/before", version: 0), .create(path: "/m", data: [], mode: .persistent)])),
        ]
        for id in ids { #expect(try await client.reply(to: id) == .failed(.connectionLoss, operations: [])) }
        let disconnected = try #require(client.kinds.firstIndex(of: .disconnected))
        #expect(client.kinds[disconnected...].dropFirst().count >= ids.count, "the loss is reported before the lost requests")
        ensemble.resume(1)
        #expect(try await client.waitForConnection(times: 2) == identity)
        #expect(try await client.exists("/before"))
        for id in ids { #expect(client.replies(to: id).count == 1) }
    }

    @Test func aServerThatIsKilledAndComesBack() async throws {
        let ensemble = try await ZooKeeperEnsemble.start()
        let client = try await Client.connected(ensemble.connectString, timeout: .seconds(10))
        try await client.create("/kept", "value", .ephemeral)
        ensemble.kill(1)
        try await client.wait(for: "disconnected") { $0.contains(.disconnected) }
        try ensemble.launch(1)
        _ = try await client.waitForConnection(times: 2)
        guard case .existence(let stat?) = try await client.ask(.exists(path: "/kept", watch: false)) else {
            Issue.record("lost")
            return
        }
        #expect(stat.ephemeralOwner == client.sessionID)
        #expect(client.logLines.contains { $0.event == "lost the connection to ZooKeeper" && $0.level == .warning })
    }

    @Test func shutDownIsBoundedWhereNothingAnswers() async throws {
        let ensemble = try await ZooKeeperEnsemble.start()
        let client = try await Client.connected(ensemble.connectString, timeout: .seconds(10))
        ensemble.pause(1)
        let id = client.send(.exists(path: "/", watch: false))
        let start = ContinuousClock().now
        client.coordinator.shutDown()
        #expect(ContinuousClock().now - start < .seconds(8))
        #expect(client.kinds.suffix(2) == [.reply(id, .failed(.closing, operations: [])), .closed])
        // Or the connection of the next test would be refused in vain.
        ensemble.resume(1)
    }

    /// Three servers: one that only this client knows, and two that keep the quorum.
    @Test func anotherServerTakesOverAndMissedChangesFireTheWatches() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3)
        let client = try await Client.connected(ensemble.connectString, timeout: .seconds(10))
        let identity = client.sessionID
        for path in ["/data", "/children", "/deleted"] { try await client.create(path) }
        _ = try await client.ask(.get(path: "/data", watch: true))
        _ = try await client.ask(.children(path: "/children", watch: true))
        _ = try await client.ask(.exists(path: "/deleted", watch: true))
        _ = try await client.ask(.exists(path: "/created", watch: true))

        // The session survives each single server's death in turn, on whichever it is.
        for id in 1...3 {
            ensemble.kill(id)
            try ensemble.launch(id)
            try await ensemble.waitUntilServing()
        }
        #expect(try await eventuallyValue("an answer") { try? await client.exists("/data") })
        #expect(client.sessionID == identity)
        #expect(client.watchEvents == [])

        // Its server is gone while the nodes change: with the address of one server only.
        let cutOff = try await Client.connected(ensemble.servers[0].address, timeout: .seconds(10))
        _ = try await cutOff.ask(.get(path: "/data", watch: true))
        _ = try await cutOff.ask(.children(path: "/children", watch: true))
        _ = try await cutOff.ask(.exists(path: "/deleted", watch: true))
        _ = try await cutOff.ask(.exists(path: "/created", watch: true))
        ensemble.kill(1)
        let other = try await Client.connected("\(ensemble.servers[1].address),\(ensemble.servers[2].address)")
        _ = try await eventuallyValue("a leader") {
            if case .set = try await other.ask(.set(path: "/data", data: [1], version: -1)) { true } else { nil }
        }
        try await other.create("/children/new")
        _ = try await other.ask(.delete(path: "/deleted", version: -1))
        try await other.create("/created")
        #expect(cutOff.watchEvents == [])
        try ensemble.launch(1)
        _ = try await cutOff.waitForConnection(times: 2)
        let expected: [CoordinationEvent.Kind] = [
            .watchFired(path: "/data", .dataChanged), .watchFired(path: "/children", .childrenChanged),
            .watchFired(path: "/deleted", .deleted), .watchFired(path: "/created", .created),
        ]
        try await cutOff.wait(for: "all watches") { kinds in expected.allSatisfy(kinds.contains) }
        #expect(cutOff.watchEvents.count == expected.count)
    }

    @Test func aSessionExpiresWhereItsServerIsGoneForLong() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3)
        let client = try await Client.connected(ensemble.servers[0].address, timeout: .seconds(1))
        let other = try await Client.connected(
            "\(ensemble.servers[1].address),\(ensemble.servers[2].address)", timeout: .seconds(10))
        let expired = client.token
        try await client.create("/mine", "", .ephemeral)
        ensemble.kill(1)
        try await eventually("the ephemeral node vanishes") { (try? await other.exists("/mine")) == false }
        // The client cannot know yet, and goes on hoping.
        #expect(!client.kinds.contains(.expired))
        try ensemble.launch(1)
        try await client.wait(for: "expired") { $0.contains(.expired) }
        #expect(client.kinds.last == .expired)
        let late = client.send(.exists(path: "/mine", watch: false))
        #expect(try await client.reply(to: late) == .failed(.sessionExpired, operations: []))

        client.openSession()
        #expect(client.token != expired)
        _ = try await client.waitForConnection()
        try await client.create("/mine", "", .ephemeral)
    }

    /// Connections that break at any moment, under load: each request is answered once, in order, and nothing crashes.
    @Test func everyRequestIsAnsweredOnceThroughItAll() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3)
        let client = try await Client.connected(ensemble.connectString + "/churn", timeout: .seconds(10))
        try await client.create("/n")
        var ids: [CoordinationID] = []
        for round in 1...3 {
            for _ in 0..<200 {
                ids.append(
                    client.send(
                        .multi([
                            .check(path: "/n", version: -1), .set(path: "/n", data: [1], version: -1),
                            .check(path: "/n", version: -1),
                        ])))
                ids.append(client.send(.exists(path: "/missing", watch: true)))
                ids.append(client.send(.get(path: "bad", watch: false)))
            }
            ensemble.kill(round)
            for _ in 0..<200 { ids.append(client.send(.children(path: "/", watch: true))) }
            try ensemble.launch(round)
            try await ensemble.waitUntilServing()
        }
        _ = try await client.reply(to: ids.last!)
        let answered = client.kinds.compactMap { if case .reply(let id, _) = $0, ids.contains(id) { id } else { nil } }
        #expect(answered == ids)
        let allowed = client.kinds.compactMap { if case .reply(_, .failed(let error, _)) = $0 { error } else { nil } }
        #expect(Set(allowed).isSubset(of: [.connectionLoss, .badArguments]))
    }
}
