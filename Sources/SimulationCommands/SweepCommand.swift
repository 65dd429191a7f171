import ArgumentParser
import ClusterSimulation
import Foundation

struct SweepCommand: ParsableCommand {
    private static let usual = SeedRange(1...1_000)

    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Run many seeds, in worker processes, and sum up.")

    @Option(help: "The seeds, as A..B, or one. (default: \(SweepCommand.usual))", transform: SeedRange.init(_:))
    var seeds = SweepCommand.usual

    @OptionGroup var kind: KindOptions

    @Option(help: "How many worker processes run beside each other; as many as there are cores by default.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @Option(
        help: ArgumentHelp("Run only part i of n of the seeds, i from 0: for a fleet.", valueName: "i/n"),
        transform: Shard.init(_:))
    var shard: Shard?

    @Flag(help: "Stop at the first failure.")
    var untilRed = false

    @Option(
        help: ArgumentHelp(
            "Shrink what is red, at most five seeds, and write schedules and their stories as pages into this folder.",
            valueName: "folder"))
    var save: String?

    @Flag(help: "Run each seed twice: both runs must be the same, event for event.")
    var twice = false

    @Flag(help: "Fail if a mark, a kind of fault or an error was never reached.")
    var gate = false

    @Flag(help: "Print each seed's trace hash.")
    var hashes = false

    @Flag(help: "Print the summary as JSON: what `sim merge` adds up.")
    var json = false

    func validate() throws {
        if jobs < 1 { throw ValidationError("--jobs is at least 1") }
    }

    func run() throws {
        guard let part = shard.map({ $0.part(of: seeds.seeds) }) ?? seeds.seeds else {
            throw SimError("there are fewer seeds than shards")
        }
        // A folder that cannot be written to is said at once, not after hours.
        let folder = try save.map { try SavedFailures(folder: $0) }
        let sweep = Sweep(
            seeds: part, jobs: jobs, kind: kind, untilRed: untilRed,
            extra: (twice ? ["--twice"] : []) + (hashes ? ["--hashes"] : []), isQuiet: json
        )
        let result = sweep.run()
        if json { Program.say(Program.json(result)) } else { print(result.text) }
        try folder?.save(result, kind) { Program.complain($0) }
        if !result.isGreen { throw ExitCode(1) }
        if gate, !result.summary.neverReached.isEmpty {
            Program.complain("never reached: \(result.summary.neverReached.joined(separator: ", "))")
            throw ExitCode(1)
        }
    }
}

/// A folder in which the failures of a sweep are kept: their schedules, shrunk, and their stories as pages.
struct SavedFailures {
    /// What else is red is likely to be of the same kind, and shrinking takes its time.
    static let most = 5

    private let folder: URL

    /// - Throws: `SimError` where nothing can be written there.
    init(folder: String) throws {
        self.folder = URL(filePath: folder, directoryHint: .isDirectory)
        do { try FileManager.default.createDirectory(at: self.folder, withIntermediateDirectories: true) } catch {
            throw SimError("\(folder): cannot be made: \(error.localizedDescription)")
        }
        guard FileManager.default.isWritableFile(atPath: self.folder.path) else {
            throw SimError("\(folder): cannot be written to")
        }
    }

    func save(
        _ result: SweepResult, _ kind: KindOptions, by simulator: Simulator = .this, told: (_ line: String) -> Void
    ) throws {
        for seed in result.redSeeds.prefix(SavedFailures.most) {
            let isDeath = result.deaths.contains { $0.seed == seed }
            let schedule = folder.appending(path: "seed-\(seed).schedule").path
            let page = folder.appending(path: "seed-\(seed).html").path
            // What tells a story must be alive at its end.
            let files = ["--save", schedule] + (isDeath ? [] : ["--html", page])
            let end = try simulator.process(["shrink"] + kind.name(seed).words + files).finish(complaints: .shown)
            if end.code != 0 {
                told("seed \(seed): could not be shrunk")
            } else if isDeath {
                told("seed \(seed): shrunk, in \(schedule); there is no page of it, as the run ends its process")
            } else {
                told("seed \(seed): shrunk, in \(schedule), and its story in \(page)")
            }
        }
    }
}

/// What became of a sweep, or of several that are added up.
struct SweepResult: Codable {
    var summary = SweepSummary()
    /// Seeds whose run ended its process, and what it said.
    var deaths: [Death] = []
    /// Seconds of the workers' own time.
    var coreSeconds = 0.0
    var seconds = 0.0

    struct Death: Codable {
        var seed: UInt64
        var text: String
    }

    var redSeeds: [UInt64] { (summary.failures + deaths.map(\.seed)).sorted() }
    var isGreen: Bool { redSeeds.isEmpty }

    static func += (a: inout SweepResult, b: SweepResult) {
        a.summary += b.summary
        a.deaths += b.deaths
        a.coreSeconds += b.coreSeconds
        a.seconds = max(a.seconds, b.seconds)
    }

    var text: String {
        var lines = [summary.text(coreSeconds: coreSeconds)]
        for death in deaths { lines.append("seed \(death.seed): RED, the process died\n\(death.text)") }
        let missing = summary.neverReached
        if !missing.isEmpty { lines.append("never reached: \(missing.joined(separator: ", "))") }
        // The verdict comes last, where a terminal shows it.
        let seeds = redSeeds.map { String($0) }.joined(separator: " ")
        lines.append((isGreen ? "GREEN" : "RED seeds: \(seeds)") + String(format: ", after %.1f s", seconds))
        return lines.joined(separator: "\n")
    }
}

struct MergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Add up the results of shards: files that `sim sweep --json` wrote.")

    @Argument(help: "The files.")
    var files: [String]

    @Flag(help: "Fail if a mark, a kind of fault or an error was never reached.")
    var gate = false

    @Flag(help: "Print the sum as JSON.")
    var json = false

    func run() throws {
        var sum = SweepResult()
        for file in files {
            do {
                sum += try JSONDecoder().decode(SweepResult.self, from: Data(contentsOf: URL(filePath: file)))
            } catch { throw SimError("\(file): is no result of `sim sweep --json`") }
        }
        if json { Program.say(Program.json(sum)) } else { print(sum.text) }
        if !sum.isGreen || gate && !sum.summary.neverReached.isEmpty { throw ExitCode(1) }
    }
}
