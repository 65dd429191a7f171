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

/// An option that says how much of something there is.
struct Count<Options> {
    var name: String
    var value: Int
    var range: ClosedRange<Int>
    /// What it sets.
    var option: WritableKeyPath<Options, Int>

    init(
        _ name: String, _ value: Int, _ option: WritableKeyPath<Options, Int>, in range: ClosedRange<Int> = 0...100
    ) {
        self.name = name
        self.value = value
        self.range = range
        self.option = option
    }
}

/// The exploration of one system: its options, and the walk.
protocol ExplorationCommand: ParsableCommand {
    associatedtype Options
    /// What is not counted is in here already.
    var options: Options { get }
    var counts: [Count<Options>] { get }
    func explore(_ options: Options) throws
}

extension ExplorationCommand {
    func validate() throws {
        for count in counts where !count.range.contains(count.value) {
            throw ValidationError(
                "--\(count.name) is \(count.value), and must be from \(count.range.lowerBound) to \(count.range.upperBound)")
        }
    }

    var counted: Options {
        var options = options
        for count in counts { options[keyPath: count.option] = count.value }
        return options
    }

    func run() throws { try explore(counted) }
}

/// How ZooKeeper answers where it need not be prompt.
struct ZooKeeperOptions: ParsableArguments {
    @Flag(help: "Reads may show the past.")
    var lags = false

    @Flag(help: "Answers arrive apart from the execution of what they answer.")
    var apart = false
}

struct ExploreRegistration: ExplorationCommand {
    static let configuration = CommandConfiguration(
        commandName: "registration", abstract: "Nodes that take their numbers in a group.")

    @Option(help: "How many nodes.")
    var nodes = RegistrationSystem.Options().nodes

    @Option(help: "How often a connection breaks.")
    var losses = RegistrationSystem.Options().losses

    @Option(help: "How many sessions expire.")
    var expiries = RegistrationSystem.Options().expiries

    @OptionGroup var zooKeeper: ZooKeeperOptions

    @Flag(help: "The persistent nodes are still to be made.")
    var fresh = false

    @OptionGroup var limits: ExplorationOptions

    var counts: [Count<RegistrationSystem.Options>] {
        [Count("nodes", nodes, \.nodes, in: 1...8), Count("losses", losses, \.losses), Count("expiries", expiries, \.expiries)]
    }

    var options: RegistrationSystem.Options {
        var options = RegistrationSystem.Options()
        options.lags = zooKeeper.lags
        options.answersAtOnce = !zooKeeper.apart
        options.isPrepared = !fresh
        return options
    }

    func explore(_ options: RegistrationSystem.Options) throws {
        try limits.explore(RegistrationSystem(options), RegistrationSystem.landmarks)
    }
}

struct ExploreElection: ExplorationCommand {
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

    @OptionGroup var zooKeeper: ZooKeeperOptions
    @OptionGroup var limits: ExplorationOptions

    var counts: [Count<ElectionSystem.Options>] {
        [
            Count("servers", servers, \.servers, in: 1...8), Count("losses", losses, \.losses),
            Count("expiries", expiries, \.expiries), Count("restarts", restarts, \.restarts), Count("events", events, \.events),
        ]
    }

    var options: ElectionSystem.Options {
        var options = ElectionSystem.Options()
        options.lags = zooKeeper.lags
        options.answersAtOnce = !zooKeeper.apart
        return options
    }

    func explore(_ options: ElectionSystem.Options) throws {
        try limits.explore(ElectionSystem(options), ElectionSystem.landmarks)
    }
}

struct ExploreGroup: ExplorationCommand {
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

    var options: GroupSystem.Options { .init() }

    var counts: [Count<GroupSystem.Options>] {
        [
            Count("crashes", crashes, \.crashes), Count("breaks", breaks, \.breaks), Count("expiries", expiries, \.expiries),
            Count("losses", losses, \.losses), Count("ticks", ticks, \.ticks),
        ]
    }

    func explore(_ options: GroupSystem.Options) throws {
        try limits.explore(GroupSystem(options), GroupSystem.landmarks)
    }
}

struct ExploreStorage: ExplorationCommand {
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

    var options: StorageSystem.Options { .init() }

    var counts: [Count<StorageSystem.Options>] {
        [
            Count("crashes", crashes, \.crashes), Count("appends", appends, \.appends),
            Count("truncations", truncations, \.truncations), Count("closes", closes, \.closes),
            Count("unit", unit, \.unit, in: 1...1_048_576),
        ]
    }

    func explore(_ options: StorageSystem.Options) throws {
        try limits.explore(StorageSystem(options), StorageSystem.landmarks)
    }
}
