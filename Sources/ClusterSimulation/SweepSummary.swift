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
    /// How often each log event was seen: sorted events, and the count of each.
    public private(set) var events: [String] = []
    public private(set) var eventCounts: [Int] = []
    /// How often clients were answered with each error, by its code's number. (Looked up, never walked.)
    private var errorCounts: [Int: Int] = [:]
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
        for (event, count) in report.logCounts { add(event, count) }
        for (code, count) in report.errors { errorCounts[code, default: 0] += count }
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
        for (event, count) in zip(b.events, b.eventCounts) { a.add(event, count) }
        a.errorCounts.merge(b.errorCounts) { $0 + $1 }
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
        let faultText = FaultKind.allCases.map { "\($0) \(faults[$0])" }.joined(separator: ", ")
        let markText = Mark.allCases.map { "\($0) \(marks[$0])" }.joined(separator: ", ")
        let errorText = ClientError.Code.allCases.map { "\($0) \(errorCounts[$0.rawValue] ?? 0)" }.joined(separator: ", ")
        let eventText = zip(events, eventCounts).map { "\n    \($1) × \($0)" }.joined()
        return """
            \(runs) seeds, \(failures.count) red (\(safetyRuns) in safety mode, whose audits did not reach \(unreachable) keys)
            in a second of one core: \(rate(Double(runs))) seeds, \(rate(Double(steps))) machine steps, \
            \(rate(Double(simulated) / 1_000)) s of simulated time
            operations: \(operations.succeeded) succeeded, \(operations.refused) certainly not done, \(operations.unknown) unknown
            primaries took office \(reigns) times, masters \(epochs) times; stores were recovered \(recoveries) times
            errors to clients: \(errorText)
            faults: \(faultText)
            marks: \(markText)
            log events:\(eventText)
            """
    }

    /// What never happened: a sweep of some size that does not reach these proves less than it seems to.
    public var neverReached: [String] {
        FaultKind.allCases.filter { faults[$0] == 0 }.map { "fault \($0)" }
            + ClientError.Code.allCases.filter { errorCounts[$0.rawValue] == nil }.map { "error \($0)" }
            + Mark.allCases.filter { marks[$0] == 0 }.map { "mark \($0)" }
    }
}
