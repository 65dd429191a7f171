import ClusterSimulation
import Foundation
import Machine
import Simulation

/// # The simulator in a process of its own
///
/// A machine that finds its own state broken ends the process that it runs in, and a mistake is planted into a build of its own. So runs
/// that may end their process, and runs of other builds, are processes, and what became of one is a `Verdict`: green, red, or dead.
struct Simulator {
    var binary: URL
    /// What stands before its arguments: `sim`, where it is a part of `aviary`.
    var words: [String] = []
    private(set) var environment = ProcessInfo.processInfo.environment

    /// This very program, with what is switched on in it.
    static let this = Simulator(Program.url, words: Program.words)

    /// - Parameter planted: the mistake that is on, in a build with several; nil for none.
    init(_ binary: URL, planted: String?) {
        self.init(binary, words: [])
        environment[PlantedTogether.variable] = planted
    }

    private init(_ binary: URL, words: [String]) {
        self.binary = binary
        self.words = words
        // A machine that stops says so in one line; a backtrace would take seconds for each.
        environment["SWIFT_BACKTRACE"] = "enable=no"
        // A simulation takes and frees small pieces all the time. What glibc keeps at hand of them, seven of each size, is too
        // little.
        environment["GLIBC_TUNABLES"] = environment["GLIBC_TUNABLES"] ?? "glibc.malloc.tcache_count=1000"
    }

    /// Not started yet.
    func process(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = binary
        process.arguments = words + arguments
        process.environment = environment
        return process
    }

    // MARK: Runs

    /// What became of a run that fails.
    struct Verdict {
        var fingerprint: String
        var at: Nanoseconds
        /// It ended its process.
        var isDeath: Bool

        private static let stopped = "a machine stopped"
        private static let wordless = "the process died"

        fileprivate static func failed(_ fingerprint: String, at: Nanoseconds) -> Verdict {
            Verdict(fingerprint: fingerprint, at: at, isDeath: false)
        }

        /// Where it stopped is part of it, without the line's number. A release build does not tell.
        fileprivate static func died(saying complaint: String) -> Verdict {
            let line = complaint.split(separator: "\n").first { $0.contains(": ") }.map { String($0) }
            return Verdict(
                fingerprint: Violation(stopped, line ?? wordless).fingerprint, at: .seconds(86_400), isDeath: true)
        }

        /// Whether it is the failure that a schedule is of. Of two builds one may tell where a machine stopped and the other not.
        func shows(_ expected: String) -> Bool {
            if fingerprint == expected { return true }
            let silent = Violation(Verdict.stopped, Verdict.wordless).fingerprint
            return isDeath && expected.hasPrefix(Verdict.stopped + ": ") && (fingerprint == silent || expected == silent)
        }
    }

    /// The schedule of a failing run by seed, with the fingerprint of its failure, and whether it ends its process.
    func schedule(of name: RunName) throws -> (ClusterSchedule, isDeadly: Bool) {
        try withTemporaryFile { file in
            let verdict = try verdict(["run"] + name.words + ["--save", file])
            var schedule = try ClusterSchedule(text: String(contentsOf: URL(filePath: file), encoding: .utf8))
            schedule.fingerprint = verdict?.fingerprint
            return (schedule, verdict?.isDeath ?? false)
        }
    }

    /// nil where it is green.
    func verdict(of schedule: ClusterSchedule) throws -> Verdict? {
        try withTemporaryFile { file in
            try Program.write(schedule.description, to: file)
            return try verdict(["run", "--schedule", file])
        }
    }

    private func verdict(_ words: [String]) throws -> Verdict? {
        let end = try process(words + ["--json"]).finish(complaints: .apart)
        guard let code = end.code else { return .died(saying: end.complaints) }
        guard code < 2 else { throw SimError(end.complaints) }
        let document = try JSONDecoder().decode(ReportDocument.self, from: end.output)
        return document.fingerprint.map { .failed($0, at: Nanoseconds(Int64(document.simulatedSeconds * 1e9))) }
    }

    private func withTemporaryFile<Result>(_ body: (String) throws -> Result) throws -> Result {
        let file = FileManager.default.temporaryDirectory.appending(path: "aviary-\(UUID().uuidString).schedule")
        defer { try? FileManager.default.removeItem(at: file) }
        return try body(file.path)
    }
}

/// What a process left when it ended.
struct ProcessEnd {
    /// nil where a signal ended it.
    var code: Int32?
    var output: Data
    /// Standard error, where it was kept apart.
    var complaints = ""

    var text: String { String(decoding: output, as: UTF8.self) }
}

extension Process {
    /// Where standard error goes.
    enum Complaints {
        /// Some lines at most.
        case apart
        case amongOutput
        case shown
        case dropped
    }

    /// Starts it, and waits for its end.
    func finish(complaints where: Complaints) throws -> ProcessEnd {
        let (output, errors) = (Pipe(), Pipe())
        standardOutput = output
        switch `where` {
        case .apart: standardError = errors
        case .amongOutput: standardError = output
        case .shown: break
        case .dropped: standardError = FileHandle.nullDevice
        }
        try run()
        var end = ProcessEnd(code: nil, output: output.fileHandleForReading.readDataToEndOfFile())
        if case .apart = `where` {
            end.complaints = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        }
        waitUntilExit()
        if terminationReason == .exit { end.code = terminationStatus }
        return end
    }
}
