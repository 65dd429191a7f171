import Foundation
import ClusterSimulation
import Simulation
import Testing

/// The short sweep of `swift test`, and any other on demand:
///
///     SIM_SEEDS=100000 swift test --filter SimTests     that many seeds (default 200)
///     SIM_SEEDS=5000..6000 swift test --filter SimTests a range
///     SIM_SEED=4711 swift test --filter SimTests        one
///
/// A longer sweep is better run by `swift run -c release sweep --seeds A..B`.
enum Seeds {
    static let all: ClosedRange<UInt64> = {
        let environment = ProcessInfo.processInfo.environment
        if let text = environment["SIM_SEED"], let seed = UInt64(text) { return seed...seed }
        guard let text = environment["SIM_SEEDS"] else { return 1...200 }
        let ends = text.components(separatedBy: "..").compactMap { UInt64($0) }
        if ends.count == 2, ends[0] <= ends[1] { return ends[0]...ends[1] }
        if ends.count == 1, ends[0] > 0 { return 1...ends[0] }
        preconditionFailure("SIM_SEEDS is a number of seeds or a range A..B, not \"\(text)\"")
    }()

    /// Parts that run beside each other: a test for each seed would drown everything else in lines.
    static let shards: [ClosedRange<UInt64>] = {
        let size = max(1, (UInt64(all.count) + 7) / 8)
        return stride(from: all.lowerBound, through: all.upperBound, by: UInt64.Stride(size)).map {
            $0...min($0 + size - 1, all.upperBound)
        }
    }()

    /// Seeds that are run twice.
    static let twice: ClosedRange<UInt64> = all.lowerBound...min(all.upperBound, all.lowerBound + 14)
}

@Suite struct SweepTests {
    @Test(arguments: Seeds.shards)
    func everySeedIsGreen(_ seeds: ClosedRange<UInt64>) {
        print("simulating seeds \(seeds.lowerBound)..\(seeds.upperBound)")
        for seed in seeds {
            SeedsInFlight.began(seed)
            defer { SeedsInFlight.ended(seed) }
            let report = RunReport.of(RunName(seed))
            if report.violation != nil { Issue.record("\(report.text)") }
        }
    }

    @Test func aSeedDecidesEverything() {
        for seed in Seeds.twice {
            SeedsInFlight.began(seed)
            defer { SeedsInFlight.ended(seed) }
            if let divergence = Determinism.divergence(of: RunName(seed)) { Issue.record("\(divergence)") }
            if let divergence = Determinism.divergence(ofScheduleOf: RunName(seed)) { Issue.record("\(divergence)") }
        }
    }
}
