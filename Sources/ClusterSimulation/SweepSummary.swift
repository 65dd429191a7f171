import Machine
import Simulation
import Wire

/// Many runs, summed up. Summaries of parts of a sweep add up to that of the whole.
public struct SweepSummary: Sendable, Codable {
    public private(set) var runs = 0
    public private(set) var failures: [UInt64] = []
    public private(set) var steps: UInt64 = 0
    /// In milliseconds of the worlds' time.
    public private(set) var simulated: Int64 = 0
    public private(set) var operations = OperationCounts()
    public private(set) var faults = FaultCounts()
    public private(set) var marks = Counters()
    public private(set) var reached = SometimesCounts()
    /// How often each log event was seen: sorted events, and the count of each.
    public private(set) var events: [String] = []
    public private(set) var eventCounts: [Int] = []
    /// How often clients were answered with each error, in the order of `ClientError.Code.allCases`.
    private var errorCounts = Array(repeating: 0, count: ClientError.Code.allCases.count)
    /// How often nodes were answered with each of ZooKeeper's errors, by its code.
    private var coordinationErrorCounts = Array(repeating: 0, count: CoordinationError.possible.count)
    /// How many of the runs were in safety mode.
    public private(set) var safetyRuns = 0
    /// Keys that audits of safety mode did not reach.
    public private(set) var unreachable = 0
    /// How often a primary took office, a master did, and a store was opened again.
    public private(set) var reigns = 0
    public private(set) var epochs = 0
    public private(set) var recoveries = 0

    public init() {}

    public mutating func add(_ report: RunReport) {
        runs += 1
        if report.violation != nil { failures.append(report.seed) }
        steps += report.steps
        simulated += report.simulated.milliseconds
        operations += report.operations
        faults += report.faults
        marks += report.marks
        reached += report.reached
        for (event, count) in report.logCounts { add(event, count) }
        for (index, code) in ClientError.Code.allCases.enumerated() {
            errorCounts[index] += report.errors[code.rawValue] ?? 0
        }
        for (index, error) in CoordinationError.possible.enumerated() {
            coordinationErrorCounts[index] += report.coordinationErrors[error.code] ?? 0
        }
        if report.plan.mode == .safety { safetyRuns += 1 }
        unreachable += report.unreachable
        reigns += report.reigns
        epochs += report.epochs
        recoveries += report.recoveries
    }

    /// A seed that failed by another judgement than its run's own.
    public mutating func addFailure(_ seed: UInt64) {
        if !failures.contains(seed) { failures.append(seed) }
    }

    public static func += (a: inout SweepSummary, b: SweepSummary) {
        a.runs += b.runs
        a.failures += b.failures
        a.steps += b.steps
        a.simulated += b.simulated
        a.operations += b.operations
        a.faults += b.faults
        a.marks += b.marks
        a.reached += b.reached
        for (event, count) in zip(b.events, b.eventCounts) { a.add(event, count) }
        for index in a.errorCounts.indices { a.errorCounts[index] += b.errorCounts[index] }
        for index in a.coordinationErrorCounts.indices { a.coordinationErrorCounts[index] += b.coordinationErrorCounts[index] }
        a.safetyRuns += b.safetyRuns
        a.unreachable += b.unreachable
        a.reigns += b.reigns
        a.epochs += b.epochs
        a.recoveries += b.recoveries
    }

    private mutating func add(_ event: String, _ count: Int) {
        let index = events.firstIndex { $0 >= event } ?? events.count
        if index < events.count, events[index] == event {
            eventCounts[index] += count
        } else {
            events.insert(event, at: index)
            eventCounts.insert(count, at: index)
        }
    }

    /// What a person wants to know after a sweep that took this much time of one core.
    public func text(coreSeconds: Double) -> String {
        func rate(_ count: Double) -> Int { coreSeconds > 0 ? Int(count / coreSeconds) : 0 }
        // What is zero is told as never reached.
        func list<Name>(_ title: String, _ counts: some Sequence<(Name, Int)>) -> String {
            var lines = ["\(title):"]
            for (name, count) in counts where count > 0 {
                let word = "\(name) \(count)"
                let last = lines[lines.count - 1]
                if last.count + word.count > 116 {
                    lines[lines.count - 1] += ","
                    lines.append("    \(word)")
                } else {
                    lines[lines.count - 1] += last.hasSuffix(":") ? " \(word)" : ", \(word)"
                }
            }
            return lines.joined(separator: "\n")
        }
        let eventText = zip(events, eventCounts).map { "\n    \($1) × \($0)" }.joined()
        return """
            \(runs) seeds, \(failures.count) red (\(safetyRuns) in safety mode, whose audits did not reach \(unreachable) keys)
            in a second of one core: \(rate(Double(runs))) seeds, \(rate(Double(steps))) machine steps, \
            \(rate(Double(simulated) / 1_000)) s of simulated time
            operations: \(operations.succeeded) succeeded, \(operations.refused) certainly not done, \(operations.unknown) unknown
            primaries took office \(reigns) times, masters \(epochs) times; stores were recovered \(recoveries) times
            \(list("errors to clients", zip(ClientError.Code.allCases, errorCounts)))
            \(list("faults", FaultKind.allCases.map { ($0, faults[$0]) }))
            \(list("marks", Mark.allCases.map { ($0, marks[$0]) }))
            \(list("the machines' marks", Sometimes.allCases.map { ($0, reached[$0]) }))
            \(list("ZooKeeper's errors to nodes", zip(CoordinationError.possible, coordinationErrorCounts)))
            log events:\(eventText)
            """
    }

    /// What never happened: a sweep of some size that does not reach these proves less than it seems to.
    public var neverReached: [String] { reachedSeldom(atMost: 0) }

    /// What happened this often at most, of all that can happen.
    public func reachedSeldom(atMost limit: Int) -> [String] {
        counts.filter { found in found.count <= limit && !SweepSummary.notYetReachable.contains { $0.what == found.what } }
            .map { $0.count == 0 ? $0.what : "\($0.what) (\($0.count))" }
    }

    /// What happened though it is said that it cannot.
    public var reachedUnexpectedly: [String] {
        counts.filter { found in found.count > 0 && SweepSummary.notYetReachable.contains { $0.what == found.what } }
            .map(\.what)
    }

    /// What no run can reach as things are, and why.
    public static let notYetReachable = [
        (what: "error dataLoss", why: "a store that finds damage refuses to open, and there is no repair yet"),
        (what: "mark cacheLetGoOfDamage", why: "no fault lets a cache go by itself; only the tests of the disk do"),
    ]

    /// Everything that is counted, in words.
    private var counts: [(what: String, count: Int)] {
        FaultKind.allCases.map { ("fault \($0)", faults[$0]) }
            + zip(ClientError.Code.allCases, errorCounts).map { ("error \($0)", $1) }
            + zip(CoordinationError.possible, coordinationErrorCounts).map { ("ZooKeeper error \($0)", $1) }
            + Mark.allCases.map { ("mark \($0)", marks[$0]) } + Sometimes.allCases.map { ("mark \($0)", reached[$0]) }
    }
}

extension CoordinationError {
    /// Those of ZooKeeper's errors that answer what Aviary asks.
    static let possible: [CoordinationError] = [
        .connectionLoss, .noNode, .badVersion, .nodeExists, .runtimeInconsistency, .sessionExpired, .closing,
    ]
}
