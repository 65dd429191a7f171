import Machine
import Testing
import Wire

@testable import AviaryClient

@Suite(.timeLimit(.minutes(2))) struct AviaryClientTests {
    @Test("What is put can be read and removed, and each answer says from which state it is")
    func roundTrip() async throws {
        let server = try SmallServer()
        let client = AviaryClient(servers: [server.address])
        let position = try await client.put("wren", "troglodytes")
        #expect(position.group == "birds" && position.seq == 3)
        #expect(try await client.get("wren").value == Array("troglodytes".utf8))
        #expect(try await client.delete("wren").existed)
        #expect(try await client.delete("wren").existed == false)
        #expect(try await client.get("wren", .confirmed).value == nil)
        #expect(server.state.withLock { $0.sessions } == 1, "one session does")
    }

    @Test("A mutation whose answer is lost is asked again, and executed once")
    func lostAnswer() async throws {
        let server = try SmallServer()
        server.state.withLock { $0.silences = 2 }
        let client = AviaryClient(
            servers: [server.address], options: .init(timeout: .seconds(60), attemptTimeout: .milliseconds(100)))
        try await client.put("wren", "troglodytes")
        let (executed, sent) = server.state.withLock { state in
            (state.executed, state.requests.count { if case .key(.put, _) = $0 { true } else { false } })
        }
        #expect(executed == 1 && sent >= 2)
    }

    @Test("Whoever is redirected to ever new addresses keeps no connection to each of them")
    func strayRedirects() async throws {
        let server = try SmallServer()
        server.state.withLock { $0.strays = true }
        let client = AviaryClient(servers: [server.address])
        for _ in 0..<100 { _ = try? await client.get("wren", timeout: .milliseconds(30)) }
        #expect(server.state.withLock { $0.strayPort } > 80)
        #expect(client.driver.connectionCount <= 65)
        server.state.withLock { $0.strays = false }
        #expect(try await client.get("wren").value == nil)
    }

    @Test("A server that is not there is passed over")
    func firstServerIsGone() async throws {
        let server = try SmallServer()
        let gone: Address
        do {
            let short = try SmallServer()
            gone = short.address
        }
        for _ in 0..<4 {
            let client = AviaryClient(servers: [gone, server.address], options: .init(timeout: .seconds(60)))
            try await client.put("wren", "troglodytes")
        }
        #expect(server.state.withLock { $0.executed } == 4)
    }

    @Test("Where no server is there, nothing was done, and the error says why")
    func nobodyIsThere() async throws {
        let gone: Address
        do {
            let short = try SmallServer()
            gone = short.address
        }
        let client = AviaryClient(servers: [gone])
        let error = await #expect(throws: AviaryError.self) {
            try await client.put("wren", "troglodytes", timeout: .milliseconds(300))
        }
        #expect(error?.outcome == .notDone && error?.code == .unavailable)
        #expect(
            error?.message.hasPrefix("not answered in time; nothing was done; the last failure: \(gone) cannot be reached")
                == true)
    }

    @Test("Many operations at once are all answered, with one session")
    func manyAtOnce() async throws {
        let server = try SmallServer()
        let client = AviaryClient(servers: [server.address], options: .init(timeout: .seconds(60)))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<500 { group.addTask { try await client.put("key\(number)", "\(number)") } }
            try await group.waitForAll()
        }
        for number in [0, 250, 499] { #expect(try await client.get("key\(number)").value == Array("\(number)".utf8)) }
        #expect(server.state.withLock { $0.sessions } == 1)
        #expect(server.state.withLock { $0.executed } == 500)
    }

    @Test("A cancelled task's mutation ends at once, in doubt if it was sent")
    func cancellation() async throws {
        let server = try SmallServer()
        server.state.withLock { $0.silences = 1_000 }
        let client = AviaryClient(
            servers: [server.address], options: .init(timeout: .seconds(600), attemptTimeout: .seconds(600)))
        let task = Task { try await client.put("wren", "troglodytes") }
        while server.state.withLock({ $0.executed }) == 0 { await Task.yield() }
        task.cancel()
        let error = await #expect(throws: AviaryError.self) { try await task.value }
        #expect(error?.outcome == .unknown)
    }

    @Test("A client that is shut down ends what is under way, and begins nothing")
    func shutDown() async throws {
        let server = try SmallServer()
        server.state.withLock { $0.silences = 1_000 }
        let client = AviaryClient(
            servers: [server.address], options: .init(timeout: .seconds(600), attemptTimeout: .seconds(600)))
        let task = Task { try await client.put("wren", "troglodytes") }
        while server.state.withLock({ $0.executed }) == 0 { await Task.yield() }
        client.shutDown()
        let cut = await #expect(throws: AviaryError.self) { try await task.value }
        #expect(cut?.outcome == .unknown)
        let refused = await #expect(throws: AviaryError.self) { try await client.get("wren") }
        #expect(refused?.outcome == .notDone)
        #expect(refused?.message == "the client is shut down; nothing was done")
    }

    @Test("Addresses are read, and a wrong one is named", arguments: ["", "host:port", "[::1", "a:0"])
    func addresses(text: String) throws {
        _ = try AviaryClient(servers: ["127.0.0.1", "[::1]:1927"])
        let error = #expect(throws: AviaryError.self) { try AviaryClient(servers: [text]) }
        #expect(error?.message == "\"\(text)\" is not an address; it must be host or host:port")
    }
}
