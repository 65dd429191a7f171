import ClusterSimulation
import Foundation
import Simulation
import Testing

/// The short sweep of `swift test`, and any other on demand:
///
///     SIM_SEEDS=100000 swift test --filter SimTests     that many seeds (default 200)
///     SIM_SEEDS=5000..6000 swift test --filter SimTests a range
///     SIM_SEED=4711 swift test --filter SimTests        one
///     SIM_PROFILE=small, SIM_MODE=safety                drawn in another way
///
/// A longer sweep is better run by `aviary sim sweep --seeds A..B`.
@Suite struct SweepTests {
    @Test func everySeedIsGreen() async {
        for text in await ShortSweep.result.value.violations { Issue.record("\(text)") }
    }

    @Test func aSeedDecidesEverything() async {
        for text in await ShortSweep.result.value.divergences { Issue.record("\(text)") }
    }

    /// A sweep that stays out of the corners proves nothing about them. What each seed does changes with every change of the
    /// machines, and the rarest corners are reached some five times in 200 seeds, so there are some more where one is missing.
    @Test(.enabled(if: ShortSweep.isWhole, "only the whole short sweep must reach everything"))
    func everythingIsReached() async {
        var summary = await ShortSweep.result.value.summary
        print("seldom reached: \(summary.reachedSeldom(atMost: 4).joined(separator: ", "))")
        var next = Seeds.all.upperBound + 1
        while !summary.neverReached.isEmpty, next <= Seeds.all.upperBound + ShortSweep.seedsMore {
            print("\(summary.neverReached.joined(separator: ", ")): looking in seeds \(next)..\(next + 15)")
            summary += await ShortSweep.summary(of: next...next + 15)
            next += 16
        }
        #expect(summary.neverReached.isEmpty)
        #expect(summary.reachedUnexpectedly.isEmpty, "take it off the list of what cannot be reached")
    }

    /// Optimisation must not change what a seed means.
    @Test(.enabled(if: ReleaseBuild.binary != nil, "AVIARY_BINARY does not name a release build of aviary"))
    func theReleaseBuildRunsAlike() async throws {
        let binary = try #require(ReleaseBuild.binary)
        let hashes = await ShortSweep.result.value.hashes
        let released = try await ReleaseBuild.hashes(of: Seeds.all, binary)
        #expect(released.count == hashes.count)
        for (seed, hash) in hashes where released[seed] != hash {
            Issue.record("\(Seeds.name(seed).variables): \(hash) in this build, \(released[seed] ?? "nothing") in \(binary)")
        }
    }
}

/// What the environment asks for.
enum Seeds {
    private static let environment = ProcessInfo.processInfo.environment

    static let all: ClosedRange<UInt64> = {
        if let text = environment["SIM_SEED"], let seed = UInt64(text) { return seed...seed }
        guard let text = environment["SIM_SEEDS"] else { return 1...ShortSweep.seeds }
        let ends = text.components(separatedBy: "..").compactMap { UInt64($0) }
        if ends.count == 2, ends[0] <= ends[1] { return ends[0]...ends[1] }
        if ends.count == 1, ends[0] > 0 { return 1...ends[0] }
        preconditionFailure("SIM_SEEDS is a number of seeds or a range A..B, not \"\(text)\"")
    }()

    static let profile: Profile = {
        guard let text = environment["SIM_PROFILE"] else { return .swarm }
        guard let profile = Profile(rawValue: text) else { preconditionFailure("SIM_PROFILE is no profile: \"\(text)\"") }
        return profile
    }()

    static let mode: RunMode? = {
        guard let text = environment["SIM_MODE"] else { return nil }
        guard let mode = RunMode(rawValue: text) else { preconditionFailure("SIM_MODE is no mode: \"\(text)\"") }
        return mode
    }()

    static func name(_ seed: UInt64) -> RunName { RunName(seed, profile: profile, mode: mode) }
}
