import Simulation

/// A point of a run at which chance starts anew.
public struct Branch: Hashable, Sendable, Codable {
    /// After how many moments of the run.
    public var at: UInt64
    public var salt: UInt64

    public init(at: UInt64, salt: UInt64) {
        self.at = at
        self.salt = salt
    }

    /// `1234:2`
    public var text: String { "\(at):\(salt)" }

    public init?(text: String) {
        let parts = text.split(separator: ":").map { UInt64($0) }
        guard parts.count == 2, let at = parts[0], let salt = parts[1] else { return nil }
        self.init(at: at, salt: salt)
    }
}

/// The name of a run by chance: everything else follows from it.
public struct RunName: Hashable, Sendable, Codable {
    public var seed: UInt64
    public var profile: Profile
    /// nil where the seed draws it.
    public var mode: RunMode?
    /// Where it takes other ways than the seed's own, in their order.
    public var branches: [Branch]

    public init(_ seed: UInt64, profile: Profile = .swarm, mode: RunMode? = nil, branches: [Branch] = []) {
        self.seed = seed
        self.profile = profile
        self.mode = mode
        self.branches = branches
    }

    /// As options of `aviary sim`.
    public var words: [String] {
        ["--seed", "\(seed)"] + (profile == .swarm ? [] : ["--profile", profile.rawValue])
            + (mode.map { ["--mode", $0.rawValue] } ?? []) + branches.flatMap { ["--branch", $0.text] }
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
        branches = name.branches[...]
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
