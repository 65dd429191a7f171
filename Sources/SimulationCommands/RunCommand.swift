import ArgumentParser
import ClusterSimulation
import Foundation
import Simulation

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run", abstract: "Run one seed or schedule, and tell what became of it.")

    @OptionGroup var which: RunOptions

    @Flag(help: "Tell every event, one a line.")
    var trace = false

    @Flag(help: "Tell the plot: what happened, without what is done as ever.")
    var plot = false

    @Option(help: ArgumentHelp("Write the story as a page to look at in a browser.", valueName: "file"))
    var html: String?

    @Option(help: ArgumentHelp("Write down the run as a schedule.", valueName: "file"))
    var save: String?

    @Option(help: ArgumentHelp("How many of the newest events the story holds.", valueName: "count"))
    var events = 100_000

    @Flag(help: "Run it twice, and compare the runs event for event.")
    var twice = false

    @Flag(help: "Tell the result as JSON.")
    var json = false

    func run() throws {
        let schedule = try which.loadSchedule()
        if twice, let name = which.name { return try compare(name) }
        var result: ClusterRun
        let recorded = trace || plot || html != nil ? Trace(recordedEvents: max(1, events)) : Trace()
        let again: String
        if let schedule {
            result = ClusterRun(schedule: schedule, trace: recorded)
            again = "--schedule \(which.schedule ?? "")"
        } else {
            guard let name = which.name else { return }
            result = ClusterRun(name, trace: recorded, writes: save != nil)
            again = name.options
        }
        try finish(&result)
        let report = RunReport(result, again: again)

        if trace || plot || html != nil {
            let story = result.story(again: "aviary sim run \(again)")
            if trace { for line in StoryText.lines(story) { Program.say(line) } }
            if plot { for line in StoryText.plot(story) { Program.say(line) } }
            if let html { try Program.write(StoryPage.html(story), to: html) }
        }
        if !json, let schedule, let expected = schedule.fingerprint {
            let found = report.violation?.fingerprint
            if found == expected {
                Program.say("shows the failure that the schedule is of")
            } else {
                Program.say("the schedule is of another failure, which does not happen here: \(expected)")
            }
        }
        Program.say(json ? Program.json(ReportDocument(report)) : report.text)
        if report.violation != nil { throw ExitCode(1) }
    }

    /// Runs to the end. What it writes down is saved as it grows: a machine that stops takes this process with it.
    private func finish(_ result: inout ClusterRun) throws {
        guard let save else { return result.run() }
        var size = 0
        var failure: (any Error)?
        result.run { run in
            guard let written = run.written, written.operations.count + written.faults.count > size else { return false }
            size = written.operations.count + written.faults.count
            do { try Program.write(written.description, to: save) } catch { failure = error }
            return failure != nil
        }
        if let failure { throw failure }
        guard var written = result.written else { return }
        written.fingerprint = result.violation?.fingerprint
        try Program.write(written.description, to: save)
    }

    private func compare(_ name: RunName) throws {
        for found in [Determinism.divergence(of: name), Determinism.divergence(ofScheduleOf: name)] {
            if let found {
                Program.say(found)
                throw ExitCode(1)
            }
        }
        Program.say("both runs are equal, event for event, and so is the one by its schedule")
    }
}

/// A run's result, for programs.
struct ReportDocument: Codable {
    var seed: UInt64
    var again: String
    var mode: String
    var invariant: String?
    var detail: String?
    var fingerprint: String?
    var steps: UInt64
    var simulatedSeconds: Double
    var hash: String

    init(_ report: RunReport) {
        seed = report.seed
        again = report.again
        mode = report.plan.mode.rawValue
        invariant = report.violation?.invariant
        detail = report.violation?.detail
        fingerprint = report.violation?.fingerprint
        steps = report.steps
        simulatedSeconds = Double(report.simulated.count) / 1e9
        hash = String(report.hash.value, radix: 16)
    }
}
