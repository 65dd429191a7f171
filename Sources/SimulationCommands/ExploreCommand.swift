import ArgumentParser
import ClusterSimulation
import Foundation
import Simulation

/// `aviary sim explore`: all orders of what can happen in a small system.
struct ExploreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explore",
        abstract: "Walk all the states of a small system, instead of one path through a large one.",
        discussion: """
            The faults that may happen are counted: each option says how many. docs/exploration.md says what is walked and judged, \
            and how large the spaces are. What is broken is told as a shortest path to it.
            """,
        subcommands: [ExploreRegistration.self, ExploreElection.self, ExploreGroup.self, ExploreStorage.self])
}

/// Where an exploration ends that has not met all states by then.
struct ExplorationOptions: ParsableArguments {
    @Option(help: "How many actions a path has at most; without it no limit.")
    var depth: Int?

    @Option(help: "About how many states are met at most; without it no limit.")
    var states: Int?

    func validate() throws {
        if depth.map({ $0 < 1 }) ?? false { throw ValidationError("--depth is at least 1") }
        if states.map({ $0 < 1 }) ?? false { throw ValidationError("--states is at least 1") }
    }

    /// - Throws: exit code 1 where something is broken.
    func explore<System: Explorable>(_ system: System, _ landmarks: [String]) throws {
        let start = ContinuousClock.now
        let found = Explorer.explore(
            system, limits: ExplorationLimits(depth: depth ?? .max, states: states ?? .max))
        Program.say(found.summary)
        for (index, landmark) in landmarks.enumerated() {
            let isReached = found.reached & 1 << UInt64(index) != 0
            Program.say("\(isReached ? "    reached:" : "NOT reached:") \(landmark)")
        }
        let took = (ContinuousClock.now - start).formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1)))
        Program.say("in \(took)")
        if found.finding != nil { throw ExitCode(1) }
    }
}

private func check(_ counts: [(name: String, count: Int, range: ClosedRange<Int>)]) throws {
    for (name, count, range) in counts where !range.contains(count) {
        throw ValidationError("--\(name) is \(count), and must be from \(range.lowerBound) to \(range.upperBound)")
    }
}

struct ExploreRegistration: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "registration", abstract: "Nodes that take their numbers in a group.")

    @Option(help: "How many nodes.")
    var nodes = RegistrationSystem.Options().nodes

    @Option(help: "How often a connection breaks.")
    var losses = RegistrationSystem.Options().losses

    @Option(help: "How many sessions expire.")
    var expiries = RegistrationSystem.Options().expiries

    @Flag(help: "Reads may show the past.")
    var lags = false

    @Flag(help: "Answers arrive apart from the execution of what they answer.")
    var apart = false

    @Flag(help: "The persistent nodes are still to be made.")
    var fresh = false

    @OptionGroup var limits: ExplorationOptions

    func validate() throws {
        try check([("nodes", nodes, 1...8), ("losses", losses, 0...100), ("expiries", expiries, 0...100)])
    }

    func run() throws {
        var options = RegistrationSystem.Options()
        options.nodes = nodes
        options.losses = losses
        options.expiries = expiries
        options.lags = lags
        options.answersAtOnce = !apart
        options.isPrepared = !fresh
        try limits.explore(RegistrationSystem(options), RegistrationSystem.landmarks)
    }
}

struct ExploreElection: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "election", abstract: "Servers, of which one is master and replaces a group's primary.")

    @Option(help: "How many servers.")
    var servers = ElectionSystem.Options().servers

    @Option(help: "How often a connection breaks.")
    var losses = ElectionSystem.Options().losses

    @Option(help: "How many sessions expire.")
    var expiries = ElectionSystem.Options().expiries

    @Option(help: "How many servers die and start again.")
    var restarts = ElectionSystem.Options().restarts

    @Option(help: "How often the group loses its primary.")
    var events = ElectionSystem.Options().events

    @Flag(help: "Reads may show the past.")
    var lags = false

    @Flag(help: "Answers arrive apart from the execution of what they answer.")
    var apart = false

    @OptionGroup var limits: ExplorationOptions

    func validate() throws {
        try check([
            ("servers", servers, 1...8), ("losses", losses, 0...100), ("expiries", expiries, 0...100),
            ("restarts", restarts, 0...100), ("events", events, 0...100),
        ])
    }

    func run() throws {
        var options = ElectionSystem.Options()
        options.servers = servers
        options.losses = losses
        options.expiries = expiries
        options.restarts = restarts
        options.events = events
        options.lags = lags
        options.answersAtOnce = !apart
        try limits.explore(ElectionSystem(options), ElectionSystem.landmarks)
    }
}

struct ExploreGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "A group of two stores, and one write.")

    @Option(help: "How many stores die and start again.")
    var crashes = GroupSystem.Options().crashes

    @Option(help: "How often a direction between the stores loses what is under way.")
    var breaks = GroupSystem.Options().breaks

    @Option(help: "How many sessions expire.")
    var expiries = GroupSystem.Options().expiries

    @Option(help: "How often a connection to ZooKeeper breaks.")
    var losses = GroupSystem.Options().losses

    @Option(help: "How often time may move on.")
    var ticks = GroupSystem.Options().ticks

    @OptionGroup var limits: ExplorationOptions

    func validate() throws {
        try check([
            ("crashes", crashes, 0...100), ("breaks", breaks, 0...100), ("expiries", expiries, 0...100),
            ("losses", losses, 0...100), ("ticks", ticks, 0...100),
        ])
    }

    func run() throws {
        var options = GroupSystem.Options()
        options.crashes = crashes
        options.breaks = breaks
        options.expiries = expiries
        options.losses = losses
        options.ticks = ticks
        try limits.explore(GroupSystem(options), GroupSystem.landmarks)
    }
}

struct ExploreStorage: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "storage", abstract: "A store that appends, truncates and is closed, and its disk.")

    @Option(help: "How often the power fails.")
    var crashes = StorageSystem.Options().crashes

    @Option(help: "How many entries are appended.")
    var appends = StorageSystem.Options().appends

    @Option(help: "How often the log is truncated.")
    var truncations = StorageSystem.Options().truncations

    @Option(help: "How often the store is closed.")
    var closes = StorageSystem.Options().closes

    @Option(help: "What a crash keeps or loses as one, in bytes.")
    var unit = StorageSystem.Options().unit

    @OptionGroup var limits: ExplorationOptions

    func validate() throws {
        try check([
            ("crashes", crashes, 0...100), ("appends", appends, 0...100), ("truncations", truncations, 0...100),
            ("closes", closes, 0...100), ("unit", unit, 1...1_048_576),
        ])
    }

    func run() throws {
        var options = StorageSystem.Options()
        options.crashes = crashes
        options.appends = appends
        options.truncations = truncations
        options.closes = closes
        options.unit = unit
        try limits.explore(StorageSystem(options), StorageSystem.landmarks)
    }
}
