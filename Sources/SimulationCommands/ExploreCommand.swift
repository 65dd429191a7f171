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
    func explore<System: Explorable>(_ system: System) throws {
        let start = ContinuousClock.now
        let found = Explorer.explore(
            system, limits: ExplorationLimits(depth: depth ?? .max, states: states ?? .max))
        Program.say(found.summary)
        for (index, landmark) in System.landmarks.enumerated() {
            let isReached = found.reached & 1 << UInt64(index) != 0
            Program.say("\(isReached ? "    reached:" : "NOT reached:") \(landmark)")
        }
        let took = (ContinuousClock.now - start).formatted(.units(allowed: [.seconds], fractionalPart: .show(length: 1)))
        Program.say("in \(took)")
        if found.finding != nil { throw ExitCode(1) }
    }
}

/// A system that options make.
protocol CommandedSystem: Explorable {
    associatedtype Options
    init(_ options: Options)
}

extension RegistrationSystem: CommandedSystem {}
extension ElectionSystem: CommandedSystem {}
extension GroupSystem: CommandedSystem {}
extension StorageSystem: CommandedSystem {}

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
    associatedtype System: CommandedSystem
    /// What is not counted is in here already.
    var options: System.Options { get }
    var counts: [Count<System.Options>] { get }
    var limits: ExplorationOptions { get }
}

extension ExplorationCommand {
    func validate() throws {
        for count in counts where !count.range.contains(count.value) {
            throw ValidationError(
                "--\(count.name) is \(count.value), and must be from \(count.range.lowerBound) to \(count.range.upperBound)")
        }
    }

    var counted: System.Options {
        var options = options
        for count in counts { options[keyPath: count.option] = count.value }
        return options
    }

    func run() throws { try limits.explore(System(counted)) }
}

/// How ZooKeeper answers where it need not be prompt.
struct ZooKeeperOptions: ParsableArguments {
    @Flag(help: "Reads may show the past.")
    var lags = false

    @Flag(help: "Answers arrive apart from the execution of what they answer.")
    var apart = false
}

struct ExploreRegistration: ExplorationCommand {
    typealias System = RegistrationSystem

    static let configuration = CommandConfiguration(
        commandName: "registration", abstract: "Nodes that take their numbers in a group.")

    @Option(help: "How many nodes.")
    var nodes = System.Options().nodes

    @Option(help: "How often a connection breaks.")
    var losses = System.Options().losses

    @Option(help: "How many sessions expire.")
    var expiries = System.Options().expiries

    @OptionGroup var zooKeeper: ZooKeeperOptions

    @Flag(help: "The persistent nodes are still to be made.")
    var fresh = false

    @OptionGroup var limits: ExplorationOptions

    var counts: [Count<System.Options>] {
        [Count("nodes", nodes, \.nodes, in: 1...8), Count("losses", losses, \.losses), Count("expiries", expiries, \.expiries)]
    }

    var options: System.Options {
        var options = System.Options()
        options.lags = zooKeeper.lags
        options.answersAtOnce = !zooKeeper.apart
        options.isPrepared = !fresh
        return options
    }
}

struct ExploreElection: ExplorationCommand {
    typealias System = ElectionSystem

    static let configuration = CommandConfiguration(
        commandName: "election", abstract: "Servers, of which one is master and replaces a group's primary.")

    @Option(help: "How many servers.")
    var servers = System.Options().servers

    @Option(help: "How often a connection breaks.")
    var losses = System.Options().losses

    @Option(help: "How many sessions expire.")
    var expiries = System.Options().expiries

    @Option(help: "How many servers die and start again.")
    var restarts = System.Options().restarts

    @Option(help: "How often the group loses its primary.")
    var events = System.Options().events

    @OptionGroup var zooKeeper: ZooKeeperOptions
    @OptionGroup var limits: ExplorationOptions

    var counts: [Count<System.Options>] {
        [
            Count("servers", servers, \.servers, in: 1...8), Count("losses", losses, \.losses),
            Count("expiries", expiries, \.expiries), Count("restarts", restarts, \.restarts), Count("events", events, \.events),
        ]
    }

    var options: System.Options {
        var options = System.Options()
        options.lags = zooKeeper.lags
        options.answersAtOnce = !zooKeeper.apart
        return options
    }
}

struct ExploreGroup: ExplorationCommand {
    typealias System = GroupSystem

    static let configuration = CommandConfiguration(
        commandName: "group", abstract: "A group of two stores, and one write.")

    @Option(help: "How many stores die and start again.")
    var crashes = System.Options().crashes

    @Option(help: "How often a direction between the stores loses what is under way.")
    var breaks = System.Options().breaks

    @Option(help: "How many sessions expire.")
    var expiries = System.Options().expiries

    @Option(help: "How often a connection to ZooKeeper breaks.")
    var losses = System.Options().losses

    @Option(help: "How often time may move on.")
    var ticks = System.Options().ticks

    @OptionGroup var limits: ExplorationOptions

    var options: System.Options { .init() }

    var counts: [Count<System.Options>] {
        [
            Count("crashes", crashes, \.crashes), Count("breaks", breaks, \.breaks), Count("expiries", expiries, \.expiries),
            Count("losses", losses, \.losses), Count("ticks", ticks, \.ticks),
        ]
    }
}

struct ExploreStorage: ExplorationCommand {
    typealias System = StorageSystem

    static let configuration = CommandConfiguration(
        commandName: "storage", abstract: "A store that appends, truncates and is closed, and its disk.")

    @Option(help: "How often the power fails.")
    var crashes = System.Options().crashes

    @Option(help: "How many entries are appended.")
    var appends = System.Options().appends

    @Option(help: "How often the log is truncated.")
    var truncations = System.Options().truncations

    @Option(help: "How often the store is closed.")
    var closes = System.Options().closes

    @Option(help: "What a crash keeps or loses as one, in bytes.")
    var unit = System.Options().unit

    @OptionGroup var limits: ExplorationOptions

    var options: System.Options { .init() }

    var counts: [Count<System.Options>] {
        [
            Count("crashes", crashes, \.crashes), Count("appends", appends, \.appends),
            Count("truncations", truncations, \.truncations), Count("closes", closes, \.closes),
            Count("unit", unit, \.unit, in: 1...1_048_576),
        ]
    }
}
