import Glibc
import Machine
import TestSupport
import Testing
import Wire

@testable import GRPCAdapter

/// Deadlines, cancellations, limits, and what a client may conclude when something breaks.
@Suite struct FailureTests {
    @Test func aDeadlineEndsTheWaitAndTheNodeHearsOfIt() throws {
        try TestServer.with { server, client in
            try connect(client, to: server)
            do throws(ClientError) {
                try client.put(key: [1], value: [2], timeout: .milliseconds(50))
                Issue.record("nobody answered")
            } catch {
                #expect(error.code == .deadlineExceeded, "\(error)")
                #expect(error.mayHaveHappened)
            }
            #expect(server.cancelled.wait { !$0.isEmpty })
            #expect(server.cancelled.all == [server.requests.all[1].call])
            // Too late for anybody, and harmless.
            server.server.reply(.put, to: server.requests.all[1].call)
        }
    }

    /// A first request, so that the next one finds a connection.
    private func connect(_ client: KVClient, to server: TestServer) throws {
        let answered = Recorder<Bool>()
        client.start(.get(key: [0]), timeout: patience) { _ in answered.append(true) }
        #expect(server.requests.wait { !$0.isEmpty })
        server.server.reply(.value(nil), to: server.requests.all[0].call)
        #expect(answered.wait { !$0.isEmpty })
    }

    @Test func aCancelledRequestMayHaveHappenedAndTheNodeHearsOfIt() throws {
        try TestServer.with { server, client in
            let results = Recorder<Result<ClientReply, ClientError>>()
            let call = client.start(.put(key: [1], value: [2]), timeout: patience) { results.append($0) }
            #expect(server.requests.wait { !$0.isEmpty })
            client.cancel(call)
            #expect(results.wait { !$0.isEmpty })
            #expect(results.all[0] == .failure(ClientError(.aborted, "the call was cancelled")))
            #expect(server.cancelled.wait { $0 == [server.requests.all[0].call] })
            client.cancel(call)
        }
    }

    @Test func aCancelledTaskGivesItsRequestUp() async throws {
        let server = try TestServer()
        let client = server.client()
        let task = Task { try await client.put(key: [1], value: [2], timeout: patience) }
        // Not the recorder's blocking wait: the task needs a thread of the pool that this test runs on.
        try await eventually("the request is there") { !server.requests.all.isEmpty }
        task.cancel()
        try await eventually("the node hears of the cancellation") { !server.cancelled.all.isEmpty }
        await #expect(throws: ClientError(.aborted, "the call was cancelled")) { try await task.value }
        client.shutDown()
        server.shutDown()
    }

    @Test func aServerThatIsNotThereDidNothing() throws {
        let (listener, port) = listenOnLoopback()
        close(listener)
        let client = KVClient(servers: [Address(host: "127.0.0.1", port: port)])
        defer { client.shutDown() }
        for _ in 0..<3 {
            do throws(ClientError) {
                try client.put(key: [1], value: [2], timeout: patience)
                Issue.record("nobody is there")
            } catch {
                #expect(error.code == .unavailable)
                #expect(error.message.hasPrefix("127.0.0.1:\(port) cannot be reached"))
            }
        }
    }

    /// A load generator that starts the next request when one fails.
    @Test func failuresDoNotPileUpOnTheStack() throws {
        let (listener, port) = listenOnLoopback()
        close(listener)
        let client = KVClient(servers: [Address(host: "127.0.0.1", port: port)])
        let failures = Recorder<ClientError.Code>()
        @Sendable func next() {
            client.start(.put(key: [1], value: []), timeout: patience) { result in
                if case .failure(let error) = result { failures.append(error.code) }
                if failures.all.count < 2_000 { next() }
            }
        }
        next()
        #expect(failures.wait { $0.count == 2_000 })
        #expect(Set(failures.all) == [.unavailable])
        client.shutDown()
    }

    @Test func aServerThatNeverSpeaksDidNothing() throws {
        let (listener, port) = listenOnLoopback()
        defer { close(listener) }
        let client = KVClient(servers: [Address(host: "127.0.0.1", port: port)])
        defer { client.shutDown() }
        // Connections are taken by the system, and nothing is ever said on them.
        #expect(throws: ClientError.self) { try client.put(key: [1], value: [2], timeout: .milliseconds(200)) }
        do throws(ClientError) {
            try client.put(key: [1], value: [2], timeout: .milliseconds(200))
        } catch {
            #expect(error.code == .unavailable)
        }
    }

    @Test func aServersRefusalTellsMoreThanAServerThatIsNotThere() throws {
        let (listener, port) = listenOnLoopback()
        close(listener)
        let server = try TestServer { _ in .failed(ClientError(.unavailable, "group g has no primary")) }
        defer { server.shutDown() }
        let client = KVClient(servers: [server.address, Address(host: "127.0.0.1", port: port)])
        defer { client.shutDown() }
        do throws(ClientError) {
            _ = try client.get(key: [1], timeout: patience)
            Issue.record("nobody has the key")
        } catch {
            #expect(error == ClientError(.unavailable, "group g has no primary"))
        }
    }

    @Test func theNextServerIsAskedWhereNothingHappened() throws {
        let (listener, port) = listenOnLoopback()
        close(listener)
        let electing = try TestServer { _ in .failed(ClientError(.unavailable, "no primary yet")) }
        let serving = try TestServer { _ in .put }
        let client = KVClient(servers: [Address(host: "127.0.0.1", port: port), electing.address, serving.address])
        try client.put(key: [1], value: [2], timeout: patience)
        try client.put(key: [1], value: [2], timeout: patience)
        #expect(electing.requests.all.count == 1)
        #expect(serving.requests.all.count == 2)
        client.shutDown()
        electing.shutDown()
        serving.shutDown()
    }

    @Test func everyServerIsAskedOnceAndTheLastReasonIsGiven() throws {
        let servers = try (0..<3).map { i in try TestServer { _ in .failed(ClientError(.unavailable, "reason \(i)")) } }
        let client = KVClient(servers: servers.map(\.address))
        #expect(throws: ClientError(.unavailable, "reason 2")) { try client.put(key: [1], value: [2], timeout: patience) }
        #expect(servers.map(\.requests.all.count) == [1, 1, 1])
        client.shutDown()
        for server in servers { server.shutDown() }
    }

    @Test func aMutationOnAConnectionThatBreaksMayHaveHappened() throws {
        let server = try TestServer()
        let other = try TestServer { _ in .put }
        let relay = Relay(to: server.address)
        let client = KVClient(servers: [relay.address, other.address])
        let results = Recorder<Result<ClientReply, ClientError>>()
        client.start(.put(key: [1], value: [2]), timeout: patience) { results.append($0) }
        #expect(server.requests.wait { !$0.isEmpty })
        relay.cut()
        #expect(results.wait { !$0.isEmpty })
        guard case .failure(let error) = results.all[0] else {
            Issue.record("nobody answered")
            return
        }
        #expect(error.code == .aborted && error.mayHaveHappened)
        #expect(other.requests.all.isEmpty)
        client.shutDown()
        relay.end()
        server.shutDown()
        other.shutDown()
    }

    @Test func aReadOnAConnectionThatBreaksGoesToTheNextServer() throws {
        let server = try TestServer()
        let other = try TestServer { _ in .value([9]) }
        let relay = Relay(to: server.address)
        let client = KVClient(servers: [relay.address, other.address])
        let results = Recorder<Result<ClientReply, ClientError>>()
        client.start(.get(key: [1]), timeout: patience) { results.append($0) }
        #expect(server.requests.wait { !$0.isEmpty })
        relay.cut()
        #expect(results.wait { $0 == [.success(.value([9]))] })
        client.shutDown()
        relay.end()
        server.shutDown()
        other.shutDown()
    }

    @Test func callsBeyondTheLimitAreRefused() throws {
        var limits = ServerLimits()
        limits.callsInFlight = 3
        try TestServer.with(limits: limits) { server, client in
            let results = Recorder<Result<ClientReply, ClientError>>()
            for _ in 0..<3 { client.start(.get(key: [1]), timeout: patience) { results.append($0) } }
            #expect(server.requests.wait { $0.count == 3 })
            #expect(throws: ClientError(.resourceExhausted, "3 calls are in flight, which is the limit of this node")) {
                try client.get(key: [1], timeout: patience)
            }
            for (_, call) in server.requests.all { server.server.reply(.value(nil), to: call) }
            #expect(results.wait { $0.count == 3 })
            // There is room again, as soon as the answers are out.
            let again = Recorder<Bool>()
            client.start(.get(key: [1]), timeout: patience) { _ in again.append(true) }
            #expect(server.requests.wait { $0.count == 4 } || again.wait(atMost: 0) { !$0.isEmpty })
        }
    }

    @Test func aClientHasALimitToo() throws {
        let server = try TestServer()
        let client = KVClient(servers: [server.address], callsInFlight: 2)
        for _ in 0..<2 { client.start(.get(key: [1]), timeout: patience) { _ in } }
        #expect(throws: ClientError(.resourceExhausted, "2 calls are in flight, which is the limit of this client")) {
            try client.get(key: [1], timeout: patience)
        }
        client.shutDown()
        #expect(throws: ClientError(.unavailable, "the client is shut down")) { try client.get(key: [1], timeout: patience) }
        server.shutDown()
    }

    @Test func messagesBeyondTheLimitAreRefused() throws {
        var limits = ServerLimits()
        limits.requestBytes = 1_000
        limits.frameBytes = 5_000
        try TestServer.with(limits: limits) { _ in
            .put
        } _: { server, client in
            try client.put(key: [1], value: [UInt8](repeating: 1, count: 900), timeout: patience)
            for size in [1_100, 100_000] {
                do throws(ClientError) {
                    try client.put(key: [1], value: [UInt8](repeating: 1, count: size), timeout: patience)
                    Issue.record("\(size) bytes were taken")
                } catch {
                    #expect(error.code == .resourceExhausted)
                }
            }
            try client.put(key: [1], value: [], timeout: patience)
            #expect(server.requests.all.count == 2)
        }
    }

    @Test func theClientOutlivesItsLastReference() throws {
        let server = try TestServer { _ in .put }
        let results = Recorder<Bool>()
        do {
            let client = server.client()
            client.start(.put(key: [1], value: []), timeout: patience) { _ in results.append(true) }
        }
        // Answered or cancelled, but told.
        #expect(results.wait { !$0.isEmpty })
        server.shutDown()
    }
}
