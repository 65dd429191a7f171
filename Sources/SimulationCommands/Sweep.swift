import ClusterSimulation
import Foundation

/// The parent's side of a sweep: deals parts of the seeds to worker processes, a few at a time, and sums up.
final class Sweep: @unchecked Sendable {
    // What is mutable is guarded by `lock`.
    private let lock = NSLock()
    private var parts: [Part]
    private var result = SweepResult()
    private var done = 0
    private var isOver = false
    private var storiesTold = 0

    /// What one worker process gets to do.
    private struct Part {
        var seeds: ClosedRange<UInt64>
        /// They have been run before, by a worker that died with its summary: only their figures are missing.
        var wasTold = false
    }

    private let total: Int
    private let jobs: Int
    private let arguments: [String]
    private let untilRed: Bool
    private let isQuiet: Bool
    private let began = Date()
    private let isTerminal = isatty(2) == 1

    /// Stories beyond this number are left out; their seeds are listed.
    private static let mostStories = 5

    /// - Parameters:
    ///   - extra: further options of the workers.
    ///   - isQuiet: nothing but progress is printed.
    init(
        seeds: ClosedRange<UInt64>, jobs: Int, kind: KindOptions, untilRed: Bool = false, extra: [String] = [],
        isQuiet: Bool = false
    ) {
        self.jobs = jobs
        self.untilRed = untilRed
        self.isQuiet = isQuiet
        arguments = ["worker"] + kind.words + extra
        total = seeds.count
        // Parts for a balance at the end, and not more: each costs the start of a process.
        let size = UInt64(max(10, min(250, jobs == 1 ? seeds.count : seeds.count / (jobs * 4))))
        parts = stride(from: seeds.lowerBound, through: seeds.upperBound, by: UInt64.Stride(size)).map {
            Part(seeds: $0...min($0 + size - 1, seeds.upperBound))
        }
    }

    func run() -> SweepResult {
        let before = Sweep.coreSecondsOfWorkers()
        let group = DispatchGroup()
        for _ in 0..<jobs {
            group.enter()
            Thread.detachNewThread { [self] in
                while let part = takePart() { work(part) }
                group.leave()
            }
        }
        while group.wait(timeout: .now() + (isTerminal ? 1 : 10)) == .timedOut { showProgress() }
        if isTerminal { FileHandle.standardError.write(Data("\r\u{1B}[K".utf8)) }
        return lock.withLock {
            result.seconds = Date().timeIntervalSince(began)
            result.coreSeconds = Sweep.coreSecondsOfWorkers() - before
            return result
        }
    }

    /// What the workers that have ended took: time of a core, so that a busy machine does not spoil the figures.
    private static func coreSecondsOfWorkers() -> Double {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_CHILDREN.rawValue), &usage)
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        return seconds(usage.ru_utime) + seconds(usage.ru_stime)
    }

    private func takePart() -> Part? {
        lock.withLock { isOver || parts.isEmpty ? nil : parts.removeFirst() }
    }

    private func work(_ part: Part) {
        let seeds = part.seeds
        let process = Simulator.this.process(arguments + ["--seeds", "\(seeds.lowerBound)..\(seeds.upperBound)"])
        let output = Pipe()
        let errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        do { try process.run() } catch {
            lock.withLock { result.deaths.append(.init(seed: seeds.lowerBound, text: "cannot start a worker: \(error)")) }
            return
        }
        // What it says in dying is short; it is read when it is gone.
        var current = seeds.lowerBound
        var story: [String] = []
        var hasEnded = false
        var isStopped = false
        forEachLine(of: output.fileHandleForReading) { line in
            // It goes on for a moment after it was told to stop.
            if isStopped { return }
            if line.hasPrefix(WorkerCommand.Sign.begins) {
                current = UInt64(line.dropFirst(WorkerCommand.Sign.begins.count)) ?? current
            } else if line.hasPrefix(WorkerCommand.Sign.summary) {
                let data = Data(line.dropFirst(WorkerCommand.Sign.summary.count).utf8)
                if let part = try? JSONDecoder().decode(SweepSummary.self, from: data) {
                    lock.withLock { result.summary += part }
                }
                hasEnded = true
            } else if part.wasTold {
                return
            } else if line == WorkerCommand.Sign.green {
                lock.withLock { done += 1 }
            } else if line.hasPrefix(WorkerCommand.Sign.hash) {
                lock.withLock { Program.say(String(line.dropFirst(WorkerCommand.Sign.hash.count))) }
            } else if line.hasPrefix(WorkerCommand.Sign.story) {
                story.append(String(line.dropFirst(WorkerCommand.Sign.story.count)))
            } else if line == WorkerCommand.Sign.red {
                tell(story.joined(separator: "\n"))
                story = []
                if untilRed {
                    isStopped = true
                    process.terminate()
                }
            }
        }
        process.waitUntilExit()
        guard !hasEnded else { return }
        // Its summary is lost, the red seed is not.
        if isStopped { return lock.withLock { result.summary.addFailure(current) } }
        let words = String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
        lock.withLock {
            result.deaths.append(
                .init(seed: current, text: words.split(separator: "\n").prefix(12).joined(separator: "\n")))
            if !part.wasTold { done += 1 }
            if untilRed { isOver = true }
            if current < seeds.upperBound {
                parts.insert(Part(seeds: current + 1...seeds.upperBound, wasTold: part.wasTold), at: 0)
            }
            if current > seeds.lowerBound { parts.insert(Part(seeds: seeds.lowerBound...current - 1, wasTold: true), at: 0) }
        }
    }

    private func tell(_ story: String) {
        lock.withLock {
            done += 1
            storiesTold += 1
            if storiesTold <= Sweep.mostStories, !isQuiet { Program.say(story + "\n") }
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

    /// One line that is written over on a terminal; else a line now and then.
    private func showProgress() {
        let (done, red) = lock.withLock { (self.done, storiesTold + result.deaths.count) }
        let seconds = Date().timeIntervalSince(began)
        let rate = Double(done) / seconds
        let left = rate > 0 ? Int(Double(total - done) / rate) : 0
        let line = String(
            format: rate < 10
                ? "%d of %d seeds, %d red, %.1f a second, %d s to go" : "%d of %d seeds, %d red, %.0f a second, %d s to go",
            done, total, red, rate, left)
        FileHandle.standardError.write(Data((isTerminal ? "\r\(line)\u{1B}[K" : line + "\n").utf8))
    }
}
