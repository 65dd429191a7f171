import ArgumentParser
import ClusterSimulation
import Foundation

struct ScoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "score",
        abstract: "Test the tester: plant one mistake at a time into a copy of the sources, sweep, and count seeds to red.",
        discussion: """
            Needs the sources and `swift`. All mistakes are planted in one build, where the variable AVIARY_PLANTED in the \
            environment names the one that is on; a rule that changes more than functions is built by itself. Each mistake is \
            searched for in several disjoint ranges of seeds, so that none is caught by the luck of one seed. Ends with a table; \
            fails if a mistake that nothing masks is not caught in every range, or if a rule no longer applies.
            """)

    @Argument(help: "Search for the mistakes whose names begin so; for all without any.")
    var rules: [String] = []

    @Option(help: "How many seeds a range has.")
    var seeds: UInt64 = 10_000

    @Option(help: "How many ranges.")
    var ranges: UInt64 = 3

    @OptionGroup var kind: KindOptions

    @Option(help: "How many worker processes run beside each other.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @Option(help: ArgumentHelp("The folder of the package.", valueName: "folder"))
    var package = "."

    @Option(help: ArgumentHelp("The folders of the rules, in the package.", valueName: "folder"))
    var planted = ["SimTests/Planted"]

    @Option(
        help: ArgumentHelp(
            "Write the results as JSON here, after each rule; rules that are in it already are not run again.",
            valueName: "file"))
    var json: String?

    @Flag(help: "Build each mistake by itself: slow, and the sources have nothing but the one mistake in them.")
    var each = false

    @Flag(help: "Only build, and say how a mistake is turned on.")
    var onlyBuild = false

    func validate() throws {
        if seeds < 1 || ranges < 1 || jobs < 1 { throw ValidationError("--seeds, --ranges and --jobs are at least 1") }
    }

    func run() throws {
        let root = URL(filePath: package).standardizedFileURL
        let files = planted.flatMap { folder in
            (try? FileManager.default.contentsOfDirectory(
                at: root.appending(path: folder), includingPropertiesForKeys: nil)) ?? []
        }
        .filter { $0.pathExtension == "rule" }.sorted { $0.lastPathComponent < $1.lastPathComponent }
        let mistakes = try files.map { try PlantedMistake(file: $0) }
        let wanted = mistakes.filter { mistake in rules.isEmpty || rules.contains { mistake.name.hasPrefix($0) } }
        guard !wanted.isEmpty else { throw SimError("no such rule in \(planted.joined(separator: ", "))") }
        let tree = PlantedTree(root: root, work: root.appending(path: ".build-planted"))

        var score = Score()
        if let json, let data = try? Data(contentsOf: URL(filePath: json)),
            let earlier = try? JSONDecoder().decode(Score.self, from: data)
        {
            score = earlier
        }
        // Always all of them, so that what was built for some serves for others.
        let (together, stale) = try plantTogether(each ? wanted : mistakes, tree)
        if onlyBuild { return }
        let open = wanted.filter { mistake in
            !stale.contains(mistake.name) && !score.results.contains { $0.rule == mistake.name }
        }
        for mistake in open where together.contains(mistake.name) {
            try record(mistake, tree.binary, isSwitched: true, &score)
        }
        for mistake in open where !together.contains(mistake.name) {
            try tree.restore()
            try mistake.plant(in: tree.tree)
            do { try tree.build() } catch { throw SimError("\(mistake.name) \(error)") }
            try record(mistake, tree.binary, isSwitched: false, &score)
        }

        print(score.table)
        if !stale.isEmpty { throw SimError("rules that no longer apply: \(stale.joined(separator: ", "))") }
        if score.results.contains(where: { !$0.isCaught && $0.masked == nil }) { throw ExitCode(1) }
    }

    /// Builds what can be built together; names what no longer applies.
    private func plantTogether(
        _ mistakes: [PlantedMistake], _ tree: PlantedTree
    ) throws -> (together: [String], stale: [String]) {
        try tree.restore()
        var applying: [PlantedMistake] = []
        var stale: [String] = []
        for mistake in mistakes {
            do {
                try mistake.check(in: tree.tree)
                applying.append(mistake)
            } catch {
                Program.complain("\(error)")
                stale.append(mistake.name)
            }
        }
        if each || applying.isEmpty { return ([], stale) }
        let planted = try PlantedTogether(applying) { try tree.read($0) }
        for mistake in planted.alone { Program.complain("\(mistake.name) needs a build of its own") }
        for (file, text) in planted.texts { try tree.write(text, to: file) }
        do { try tree.build() } catch { throw SimError("all mistakes together: \(error)") }
        if onlyBuild {
            for mistake in planted.mistakes { print("\(PlantedTogether.variable)=\(mistake.name) \(tree.binary.path)") }
        }
        return (planted.mistakes.map(\.name), stale)
    }

    private func record(_ mistake: PlantedMistake, _ binary: URL, isSwitched: Bool, _ score: inout Score) throws {
        let simulator = Simulator(binary, planted: isSwitched ? mistake.name : nil)
        let result = try measure(mistake, simulator)
        score.results.append(result)
        Program.complain(result.row)
        if let json { try Program.write(Program.json(score), to: json) }
    }

    private func measure(_ mistake: PlantedMistake, _ simulator: Simulator) throws -> Score.Result {
        var result = Score.Result(
            rule: mistake.name, bug: mistake.bug, title: mistake.title, masked: mistake.masked, seedsPerRange: seeds)
        for range in 0..<ranges {
            let first = 1 + range * seeds
            let found = try simulator.sweep(first...first + seeds - 1, kind, jobs: jobs)
            let seed = found.redSeeds.first
            result.seedsToRed.append(seed.map { $0 - first + 1 })
            result.coreSeconds += found.coreSeconds
            guard let seed, result.shows.isEmpty else { continue }
            result.shows = try simulator.shows(kind.name(seed)) ?? "a machine stops"
        }
        return result
    }
}

extension Simulator {
    fileprivate func sweep(_ seeds: ClosedRange<UInt64>, _ kind: KindOptions, jobs: Int) throws -> SweepResult {
        // The workers go on for a moment after the first red one: the least of the red seeds counts.
        let said = try process(
            ["sweep", "--seeds", "\(seeds.lowerBound)..\(seeds.upperBound)", "--until-red", "--json", "--jobs", "\(jobs)"]
                + kind.words
        ).finish(complaints: .dropped).output
        do { return try JSONDecoder().decode(SweepResult.self, from: said) } catch {
            throw SimError("the sweep said \(String(decoding: said.prefix(500), as: UTF8.self))")
        }
    }

    /// The broken invariant; nil where the run ends its process.
    fileprivate func shows(_ name: RunName) throws -> String? {
        let said = try process(["run"] + name.words + ["--json"]).finish(complaints: .dropped).output
        return (try? JSONDecoder().decode(ReportDocument.self, from: said))?.invariant
    }
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
