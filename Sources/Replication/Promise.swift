import Machine

/// What a store has promised: not to serve as primary before some instant of its own clock.
///
/// Every accepted append is answered with such a promise; a primary may answer reads while promises of all stores that
/// count are running (leases: C. Gray, D. Cheriton, 1989). A new life does not know what the one before promised, but
/// that cannot reach further than one lease beyond its start.
public struct Promise: Hashable, Sendable {
    public private(set) var until: Instant

    /// A life that begins at `start` is bound by what its predecessor may have promised a moment earlier.
    public init(start: Instant, lease: Nanoseconds) { until = start + lease }

    public mutating func give(for lease: Nanoseconds, now: Instant) { until = max(until, now + lease) }

    public func hasRunOut(at now: Instant) -> Bool { now >= until }
}
