import ClusterSimulation
import Foundation
import Simulation

/// The sweep that all tests of this target look at: each seed runs twice, once for all of them.
struct ShortSweep: Sendable {
    /// How many seeds it has if nobody says otherwise.
    static let seeds: UInt64 = 200

    /// How many more may be needed to reach everything.
    static let seedsMore: UInt64 = 400

    /// Whether it is as large, and drawn as, the one that must reach everything.
    static var isWhole: Bool { Seeds.all.count >= seeds && Seeds.profile == .swarm && Seeds.mode == nil }

    var summary = SweepSummary()
    var violations: [String] = []
    var divergences: [String] = []
    /// Each seed's trace hash, as `aviary sim sweep --hashes` prints it.
    var hashes: [(seed: UInt64, hash: String)] = []

    static let result = Task {
        print("simulating seeds \(Seeds.all.lowerBound)..\(Seeds.all.upperBound), each twice")
        return await withTaskGroup(of: ShortSweep.self) { group in
            let size = max(1, (Seeds.all.count + 15) / 16)
            for first in stride(from: Seeds.all.lowerBound, through: Seeds.all.upperBound, by: size) {
                let last = min(Seeds.all.upperBound, first + UInt64(size) - 1)
                group.addTask { ShortSweep(of: first...last) }
            }
            var whole = ShortSweep()
            for await part in group { whole.add(part) }
            return whole
        }
    }

    /// What seeds reach, each run once.
    static func summary(of seeds: ClosedRange<UInt64>) async -> SweepSummary {
        await withTaskGroup(of: SweepSummary.self) { group in
            for seed in seeds {
                group.addTask {
                    SeedsInFlight.began(seed)
                    defer { SeedsInFlight.ended(seed) }
                    var summary = SweepSummary()
                    summary.add(RunReport.of(Seeds.name(seed)))
                    return summary
                }
            }
            var whole = SweepSummary()
            for await part in group { whole += part }
            return whole
        }
    }

    private init() {}

    private init(of seeds: ClosedRange<UInt64>) {
        for seed in seeds {
            SeedsInFlight.began(seed)
            defer { SeedsInFlight.ended(seed) }
            let name = Seeds.name(seed)
            let report = RunReport.of(name)
            summary.add(report)
            hashes.append((seed, String(report.hash.value, radix: 16)))
            if report.violation != nil { violations.append("\(name.variables)\n\(report.text)\(Self.save(name))") }
            if RunReport.of(name).hash != report.hash {
                divergences.append(Determinism.divergence(of: name) ?? "\(name.variables): runs part, but not always")
            }
            // A schedule is written by every run alike: a few show that it repeats one.
            if seed % 16 == 1, let found = Determinism.divergence(ofScheduleOf: name) { divergences.append(found) }
        }
    }

    /// A schedule outlives changes of the code that would give the seed another meaning. Where test logs are kept, one is left with them.
    private static func save(_ name: RunName) -> String {
        guard let folder = ProcessInfo.processInfo.environment["AVIARY_TEST_LOGS"] else { return "" }
        let file = URL(filePath: folder).appending(path: "red-seed-\(name.seed).schedule")
        do { try Data(ClusterRun.schedule(of: name).description.utf8).write(to: file) } catch { return "\nnot saved: \(error)" }
        return "\nschedule:  \(file.path)"
    }

    private mutating func add(_ part: ShortSweep) {
        summary += part.summary
        violations += part.violations
        divergences += part.divergences
        hashes += part.hashes
    }
}
