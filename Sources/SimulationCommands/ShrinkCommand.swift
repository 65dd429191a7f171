import ArgumentParser
import ClusterSimulation
import Foundation
import Machine
import Simulation

struct ShrinkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "shrink",
        abstract: "Make a failure smaller while it stays the same one: fewer faults, nodes, clients and operations.")

    @OptionGroup var which: RunOptions

    @Option(help: ArgumentHelp("Write the smallest schedule here.", valueName: "file"))
    var save: String?

    @Option(help: ArgumentHelp("Write its story as a page here.", valueName: "file"))
    var html: String?

    @Option(help: "How many runs it may take.")
    var budget = 3_000

    @Option(help: "In how many worlds each smaller schedule is tried.")
    var worlds: UInt64 = 3

    func run() throws {
        var schedule: ClusterSchedule
        let isDeadly: Bool
        if let given = try which.loadSchedule() {
            schedule = given
            isDeadly = try Child.judge(given)?.isDeath ?? false
            schedule.fingerprint = try Child.judge(given)?.fingerprint
        } else {
            guard let name = which.name else { return }
            (schedule, isDeadly) = try Child.schedule(of: name)
        }
        guard schedule.fingerprint != nil else { throw SimError("it is green: there is nothing to shrink") }

        // A failure that ends its process is tried in processes; others here, which is faster.
        var judge: ScheduleShrinker.Judge = { ScheduleShrinker.run($0) }
        if isDeadly {
            judge = { schedule in
                guard let verdict = try? Child.judge(schedule) else { return nil }
                return (verdict.fingerprint, verdict.at)
            }
        }
        let shrinker = ScheduleShrinker(schedule, budget: budget, worlds: worlds, judge: judge) {
            FileHandle.standardError.write(Data(($0 + "\n").utf8))
        }
        let smallest = shrinker.shrink()
        if let save { try Program.write(smallest.description, to: save) }
        if isDeadly {
            Program.say(smallest.description)
            return
        }
        var result = ClusterRun(schedule: smallest, trace: .all)
        result.run()
        let story = result.story(again: "aviary sim run --schedule \(save ?? "FILE")")
        for line in StoryText.plot(story) { Program.say(line) }
        if let html { try Program.write(StoryPage.html(story), to: html) }
        if save == nil { Program.say("\n" + smallest.description) }
    }
}

/// Runs that may end their process.
enum Child {
    struct Verdict {
        var fingerprint: String
        var at: Nanoseconds
        var isDeath: Bool
    }

    /// The schedule of a failing run by seed, with the fingerprint of its failure, and whether it ends its process.
    static func schedule(of name: RunName) throws -> (ClusterSchedule, isDeadly: Bool) {
        try withTemporaryFile { file in
            let verdict = try run(["run"] + name.words + ["--save", file])
            var schedule = try ClusterSchedule(text: String(contentsOf: URL(filePath: file), encoding: .utf8))
            schedule.fingerprint = verdict?.fingerprint
            return (schedule, verdict?.isDeath ?? false)
        }
    }

    static func judge(_ schedule: ClusterSchedule) throws -> Verdict? {
        var schedule = schedule
        schedule.fingerprint = nil
        return try withTemporaryFile { file in
            try Program.write(schedule.description, to: file)
            return try run(["run", "--schedule", file])
        }
    }

    private static func run(_ words: [String]) throws -> Verdict? {
        let process = Process()
        process.executableURL = Program.url
        process.arguments = Program.words + words + ["--json"]
        process.environment = ProcessInfo.processInfo.environment.merging(["SWIFT_BACKTRACE": "enable=no"]) { _, new in new }
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let said = output.fileHandleForReading.readDataToEndOfFile()
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        if process.terminationReason == .uncaughtSignal {
            let line = complaint.split(separator: "\n").first { $0.contains(": ") } ?? "the process died"
            // Where it stopped is part of it, without the line's number.
            return Verdict(
                fingerprint: Violation("a machine stopped", String(line)).fingerprint, at: .seconds(86_400), isDeath: true)
        }
        guard process.terminationStatus < 2 else { throw SimError(complaint) }
        let document = try JSONDecoder().decode(ReportDocument.self, from: said)
        return document.fingerprint.map {
            Verdict(fingerprint: $0, at: Nanoseconds(Int64(document.simulatedSeconds * 1e9)), isDeath: false)
        }
    }

    private static func withTemporaryFile<Result>(_ body: (String) throws -> Result) throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "aviary-\(UUID().uuidString).schedule")
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path)
    }
}
