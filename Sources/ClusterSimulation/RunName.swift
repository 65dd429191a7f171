import Simulation

/// The name of a run by chance: everything else follows from it.
public struct RunName: Hashable, Sendable, Codable {
    public var seed: UInt64
    public var profile: Profile
    /// nil where the seed draws it.
    public var mode: RunMode?

    public init(_ seed: UInt64, profile: Profile = .swarm, mode: RunMode? = nil) {
        self.seed = seed
        self.profile = profile
        self.mode = mode
    }

    /// As options of `aviary sim`.
    public var words: [String] {
        ["--seed", "\(seed)"] + (profile == .swarm ? [] : ["--profile", profile.rawValue])
            + (mode.map { ["--mode", $0.rawValue] } ?? [])
    }

    /// The same in one line.
    public var options: String { words.joined(separator: " ") }

    /// As an environment variable of `swift test --filter SimTests`.
    public var variables: String {
        "SIM_SEED=\(seed)" + (profile == .swarm ? "" : " SIM_PROFILE=\(profile.rawValue)")
            + (mode.map { " SIM_MODE=\($0.rawValue)" } ?? "")
    }
}

extension ClusterRun {
    public init(_ name: RunName, trace: Trace = Trace(), writes: Bool = false) {
        self.init(seed: name.seed, profile: name.profile, mode: name.mode, trace: trace, writes: writes)
    }

    /// The schedule of a run by chance, written down while it runs.
    public static func schedule(of name: RunName) -> ClusterSchedule {
        var run = ClusterRun(name, writes: true)
        run.run()
        var schedule = run.written ?? ClusterSchedule(seed: name.seed, plan: run.plan)
        schedule.fingerprint = run.violation?.fingerprint
        return schedule
    }
}
