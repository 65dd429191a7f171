import Machine
import Synchronization
import TestSupport
import Testing

@testable import ZooKeeperAdapter

/// The model of ZooKeeper says what a real ZooKeeper says: each script is played on both, and every answer, error code, field
/// of a stat and watch event must be the same, in the same order for each session.
@Suite(.serialized) struct ZooKeeperConformanceTests {
    static let seeds: ClosedRange<UInt64> = 1...200
    /// Sessions that end by silence take seconds, so few scripts have them.
    static func expires(_ seed: UInt64) -> Bool { seed % 12 == 0 }

    @Test func writtenScripts() async throws {
        _ = Self.ensemble
        try await compare(ZooKeeperScript.written, on: Self.server)
    }

    @Test func randomScripts() async throws {
        // Those that wait the longest first.
        let seeds = Self.seeds.filter(Self.expires) + Self.seeds.filter { !Self.expires($0) }
        try await compare(seeds.map { .random(seed: $0, expiring: Self.expires($0)) }, on: Self.server)
    }

    /// Each session at another server, and at yet another one when it is back.
    @Test func severalServers() async throws {
        let scripts = ZooKeeperScript.reconnections + ZooKeeperScript.expiries + [.watchesOfOthers, .sessionEnds]
        try await compare(scripts, on: Self.ensemble)
        try await compare([.leaderCrash], on: Self.ensemble)
    }

    /// What it would be worth if it could not fail: one thing of a transcript is changed, and that is found.
    @Test func aDifferenceIsFound() throws {
        let script = ZooKeeperScript.nodes
        let right = try Self.playOnModel(script)
        #expect(Difference(script, model: right, real: right) == nil)
        let other = ZooKeeperScript(name: "", steps: Array(script.steps.dropLast()))
        #expect(Difference(script, model: right, real: try Self.playOnModel(other)) != nil)
    }

    private func compare(_ scripts: [ZooKeeperScript], on task: Task<ZooKeeperEnsemble, any Error>) async throws {
        let ensemble = try await task.value
        let pile = Pile(scripts)
        // Several at once: most of the time of each is waiting.
        let findings = await withTaskGroup(of: [String].self) { group in
            for _ in 0..<6 {
                group.addTask {
                    await onThread {
                        var findings: [String] = []
                        while let script = pile.take() {
                            do {
                                let model = try Self.playOnModel(script, servers: ensemble.servers.count)
                                let real = try Self.playOnServer(script, ensemble)
                                if let difference = Difference(script, model: model, real: real) {
                                    findings.append("\(difference)")
                                }
                            } catch {
                                findings.append("\(script.name): \(error)")
                            }
                        }
                        return findings
                    }
                }
            }
            return await group.reduce(into: []) { $0 += $1 }
        }
        #expect(pile.isEmpty)
        for finding in findings { Issue.record(Comment(rawValue: finding)) }
    }

    static func playOnModel(_ script: ZooKeeperScript, servers: Int = 1) throws -> Transcript {
        let stage = ModelStage(sessions: script.sessions, servers: servers, seed: 1)
        var play = Play(script, on: stage, root: "/c")
        return try play.run()
    }

    /// Again where the machine was so slow that a connection broke by itself.
    static func playOnServer(_ script: ZooKeeperScript, _ ensemble: ZooKeeperEnsemble) throws -> Transcript {
        var attempts = 0
        while true {
            let number = roots.withLock { number in
                number += 1
                return number
            }
            var play = Play(script, on: RealStage(sessions: script.sessions, ensemble: ensemble), root: "/conformance\(number)")
            defer { play.stage.end() }
            let transcript = try play.run()
            attempts += 1
            if attempts == 3 || !transcript.wasDisturbed(in: script) { return transcript }
        }
    }

    private static let server = Task { try await ZooKeeperEnsemble.start(tickMilliseconds: RealStage.tickMilliseconds) }
    private static let ensemble = Task {
        try await ZooKeeperEnsemble.start(servers: 3, tickMilliseconds: RealStage.tickMilliseconds)
    }
    private static let roots = Mutex(0)
}

/// Scripts that are still to be played.
private final class Pile: Sendable {
    private let scripts: Mutex<[ZooKeeperScript]>

    init(_ scripts: [ZooKeeperScript]) { self.scripts = Mutex(scripts.reversed()) }
    func take() -> ZooKeeperScript? { scripts.withLock { $0.popLast() } }
    var isEmpty: Bool { scripts.withLock { $0.isEmpty } }
}

/// Runs what blocks on a thread of its own.
func onThread<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
    await withCheckedContinuation { continuation in startThread { continuation.resume(returning: body()) } }
}
