import ArgumentParser
import ClusterSimulation
import Foundation
import Simulation

/// The child's side of a sweep: runs seeds one after the other and tells its parent on standard output.
///
/// A machine that finds its own state broken ends the process, and the sweep must survive that and know the seed. So parts of
/// a sweep are processes, and each seed is named before it runs.
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "worker", shouldDisplay: false)

    /// What a line begins with.
    enum Sign {
        /// A seed is about to run.
        static let begins = "@ "
        /// A seed was green.
        static let green = "+"
        /// A seed was red: a line of its story.
        static let story = "! "
        /// The end of a story.
        static let red = "-"
        /// A seed's trace hash.
        static let hash = "# "
        /// The summary of the part, as JSON: the last line.
        static let summary = "= "
    }

    @Option(transform: SeedRange.init(_:)) var seeds: SeedRange
    @OptionGroup var kind: KindOptions
    @Flag var twice = false
    @Flag var hashes = false

    func run() throws {
        var summary = SweepSummary()
        for seed in seeds.seeds {
            Program.say(Sign.begins + String(seed))
            let name = kind.name(seed)
            let report = RunReport.of(name)
            summary.add(report)
            if hashes { Program.say("\(Sign.hash)\(seed) \(String(report.hash.value, radix: 16))") }
            var story = report.violation == nil ? "" : report.text
            if twice, let divergence = Determinism.divergence(of: name) {
                summary.addFailure(seed)
                story += "\nseed \(seed): RED\n\(divergence)"
            }
            for line in story.split(separator: "\n") { Program.say(Sign.story + line) }
            Program.say(story.isEmpty ? Sign.green : Sign.red)
        }
        Program.say(Sign.summary + Program.json(summary))
    }
}
