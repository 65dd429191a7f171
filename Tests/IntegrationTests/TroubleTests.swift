import Foundation
import GRPCAdapter
import Machine
import Synchronization
import TestSupport
import Testing
import Wire

/// What happens to clusters at night. Afterwards nothing is lost, and nobody had to get up.
@Suite("Trouble", .serialized)
struct TroubleTests {
    /// Puts from several tasks until told to stop; every key is written once.
    private struct Load {
        let ledger: Ledger
        private let running: Task<Void, Never>
        private let stopped: Stop

        final class Stop: Sendable {
            private let flag = Mutex(false)
            var isSet: Bool { flag.withLock { $0 } }
            func set() { flag.withLock { $0 = true } }
        }

        init(_ cluster: LiveCluster, ledger: Ledger, prefix: String, writers: Int = 4) {
            self.ledger = ledger
            let stop = Stop()
            stopped = stop
            running = Task {
                await withTaskGroup(of: Void.self) { group in
                    for writer in 0..<writers {
                        group.addTask {
                            let client = cluster.client()
                            var i = 0
                            while !stop.isSet {
                                let key = "\(prefix)-\(writer)-\(i)"
                                if await !ledger.put(key, "value-\(i)", through: client, timeout: .seconds(3)) {
                                    // Without a primary the answer comes at once: do not turn the test into a busy loop.
                                    try? await Task.sleep(for: .milliseconds(20))
                                }
                                i += 1
                            }
                        }
                    }
                }
            }
        }

        /// Waits until this many more writes were acknowledged than now.
        func progress(_ count: Int) async throws {
            let target = ledger.acknowledged.count + count
            try await eventually("\(count) more writes are acknowledged", timeout: .seconds(120)) {
                ledger.acknowledged.count >= target
            }
        }

        func end() async {
            stopped.set()
            await running.value
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func zooKeeperDiesAndComesBackUnderLoad() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3)
        let cluster = LiveCluster(ensemble: ensemble, servers: 2, groups: [("birds", 2)])
        try await cluster.start()
        let load = Load(cluster, ledger: Ledger(), prefix: "zk")
        try await load.progress(200)

        ensemble.killAll()
        try await cluster.waitForStatus("the servers say that ZooKeeper is lost") { !$0.coordinated }
        for node in cluster.nodes {
            try await eventually("\(node.name) says in its log that ZooKeeper is lost") {
                cluster.output(of: node.name).contains("ZooKeeper connection lost")
            }
        }
        for server in ensemble.servers { try ensemble.launch(server.id) }
        try await ensemble.waitUntilServing()
        try await cluster.waitUntilWhole()
        try await load.progress(200)
        await load.end()
        try await load.ledger.verify(through: cluster.client())
        #expect(try await cluster.terminateAll().values.allSatisfy { $0 == .code(0) })
    }

    @Test(.timeLimit(.minutes(10)))
    func pausedPrimaryIsReplacedAndRejoins() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 2, groups: [("birds", 2)])
        try await cluster.start()
        let load = Load(cluster, ledger: Ledger(), prefix: "pause")
        try await load.progress(200)

        let before = try await cluster.waitUntilWhole()
        let paused = try #require(before.primary(of: "birds"))
        let standby = try #require(before.standbys(of: "birds").first)
        cluster.process(cluster.node(at: paused).name).pause()
        // The standby does not hear it, and takes over.
        try await cluster.waitForStatus("the standby is primary") {
            $0.primary(of: "birds") == standby && $0.group("birds")?.state == .serving
        }
        try await load.progress(200)
        cluster.process(cluster.node(at: paused).name).resume()
        // It finds its registration gone (or even its session), registers as a new life, and is brought level.
        let after = try await cluster.waitUntilWhole()
        #expect(after.primary(of: "birds") == standby)
        try await load.progress(100)
        await load.end()
        try await load.ledger.verify(through: cluster.client())
        #expect(cluster.output(of: cluster.node(at: paused).name).contains(/registration is gone|ZooKeeper session expired/))
        #expect(try await cluster.terminateAll().values.allSatisfy { $0 == .code(0) })
    }

    @Test(.timeLimit(.minutes(10)))
    func aStoreJoinsUnderLoad() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 1, groups: [("birds", 2)])
        for node in cluster.nodes where node.name != "birds-2" { try cluster.launch(node.name) }
        try await cluster.waitForStatus("the first store serves alone") { $0.group("birds")?.state == .serving }
        let load = Load(cluster, ledger: Ledger(), prefix: "join")
        try await load.progress(500)
        try cluster.launch("birds-2")
        let status = try await cluster.waitUntilWhole()
        try await load.progress(200)
        // The one that had everything dies: the one that joined has it too.
        cluster.kill(cluster.node(at: try #require(status.primary(of: "birds"))).name)
        try await cluster.waitForStatus("the store that joined is primary") {
            $0.primary(of: "birds") == cluster.node("birds-2").address && $0.group("birds")?.state == .serving
        }
        try await load.progress(100)
        await load.end()
        try await load.ledger.verify(through: cluster.client())
    }

    @Test(.timeLimit(.minutes(10)))
    func aGroupThatComesLateIsPending() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 1, groups: [("early", 1), ("late", 1)])
        try cluster.launch("server1")
        try cluster.launch("early-1")
        try await cluster.waitForStatus("the first group serves") { $0.group("early")?.state == .serving }
        let ledger = Ledger()
        for i in 0..<100 { try await ledger.insist("key-\(i)", "v\(i)", through: cluster.client()) }
        try cluster.launch("late-1")
        let status = try await cluster.waitForStatus("the late group is pending") { $0.group("late")?.state == .pending }
        #expect(status.group("late")?.shareMillionths == 0)
        #expect(status.group("early")?.shareMillionths == 1_000_000)
        try await ledger.verify(through: cluster.client())
    }

    @Test(.timeLimit(.minutes(5)))
    func garbageOnThePortEndsNobody() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 1, groups: [("birds", 1)])
        try await cluster.start()
        let ledger = Ledger()
        try await ledger.insist("key", "value", through: cluster.client())
        for node in cluster.nodes {
            for seed in 0..<20 { try sendGarbage(to: node.address, seed: UInt64(seed)) }
        }
        try await ledger.verify(through: cluster.client())
        #expect(cluster.nodes.allSatisfy { cluster.process($0.name).isRunning })
    }

    /// Opens a connection and writes random bytes, some of them behind a right HTTP/2 preface.
    private func sendGarbage(to address: Address, seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var bytes: [UInt8] = seed % 2 == 0 ? Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) : []
        for _ in 0..<4096 { bytes.append(UInt8(truncatingIfNeeded: random.next())) }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = address.port.bigEndian
        target.sin_addr.s_addr = inet_addr(address.host)
        let connected = withUnsafePointer(to: &target) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        try #require(connected == 0, "the node listens")
        // The node may hang up in the middle, as it should.
        _ = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
    }
}
