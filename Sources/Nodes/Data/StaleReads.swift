import DequeModule
import Machine
import Wire

/// Stale reads of a replica that has not come to their positions yet: each waits a short while for it.
struct StaleReads: Sendable {
    struct Read: Hashable, Sendable {
        var key: [UInt8]
        /// It is answered from this entry on.
        var seq: UInt64
        var until: Instant
        var origin: Origin
    }

    /// In the order of arrival, which is that of `until`.
    private var waiting: Deque<Read> = []
    /// The lowest position that is waited for.
    private var lowest = UInt64.max

    var count: Int { waiting.count }
    /// When the first has waited long enough.
    var due: Instant? { waiting.first?.until }

    mutating func add(_ read: Read) {
        waiting.append(read)
        lowest = min(lowest, read.seq)
    }

    /// Takes those that can be answered from what is committed through `commit`.
    mutating func takeReached(_ commit: UInt64) -> [Read] {
        guard lowest <= commit else { return [] }
        var reached: [Read] = []
        lowest = .max
        waiting.removeAll { read in
            if read.seq <= commit {
                reached.append(read)
                return true
            }
            lowest = min(lowest, read.seq)
            return false
        }
        return reached
    }

    /// Takes those that have waited long enough.
    mutating func takeDue(at now: Instant) -> [Read] {
        var due: [Read] = []
        while let first = waiting.first, first.until <= now { due.append(waiting.removeFirst()) }
        if waiting.isEmpty { lowest = .max }
        return due
    }

    mutating func failAll(_ reason: String, into effects: inout Sink) {
        while let read = waiting.popFirst() { read.origin.fail(.unavailable, "\(reason); nothing was read", into: &effects) }
        lowest = .max
    }
}
