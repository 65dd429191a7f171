import Machine

/// # How fast a store is fed that nobody waits for
///
/// A learner may lack gigabytes. Fed as fast as disk, processors and network allow, it takes them from those who write and read. So it
/// gets one small piece at a time, and the next when it has acked that: what the piece costs the others is bounded, and a learner
/// whose disk is busy slows down its own feeding.
///
/// But it must get closer, however much is written meanwhile. So its pace is looked at from time to time, and while it is not fed
/// at least twice as fast as the log grows, the window is doubled, up to what a member of the set is given.
///
/// (After the idea of a limit that yields only where the follower would never catch up: Kafka's KIP-73 throttles the replicas that are
/// not in-sync, by a rate that the operator must find; here it is found.)
struct FeedPace: Hashable, Sendable {
    static let interval = Nanoseconds.milliseconds(250)

    /// Bytes that may be under way.
    private(set) var window: Int
    private var lookedAt: Instant
    private var fed: Int64 = 0
    private var size: Int64

    init(window: Int, size: Int64, now: Instant) {
        self.window = window
        self.size = size
        lookedAt = now
    }

    /// - Parameters:
    ///   - fed: bytes of entries that it has acked so far.
    ///   - size: bytes of the log, which takes a third more for each entry, and more for small ones.
    ///   - range: the windows that there may be.
    /// - Returns: whether the window grew.
    mutating func look(fed: Int64, size: Int64, range: ClosedRange<Int>, now: Instant) -> Bool {
        guard now - lookedAt >= Self.interval else { return false }
        let (gained, written) = (fed - self.fed, size - self.size)
        (lookedAt, self.fed, self.size) = (now, fed, size)
        let before = window
        if gained < written * 2 {
            window = min(window * 2, range.upperBound)
        } else if gained > written * 8 {
            window = max(window / 2, range.lowerBound)
        }
        return window > before
    }
}
