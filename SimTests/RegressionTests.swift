import ClusterSimulation
import Foundation
import Testing

/// Runs that were red once, each by a mistake that was in Aviary and is mended: `SimTests/Regressions`. A schedule names the failure
/// that it showed; beside it lies a rule that plants the mistake again, and with that it is red (`aviary sim regressions` shows it).
@Suite struct RegressionTests {
    static let schedules = files("SimTests/Regressions", "schedule")
    static let rules = files("SimTests/Regressions", "rule")
    /// The schedules of docs/stories.md, which planted mistakes make red.
    static let stories = files("docs/stories", "schedule")

    private static func files(_ folder: String, _ kind: String) -> [URL] {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let files = try? FileManager.default.contentsOfDirectory(
            at: root.appending(path: folder), includingPropertiesForKeys: nil)
        return (files ?? []).filter { $0.pathExtension == kind }.sorted { $0.path < $1.path }
    }

    @Test func thereAreSome() {
        #expect(!RegressionTests.schedules.isEmpty)
        #expect(RegressionTests.stories.count == 3)
    }

    /// What shows a bug again is a schedule of the rule's name, or a unit test that the rule names.
    @Test func everyRuleHasWhatShowsIt() throws {
        let names = RegressionTests.schedules.map { $0.deletingPathExtension().lastPathComponent }
        for rule in RegressionTests.rules where !names.contains(rule.deletingPathExtension().lastPathComponent) {
            let text = try String(contentsOf: rule, encoding: .utf8)
            #expect(text.contains("\ntest: "), "\(rule.lastPathComponent)")
        }
        #expect(RegressionTests.rules.count >= names.count)
    }

    @Test(arguments: schedules)
    func isGreenToday(_ file: URL) throws {
        let report = try run(file)
        // A schedule in which nothing happens any more would be green for ever.
        #expect(report.operations.succeeded > 0, "\(file.lastPathComponent) has no operation that succeeds")
    }

    @Test(arguments: stories)
    func isAStoryOfAPlantedMistakeOnly(_ file: URL) throws {
        let report = try run(file)
        #expect(report.reigns > 0, "\(file.lastPathComponent) has no primary")
    }

    private func run(_ file: URL) throws -> RunReport {
        let schedule = try ClusterSchedule(text: String(contentsOf: file, encoding: .utf8))
        #expect(schedule.fingerprint != nil, "\(file.lastPathComponent) does not say what it showed")
        SeedsInFlight.began(schedule.seed)
        defer { SeedsInFlight.ended(schedule.seed) }
        let report = RunReport.of(schedule, file: file.path)
        if report.violation != nil { Issue.record("\(report.text)") }
        return report
    }
}
