import Machine
import Simulation

// Source: the idea of spending effort where a run has come to a rare state is that of "go with the winners" and multilevel
// splitting (e.g. M. Villén-Altamirano, J. Villén-Altamirano, 1991), and of snapshot-based fuzzers; here a snapshot is a copy of a value.

/// Runs seeds, and lets those that reach something rare go on from there in several ways.
///
/// A run is a value: when it reaches a mark that few runs before it have reached, of a model or of a machine, it is copied, and each
/// copy goes on with other chances. What is spent on the way to the rare state is spent once.
public struct Brancher: Sendable {
    /// In how many ways a run goes on from a rare state, beside its own.
    public var ways: UInt64 = 3
    /// At how many states of a run it branches.
    public var mostBranchings = 2
    /// A mark is rare that fewer than one in so many runs have reached. So many runs must have been there to say so.
    public var rarity = 20

    /// In how many runs each mark was reached.
    private var models = Array(repeating: 0, count: Mark.allCases.count)
    private var machines = Array(repeating: 0, count: Sometimes.allCases.count)
    private var runs = 0

    private struct Marks: Equatable {
        var models: UInt64 = 0
        var machines = SometimesSet()

        init() {}

        init(_ world: ClusterWorld) {
            models = world.counters.reached | world.zooKeeper.counters.reached
            machines = world.everReached
        }

        func subtracting(_ other: Marks) -> Marks {
            var rest = self
            rest.models &= ~other.models
            rest.machines = machines.subtracting(other.machines)
            return rest
        }
    }

    public init() {}

    /// Runs a seed to its end, and then the branches that it gave.
    public mutating func run(_ name: RunName) -> (RunReport, branches: [RunReport]) {
        var run = ClusterRun(name)
        var copies: [ClusterRun] = []
        var seen = Marks()
        var branchings = 0
        run.begin()
        while run.goOn() {
            let reached = Marks(run.world)
            guard reached != seen else { continue }
            let new = reached.subtracting(seen)
            seen = reached
            guard run.phase == .faults, branchings < mostBranchings, isRare(new) else { continue }
            branchings += 1
            for salt in 1...ways { copies.append(run.branched(salt)) }
        }
        note(seen)
        var reports: [RunReport] = []
        for copy in copies {
            var copy = copy
            // The branch is taken; what is left of it is how to name it.
            let branch = copy.takenBranch.map { [$0] } ?? []
            copy.run()
            reports.append(
                RunReport(copy, again: RunName(name.seed, profile: name.profile, mode: name.mode, branches: branch).options))
        }
        return (RunReport(run, again: name.options), reports)
    }

    private func isRare(_ marks: Marks) -> Bool {
        guard runs >= rarity else { return false }
        var isRare = models.indices.contains { marks.models & 1 << UInt64($0) != 0 && models[$0] * rarity < runs }
        marks.machines.forEach { if machines[Int($0.rawValue)] * rarity < runs { isRare = true } }
        return isRare
    }

    private mutating func note(_ marks: Marks) {
        runs += 1
        for index in models.indices where marks.models & 1 << UInt64(index) != 0 { models[index] += 1 }
        marks.machines.forEach { machines[Int($0.rawValue)] += 1 }
    }
}
