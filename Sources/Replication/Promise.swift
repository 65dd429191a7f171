import Coordination
import Machine

/// What a store has promised: not to serve as primary before some instant of its own clock.
///
/// Every accepted append is answered with such a promise; a primary may answer reads while promises of all stores that
/// count are running (leases: C. Gray, D. Cheriton, 1989). A new life does not know when the one before promised, but that cannot
/// reach further beyond its start than the longest lease that its store ever promised, which is in the log.
///
/// A primary that hands over has stopped to serve before it says so: who promised to it, and to it alone, is free.
public struct Promise: Hashable, Sendable {
    /// The end of everything promised.
    public private(set) var until: Instant
    /// The primary that was promised to last; nil for one of an earlier life.
    private var office: GroupConfig.Office?
    /// The end of what was promised before that to anybody else.
    private var othersUntil: Instant

    /// A life that begins at `start` is bound by what its predecessor may have promised a moment earlier.
    public init(start: Instant, lease: Nanoseconds) {
        until = start + lease
        othersUntil = until
    }

    public mutating func give(to office: GroupConfig.Office, for lease: Nanoseconds, now: Instant) {
        if self.office != office {
            othersUntil = until
            self.office = office
        }
        until = max(until, now + lease)
    }

    /// The end of what binds a store whose predecessor as primary, where there is one, has handed over.
    public func end(released: GroupConfig.Office?) -> Instant {
        released != nil && released == office ? othersUntil : until
    }

    public func hasRunOut(at now: Instant, released: GroupConfig.Office? = nil) -> Bool { now >= end(released: released) }
}
