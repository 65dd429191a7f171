import ClusterSimulation
import Simulation

// explore <system> [name=value …]: walks all the states of a small system and tells what it found.

@main
enum Explore {
    static func main() {
        let words = Array(CommandLine.arguments.dropFirst())
        func number(_ name: String) -> Int? {
            words.first { $0.hasPrefix(name + "=") }.flatMap { Int($0.dropFirst(name.count + 1)) }
        }
        var limits = ExplorationLimits()
        if let depth = number("depth") { limits.depth = depth }
        if let states = number("states") { limits.states = states }
        let start = ContinuousClock.now
        let found: (Exploration, [String])
        switch words.first {
        case "registration":
            var options = RegistrationSystem.Options()
            options.nodes = number("nodes") ?? options.nodes
            options.losses = number("losses") ?? options.losses
            options.expiries = number("expiries") ?? options.expiries
            options.lags = number("lags") == 1
            options.answersAtOnce = number("at-once") != 0
            options.isPrepared = number("prepared") != 0
            found = (Explorer.explore(RegistrationSystem(options), limits: limits), RegistrationSystem.landmarks)
        case "election":
            var options = ElectionSystem.Options()
            options.servers = number("servers") ?? options.servers
            options.losses = number("losses") ?? options.losses
            options.expiries = number("expiries") ?? options.expiries
            options.restarts = number("restarts") ?? options.restarts
            options.events = number("events") ?? options.events
            options.lags = number("lags") == 1
            options.answersAtOnce = number("at-once") != 0
            found = (Explorer.explore(ElectionSystem(options), limits: limits), ElectionSystem.landmarks)
        case "group":
            var options = GroupSystem.Options()
            options.crashes = number("crashes") ?? options.crashes
            options.breaks = number("breaks") ?? options.breaks
            options.expiries = number("expiries") ?? options.expiries
            options.losses = number("losses") ?? options.losses
            options.ticks = number("ticks") ?? options.ticks
            found = (Explorer.explore(GroupSystem(options), limits: limits), GroupSystem.landmarks)
        case "storage":
            var options = StorageSystem.Options()
            options.crashes = number("crashes") ?? options.crashes
            options.appends = number("appends") ?? options.appends
            options.truncations = number("truncations") ?? options.truncations
            options.unit = number("unit") ?? options.unit
            found = (Explorer.explore(StorageSystem(options), limits: limits), StorageSystem.landmarks)
        default:
            print(
                """
                usage: explore registration [nodes=2] [losses=1] [expiries=1] [lags=0] [prepared=1] [at-once=1]
                       explore election [servers=2] [losses=0] [expiries=1] [restarts=0] [events=1] [lags=0] [at-once=1]
                       explore group [crashes=1] [breaks=0] [expiries=0] [losses=0] [ticks=4]
                       explore storage [crashes=1] [appends=2] [truncations=1] [unit=64]
                each with [depth=<actions>] and [states=<how many>] to cut it off
                """)
            return
        }
        print(found.0.summary)
        for (index, landmark) in found.1.enumerated() {
            print(found.0.reached & 1 << UInt64(index) != 0 ? "  reached: " : "  NOT reached: ", landmark)
        }
        print("widest \(found.0.widest), \(found.0.readings) readings, \(ContinuousClock.now - start)")
    }
}
