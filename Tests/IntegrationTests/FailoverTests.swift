import Foundation
import GRPCAdapter
import Machine
import Synchronization
import TestSupport
import Testing
import Wire

/// How long writes rest when a primary goes, with ZooKeeper sessions of ten seconds. The times are printed; the bounds are wide,
/// since these are real processes on a machine that may be busy. AVIARY_FAILOVERS=10 does each that often.
@Suite("Failover before the session ends", .serialized)
struct FailoverTests {
    private static let times = ProcessInfo.processInfo.environment["AVIARY_FAILOVERS"].flatMap { Int($0) } ?? 2

    /// Writers that note when each of their writes was acknowledged.
    private final class Pulse: Sendable {
        private let beats = Mutex<[ContinuousClock.Instant]>([])
        private let isStopped = Mutex(false)

        func write(_ prefix: String, to cluster: LiveCluster, ledger: Ledger) async {
            await withTaskGroup(of: Void.self) { group in
                for writer in 0..<4 {
                    group.addTask {
                        let client = cluster.client()
                        var i = 0
                        while !self.isStopped.withLock({ $0 }) {
                            if await ledger.put("\(prefix)-\(writer)-\(i)", "v\(i)", through: client, timeout: .seconds(3)) {
                                let now = ContinuousClock.now
                                self.beats.withLock { $0.append(now) }
                            } else {
                                try? await Task.sleep(for: .milliseconds(5))
                            }
                            i += 1
                        }
                    }
                }
            }
        }

        func stop() { isStopped.withLock { $0 = true } }

        /// From the last acknowledgement until the next one, across an instant; nil while there is none after it.
        func pause(across instant: ContinuousClock.Instant) -> Duration? {
            beats.withLock { beats in
                // What had been under way may still come in; the longest rest after it is meant.
                let around = beats.sorted().drop { $0 < instant - .milliseconds(200) }
                guard let last = around.last, last > instant + .milliseconds(300) else { return nil }
                return zip(around, around.dropFirst()).map { $1 - $0 }.max()
            }
        }
    }

    private func failOver(_ what: String, _ hit: (LiveCluster, String) throws -> Void) async throws -> [Duration] {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(
            ensemble: ensemble, servers: 2, groups: [("birds", 3)], sessionTimeoutMilliseconds: 10_000)
        try await cluster.start()
        let (ledger, pulse) = (Ledger(), Pulse())
        let load = Task { await pulse.write(what, to: cluster, ledger: ledger) }
        var pauses: [Duration] = []
        for _ in 0..<Self.times {
            let primary = cluster.node(at: try #require(try await cluster.waitUntilWhole().primary(of: "birds"))).name
            try await Task.sleep(for: .milliseconds(Int.random(in: 400...600)))
            let instant = ContinuousClock.now
            try hit(cluster, primary)
            let pause = try await eventuallyValue("writes go on after \(primary) was hit", timeout: .seconds(30)) {
                pulse.pause(across: instant)
            }
            pauses.append(pause)
            if cluster.process(primary).isRunning {
                cluster.process(primary).resume()
            } else {
                try cluster.launch(primary)
            }
        }
        try await cluster.waitUntilWhole()
        pulse.stop()
        await load.value
        try await ledger.verify(through: cluster.client())
        print("\(what): writes rested for \(pauses.map { Int($0 / .milliseconds(1)) }) ms")
        return pauses
    }

    @Test(.timeLimit(.minutes(10)))
    func aPrimaryIsKilled() async throws {
        for pause in try await failOver("kill -9", { $0.kill($1) }) { #expect(pause < .seconds(4)) }
    }

    @Test(.timeLimit(.minutes(10)))
    func aPrimaryIsStopped() async throws {
        for pause in try await failOver("SIGSTOP", { $0.process($1).pause() }) { #expect(pause < .seconds(4)) }
    }
}
