import Foundation
import ClusterSimulation
import Simulation

/// The parent's side of a sweep: deals parts of the seeds to worker processes, a few at a time, and sums up.
final class Sweep: @unchecked Sendable {
    // What is mutable is guarded by `lock`.
    private let lock = NSLock()
    private var parts: [ClosedRange<UInt64>]
    private var summary = SweepSummary()
    /// Seeds whose worker died, with what it said.
    private var deaths: [(seed: UInt64, text: String)] = []
    private var done = 0
    private var isOver = false
    private var storiesTold = 0

    private let total: Int
    private let jobs: Int
    private let untilRed: Bool
    private let began = Date()

    /// Stories beyond this number are left out; their seeds are listed.
    private static let mostStories = 5

    init(seeds: ClosedRange<UInt64>, jobs: Int, untilRed: Bool) {
        self.jobs = jobs
        self.untilRed = untilRed
        total = seeds.count
        let size = UInt64(max(10, min(250, seeds.count / (jobs * 4))))
        parts = stride(from: seeds.lowerBound, through: seeds.upperBound, by: UInt64.Stride(size)).map {
            $0...min($0 + size - 1, seeds.upperBound)
        }
    }

    /// Returns whether everything was green.
    func run() -> Bool {
        let group = DispatchGroup()
        for _ in 0..<jobs {
            group.enter()
            Thread.detachNewThread { [self] in
                while let part = takePart() { work(part) }
                group.leave()
            }
        }
        while group.wait(timeout: .now() + 5) == .timedOut { showProgress() }

        let seconds = Date().timeIntervalSince(began)
        print(summary.text(coreSeconds: Sweep.coreSecondsOfWorkers()))
        for death in deaths { print("seed \(death.seed): RED, the process died\n\(death.text)") }
        let red = (summary.failures + deaths.map(\.seed)).sorted()
        if !red.isEmpty { print("red seeds: \(red.map { String($0) }.joined(separator: " "))") }
        let missing = summary.neverReached
        if !missing.isEmpty && total >= 1_000 { print("never reached: \(missing.joined(separator: ", "))") }
        print(String(format: "%.1f s", seconds))
        return red.isEmpty
    }

    /// What the workers that have ended took: time of a core, so that a busy machine does not spoil the figures.
    private static func coreSecondsOfWorkers() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private func takePart() -> ClosedRange<UInt64>? {
        lock.withLock { isOver || parts.isEmpty ? nil : parts.removeFirst() }
    }

    private func work(_ part: ClosedRange<UInt64>) {
        let process = Process()
        // This very program, even if a build has put another one in its place meanwhile.
        process.executableURL = URL(filePath: "/proc/self/exe")
        process.arguments = ["--worker", "--seeds", "\(part.lowerBound)..\(part.upperBound)"]
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        do { try process.run() } catch {
            lock.withLock { deaths.append((part.lowerBound, "cannot start a worker: \(error)")) }
            return
        }
        // What it says in dying is short; it is read when it is gone.
        var current = part.lowerBound
        var story: [String] = []
        var hasEnded = false
        forEachLine(of: output.fileHandleForReading) { line in
            if line.hasPrefix(Worker.Mark.begins) {
                current = UInt64(line.dropFirst(Worker.Mark.begins.count)) ?? current
            } else if line == Worker.Mark.green {
                lock.withLock { done += 1 }
            } else if line.hasPrefix(Worker.Mark.story) {
                story.append(String(line.dropFirst(Worker.Mark.story.count)))
            } else if line == Worker.Mark.red {
                tell(story.joined(separator: "\n"))
                story = []
            } else if line.hasPrefix(Worker.Mark.summary) {
                let data = Data(line.dropFirst(Worker.Mark.summary.count).utf8)
                if let part = try? JSONDecoder().decode(SweepSummary.self, from: data) { lock.withLock { summary += part } }
                hasEnded = true
            }
        }
        process.waitUntilExit()
        guard !hasEnded else { return }
        let words = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
        lock.withLock {
            deaths.append((current, words.split(separator: "\n").prefix(12).joined(separator: "\n")))
            done += 1
            if untilRed { isOver = true }
            if current < part.upperBound { parts.insert(current + 1...part.upperBound, at: 0) }
        }
    }

    private func tell(_ story: String) {
        lock.withLock {
            done += 1
            storiesTold += 1
            if storiesTold <= Sweep.mostStories { FileHandle.standardOutput.write(Data((story + "\n\n").utf8)) }
            if untilRed { isOver = true }
        }
    }

    private func forEachLine(of file: FileHandle, _ body: (String) -> Void) {
        var rest = Data()
        while true {
            let chunk = file.availableData
            if chunk.isEmpty { return }
            rest.append(chunk)
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                body(String(decoding: rest[rest.startIndex..<end], as: UTF8.self))
                rest = Data(rest[(end + 1)...])
            }
        }
    }

    private func showProgress() {
        let (done, red) = lock.withLock { (self.done, storiesTold + deaths.count) }
        let seconds = Date().timeIntervalSince(began)
        let line = String(format: "%d of %d seeds, %d red, %.0f seeds a second\n", done, total, red, Double(done) / seconds)
        FileHandle.standardError.write(Data(line.utf8))
    }
}
