import Machine
import Simulation

/// What became of one run.
public struct RunReport: Sendable {
    /// How to run it again, as options of `aviary sim run`.
    public let again: String
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
    public let reached: SometimesCounts
    /// How often nodes were answered with each of ZooKeeper's errors, by its code.
    public let coordinationErrors: SortedMap<Int32, Int>
    public let logCounts: SortedMap<String, Int>
    /// How often clients were answered with each error, by its code's number.
    public let errors: SortedMap<Int, Int>
    /// Keys that the audit of safety mode did not reach.
    public let unreachable: Int
    /// How often a primary took office, a master did, and a store was opened again.
    public let reigns: Int
    public let epochs: Int
    public let recoveries: Int

    public init(_ run: ClusterRun, again: String) {
        self.again = again
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
        reached = run.world.reached
        coordinationErrors = run.world.coordinationErrors
        logCounts = run.world.logCounts
        errors = run.errors
        unreachable = run.unreachable
        reigns = run.serving.changes
        epochs = run.mastery.epochs
        recoveries = run.recovery.recoveries
    }

    public static func of(_ name: RunName) -> RunReport {
        var run = ClusterRun(name)
        run.run()
        return RunReport(run, again: name.options)
    }

    public static func of(_ schedule: ClusterSchedule, file: String) -> RunReport {
        var run = ClusterRun(schedule: schedule)
        run.run()
        return RunReport(run, again: "--schedule \(file)")
    }

    /// What a person needs who looks at a run, above all at a failed one.
    public var text: String {
        guard let violation else {
            return """
                seed \(seed): green after \(simulated.milliseconds) ms and \(steps) steps in \(plan.mode.rawValue) mode, \
                trace hash \(String(hash.value, radix: 16))
                """
        }
        return """
            seed \(seed): RED after \(simulated.milliseconds) ms and \(steps) steps
            invariant: \(violation.invariant)
            values:    \(violation.detail)
            plan:      \(plan.summary.split(separator: "\n").joined(separator: "\n           "))
            again:     aviary sim run \(again)
            the plot:  aviary sim run \(again) --plot
            the story: aviary sim run \(again) --html story.html
            shorter:   aviary sim shrink \(again)
            """
    }
}
