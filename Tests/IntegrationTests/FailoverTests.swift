import AviaryClient
import Foundation
import GRPCAdapter
import Machine
import Synchronization
import TestSupport
import Testing
import Wire

/// How long writes rest when a node goes, with ZooKeeper sessions of ten seconds. The times are printed; the bounds are wide,
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
                        let aviary = AviaryClient(servers: cluster.servers.map(\.address))
                        defer { aviary.shutDown() }
                        var i = 0
                        while !self.isStopped.withLock({ $0 }) {
                            if await ledger.put("\(prefix)-\(writer)-\(i)", "v\(i)", through: aviary) {
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

    /// Hits a primary, or the first standby, and measures. No write may fail: each is given five seconds.
    private func rests(
        _ what: String, of role: ChaosTarget = .primary, _ hit: (LiveCluster, String) async throws -> Void
    ) async throws -> [Duration] {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(
            ensemble: ensemble, servers: 2, groups: [("birds", 3)], sessionTimeoutMilliseconds: 10_000)
        try await cluster.start()
        let (ledger, pulse) = (Ledger(), Pulse())
        let load = Task { await pulse.write(what, to: cluster, ledger: ledger) }
        var pauses: [Duration] = []
        for _ in 0..<Self.times {
            let status = try await cluster.waitUntilWhole()
            let address = role == .primary ? status.primary(of: "birds") : status.standbys(of: "birds").first
            let victim = cluster.node(at: try #require(address)).name
            try await Task.sleep(for: .milliseconds(Int.random(in: 400...600)))
            let instant = ContinuousClock.now
            try await hit(cluster, victim)
            let pause = try await eventuallyValue("writes go on after \(victim) was hit", timeout: .seconds(30)) {
                pulse.pause(across: instant)
            }
            pauses.append(pause)
            if cluster.process(victim).isRunning {
                cluster.process(victim).resume()
            } else {
                try cluster.launch(victim)
            }
        }
        try await cluster.waitUntilWhole()
        pulse.stop()
        await load.value
        try await ledger.verify(through: cluster.client())
        #expect(ledger.failures == 0, "\(what): writes failed")
        let milliseconds = pauses.map { Int($0 / .milliseconds(1)) }
        print("\(what): writes rested for \(milliseconds) ms, median \(milliseconds.sorted()[milliseconds.count / 2])")
        return pauses
    }

    @Test(.timeLimit(.minutes(10)))
    func aPrimaryIsKilled() async throws {
        for pause in try await rests("kill -9 of a primary", { $0.kill($1) }) { #expect(pause < .seconds(4)) }
    }

    @Test(.timeLimit(.minutes(10)))
    func aPrimaryIsStopped() async throws {
        for pause in try await rests("SIGSTOP of a primary", { $0.process($1).pause() }) { #expect(pause < .seconds(4)) }
    }

    @Test(.timeLimit(.minutes(10)))
    func aStandbyIsKilled() async throws {
        for pause in try await rests("kill -9 of a standby", of: .standby, { $0.kill($1) }) { #expect(pause < .seconds(4)) }
    }

    @Test(.timeLimit(.minutes(10)))
    func aStandbyIsStopped() async throws {
        let pauses = try await rests("SIGSTOP of a standby", of: .standby) { $0.process($1).pause() }
        for pause in pauses { #expect(pause < .seconds(4)) }
    }

    /// It hands over, and nobody sees an error.
    @Test(.timeLimit(.minutes(10)))
    func aPrimaryIsAskedToEnd() async throws {
        let pauses = try await rests("SIGTERM of a primary") { cluster, name in
            let exit = try await cluster.process(name).terminate()
            #expect(exit == .code(0))
        }
        for pause in pauses { #expect(pause < .seconds(4)) }
    }
}
