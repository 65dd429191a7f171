import Machine
import TestSupport
import Testing
import Wire

@testable import GRPCAdapter

@Suite struct UnaryTests {
    @Test func everyMethodReachesTheNodeAndIsAnswered() throws {
        try TestServer.with { request in
            switch request {
            case .key(.put, _): .put
            case .key(.get(let key, _), _): .value(key == bytes("here") ? bytes("value") : nil)
            case .key(.delete(let key, _), _): .deleted(existed: key == bytes("here"))
            case .key(.openSession, _): .done(.opened(Samples.identity.session), at: ClientReply.anyPosition)
            case .status: .status(Samples.status)
            case .routes: .routes(Samples.routes)
            case .transfer(let request):
                .transferred(Transferred(primary: MemberID(store: StoreID(request.group), number: request.to ?? 0), term: 4))
            case .recover: .recovered(Samples.recovered)
            }
        } _: { server, client in
            try client.put(key: bytes("k"), value: bytes("v"), timeout: patience)
            #expect(try client.get(key: bytes("here"), timeout: patience) == bytes("value"))
            #expect(try client.get(key: bytes("gone"), timeout: patience) == nil)
            #expect(try client.delete(key: bytes("here"), timeout: patience))
            #expect(try client.delete(key: bytes("gone"), timeout: patience) == false)
            #expect(try client.status(timeout: patience) == Samples.status)
            guard case .key(.put(let key, let value, _), let wait?) = server.requests.all[0].request else {
                Issue.record("the put did not arrive as one")
                return
            }
            #expect(key == bytes("k"))
            #expect(value == bytes("v"))
            // gRPC rounds up what it sends.
            #expect(wait > .zero && wait < patience + .seconds(1))
        }
    }

    @Test func aSessionIsOpenedThroughTheWire() throws {
        let reply = ClientReply.done(.opened(Samples.identity.session), at: ClientReply.anyPosition)
        try TestServer.with { _ in
            reply
        } _: { server, client in
            let results = Recorder<Result<ClientReply, ClientError>>()
            client.start(.openSession(key: [7]), timeout: patience) { results.append($0) }
            #expect(results.wait { $0.count == 1 })
            #expect(results.all == [.success(reply)])
            guard case .key(.openSession(let key), _) = server.requests.all[0].request else {
                Issue.record("the request did not arrive as one")
                return
            }
            #expect(key == [7])
        }
    }

    @Test func routesComeThroughTheWire() throws {
        try TestServer.with { _ in
            .routes(Samples.routes)
        } _: { server, client in
            let ends = Recorder<CallEnd>()
            client.call(.routes, timeout: patience) { ends.append($0) }
            #expect(ends.wait { $0.count == 1 })
            #expect(ends.all == [.reply(.routes(Samples.routes))])
            #expect(server.requests.all[0].request == .routes)
        }
    }

    @Test func aTransferComesThroughTheWire() async throws {
        let server = try TestServer { request in
            guard case .transfer(let request) = request else { return .put }
            return .transferred(
                Transferred(primary: MemberID(store: StoreID(request.group), number: request.to ?? 0), term: 4))
        }
        let client = server.client()
        for number in [UInt64(3), nil] {
            let result = try await client.transfer(TransferRequest(group: "birds", to: number), timeout: patience)
            #expect(result == Transferred(primary: MemberID(store: StoreID("birds"), number: number ?? 0), term: 4))
        }
        client.shutDown()
        server.shutDown()
    }

    @Test("One call's end tells a server's own word from a lost connection, and that from none")
    func endsOfOneCall() throws {
        let ends = Recorder<CallEnd>()
        let request = ClientRequest.key(.put(key: [1], value: [2]), patience: nil)
        let refusal = ClientError(.aborted, "it may have happened", redirect: Address(host: "h", port: 1))
        try TestServer.with { _ in
            .failed(refusal)
        } _: { _, client in
            client.call(request, timeout: patience) { ends.append($0) }
            #expect(ends.wait { $0.count == 1 })
        }
        #expect(ends.all == [.reply(.failed(refusal))])
        ends.clear()
        var address = Address(host: "127.0.0.1", port: 1)
        try TestServer.with { server, client in
            address = server.address
            client.call(request, timeout: .milliseconds(200)) { ends.append($0) }
            #expect(ends.wait { $0.count == 1 })
        }
        #expect(ends.all == [.broken("no answer in time")])
        ends.clear()
        let client = KVClient(servers: [address])
        defer { client.shutDown() }
        client.call(request, timeout: patience) { ends.append($0) }
        #expect(ends.wait { $0.count == 1 })
        guard case .unreachable? = ends.all.first else {
            Issue.record("\(ends.all)")
            return
        }
    }

    @Test(arguments: [0, 1, 23, 24, 127, 128, 16_383, 16_384, 1 << 20])
    func valuesOfEverySizeComeBackAsTheyWent(_ size: Int) throws {
        let value = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
        try TestServer.with { request in
            guard case .key(.put(_, let value, _), _) = request else { return .value(value) }
            return value.count == size ? .put : .failed(ClientError(.invalidArgument, "\(value.count)"))
        } _: { server, client in
            try client.put(key: [1], value: value, timeout: patience)
            #expect(try client.get(key: [1], timeout: patience) == value)
            guard case .key(.put(_, let arrived, _), _) = server.requests.all[0].request else { return }
            #expect(arrived == value)
        }
    }

    @Test func everyByteValueSurvives() throws {
        let all = [UInt8](0...255)
        try TestServer.with { request in
            guard case .key(let request, _) = request else { return .put }
            return .value(request.key)
        } _: { _, client in
            let value = try client.get(key: all, timeout: patience)
            #expect(value == all)
        }
    }

    @Test func anEmptyValueIsNotAMissingOne() throws {
        try TestServer.with { _ in
            .value([])
        } _: { _, client in
            let value = try client.get(key: [1], timeout: patience)
            #expect(value == [])
        }
    }

    @Test(arguments: ClientError.Code.allCases)
    func failuresKeepTheirCodeAndMessage(_ code: ClientError.Code) throws {
        let error = ClientError(code, "the reason, with % and ünïcödé\n")
        try TestServer.with { _ in
            .failed(error)
        } _: { _, client in
            #expect(throws: error) { try client.put(key: [1], value: [2], timeout: patience) }
        }
    }

    @Test func aMessageThatIsTooLongForAHeaderIsCut() throws {
        try TestServer.with { _ in
            .failed(ClientError(.dataLoss, String(repeating: "é", count: 100_000)))
        } _: { _, client in
            #expect(throws: ClientError(.dataLoss, String(repeating: "é", count: 1_024))) {
                try client.get(key: [1], timeout: patience)
            }
        }
    }

    @Test func aRedirectComesAlong() throws {
        let error = ClientError(.failedPrecondition, "not the primary", redirect: Address(host: "10.0.0.7", port: 1926))
        try TestServer.with { _ in
            .failed(error)
        } _: { _, client in
            #expect(throws: error) { try client.get(key: [1], timeout: patience) }
        }
    }

    @Test func aRedirectThatNoHeaderCanCarryIsLeftOut() throws {
        let error = ClientError(.failedPrecondition, "no", redirect: Address(host: "a\nb", port: 1))
        try TestServer.with { _ in
            .failed(error)
        } _: { _, client in
            #expect(throws: ClientError(.failedPrecondition, "no")) { try client.get(key: [1], timeout: patience) }
        }
    }

    @Test func repliesInABatchFindTheirCalls() throws {
        try TestServer.with { server, client in
            let results = Recorder<ClientReply>()
            for i in 0..<100 as Range<UInt8> {
                client.start(.get(key: [i]), timeout: patience) { result in
                    if case .success(let reply) = result { results.append(reply) }
                }
            }
            #expect(server.requests.wait { $0.count == 100 })
            server.server.reply(
                server.requests.all.reversed().map { request, call in
                    guard case .key(let request, _) = request else { return (.put, call) }
                    return (.value(request.key), call)
                })
            #expect(results.wait { $0.count == 100 })
            #expect(Set(results.all) == Set((0..<100).map { .value([$0]) }))
        }
    }

    @Test func aReplyThatDoesNotFitTheMethodClaimsNothing() throws {
        try TestServer.with { _ in
            .put
        } _: { _, client in
            #expect(throws: ClientError(.aborted, "the node's reply does not fit the method")) {
                try client.get(key: [1], timeout: patience)
            }
        }
    }

    @Test func repliesToCallsThatAreOverAreIgnored() throws {
        try TestServer.with { _ in
            .put
        } _: { server, client in
            server.server.reply(.put, to: CallID(0))
            server.server.reply(.put, to: CallID(.max))
            try client.put(key: [1], value: [], timeout: patience)
            let call = server.requests.all[0].call
            // The slot may hold the next call by now; the old identity must not reach it.
            for _ in 0..<10 {
                server.server.reply(.failed(ClientError(.dataLoss, "stale")), to: call)
                try client.put(key: [1], value: [], timeout: patience)
            }
            #expect(Set(server.requests.all.map(\.call)).count == 11)
        }
    }

    @Test func aRecoveryComesThroughTheWire() async throws {
        let server = try TestServer { request in
            guard case .recover(let request) = request else { return .put }
            return request == Samples.recoverRequest ? .recovered(Samples.recovered) : .put
        }
        let client = server.client()
        #expect(try await client.recover(Samples.recoverRequest, timeout: patience) == Samples.recovered)
        client.shutDown()
        server.shutDown()
    }

    @Test func theAsyncFormsDoTheSame() async throws {
        let server = try TestServer { request in
            switch request {
            case .key(.put, _): .put
            case .key(.get(let key, _), _): .value(key)
            case .key(.delete, _): .failed(ClientError(.unavailable, "no primary yet"))
            case .key(.openSession, _): .failed(ClientError(.unavailable, "no primary yet"))
            case .status: .status(Samples.status)
            case .routes: .routes(Samples.routes)
            case .transfer(let request):
                .transferred(Transferred(primary: MemberID(store: StoreID(request.group), number: request.to ?? 0), term: 4))
            case .recover: .recovered(Samples.recovered)
            }
        }
        let client = server.client()
        try await client.put(key: [1], value: [2], timeout: patience)
        #expect(try await client.get(key: [7], timeout: patience) == [7])
        await #expect(throws: ClientError(.unavailable, "no primary yet")) {
            try await client.delete(key: [1], timeout: patience)
        }
        #expect(try await client.status(timeout: patience) == Samples.status)
        client.shutDown()
        server.shutDown()
    }
}
