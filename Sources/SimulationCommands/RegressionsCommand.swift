import ArgumentParser
import ClusterSimulation
import Foundation

/// Whether the regressions of bugs that were found would see them again.
///
/// A regression that is green today proves nothing by that. So beside each lies the rule that plants the bug once more: with it, the
/// schedule of the same name must show what it says it shows, and without it nothing. A bug that no schedule shows names a unit
/// test in its rule, which must fail.
struct RegressionsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "regressions",
        abstract: "Plant each bug that was found once more: its regression must be red with it, and green without.",
        discussion: """
            Needs the sources and `swift`. The mistakes are planted into a copy of the sources. A rule that names a unit test is \
            built with the tests, which takes long the first time; --schedules leaves it out.
            """)

    @Argument(help: "Only those whose names begin so.")
    var rules: [String] = []

    @Option(help: ArgumentHelp("The folder of the package.", valueName: "folder"))
    var package = "."

    @Option(help: ArgumentHelp("The folder of the rules and schedules, in the package.", valueName: "folder"))
    var folder = "SimTests/Regressions"

    @Option(
        help: ArgumentHelp(
            "The folder of the rules, where it is another; then only those that have a schedule in the first.",
            valueName: "folder"))
    var mistakes: String?

    @Flag(help: "Only those that are schedules.")
    var schedules = false

    @Flag(help: "Write a schedule anew that shows its failure in another world only.")
    var renew = false

    /// A change of the code moves every moment a little, and what a schedule showed in its world it may show in another.
    private static let worlds: UInt64 = 200

    func run() throws {
        let root = URL(filePath: package).standardizedFileURL
        let place = root.appending(path: folder)
        let placeOfRules = self.mistakes.map { root.appending(path: $0) } ?? place
        let files = (try? FileManager.default.contentsOfDirectory(at: placeOfRules, includingPropertiesForKeys: nil)) ?? []
        func schedule(of mistake: PlantedMistake) -> URL { place.appending(path: "\(mistake.name).schedule") }
        func isScheduled(_ mistake: PlantedMistake) -> Bool {
            FileManager.default.fileExists(atPath: schedule(of: mistake).path)
        }
        let mistakes = try files.filter { $0.pathExtension == "rule" }.sorted { $0.path < $1.path }
            .map { try PlantedMistake(file: $0) }
            .filter { mistake in rules.isEmpty || rules.contains { mistake.name.hasPrefix($0) } }
            .filter { self.mistakes == nil || isScheduled($0) }
        guard !mistakes.isEmpty else { throw SimError("there is no such rule in \(placeOfRules.path)") }
        let tree = PlantedTree(root: root, work: root.appending(path: ".build-planted"))
        let scheduled = mistakes.filter(isScheduled)

        var areAllRight = true
        if self.mistakes != nil, rules.isEmpty {
            let known = mistakes.map { schedule(of: $0).lastPathComponent }
            let all = (try? FileManager.default.contentsOfDirectory(at: place, includingPropertiesForKeys: nil)) ?? []
            for file in all where file.pathExtension == "schedule" && !known.contains(file.lastPathComponent) {
                Program.say("\(file.lastPathComponent): THERE IS NO RULE OF ITS NAME")
                areAllRight = false
            }
        }
        func told(_ mistake: PlantedMistake, _ verdict: (isRight: Bool, text: String)) {
            Program.say("\(mistake.name): \(verdict.text)")
            areAllRight = areAllRight && verdict.isRight
        }
        try plant(scheduled, tree)
        for mistake in scheduled { told(mistake, try judge(mistake, schedule(of: mistake), tree)) }
        for mistake in mistakes where !scheduled.contains(where: { $0.name == mistake.name }) {
            if let test = mistake.test {
                if !schedules { told(mistake, try judge(mistake, test, tree)) }
            } else {
                told(mistake, (false, "NOTHING SHOWS IT: there is neither a schedule of its name nor a test in its rule"))
            }
        }
        if !areAllRight { throw ExitCode(1) }
    }

    /// Builds all that schedules show, side by side.
    private func plant(_ mistakes: [PlantedMistake], _ tree: PlantedTree) throws {
        guard !mistakes.isEmpty else { return }
        try tree.restore()
        for mistake in mistakes { try mistake.check(in: tree.tree) }
        let planted = try PlantedTogether(mistakes) { try tree.read($0) }
        guard planted.alone.isEmpty else {
            throw SimError("\(planted.alone.map(\.name).joined(separator: ", ")): more than the bodies of functions changes")
        }
        for (file, text) in planted.texts { try tree.write(text, to: file) }
        try tree.build()
    }

    /// In processes of their own: the failure may be that a machine stops.
    func judge(_ mistake: PlantedMistake, _ file: URL, _ tree: PlantedTree) throws -> (Bool, String) {
        let schedule = try ClusterSchedule(file: file.path)
        guard let expected = schedule.fingerprint else { return (false, "ITS SCHEDULE DOES NOT SAY WHAT IT SHOWS") }
        let (planted, right) = (Simulator(tree.binary, planted: mistake.name), Simulator(tree.binary, planted: nil))
        if let red = try planted.verdict(of: schedule) {
            guard red.shows(expected) else { return (false, "NOT SEEN, BUT ANOTHER FAILURE: \(red.fingerprint)") }
            let green = try right.verdict(of: schedule)
            if let green { return (false, "RED WITHOUT IT, TOO: \(green.fingerprint)") }
            return (true, "red by its schedule, green without")
        }
        guard renew else { return (false, "NOT SEEN (--renew looks for it in other worlds)") }
        var other = schedule
        for _ in 0..<RegressionsCommand.worlds {
            other.salt &+= 1
            guard try planted.verdict(of: other)?.shows(expected) == true, try right.verdict(of: other) == nil else {
                continue
            }
            try write(other.salt, to: file)
            return (true, "red in another world, green without; its schedule is written anew")
        }
        return (false, "NOT SEEN in \(RegressionsCommand.worlds) worlds")
    }

    /// All but the number of the world stays as it was, comments too.
    private func write(_ salt: UInt64, to file: URL) throws {
        var lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        lines.removeAll { $0.hasPrefix("salt ") }
        let seed = lines.firstIndex { $0.hasPrefix("seed ") } ?? 0
        lines.insert("salt \(salt)", at: seed + 1)
        try Program.write(lines.joined(separator: "\n"), to: file.path)
    }

    private func judge(_ mistake: PlantedMistake, _ test: String, _ tree: PlantedTree) throws -> (Bool, String) {
        try tree.restore()
        guard try tree.passes(test: test) else { return (false, "RED WITHOUT IT, TOO: \(test)") }
        try mistake.plant(in: tree.tree)
        return try tree.passes(test: test) ? (false, "NOT SEEN by \(test)") : (true, "red by \(test), green without")
    }
}
