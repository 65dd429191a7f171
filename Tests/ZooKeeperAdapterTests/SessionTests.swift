import Machine
import TestSupport
import Testing

@testable import ZooKeeperAdapter

/// Opening and closing sessions, where ZooKeeper is well or not there at all.
@Suite struct SessionTests {
    @Test func ephemeralNodesVanishOnClose() async throws {
        let connectString = try await SharedServer.connectString()
        let watcher = try await Client.connected(connectString)
        let client = try await Client.connected(connectString)
        try await client.create("/e", "", .ephemeral)
        _ = try await watcher.ask(.exists(path: "/e", watch: true))
        try await client.closeSession()
        #expect(client.kinds.last == .closed)
        try await watcher.wait(for: "the node vanishes") { $0.contains(.watchFired(path: "/e", .deleted)) }
    }

    /// 500 ms ticks: sessions last from 1 to 10 seconds.
    @Test(arguments: [
        (Nanoseconds.milliseconds(1), Nanoseconds.seconds(1)), (.seconds(4), .seconds(4)), (.seconds(600), .seconds(10)),
    ])
    func theNegotiatedTimeoutIsReported(asked: Nanoseconds, negotiated: Nanoseconds) async throws {
        let client = try await Client.connected(SharedServer.connectString(), timeout: asked)
        #expect(client.kinds.first == .connected(sessionID: client.sessionID!, timeout: negotiated))
    }

    @Test func whatIsAskedBeforeTheConnectionIsAnsweredAfterIt() async throws {
        let client = Client(try await SharedServer.connectString())
        client.openSession()
        let ids = [
            client.send(.create(path: "/early", data: [], mode: .persistent)),
            client.send(.exists(path: "/early", watch: false)),
        ]
        #expect(try await client.reply(to: ids[0]) == .created(path: "/early"))
        guard case .existence(_?) = try await client.reply(to: ids[1]) else {
            Issue.record("not there")
            return
        }
        #expect(client.kinds.first == .connected(sessionID: client.sessionID!, timeout: .seconds(4)))
    }

    @Test func whatIsAskedBeforeTheCloseIsAnsweredBeforeIt() async throws {
        let client = try await Client.connected(SharedServer.connectString())
        let ids = (0..<100).map { client.send(.create(path: "/n\($0)", data: [], mode: .persistent)) }
        try await client.closeSession()
        let replies = client.kinds.dropFirst().dropLast().compactMap {
            if case .reply(_, let reply) = $0 { reply } else { nil }
        }
        #expect(replies == ids.indices.map { .created(path: "/n\($0)") })
        let late = client.send(.exists(path: "/n1", watch: false))
        guard case .failed = try await client.reply(to: late) else {
            Issue.record("a closed session answered")
            return
        }
    }

    @Test func closingWhatIsNotOpen() async throws {
        let client = Client(try await SharedServer.connectString())
        try await client.closeSession()
        #expect(client.kinds == [.closed])
        let id = client.send(.exists(path: "/", watch: false))
        #expect(try await client.reply(to: id) == .failed(.sessionExpired, operations: []))
    }

    /// The session's thread has told the end, and has not yet got to forgetting the session.
    @Test func whatComesBetweenTheEndAndItsForgetting() async throws {
        let lingering = try Lingering()
        defer { lingering.forget() }
        lingering.session.close()
        try await eventually("the end") { lingering.kinds.last == .closed }
        let id = CoordinationID(owner: 1, serial: 1)
        lingering.session.request(id, .exists(path: "/", watch: false))
        lingering.session.close()
        #expect(lingering.kinds.filter { $0 == .closed }.count == 1, "\(lingering.kinds)")
        #expect(lingering.kinds.last == .reply(id, .failed(.sessionExpired, operations: [])))
    }

    /// Nobody had asked for the close when the session's thread came to its end.
    @Test func aCloseOfWhatHasExpiredIsAnsweredOnce() async throws {
        let lingering = try Lingering()
        defer { lingering.forget() }
        lingering.session.expired()
        try await eventually("the end") { lingering.session.state.withLock { $0.isOver } }
        #expect(!lingering.kinds.contains(.closed))
        lingering.session.close()
        lingering.session.close()
        #expect(Array(lingering.kinds.suffix(2)) == [.expired, .closed])
    }

    /// A session without a server that is not forgotten when it is over.
    private struct Lingering {
        let session: Session
        private let heard = Monitor<[CoordinationEvent.Kind]>([])
        private let isForgetting = Monitor(false)

        init() throws {
            let ensemble = try ConnectString("127.0.0.1:\(FreePorts.take())")
            let (heard, isForgetting) = (heard, isForgetting)
            let session = Callbacks.enter { key in
                Session(
                    token: SessionToken(1), key: key, ensemble: ensemble, timeout: .seconds(4),
                    deliver: { event in heard.withLock { $0.append(event.kind) } }, log: { _ in })
            }
            session.start {
                _ = isForgetting.wait(atMost: .seconds(60)) { $0 ? true : nil }
                Callbacks.leave(session)
            }
            self.session = session
        }

        var kinds: [CoordinationEvent.Kind] { heard.withLock { $0 } }
        func forget() { isForgetting.withLock { $0 = true } }
    }

    @Test func sessionsOneAfterTheOther() async throws {
        let client = Client(try await SharedServer.connectString())
        var identities: Set<Int64> = []
        for _ in 0..<10 {
            client.openSession()
            identities.insert(try await client.waitForConnection())
            client.send(.create(path: "/x", data: [], mode: .ephemeral))
            try await client.closeSession()
        }
        #expect(identities.count == 10)
    }

    @Test func severalCoordinatorsCreateOneChroot() async throws {
        let connectString = try await SharedServer.connectString() + "/deep/er/still"
        let clients = (0..<4).map { _ in Client(connectString) }
        clients.forEach { $0.openSession() }
        for client in clients { _ = try await client.waitForConnection() }
        try await clients[0].create("/seen")
        #expect(try await clients[3].exists("/seen"))
        let root = try await Client.connected(String(connectString.prefix { $0 != "/" }))
        let chroot = String(connectString.drop { $0 != "/" })
        #expect(try await root.exists(chroot + "/seen"))
    }

    @Test func noServerAtTheStart() async throws {
        let port = FreePorts.take()
        let client = Client("127.0.0.1:\(port)/x", timeout: .seconds(1))
        client.openSession()
        let id = client.send(.create(path: "/x", data: [], mode: .persistent))
        #expect(try await client.reply(to: id) == .failed(.connectionLoss, operations: []))
        try await eventually("a warning") { client.logLines.contains { $0.level == .warning } }
        let warning = client.logLines.first { $0.level == .warning }!
        #expect(warning.event == "ZooKeeper is not reached, trying on")
        #expect(warning.fields.first == LogField("ensemble", "127.0.0.1:\(port)/x"))
        #expect(warning.fields.last!.value.contains("refused"), "\(warning)")
        try await client.closeSession()
        #expect(client.kinds.last == .closed)
    }

    @Test func aNameThatCannotBeResolved() async throws {
        let client = Client("no-such-host.invalid:2181", timeout: .seconds(1))
        client.openSession()
        try await eventually("a warning") { client.logLines.contains { $0.level == .warning } }
        let warning = client.logLines.first { $0.level == .warning }!
        #expect(warning.fields.last!.value.hasPrefix("cannot resolve no-such-host.invalid: "), "\(warning)")
        try await client.closeSession()
    }

    @Test func oneNameOfSeveralCannotBeResolved() async throws {
        let connectString = try await SharedServer.connectString()
        _ = try await Client.connected("no-such-host.invalid:2181," + connectString)
    }
}
