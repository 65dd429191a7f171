import ArgumentParser
import ClusterSimulation
import Foundation

/// `aviary sim`: the simulator's commands.
public struct SimCommand: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "sim",
        abstract: "Simulate clusters under faults, from seeds.",
        discussion: """
            A seed decides everything: same build and same seed give the same run, event for event. docs/simulation.md says what
            is simulated and what is judged.

            Exit codes: 0 everything green; 1 something red, or not reached; 2 an error, named in one line on standard error.
            """,
        subcommands: [
            RunCommand.self, SweepCommand.self, ShrinkCommand.self, MergeCommand.self, ScoreCommand.self,
            RegressionsCommand.self, ExploreCommand.self, WorkerCommand.self,
        ])

    public init() {}
}

/// Which run: by seed, or by schedule.
struct RunOptions: ParsableArguments {
    @Option(help: "The seed of the run.")
    var seed: UInt64?

    @Option(help: ArgumentHelp("A schedule to follow instead.", valueName: "file"))
    var schedule: String?

    @OptionGroup var kind: KindOptions

    func validate() throws {
        if (seed == nil) == (schedule == nil) { throw ValidationError("give either --seed or --schedule") }
    }

    var name: RunName? { seed.map { kind.name($0) } }

    func loadSchedule() throws -> ClusterSchedule? {
        try schedule.map { try ClusterSchedule(file: $0) }
    }
}

extension ClusterSchedule {
    /// - Throws: `SimError` where there is no such file, or it is not understood.
    init(file: String) throws {
        let text: String
        do { text = try String(contentsOf: URL(filePath: file), encoding: .utf8) } catch {
            throw SimError("\(file): cannot be read: \(error.localizedDescription)")
        }
        do { try self.init(text: text) } catch { throw SimError("\(file): \(error)") }
    }
}

/// How plans are drawn.
struct KindOptions: ParsableArguments {
    @Option(help: "How clusters are drawn: swarm, standard or small.")
    var profile = Profile.swarm

    @Option(help: "What is demanded: liveness or safety; without it the seed decides.")
    var mode: RunMode?

    func name(_ seed: UInt64) -> RunName { RunName(seed, profile: profile, mode: mode) }

    /// As options of another process.
    var words: [String] { ["--profile", profile.rawValue] + (mode.map { ["--mode", $0.rawValue] } ?? []) }
}

extension Profile: ExpressibleByArgument {}
extension RunMode: ExpressibleByArgument {}

/// An error for the person at the terminal: one line that names the offender.
struct SimError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// A range of seeds: `A..B`, or one.
struct SeedRange: CustomStringConvertible {
    let seeds: ClosedRange<UInt64>

    init(_ seeds: ClosedRange<UInt64>) { self.seeds = seeds }

    init(_ argument: String) throws {
        let ends = argument.components(separatedBy: "..").map { UInt64($0) }
        switch (ends.count, ends.first ?? nil, ends.last ?? nil) {
        case (1, let only?, _): seeds = only...only
        case (2, let first?, let last?) where first <= last: seeds = first...last
        default: throw ValidationError("seeds are A..B, both included, or one number")
        }
    }

    var description: String { "\(seeds.lowerBound)..\(seeds.upperBound)" }
}

/// A part of a fleet: `i/n`, i from 0.
struct Shard {
    let index: Int
    let count: Int

    init(_ argument: String) throws {
        let parts = argument.split(separator: "/").map { Int($0) }
        guard parts.count == 2, let index = parts[0], let count = parts[1], count > 0, (0..<count).contains(index) else {
            throw ValidationError("a shard is i/n: the i-th of n, i from 0 to n-1")
        }
        self.index = index
        self.count = count
    }

    /// This shard's share of the seeds: a stretch, so that it can be named; nil where there are fewer seeds than shards.
    func part(of seeds: ClosedRange<UInt64>) -> ClosedRange<UInt64>? {
        let total = UInt64(seeds.count)
        let (first, last) = (total * UInt64(index) / UInt64(count), total * UInt64(index + 1) / UInt64(count))
        return first < last ? seeds.lowerBound + first...seeds.lowerBound + last - 1 : nil
    }
}

/// This program, as another process calls it: `aviary sim …` or `sim …`.
enum Program {
    static let words: [String] =
        CommandLine.arguments.dropFirst().first == "sim" ? ["sim"] : []

    /// This very program, even if a build has put another one in its place meanwhile.
    static let url = URL(filePath: "/proc/self/exe")

    static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    /// To standard error: for who watches, not for what reads the output.
    static func complain(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }

    static func json(_ value: some Encodable) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return (try? encoder.encode(value)).map { String(decoding: $0, as: UTF8.self) } ?? "{}"
    }

    static func write(_ text: String, to file: String) throws {
        do { try Data(text.utf8).write(to: URL(filePath: file)) } catch {
            throw SimError("\(file): cannot be written: \(error.localizedDescription)")
        }
    }
}
