import Machine

/// One client library's handle, as `openSession` makes it: what the library knows, and what is on its way to it.
///
/// Source: the C client, `src/zookeeper.c`, and `ZooKeeperAdapter/Session.swift` over it.
struct Handle: Sendable {
    enum State: Sendable {
        /// Looking for a server. Requests are held for the next connection.
        case connecting
        case connected
        /// Told expired, or closed.
        case over
    }

    /// A request that has no answer yet.
    struct Request: Sendable {
        var kind: Kind
        var asked: Instant
        var arrival: Instant
        var pace: Pace
        var setsWatch = false

        /// What has to be waited for until it is done.
        enum Pace: Sendable {
            case usual
            /// A quorum's commit.
            case write
            /// The leader's word.
            case sync
        }

        enum Kind: Sendable {
            case operation(CoordinationID, CoordinationOperation)
            /// Never sent: its answer waits for those before it.
            case refused(CoordinationID, CoordinationError)
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
    /// Whether the client knows that it is connected: only then anything is sent.
    var isReached = false
    /// Counts connections; plans for an earlier one are void.
    var connection: UInt32 = 0
    /// The way to the server is cut, and neither side knows yet.
    var isStalled = false
    var requests = Queue<Request>()
    /// How many of them, from the oldest on, a server has done; their answers are on their way.
    var executed = 0
    var packets = Queue<Packet>()
    var lastArrival = Instant.zero
    var lastPacket = Instant.zero
    var executionPlanned = false
    var deliveryPlanned = false
    /// What the library re-registers after a reconnection.
    var watches: [RegisteredWatch] = []
    var wantsToClose = false
    /// The session was closed as the client asked, and the answer is on its way.
    var isClosing = false

    mutating func takeRequest() -> Request? {
        executed = max(0, executed - 1)
        return requests.popFirst()
    }
}
