// `sweep`: many seeds, or one of them told as a story. See docs/simulation.md.

import Foundation
import ClusterSimulation
import Simulation

/// What was asked for on the command line.
enum Command {
    case sweep(ClosedRange<UInt64>, jobs: Int, untilRed: Bool)
    case one(UInt64, trace: Bool)
    case twice(ClosedRange<UInt64>)
    /// A part of a sweep, in a process of its own.
    case worker(ClosedRange<UInt64>)

    static let usage = """
        usage: sweep --seeds A..B [--jobs N] [--until-red]    run the seeds, N at a time (2), on to the end or to the first failure
               sweep --seeds A..B --twice                     run each seed twice: both runs must be the same
               sweep --seed N [--trace]                       run one, and tell every event of it
        """

    init?(_ arguments: [String]) {
        var seeds: ClosedRange<UInt64>?
        var jobs = 2
        var isTraced = false
        var isTwice = false
        var isWorker = false
        var untilRed = false
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            switch argument {
            case "--seeds":
                let ends = (rest.popFirst() ?? "").components(separatedBy: "..")
                guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]), first <= last else {
                    return nil
                }
                seeds = first...last
            case "--seed":
                guard let seed = rest.popFirst().flatMap({ UInt64($0) }) else { return nil }
                seeds = seed...seed
            case "--jobs":
                guard let number = rest.popFirst().flatMap({ Int($0) }), number > 0 else { return nil }
                jobs = number
            case "--trace": isTraced = true
            case "--twice": isTwice = true
            case "--until-red": untilRed = true
            case "--worker": isWorker = true
            default: return nil
            }
        }
        guard let seeds else { return nil }
        if isWorker {
            self = .worker(seeds)
        } else if isTwice {
            self = .twice(seeds)
        } else if seeds.count == 1 {
            self = .one(seeds.lowerBound, trace: isTraced)
        } else {
            self = .sweep(seeds, jobs: jobs, untilRed: untilRed)
        }
    }
}

guard let command = Command(Array(CommandLine.arguments.dropFirst())) else {
    FileHandle.standardError.write(Data((Command.usage + "\n").utf8))
    exit(2)
}

switch command {
case .worker(let seeds):
    Worker.run(seeds)
case .one(let seed, let isTraced):
    let report = RunReport.of(RunName(seed))
    print(report.text)
    exit(report.violation == nil ? 0 : 1)
case .twice(let seeds):
    var isRed = false
    for seed in seeds {
        guard let divergence = Determinism.divergence(of: RunName(seed)) else { continue }
        print(divergence)
        isRed = true
    }
    if !isRed { print("\(seeds.count) seeds run twice: equal, event for event") }
    exit(isRed ? 1 : 0)
case .sweep(let seeds, let jobs, let untilRed):
    let sweep = Sweep(seeds: seeds, jobs: jobs, untilRed: untilRed)
    exit(sweep.run() ? 0 : 1)
}
