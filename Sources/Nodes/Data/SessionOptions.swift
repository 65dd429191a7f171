import Machine

/// How much a primary lets its group remember of its clients, and for how long. Only a primary goes by these; what it decides
/// is in the log, so stores with different ones do not differ.
public struct SessionOptions: Hashable, Sendable {
    /// Client sessions that may be open at once.
    public var mostSessions: Int
    /// How many results a session's client may have remembered, that is, how far a mutation's sequence number may be beyond the
    /// lowest that its client still waits for.
    public var mostResults: Int
    /// A session of which nothing is heard for this long is closed.
    public var idleTime: Nanoseconds
    /// At the bound a new session takes the place of the one that was idle for longest, if it was for this long. Otherwise who
    /// opens many sessions would end those of others who are at work.
    public var evictionTime: Nanoseconds

    public init(
        mostSessions: Int = 10_000, mostResults: Int = 1_024, idleTime: Nanoseconds = .seconds(300),
        evictionTime: Nanoseconds = .seconds(30)
    ) {
        self.mostSessions = mostSessions
        self.mostResults = mostResults
        self.idleTime = idleTime
        self.evictionTime = evictionTime
    }
}
