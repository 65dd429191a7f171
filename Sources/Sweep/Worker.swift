import Foundation
import ClusterSimulation
import Simulation

/// The child's side of a sweep: runs seeds one after the other and tells its parent on standard output.
///
/// A machine that finds its own state broken ends the process, and the sweep must survive that and know the seed. So parts of
/// a sweep are processes, and each seed is named before it runs.
enum Worker {
    /// What a line begins with.
    enum Mark {
        /// A seed is about to run.
        static let begins = "@ "
        /// A seed was green.
        static let green = "+"
        /// A seed was red: a line of its story.
        static let story = "! "
        /// The end of a story.
        static let red = "-"
        /// The summary of the part, as JSON: the last line.
        static let summary = "= "
    }

    static func run(_ seeds: ClosedRange<UInt64>) {
        var summary = SweepSummary()
        for seed in seeds {
            say(Mark.begins + String(seed))
            let report = RunReport.of(RunName(seed))
            summary.add(report)
            if report.violation == nil {
                say(Mark.green)
            } else {
                for line in report.text.split(separator: "\n") { say(Mark.story + line) }
                say(Mark.red)
            }
        }
        if let data = try? JSONEncoder().encode(summary) { say(Mark.summary + String(decoding: data, as: UTF8.self)) }
    }

    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }
}
