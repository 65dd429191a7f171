import Machine

/// The times and windows of replication. Every store of a group runs with the same ones.
public struct ReplicationOptions: Hashable, Sendable {
    /// How often a primary speaks to every other store, with entries or without.
    public var heartbeat: Nanoseconds
    /// L: how long the answer to an append promises not to serve as primary.
    public var lease: Nanoseconds
    /// How much clocks of two nodes may drift apart, in percent; taken off the lease at the primary.
    public var driftPercent: Int64
    /// An in-sync store that has not acked for this long is shrunk away, whatever else it says.
    public var replicationTimeout: Nanoseconds
    /// An in-sync store of which nothing was heard for this long is shrunk away, if another node answers meanwhile.
    public var silenceTimeout: Nanoseconds
    /// Bytes of entries that may be under way to one store.
    public var windowBytes: Int
    /// The same for a store that nobody waits for, to begin with: it is fed in pieces of this size, one at a time, and in larger ones
    /// only where it would not catch up.
    public var learnerWindowBytes: Int
    /// Appends with entries that may be under way to one store; well below what a link queues.
    public var windowAppends: Int
    /// Bytes of entries in one append (a larger single entry goes alone).
    public var appendBytes: Int
    /// A learner with at most this many entries to go is made to count: commits wait for it from then on.
    public var joinDistance: UInt64
    /// A store is fed from the log, however little a copy would be, while what it lacks of the log is no more than this, in bytes.
    public var tailBytes: Int64
    /// Bytes of entries in one piece of a copy (a larger single entry goes alone), and pieces that may be under way to one store; all of
    /// them within `windowBytes`.
    public var pieceBytes: Int
    public var windowPieces: Int
    /// minsync: how many in-sync stores must have an entry for it to be committed, the primary among them. It gates what a primary
    /// appends itself; what it inherits may have been acknowledged before, and is not held back.
    public var minSync: Int

    public init(
        heartbeat: Nanoseconds = .milliseconds(100), lease: Nanoseconds = .milliseconds(400), driftPercent: Int64 = 5,
        replicationTimeout: Nanoseconds = .milliseconds(1500), silenceTimeout: Nanoseconds = .milliseconds(350),
        windowBytes: Int = 8 << 20, learnerWindowBytes: Int = 64 << 10, windowAppends: Int = 128, appendBytes: Int = 1 << 20,
        joinDistance: UInt64 = 256, tailBytes: Int64 = 8 << 20, pieceBytes: Int = 64 << 10, windowPieces: Int = 64,
        minSync: Int = 1
    ) {
        self.heartbeat = heartbeat
        self.lease = lease
        self.driftPercent = driftPercent
        self.replicationTimeout = replicationTimeout
        self.silenceTimeout = silenceTimeout
        self.windowBytes = windowBytes
        self.learnerWindowBytes = learnerWindowBytes
        self.windowAppends = windowAppends
        self.appendBytes = appendBytes
        self.joinDistance = joinDistance
        self.tailBytes = tailBytes
        self.pieceBytes = pieceBytes
        self.windowPieces = windowPieces
        self.minSync = minSync
    }

    /// What is left of the lease at the primary once the drift allowance is taken off.
    public var safeLease: Nanoseconds { lease - lease * driftPercent / 100 }
}
