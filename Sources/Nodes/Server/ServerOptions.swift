import Machine
import Placement
import Wire

/// What a server can be told.
public struct ServerOptions: Hashable, Sendable {
    public var limits: Limits
    /// Key requests that may be under way at once; one more is answered with RESOURCE_EXHAUSTED.
    public var pendingRequests: Int
    /// Bytes of keys and values that may be under way at once.
    public var pendingRequestBytes: Int
    /// How long a request may take at most; a client's own deadline counts where it is shorter.
    public var requestTimeout: Nanoseconds
    /// How long a request that certainly did not happen waits for a primary that takes it, before UNAVAILABLE.
    public var routePatience: Nanoseconds
    /// After how long such a request is tried again although no route has changed.
    public var routeRetry: Nanoseconds
    /// How long an answer of a primary that has been replaced may still take, to a mutation that was sent to it.
    public var overtakenPatience: Nanoseconds
    /// How long one replica has to answer a stale read before another is asked: more than a replica waits for a position.
    public var replicaPatience: Nanoseconds
    /// How long a status waits for data nodes that do not answer.
    public var statusPatience: Nanoseconds
    /// Status calls that may wait at once.
    public var pendingStatusCalls: Int
    /// How long a shutdown waits for requests under way, and then for the session to close.
    public var drainTime: Nanoseconds
    /// With how many virtual nodes a new group enters the ring, where this server is master.
    public var virtualNodes: Int
    /// How long a primary that its standbys do not hear may take to answer this server's probe, where this server is master.
    public var probePatience: Nanoseconds

    public init(
        limits: Limits = .init(), pendingRequests: Int = 10_000, pendingRequestBytes: Int = 256 << 20,
        requestTimeout: Nanoseconds = .seconds(5),
        routePatience: Nanoseconds = .seconds(1), routeRetry: Nanoseconds = .milliseconds(50),
        overtakenPatience: Nanoseconds = .milliseconds(200),
        replicaPatience: Nanoseconds = .milliseconds(500),
        statusPatience: Nanoseconds = .milliseconds(500), pendingStatusCalls: Int = 1_000,
        drainTime: Nanoseconds = .seconds(2), virtualNodes: Int = Ring.defaultVirtualNodes,
        probePatience: Nanoseconds = .milliseconds(400)
    ) {
        self.limits = limits
        self.pendingRequests = pendingRequests
        self.pendingRequestBytes = pendingRequestBytes
        self.requestTimeout = requestTimeout
        self.routePatience = routePatience
        self.routeRetry = routeRetry
        self.overtakenPatience = overtakenPatience
        self.replicaPatience = replicaPatience
        self.statusPatience = statusPatience
        self.pendingStatusCalls = pendingStatusCalls
        self.drainTime = drainTime
        self.virtualNodes = virtualNodes
        self.probePatience = probePatience
    }
}
