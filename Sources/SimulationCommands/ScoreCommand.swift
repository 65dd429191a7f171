import ArgumentParser
import Foundation

struct ScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Test the tester: plant one mistake at a time into a copy of the sources, sweep, and count seeds to red.",
        discussion: """
            Needs the sources and `swift`. Each mistake is searched for in several disjoint ranges of seeds, so that none is caught \
            by the luck of one seed. Ends with a table; fails if a mistake that nothing masks is not caught in every range, or if \
            a rule no longer applies.
            """)

    @Argument(help: "The rules whose names begin so; all without any.")
    var rules: [String] = []

    @Option(help: "How many seeds a range has.")
    var seeds: UInt64 = 10_000

    @Option(help: "How many ranges.")
    var ranges: UInt64 = 3

    @OptionGroup var kind: KindOptions

    @Flag(help: "Sweep with branching.")
    var branching = false

    @Option(help: "How many worker processes run beside each other.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: ArgumentHelp("The folder of the package.", valueName: "folder"))
    var package = "."

    @Option(help: ArgumentHelp("The folder of the rules, in the package.", valueName: "folder"))
    var planted = "SimTests/Planted"

    @Option(help: ArgumentHelp("Write the results as JSON here, after each rule; rules that are in it already are not run again.", valueName: "file"))
    var json: String?

    func validate() throws {
        if seeds < 1 || ranges < 1 || jobs < 1 { throw ValidationError("--seeds, --ranges and --jobs are at least 1") }
    }

    func run() throws {
        let root = URL(filePath: package).standardizedFileURL
        let folder = root.appending(path: planted)
        let files = ((try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? [])
            .filter { $0.pathExtension == "rule" }.sorted { $0.lastPathComponent < $1.lastPathComponent }
        let wanted = files.filter { file in
            rules.isEmpty || rules.contains { file.lastPathComponent.hasPrefix($0) }
        }
        guard !wanted.isEmpty else { throw SimError("\(folder.path): no such rule") }
        let mistakes = try wanted.map { try PlantedMistake(file: $0) }
        let tree = PlantedTree(root: root, work: root.appending(path: ".build-planted"))

        var score = Score()
        if let json, let data = try? Data(contentsOf: URL(filePath: json)),
            let earlier = try? JSONDecoder().decode(Score.self, from: data)
        {
            score = earlier
        }
        var stale: [String] = []
        for mistake in mistakes where !score.results.contains(where: { $0.rule == mistake.name }) {
            try tree.restore()
            do { try mistake.plant(in: tree.tree) } catch {
                say("\(error)")
                stale.append(mistake.name)
                continue
            }
            do { try tree.build() } catch { throw SimError("\(mistake.name) \(error)") }
            let result = try measure(mistake, tree.binary)
            score.results.append(result)
            say(result.row)
            if let json { try Program.write(Program.json(score), to: json) }
        }
        try tree.restore()

        print(score.table)
        if !stale.isEmpty { throw SimError("rules that no longer apply: \(stale.joined(separator: ", "))") }
        if score.results.contains(where: { !$0.isCaught && $0.masked == nil }) { throw ExitCode(1) }
    }

    private func measure(_ mistake: PlantedMistake, _ binary: URL) throws -> Score.Result {
        var result = Score.Result(
            rule: mistake.name, bug: mistake.bug, title: mistake.title, masked: mistake.masked, seedsPerRange: seeds)
        for range in 0..<ranges {
            let first = 1 + range * seeds
            let found = try sweep(binary, first...first + seeds - 1)
            let seed = found.redSeeds.first
            result.seedsToRed.append(seed.map { $0 - first + 1 })
            result.coreSeconds += found.coreSeconds
            guard let seed, result.shows.isEmpty else { continue }
            result.shows = try shows(binary, seed) ?? "a machine stops"
        }
        return result
    }

    private func sweep(_ binary: URL, _ seeds: ClosedRange<UInt64>) throws -> SweepResult {
        // The workers go on for a moment after the first red one: the least of the red seeds counts.
        let said = try output(
            of: binary,
            ["sweep", "--seeds", "\(seeds.lowerBound)..\(seeds.upperBound)", "--until-red", "--json", "--jobs", "\(jobs)"]
                + (branching ? ["--branching"] : []) + kind.words)
        do { return try JSONDecoder().decode(SweepResult.self, from: said) } catch {
            throw SimError("the sweep said \(String(decoding: said.prefix(500), as: UTF8.self))")
        }
    }

    private func shows(_ binary: URL, _ seed: UInt64) throws -> String? {
        let said = try output(of: binary, ["run", "--seed", "\(seed)", "--json"] + kind.words)
        return (try? JSONDecoder().decode(ReportDocument.self, from: said))?.invariant
    }

    private func output(of binary: URL, _ words: [String]) throws -> Data {
        let process = Process()
        process.executableURL = binary
        process.arguments = words
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { _, new in new }
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return said
    }

    private func say(_ line: String) { FileHandle.standardError.write(Data((line + "\n").utf8)) }
}

/// What the simulator sees of planted mistakes.
struct Score: Codable {
    struct Result: Codable {
        var rule: String
        var bug: String
        var title: String
        var masked: String?
        var seedsPerRange: UInt64
        /// For each range, how many seeds it took to the first red one; nil where none was red.
        var seedsToRed: [UInt64?] = []
        /// The broken invariant of the first red seed.
        var shows = ""
        var coreSeconds = 0.0

        var isCaught: Bool { !seedsToRed.isEmpty && seedsToRed.allSatisfy { $0 != nil } }

        /// The most seeds that a range took.
        var worst: UInt64? { isCaught ? seedsToRed.compactMap { $0 }.max() : nil }

        var row: String {
            let seeds = seedsToRed.map { $0.map(String.init) ?? "–" }.joined(separator: ", ")
            let verdict = isCaught || masked == nil ? shows : "masked: \(masked ?? "")"
            return "| \(bug) | \(title) | \(seeds) | \(band) | \(verdict) | \(Int(coreSeconds.rounded())) |"
        }

        var band: String {
            guard let worst else { return masked == nil ? "**not caught**" : "masked" }
            return worst <= 1 ? "1" : worst <= 100 ? "100" : "10,000"
        }
    }

    var results: [Result] = []

    var table: String {
        let rows = results.sorted { ($0.bug.count, $0.bug, $0.rule) < ($1.bug.count, $1.bug, $1.rule) }.map(\.row)
        let judged = results.filter { $0.masked == nil || $0.isCaught }
        let caught = judged.filter(\.isCaught).count
        return """
            | bug | mistake | seeds to red, per range | band | how it shows | CPU s |
            | --- | --- | --- | --- | --- | ---: |
            \(rows.joined(separator: "\n"))

            caught in every range: \(caught) of \(judged.count) (and \(results.count - judged.count) masked)
            """
    }
}
