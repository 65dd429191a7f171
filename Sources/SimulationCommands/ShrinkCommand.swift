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
            let verdict = try Simulator.this.verdict(of: given)
            isDeadly = verdict?.isDeath ?? false
            schedule.fingerprint = verdict?.fingerprint
        } else {
            guard let name = which.name else { return }
            (schedule, isDeadly) = try Simulator.this.schedule(of: name)
        }
        guard schedule.fingerprint != nil else { throw SimError("it is green: there is nothing to shrink") }

        // A failure that ends its process is tried in processes; others here, which is faster.
        var judge: ScheduleShrinker.Judge = { ScheduleShrinker.run($0) }
        if isDeadly {
            judge = { schedule in
                guard let verdict = try? Simulator.this.verdict(of: schedule) else { return nil }
                return (verdict.fingerprint, verdict.at)
            }
        }
        let shrinker = ScheduleShrinker(schedule, budget: budget, worlds: worlds, judge: judge) {
            Program.complain($0)
        }
        let smallest = shrinker.shrink()
        if let save { try Program.write(smallest.description, to: save) }
        if isDeadly {
            // Nobody is left to tell its story.
            if html != nil { Program.complain("there is no page of it: the run ends its process") }
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
