import Machine
import Simulation

/// What became of one seed.
public struct RunReport: Sendable {
    public let seed: UInt64
    public let plan: ClusterPlan
    public let violation: Violation?
    public let steps: UInt64
    /// How long the run was, in the world's time.
    public let simulated: Nanoseconds
    public let hash: TraceHash
    public let traceLength: UInt64
    public let operations: OperationCounts
    public let faults: FaultCounts
    public let marks: Counters
    public let logCounts: SortedMap<String, Int>
    /// How often a primary took office, a master did, and a store was opened again.
    public let reigns: Int
    public let epochs: Int
    public let recoveries: Int
    /// The newest lines of the trace, where it was recorded.
    public let trace: [String]

    init(_ run: ClusterRun) {
        seed = run.seed
        plan = run.plan
        violation = run.violation
        steps = run.world.steps
        simulated = run.world.now - .zero
        hash = run.world.trace.hash
        traceLength = run.world.trace.length
        operations = run.operations
        faults = run.faults
        var marks = run.world.counters
        marks += run.world.zooKeeper.counters
        self.marks = marks
        logCounts = run.world.logCounts
        reigns = run.serving.changes
        epochs = run.mastery.epochs
        recoveries = run.recovery.recoveries
        trace = Array(run.world.trace.recorded)
    }

    /// Runs one seed. `recordedLines`: how much of the trace to keep as text; 0 for none, which is far faster.
    public static func of(seed: UInt64, recordedLines: Int = 0) -> RunReport {
        var run = ClusterRun(seed: seed, trace: Trace(recordedLines: recordedLines))
        run.run()
        return RunReport(run)
    }

    /// What a person needs who looks at a failure.
    public var story: String {
        guard let violation else {
            return
                "seed \(seed): green after \(simulated.milliseconds) ms and \(steps) steps, trace hash \(String(hash.value, radix: 16))"
        }
        return """
            seed \(seed): RED after \(simulated.milliseconds) ms and \(steps) steps
            invariant: \(violation.invariant)
            values:    \(violation.detail)
            plan:      \(plan.summary.split(separator: "\n").joined(separator: "\n           "))
            again:     SIM_SEED=\(seed) swift test --filter SimTests
            the story: swift run -c release sweep --seed \(seed) --trace
            """
    }
}
