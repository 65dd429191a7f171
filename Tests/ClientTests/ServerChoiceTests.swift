import Machine
import Testing

@testable import Client

@Suite struct ServerChoiceTests {
    static let servers = (1...3).map { Address(host: "s\($0)", port: 1) }
    var random = SeededRandom(seed: 1)

    private func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    @Test("It stays with a server that answers, and goes on to the next when that fails")
    mutating func staysUntilFailure() {
        var choice = ServerChoice(servers: Self.servers, random: &random)
        let first = choice.choose(at: at(0))
        #expect(choice.choose(at: at(10)) == first)
        choice.failed(first, at: at(10), random: &random)
        let second = choice.choose(at: at(10))
        #expect(second != first)
        #expect(choice.choose(at: at(10_000)) == second)
    }

    @Test("A failed server is left alone for a while that doubles, up to ten seconds, until it answers again")
    mutating func shunsForLonger() {
        var choice = ServerChoice(servers: [Self.servers[0]], random: &random)
        let server = Self.servers[0]
        choice.failed(server, at: at(0), random: &random)
        #expect(!choice.isHealthy(server, at: at(49)))
        #expect(choice.isHealthy(server, at: at(101)))
        for _ in 0..<30 { choice.failed(server, at: at(0), random: &random) }
        #expect(!choice.isHealthy(server, at: at(4_999)))
        #expect(choice.isHealthy(server, at: at(10_001)))
        choice.answered(server)
        #expect(choice.isHealthy(server, at: at(0)))
    }

    @Test("Where none is healthy, the one whose while ends first is asked")
    mutating func leastShunned() {
        var choice = ServerChoice(servers: Self.servers, random: &random)
        for (index, server) in Self.servers.enumerated() {
            for _ in 0..<(3 - index) * 3 { choice.failed(server, at: at(0), random: &random) }
        }
        #expect(!choice.hasHealthy(at: at(1)))
        #expect(choice.choose(at: at(1)) == Self.servers[2])
    }

    @Test("What is known of addresses from redirections is bounded")
    mutating func strangersAreForgotten() {
        var choice = ServerChoice(servers: Self.servers, random: &random)
        for number in 0..<1_000 { choice.failed(Address(host: "r\(number)", port: 1), at: at(0), random: &random) }
        let known = (0..<1_000).filter { !choice.isHealthy(Address(host: "r\($0)", port: 1), at: at(1)) }
        #expect(known.count <= Self.servers.count + 64)
    }

    @Test("Clients with one list begin at different servers")
    func spread() {
        let firsts = (0..<32).map { seed in
            var random = SeededRandom(seed: UInt64(seed))
            var choice = ServerChoice(servers: Self.servers, random: &random)
            return choice.choose(at: .zero)
        }
        #expect(Set(firsts).count == 3)
    }
}
