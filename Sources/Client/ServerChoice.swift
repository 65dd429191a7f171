import Machine

/// Which of the known servers to ask.
///
/// It stays with the one that answers, as long as that does; after a failure the next healthy one is asked, and the failed one
/// is left alone for a while that doubles. Where none is healthy, the one whose while ends first is as good as any.
struct ServerChoice: Sendable {
    private struct Health: Hashable, Sendable {
        var failures = 0
        var shunnedUntil: Instant?
    }

    private static let firstWhile = Nanoseconds.milliseconds(100)
    private static let longestWhile = Nanoseconds.seconds(10)

    let servers: [Address]
    private var preferred: Int
    private var health = SortedMap<Address, Health>()

    /// Begins anywhere: many clients with one list of servers spread over them.
    init(servers: [Address], random: inout SeededRandom) {
        precondition(!servers.isEmpty, "a client must know a server")
        self.servers = servers
        preferred = Int(random.next(upperBound: UInt64(servers.count)))
    }

    func isHealthy(_ address: Address, at now: Instant) -> Bool {
        guard let until = health[address]?.shunnedUntil else { return true }
        return until <= now
    }

    /// Whether any server is thought to answer.
    func hasHealthy(at now: Instant) -> Bool { servers.contains { isHealthy($0, at: now) } }

    mutating func choose(at now: Instant) -> Address {
        for step in 0..<servers.count {
            let index = (preferred + step) % servers.count
            guard isHealthy(servers[index], at: now) else { continue }
            preferred = index
            return servers[index]
        }
        let soonest = servers.indices.min { shunned($0) < shunned($1) } ?? 0
        return servers[soonest]
    }

    private func shunned(_ index: Int) -> Instant { health[servers[index]]?.shunnedUntil ?? .zero }

    mutating func answered(_ address: Address) {
        if health[address] != nil { health[address] = nil }
    }

    mutating func failed(_ address: Address, at now: Instant, random: inout SeededRandom) {
        var known = health[address] ?? Health()
        let length = min(Self.firstWhile * Int64(1 << min(known.failures, 10)), Self.longestWhile)
        known.failures += 1
        known.shunnedUntil = now + length / 2 + Nanoseconds(Int64(random.next(upperBound: UInt64(length.count / 2 + 1))))
        health[address] = known
        // Addresses come from redirects, too: what is known of them is bounded.
        if health.count > servers.count + 64, let stale = health.keys.first(where: { !servers.contains($0) }) {
            health[stale] = nil
        }
    }

    /// A server that refuses is not broken, but the next may do better.
    mutating func passOver(_ address: Address) {
        guard servers[preferred] == address else { return }
        preferred = (preferred + 1) % servers.count
    }
}
