import ClusterSimulation
import Foundation
import Testing

/// Runs that were red once, each by a mistake that was in Aviary and is mended: `SimTests/Regressions`. A schedule names the failure
/// that it showed; beside it lies a rule that plants the mistake again, and with that it is red (`aviary sim score
/// --planted SimTests/Regressions` finds others like it).
@Suite struct RegressionTests {
    static let schedules: [URL] = {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Regressions")
        let files = (try? FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)) ?? []
        return files.filter { $0.pathExtension == "schedule" }.sorted { $0.path < $1.path }
    }()

    @Test func thereAreSome() { #expect(!RegressionTests.schedules.isEmpty) }

    @Test(arguments: schedules)
    func isGreenToday(_ file: URL) throws {
        let schedule = try ClusterSchedule(text: String(contentsOf: file, encoding: .utf8))
        #expect(schedule.fingerprint != nil, "\(file.lastPathComponent) does not say what it showed")
        SeedsInFlight.began(schedule.seed)
        defer { SeedsInFlight.ended(schedule.seed) }
        let report = RunReport.of(schedule, file: file.path)
        if report.violation != nil { Issue.record("\(report.text)") }
        // A schedule in which nothing happens any more would be green for ever.
        #expect(report.operations.succeeded > 0, "\(file.lastPathComponent) has no operation that succeeds")
    }
}
