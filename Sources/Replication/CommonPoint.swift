import Wire

/// Where two logs part.
///
/// Two entries with the same (term, seq) are the same entry, and so is everything before them: a term has one primary,
/// and it only appends (the log matching property of D. Ongaro, J. Ousterhout, "In Search of an Understandable Consensus
/// Algorithm", 2014). The common point is therefore the highest term with entries in both logs, at the smaller of its two
/// ends.
public enum CommonPoint {
    /// - Parameters:
    ///   - own: all runs of the primary's log, oldest first.
    ///   - other: the newest runs of the other log, oldest first.
    /// - Returns: the last position that both logs hold; `zero` where the other log is empty or shares nothing.
    public static func of(own: [TermRun], other: [TermRun]) -> Position {
        var mine = own.count - 1
        for run in other.reversed() {
            while mine >= 0, own[mine].term > run.term { mine -= 1 }
            guard mine >= 0 else { return .zero }
            if own[mine].term == run.term {
                return Position(term: run.term, seq: min(own[mine].last, run.last))
            }
        }
        return .zero
    }
}
