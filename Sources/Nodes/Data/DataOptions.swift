import Machine
import Replication
import Storage
import Wire

/// What a data node can be told.
public struct DataOptions: Sendable {
    public var replication: ReplicationOptions
    public var storage: LogStore.Options
    public var limits: Limits
    public var sessions: SessionOptions
    /// Writes that may wait for their commit; one more is answered with RESOURCE_EXHAUSTED.
    public var pendingWrites: Int
    /// Bytes of writes that may wait for their commit.
    public var pendingWriteBytes: Int
    /// Reads that may wait for a lease, or to be confirmed; and again, stale reads that may wait for their position.
    public var pendingReads: Int
    /// How long a read waits for a lease, or to be confirmed, before UNAVAILABLE.
    public var readPatience: Nanoseconds
    /// How long a stale read waits for its position before UNAVAILABLE. More than a heartbeat, with which standbys hear of commits.
    public var stalePatience: Nanoseconds
    /// How long a shutdown waits for writes in flight, and again for the log and the session to close.
    public var drainTime: Nanoseconds

    public init(
        replication: ReplicationOptions = .init(), storage: LogStore.Options = .init(), limits: Limits = .init(),
        sessions: SessionOptions = .init(), pendingWrites: Int = 20_000, pendingWriteBytes: Int = 64 << 20,
        pendingReads: Int = 20_000, readPatience: Nanoseconds = .seconds(2), stalePatience: Nanoseconds = .milliseconds(300),
        drainTime: Nanoseconds = .seconds(3)
    ) {
        self.replication = replication
        self.storage = storage
        self.limits = limits
        self.sessions = sessions
        self.pendingWrites = pendingWrites
        self.pendingWriteBytes = pendingWriteBytes
        self.pendingReads = pendingReads
        self.readPatience = readPatience
        self.stalePatience = stalePatience
        self.drainTime = drainTime
    }
}
