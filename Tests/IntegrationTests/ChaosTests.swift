import AviaryClient
import Foundation
import Machine
import Synchronization
import TestSupport
import Testing
import Wire

/// Real processes on a real ZooKeeper of three servers, each on a host of its own, while they are killed, stopped and cut off under
/// load: what clients saw is linearizable, nothing acknowledged is lost, and after a single fault no operation fails that was given
/// a session's timeout and a second.
///
/// `AVIARY_CHAOS_SECONDS` is how long it goes on (300), `AVIARY_CHAOS_SEED` repeats an order of faults.
@Suite("Chaos", .serialized)
struct ChaosTests {
    private static let environment = ProcessInfo.processInfo.environment
    private static let length = Duration.seconds(environment["AVIARY_CHAOS_SECONDS"].flatMap { Int($0) } ?? 300)
    private static let sessionTimeout = 4000
    /// What every operation is given.
    private static let patience = Nanoseconds.milliseconds(Int64(sessionTimeout) + 1000)
    private static let servers = 2
    private static let groups = [(name: "birds", stores: 3), (name: "fish", stores: 2)]

    /// Clients that read and write a few keys, which change every now and then, so that no history grows without bound.
    private final class Load: Sendable {
        let history = RegisterHistory()
        private let isStopped = Mutex(false)
        private let keys = Mutex<[String]>([])

        /// Goes on with keys that nobody has written yet, as many of each group.
        func nextKeys(_ epoch: Int, ring: RingStatus) {
            let next = ChaosTests.groups.flatMap { group in
                (0...).lazy.map { "key-\(epoch)-\($0)" }.filter { ring.owner(of: $0) == group.name }.prefix(6)
            }
            keys.withLock { $0 = next }
        }

        func stop() { isStopped.withLock { $0 = true } }

        func run(_ clients: [AviaryClient], seed: UInt64) async {
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        var random = SeededRandom(seed: seed &+ UInt64(number))
                        let aviary = clients[number % clients.count]
                        while !self.isStopped.withLock({ $0 }) {
                            let key = self.keys.withLock { $0[random.below($0.count)] }
                            switch random.below(10) {
                            case 0..<5: await self.history.put(key, through: aviary, client: number)
                            case 5..<7: await self.history.get(key, .linearizable, through: aviary, client: number)
                            case 7: await self.history.get(key, .confirmed, through: aviary, client: number)
                            default: await self.history.delete(key, through: aviary, client: number)
                            }
                            try? await Task.sleep(for: .milliseconds(5 + random.below(20)))
                        }
                    }
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(240)))
    func nothingIsLostAndNothingIsStale() async throws {
        let seed = Self.environment["AVIARY_CHAOS_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
        var random = SeededRandom(seed: seed)
        let stores = Self.groups.map(\.stores).reduce(0, +)
        var network: TestNetwork?
        do {
            network = try TestNetwork(hosts: 3 + Self.servers + stores)
        } catch let error as TestNetwork.Unavailable {
            print("chaos: NOTHING IS CUT OFF, because network namespaces cannot be made here: \(error)")
        }
        print("chaos: seed \(seed), \(Self.length), \(network == nil ? "no network to cut" : "each node on a host of its own")")
        let hosts = network?.hosts ?? []
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3, hosts: Array(hosts.prefix(3)))
        let cluster = LiveCluster(
            ensemble: ensemble, servers: Self.servers, groups: Self.groups, sessionTimeoutMilliseconds: Self.sessionTimeout,
            hosts: Array(hosts.dropFirst(3)))
        try await cluster.start()

        let clients = (0..<4).map { number in
            AviaryClient(
                servers: cluster.servers.map(\.address),
                options: .init(timeout: Self.patience, attemptTimeout: .seconds(1), direct: number == 0))
        }
        // The first key seals the ring; from then on it stays as it is.
        try await clients[0].put("first", "0", timeout: .seconds(30))
        let ring = try await cluster.status().ring
        let load = Load()
        load.nextKeys(0, ring: ring)
        let loading = Task { await load.run(clients, seed: seed) }
        let chaos = Chaos(cluster, network: network)
        var faults: [ChaosFault] = []
        let deadline = ContinuousClock.now + Self.length
        var round = 0
        var wasSingle = true
        while ContinuousClock.now < deadline {
            round += 1
            try await ensemble.waitUntilServing()
            let status = try await cluster.waitUntilWhole()
            // Time in which nothing happens: the sessions of killed nodes end, and clients find back.
            try await Task.sleep(for: .milliseconds(500))
            // What was still under way when the last fault ended counts to it.
            let late = load.history.takeFailures().failures
            if wasSingle, let first = late.first {
                Issue.record("when a single fault was over: \(late.count) failed, such as \(first.what): \(first.error)")
            }
            if faults.isEmpty { faults = shuffled(ChaosFault.all(network: network != nil), &random) }
            // Now and then two at once: then a group may be out for as long as they last.
            let now = faults.count > 1 && round % 5 == 0 ? 2 : 1
            var told: [String] = []
            for fault in faults.suffix(now) {
                let group = Self.groups[random.below(Self.groups.count)].name
                if let victim = try chaos.begin(fault, group: group, in: status) { told.append("\(fault.text) (\(victim))") }
            }
            faults.removeLast(now)
            guard !told.isEmpty else { continue }
            wasSingle = told.count == 1
            try await Task.sleep(for: .milliseconds(Int(5500 + random.below(2500))))
            try chaos.end()
            try await ensemble.waitUntilServing()
            try await cluster.waitUntilWhole()
            let (failures, longest) = load.history.takeFailures()
            print(
                "chaos: round \(round), \(told.joined(separator: " and ")): \(failures.count) failed, the longest took "
                    + "\(longest.components.seconds * 1000 + longest.components.attoseconds / 1_000_000_000_000_000) ms")
            fflush(nil)
            if told.count == 1, let first = failures.first {
                let example = "\(first.what) after \(first.ended - first.began): \(first.error)"
                Issue.record("after a single fault, \(told[0]): \(failures.count) failed, such as \(example)")
            }
            load.nextKeys(round, ring: ring)
        }
        load.stop()
        await loading.value

        // Everything that was ever written is read once more.
        let reader = AviaryClient(servers: cluster.servers.map(\.address), options: .init(timeout: .seconds(30)))
        for key in load.history.keys {
            #expect(await load.history.get(key, .linearizable, through: reader, client: 99))
        }
        let longest = load.history.judge()
        let (count, keys) = (load.history.count, load.history.keys.count)
        print("chaos: \(round) rounds, \(count) operations on \(keys) keys, at most \(longest) on one")
        for client in clients + [reader] { client.shutDown() }
        #expect(try await cluster.terminateAll().values.allSatisfy { $0 == .code(0) })
        withExtendedLifetime(network) {}
    }

    private func shuffled<Element>(_ elements: [Element], _ random: inout SeededRandom) -> [Element] {
        var elements = elements
        for index in elements.indices.reversed() where index > 0 { elements.swapAt(index, random.below(index + 1)) }
        return elements
    }
}
