import ClusterSimulation
import Foundation
import Simulation
import TestSupport
import Testing

@testable import SimulationCommands

/// What is made of a simulator that runs as a process: here a script that says or does what one would.
@Suite struct SimulatorTests {
    private let folder = TemporaryFolder("simulator")

    private static let expected = "something holds: process # does not"
    private static let mistake = "a-rule"

    /// - Parameter script: `sh`; `red` and `green` are files with the reports of such runs.
    @discardableResult
    private func simulator(_ script: String, at path: String? = nil) throws -> URL {
        var report = ReportDocument(RunReport.of(RunName(3, profile: .small)))
        try Data(Program.json(report).utf8).write(to: URL(filePath: folder.file("green")))
        report.fingerprint = SimulatorTests.expected
        try Data(Program.json(report).utf8).write(to: URL(filePath: folder.file("red")))
        let file = URL(filePath: path ?? folder.file("sim"))
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data("#!/bin/sh\ncd \(folder.path)\n\(script)\n".utf8).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: file.path)
        return file
    }

    // MARK: Rules

    /// Sources change under rules: one that no longer applies says so here, and not when somebody scores months later.
    @Test(arguments: ["SimTests/Planted", "SimTests/Regressions"])
    func everyRuleAppliesToTheSources(_ folder: String) throws {
        let all = try FileManager.default.contentsOfDirectory(
            at: URL(filePath: Repository.path(folder)), includingPropertiesForKeys: nil)
        let files = all.filter { $0.pathExtension == "rule" }
        #expect(files.count > 5)
        for file in files {
            let mistake = try PlantedMistake(file: file)
            #expect(throws: Never.self) { try mistake.check(in: URL(filePath: Repository.root)) }
        }
    }

    // MARK: Regressions

    /// What `sim regressions` says of a schedule that shows `fingerprint`.
    private func judge(
        _ script: String, shows fingerprint: String? = expected, _ words: [String] = []
    ) throws -> (isRight: Bool, text: String) {
        let rule = folder.file("\(SimulatorTests.mistake).rule")
        try Data("bug: found\ntitle: t\nfile: f\n<<<<\na\n====\nb\n>>>>\n".utf8).write(to: URL(filePath: rule))
        var schedule = ClusterSchedule(seed: 1, plan: ClusterPlan())
        schedule.fingerprint = fingerprint
        let file = URL(filePath: folder.file("a.schedule"))
        try Data(schedule.description.utf8).write(to: file)
        let tree = PlantedTree(root: URL(filePath: folder.path), work: URL(filePath: folder.file("work")))
        try simulator(script, at: tree.binary.path)
        return try RegressionsCommand.parse(words).judge(PlantedMistake(file: URL(filePath: rule)), file, tree)
    }

    private static let isOn = "[ \"$AVIARY_PLANTED\" = \(mistake) ]"
    private static let dies = "{ echo 'Nodes/Some.swift:12: Precondition failed: odd' >&2; kill -TRAP $$; }"

    @Test func aScheduleIsRedWithItsMistakeAndGreenWithout() throws {
        let right = try judge("if \(Self.isOn); then cat red; exit 1; fi; cat green")
        #expect(right.isRight, "\(right.text)")
        let unseen = try judge("cat green")
        #expect(!unseen.isRight && unseen.text.hasPrefix("NOT SEEN"))
        let another = try judge("if \(Self.isOn); then cat red; exit 1; fi; cat green", shows: "something else: breaks")
        #expect(!another.isRight && another.text.contains("ANOTHER FAILURE"), "\(another.text)")
        let always = try judge("cat red; exit 1")
        #expect(!always.isRight && always.text.hasPrefix("RED WITHOUT IT, TOO"), "\(always.text)")
        #expect(try !judge("cat green", shows: nil).isRight)
    }

    @Test func aScheduleIsRenewedInAnotherWorldWhereItsOwnShowsNothing() throws {
        func script(_ worlds: String) -> String {
            "if \(Self.isOn) && grep -q '^salt \(worlds)$' $3; then cat red; exit 1; fi; cat green"
        }
        #expect(try !judge(script("3")).isRight)
        let renewed = try judge(script("3"), ["--renew"])
        #expect(renewed.isRight, "\(renewed.text)")
        let text = try String(contentsOf: URL(filePath: folder.file("a.schedule")), encoding: .utf8)
        #expect(try ClusterSchedule(text: text).salt == 3)
        #expect(try !judge(script("300"), ["--renew"]).isRight)
    }

    @Test func theFailureMayEndTheProcess() throws {
        let shown = "a machine stopped: # Precondition failed: odd"
        let right = try judge("if \(Self.isOn); then \(Self.dies); fi; cat green", shows: shown)
        #expect(right.isRight, "\(right.text)")
        // A release build does not say where.
        for (script, schedule) in [
            ("kill -TRAP $$", shown), (Self.dies, "a machine stopped: the process died"),
        ] {
            #expect(try judge("if \(Self.isOn); then \(script); fi; cat green", shows: schedule).isRight)
        }
        for other in ["a machine stopped: # elsewhere", Self.expected] {
            #expect(try !judge("if \(Self.isOn); then \(Self.dies); fi; cat green", shows: other).isRight)
        }
        let always = try judge(Self.dies, shows: shown)
        #expect(!always.isRight && always.text.hasPrefix("RED WITHOUT IT, TOO"), "\(always.text)")
    }

    // MARK: What a sweep saves

    private func saved(_ result: SweepResult, _ script: String) throws -> [String] {
        var lines: [String] = []
        let simulator = Simulator(try simulator("echo \"$@\" >>asked\n\(script)"), planted: nil)
        try SavedFailures(folder: folder.file("saved"))
            .save(result, try KindOptions.parse([]), by: simulator) { lines.append($0) }
        return lines
    }

    @Test func aSweepSaysWhatItSavesAndWhatNot() throws {
        var result = SweepResult()
        result.summary.addFailure(4)
        result.deaths = [.init(seed: 7, text: "odd")]
        let lines = try saved(result, "")
        #expect(lines.count == 2)
        #expect(lines[0].contains("seed-4.schedule") && lines[0].contains("seed-4.html"), "\(lines)")
        #expect(lines[1].contains("seed-7.schedule") && lines[1].contains("there is no page of it"), "\(lines)")
        let asked = try String(contentsOfFile: folder.file("asked"), encoding: .utf8).split(separator: "\n")
        #expect(asked.map { $0.hasPrefix("shrink --seed ") } == [true, true])
        #expect(asked[0].contains("--html") && !asked[1].contains("--html"), "\(asked)")
        #expect(try saved(result, "exit 2") == ["seed 4: could not be shrunk", "seed 7: could not be shrunk"])
    }

    @Test func aSweepWhoseFolderCannotBeMadeDoesNotBegin() throws {
        let file = folder.file("file")
        try Data().write(to: URL(filePath: file))
        let sweep = try SweepCommand.parse(["--seeds", "1..1000000000", "--save", file + "/folder"])
        let error = #expect(throws: SimError.self) { try sweep.run() }
        #expect(error?.description.hasPrefix(file + "/folder: cannot be made: ") == true, "\(error?.description ?? "")")
        #expect(throws: SimError.self) { try SavedFailures(folder: "/proc/folder") }
    }
}
