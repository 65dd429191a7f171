import Glibc
import Machine
import TestSupport
import Testing
import Wire

@testable import GRPCAdapter

/// The server as a whole: what it refuses, what it survives, how it ends.
@Suite struct ServerTests {
    @Test func aPortThatIsTakenIsRefusedWithTheReason() throws {
        let server = try TestServer()
        defer { server.shutDown() }
        do {
            _ = try TestServer(port: server.server.port)
            Issue.record("two servers share a port")
        } catch {
            #expect("\(error)" == "cannot listen on 127.0.0.1:\(server.server.port): Address already in use")
        }
    }

    @Test func aHostThatIsNotThereIsRefusedWithTheReason() {
        let handlers = GRPCServer.Handlers(requested: { _, _ in }, cancelled: { _ in }, received: { _, _ in })
        for host in ["192.0.2.1", "no such host"] {
            #expect(throws: ListenError.self) {
                _ = try GRPCServer(listen: Address(host: host, port: 0), handlers: handlers)
            }
        }
    }

    @Test func thePortIsFreeAgainAfterTheEnd() throws {
        let first = try TestServer()
        let port = first.server.port
        first.shutDown()
        let second = try TestServer(port: port)
        #expect(second.server.port == port)
        second.shutDown()
    }

    @Test func garbageOnThePortHurtsNobody() throws {
        try TestServer.with { _ in
            .put
        } _: { server, client in
            var random = SeededRandom(seed: 3)
            let preface = bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            var inputs: [[UInt8]] = [
                [], [0], bytes("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), preface,
                // A settings frame of an impossible length, headers on stream 0, and a window update by nothing.
                preface + [0xFF, 0xFF, 0xFF, 4, 0, 0, 0, 0, 0], preface + [0, 0, 1, 1, 4, 0, 0, 0, 0, 0x82],
                preface + [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ]
            for _ in 0..<50 {
                let noise = (0..<Int(random.next(upperBound: 2_000 as UInt64))).map { _ in
                    UInt8(truncatingIfNeeded: random.next())
                }
                inputs.append(noise)
                inputs.append(preface + noise)
                // A good beginning, then frames with right lengths and random content.
                var frames = preface + [0, 0, 0, 4, 0, 0, 0, 0, 0]
                for _ in 0..<5 {
                    let length = UInt8(random.next(upperBound: 60 as UInt64))
                    frames += [
                        0, 0, length, UInt8(random.next(upperBound: 10 as UInt64)), UInt8(truncatingIfNeeded: random.next()), 0,
                        0, 0, 1,
                    ]
                    frames += (0..<length).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                }
                inputs.append(frames)
            }
            for input in inputs {
                let socket = connectToLoopback(server.server.port)
                _ = input.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                close(socket)
            }
            try client.put(key: [1], value: [2], timeout: patience)
        }
    }

    @Test func badMessagesAreRefusedByName() throws {
        try TestServer.with { _ in
            .put
        } _: { server, _ in
            for method in UnaryMethod.allCases where method.kind != nil {
                let refused = RawCall.unary(method.path, to: server.address, [0xFF, 0xFF])
                #expect(refused.response == nil)
                let message = "\(method.path): the message is not of the request's type"
                #expect(refused.status == RawCall.Status(code: 3, message: message, outcome: "not-executed"))
                let empty = RawCall.unary(method.path, to: server.address, nil)
                #expect(empty.status.code == 3)
            }
            #expect(server.requests.all.isEmpty)
        }
    }

    @Test func unknownMethodsAreUnimplemented() throws {
        try TestServer.with { _ in
            .put
        } _: { server, _ in
            for method in ["/aviary.v1.KV/Rename", "/nothing", "/"] {
                let refused = RawCall.unary(method, to: server.address, [])
                #expect(refused.status.code == 12)
                #expect(refused.status.message.contains(method))
            }
        }
    }

    @Test func fieldsThatAreNotKnownAreIgnored() throws {
        try TestServer.with { _ in
            .put
        } _: { server, _ in
            // Field 20 and field 1000.
            let later = KeyRequest.put(key: [1], value: [2]).encoded() + [0xA2, 1, 1, 7] + [0xC0, 0x3E, 5]
            #expect(RawCall.unary("/aviary.v1.KV/Put", to: server.address, later).status.code == 0)
            #expect(server.requests.all.count == 1)
        }
    }

    @Test func healthSaysWhatTheNodeSays() throws {
        try TestServer.with { server, _ in
            let address = server.address
            func check(_ service: String) -> (response: [UInt8]?, status: RawCall.Status) {
                RawCall.unary(
                    "/grpc.health.v1.Health/Check", to: address,
                    service.isEmpty ? [] : [0x0A, UInt8(service.utf8.count)] + bytes(service))
            }
            #expect(check("").response == [8, 2])
            server.server.setServing(true)
            for service in ["", "aviary.v1.KV", "aviary.v1.Cluster", "grpc.health.v1.Health"] {
                #expect(check(service).response == [8, 1])
            }
            server.server.setServing(false)
            #expect(check("aviary.v1.KV").response == [8, 2])
            #expect(check("no.such.Service").status.code == 5)
            #expect(RawCall.unary("/grpc.health.v1.Health/Check", to: address, [0xFF]).status.code == 3)
        }
    }

    @Test func aProbeHearsIt() throws {
        let server = try TestServer()
        #expect(HealthClient.check(server.address, timeout: patience) == .notServing)
        server.server.setServing(true)
        #expect(HealthClient.check(server.address, timeout: patience) == .serving)
        server.shutDown()
        guard case .unreachable(let reason) = HealthClient.check(server.address, timeout: patience) else {
            Issue.record("nobody is there")
            return
        }
        #expect(reason.hasPrefix("\(server.address) cannot be asked: "))
    }

    @Test func aHealthWatchHearsEachChange() throws {
        try TestServer.with { server, _ in
            let watch = RawCall("/grpc.health.v1.Health/Watch", to: server.address)
            #expect(watch.send([]))
            watch.closeSending()
            let stranger = RawCall("/grpc.health.v1.Health/Watch", to: server.address)
            #expect(stranger.send([0x0A, 1, 0x78]))
            #expect(watch.receive() == [8, 2])
            #expect(stranger.receive() == [8, 3])
            for _ in 0..<3 {
                server.server.setServing(true)
                server.server.setServing(true)
                #expect(watch.receive() == [8, 1])
                server.server.setServing(false)
                #expect(watch.receive() == [8, 2])
            }
            watch.cancel()
            #expect(watch.status().code == 1)
        }
    }

    @Test func callsInFlightAreGivenTimeToEnd() throws {
        let server = try TestServer()
        let client = server.client()
        let results = Recorder<Result<ClientReply, ClientError>>()
        client.start(.put(key: [1], value: [2]), timeout: patience) { results.append($0) }
        #expect(server.requests.wait { !$0.isEmpty })
        let ended = Recorder<Bool>()
        OSThread.detach(name: "end") {
            server.shutDown(grace: patience)
            ended.append(true)
        }
        // New calls are refused as soon as the end has begun; until then they run into their deadline, since nobody
        // answers.
        let refusal = ClientError(.unavailable, "the node is shutting down")
        var refused: ClientError?
        while refused != refusal {
            do throws(ClientError) { _ = try client.get(key: [1], timeout: .milliseconds(100)) } catch { refused = error }
        }
        server.server.reply(.put, to: server.requests.all[0].call)
        #expect(results.wait { $0 == [.success(.put)] })
        #expect(ended.wait { !$0.isEmpty })
        client.shutDown()
    }

    @Test func callsThatAreNeverAnsweredAreCancelledAtTheEnd() throws {
        let server = try TestServer()
        let client = server.client()
        let results = Recorder<Result<ClientReply, ClientError>>()
        for _ in 0..<20 { client.start(.put(key: [1], value: [2]), timeout: patience) { results.append($0) } }
        #expect(server.requests.wait { $0.count == 20 })
        server.shutDown(grace: .milliseconds(20))
        #expect(Set(server.cancelled.all) == Set(server.requests.all.map(\.call)))
        #expect(results.wait { $0.count == 20 })
        for result in results.all {
            guard case .failure(let error) = result else {
                Issue.record("nobody answered")
                continue
            }
            #expect(error.mayHaveHappened)
        }
        server.server.reply(.put, to: server.requests.all[0].call)
        server.server.setServing(true)
        client.shutDown()
    }

    @Test func repliesFromManyThreadsMeetCancellationsAndTheEnd() throws {
        for round in 0..<5 as Range<UInt64> {
            let server = try TestServer()
            let client = server.client()
            let results = Recorder<Bool>()
            var random = SeededRandom(seed: round)
            for i in 0..<400 as Range<Int> {
                let call = client.start(.put(key: [UInt8(i % 256)], value: [2]), timeout: patience) { _ in results.append(true)
                }
                if random.chance(1, in: 4) { client.cancel(call) }
            }
            let repliers = (0..<3).map { offset in
                OSThread(name: "replier") {
                    _ = server.requests.wait { $0.count >= 100 }
                    for (index, request) in server.requests.all.enumerated() where index % 3 == offset {
                        server.server.reply(.put, to: request.call)
                    }
                }
            }
            _ = server.requests.wait { $0.count >= 100 }
            server.shutDown()
            for replier in repliers { replier.join() }
            #expect(results.wait { $0.count == 400 })
            client.shutDown()
        }
    }
}
