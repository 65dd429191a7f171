import Machine

/// Notices that the own disk hangs: that it has been given something and has finished nothing for a while.
///
/// A disk that hangs fails nothing, so the store does not stop. A standby with such a disk is shrunk away by its primary; a primary
/// has nobody who would do that. It is looked at with each heartbeat; a long time between two looks is a pause of the node,
/// for which the disk is not to blame.
public struct DiskWatch: Hashable, Sendable {
    private var mark: UInt64 = 0
    /// When it last finished something, or had nothing to do.
    private var movedAt = Instant.zero
    private var lookedAt = Instant.zero

    public init() {}

    /// - Parameters:
    ///   - durable: the store's mark of what is synced.
    ///   - written: its mark of what is to be.
    ///   - longestGap: between two looks, for the time between them to count.
    /// - Returns: for how long the disk has finished nothing.
    public mutating func look(durable: UInt64, written: UInt64, longestGap: Nanoseconds, now: Instant) -> Nanoseconds {
        if durable != mark || durable == written || now - lookedAt > longestGap { movedAt = now }
        mark = durable
        lookedAt = now
        return now - movedAt
    }
}
