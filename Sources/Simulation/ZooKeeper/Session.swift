import Machine

/// A session as the ensemble's leader tracks it. Source: `server/SessionTrackerImpl.java`.
struct Session: Sendable {
    let id: Int64
    let timeout: Nanoseconds
    let handle: Int
    var isAlive = true
    /// The index of the transaction that closed it.
    var closedBy: Int?
    /// When it expires, while nothing is heard of it.
    var deadline: Instant?
    /// Counts deadlines; plans for an earlier one are void.
    var watch: UInt32 = 0
    /// Requests of a broken connection that are still on their way to the leader.
    var late = Queue<LateRequest>()
}

/// What can be executed although the client that asked for it knows nothing of it any more.
enum LateRequest: Sendable {
    case operation(CoordinationOperation)
    case close
}
