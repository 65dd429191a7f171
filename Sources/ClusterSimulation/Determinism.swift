import Machine
import Simulation

/// Whether a name decides everything: two runs of it in one process must be the same, event for event. (Equal dictionaries
/// iterate in different orders even within one process, so this sees what depends on that.)
public enum Determinism {
    /// nil where both runs are equal, else where they part.
    public static func divergence(of name: RunName) -> String? {
        compare("\(name.options) does not decide everything") { ClusterRun(name, trace: $0) }
    }

    /// nil where a run and the schedule that it wrote down are equal, else where they part.
    public static func divergence(ofScheduleOf name: RunName) -> String? {
        let schedule = ClusterRun.schedule(of: name)
        var isFirst = true
        return compare("the schedule of \(name.options) does not repeat it") { trace in
            defer { isFirst.toggle() }
            return isFirst ? ClusterRun(name, trace: trace) : ClusterRun(schedule: schedule, trace: trace)
        }
    }

    /// Compares two runs; `make` is asked for the one, then for the other, and so on.
    private static func compare(_ what: String, _ make: (Trace) -> ClusterRun) -> String? {
        let first = hashes(make(Trace(keepsHashes: true)))
        let second = hashes(make(Trace(keepsHashes: true)))
        guard first != second else { return nil }
        let index =
            zip(first, second).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(first.count, second.count)
        return """
            \(what): the runs part at event \(index) of \(first.count) and \(second.count)
            one: \(lines(make(Trace(recordedEvents: 8)), upTo: index))
            two: \(lines(make(Trace(recordedEvents: 8)), upTo: index))
            """
    }

    private static func hashes(_ run: ClusterRun) -> [UInt64] {
        var run = run
        run.run()
        return run.world.trace.hashes ?? []
    }

    private static func lines(_ run: ClusterRun, upTo length: Int) -> String {
        var run = run
        run.run { $0.world.trace.length > UInt64(length) }
        return run.story(again: "").events.map { "\(($0.time - .zero).seconds) \($0.kind) \($0.text)" }
            .joined(separator: "\n     ")
    }
}
