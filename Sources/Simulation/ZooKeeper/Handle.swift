import Machine

/// One client library's handle, as `openSession` makes it: what the library knows, and what is on its way to it.
///
/// Source: the C client, `src/zookeeper.c`.
struct Handle: Sendable {
    enum State: Sendable {
        /// Looking for a server. Requests wait for the next connection or the next failed attempt.
        case connecting
        case connected
        /// Told expired, or closed.
        case over
    }

    /// A request that has no answer yet; `isExecuted` where the server has done it and the answer is on its way.
    struct Request: Sendable {
        var kind: Kind
        var arrival: Instant
        var isExecuted = false

        enum Kind: Sendable {
            case operation(CoordinationID, CoordinationOperation)
            case close
        }
    }

    /// Something that a server sent.
    struct Packet: Sendable {
        var arrival: Instant
        var event: CoordinationEvent.Kind
        var zxid: Int64
        /// It answers the oldest request.
        var isAnswer: Bool
    }

    let process: Int
    let token: SessionToken
    var state = State.connecting
    /// Whether the process still lives.
    var isAlive = true
    /// 0 until a session was granted.
    var sessionID: Int64 = 0
    /// The newest zxid that the client has seen; no server behind it serves this client.
    var lastZxid: Int64 = 0
    var server = 0
    /// Counts connections; plans for an earlier one are void.
    var connection: UInt32 = 0
    /// The way to the server is cut, and neither side knows yet.
    var isStalled = false
    var requests = Queue<Request>()
    var packets = Queue<Packet>()
    var lastArrival = Instant.zero
    var lastPacket = Instant.zero
    var executionPlanned = false
    var deliveryPlanned = false
    /// What the library re-registers after a reconnection.
    var watches: [RegisteredWatch] = []
    var wantsToClose = false
}

/// A watch as the client library remembers it.
struct RegisteredWatch: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// Set by `get`, or by `exists` on a node that was there.
        case data
        /// Set by `exists` on a missing node.
        case existence
        case children
    }

    var path: String
    var kind: Kind
}

/// A session as the ensemble's leader tracks it. Source: `server/SessionTrackerImpl.java`.
struct Session: Sendable {
    let id: Int64
    let timeout: Nanoseconds
    let handle: Int
    var isAlive = true
    /// When it expires, while nothing is heard of it.
    var deadline: Instant?
    /// Counts deadlines; plans for an earlier one are void.
    var watch: UInt32 = 0
    /// Requests of a broken connection that are still on their way to the leader.
    var late = Queue<CoordinationOperation>()
}

/// What of ZooKeeper is on the world's agenda.
enum ZooKeeperHappening: Sendable {
    case attempt(handle: Int32, connection: UInt32)
    case execution(handle: Int32, connection: UInt32)
    case delivery(handle: Int32, connection: UInt32)
    /// The client has heard nothing for too long.
    case silence(handle: Int32, connection: UInt32)
    case expiry(session: Int32, watch: UInt32)
    case lateRequest(session: Int32)
    case catchUp(server: Int32)
    /// A cut-off server stops serving.
    case syncLimit(server: Int32, isolation: UInt32)
}
