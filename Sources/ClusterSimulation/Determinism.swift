import Machine
import Simulation

/// Whether a seed decides everything: two runs of it in one process must be the same, event for event. (Equal dictionaries
/// iterate in different orders even within one process, so this sees what depends on that.)
public enum Determinism {
    /// nil where both runs are equal, else where they part.
    public static func divergence(ofSeed seed: UInt64) -> String? {
        let first = hashes(seed)
        let second = hashes(seed)
        guard first != second else { return nil }
        let index =
            zip(first, second).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(first.count, second.count)
        return """
            seed \(seed) does not decide everything: two runs part at event \(index) of \(first.count) and \(second.count)
            one: \(lastLine(seed, upTo: index))
            two: \(lastLine(seed, upTo: index))
            """
    }

    private static func hashes(_ seed: UInt64) -> [UInt64] {
        var run = ClusterRun(seed: seed, trace: Trace(keepsHashes: true))
        run.run()
        return run.world.trace.hashes ?? []
    }

    private static func lastLine(_ seed: UInt64, upTo length: Int) -> String {
        var run = ClusterRun(seed: seed, trace: Trace(recordedLines: 8))
        run.run { $0.trace.length > UInt64(length) }
        return run.world.trace.recorded.joined(separator: "\n     ")
    }
}
