import Machine
import Wire

/// One operation of a client's caller; the caller gives the numbers out, each once.
public struct OperationID: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (a: OperationID, b: OperationID) -> Bool { a.number < b.number }
}

/// One attempt at one server; the machine gives the numbers out, each once.
public struct AttemptID: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (a: AttemptID, b: AttemptID) -> Bool { a.number < b.number }
}

/// What a caller wants.
public enum ClientOperation: Hashable, Sendable {
    case put(key: [UInt8], value: [UInt8])
    case get(key: [UInt8], Consistency = .linearizable)
    case delete(key: [UInt8])

    public var key: [UInt8] {
        switch self {
        case .put(let key, _), .get(let key, _), .delete(let key): key
        }
    }

    public var isRead: Bool {
        switch self {
        case .get: true
        case .put, .delete: false
        }
    }

    var isMonotonic: Bool {
        switch self {
        case .get(_, .monotonic): true
        case .get, .put, .delete: false
        }
    }
}

/// What a caller's read may miss.
public enum Consistency: Hashable, Sendable {
    /// Nothing that was acknowledged to anybody, as far as clocks run at the rate that they should.
    case linearizable
    /// Nothing that was acknowledged to anybody, whatever the clocks do.
    case confirmed
    /// Nothing that this client has written, or has read before.
    case monotonic
    /// Nothing that stands at this position, where one is given; and it may be old.
    case stale(atLeast: GroupPosition? = nil)
}

/// How an operation ended: the truth about it.
public enum ClientOutcome: Hashable, Sendable {
    case done(KeyResult, at: GroupPosition)
    /// Nothing happened, by no attempt.
    case notDone(ClientError)
    /// It may have happened, or may still happen.
    case unknown(ClientError)
}

/// What becomes of one attempt.
public enum AttemptEnd: Hashable, Sendable {
    case reply(ClientReply)
    /// No connection: the request was certainly not sent.
    case unreachable(String)
    /// The connection broke, or gRPC itself gave up: it may have arrived.
    case broken(String)
}

public enum ClientEvent: Hashable, Sendable {
    case requested(OperationID, ClientOperation, timeout: Nanoseconds?)
    /// The caller waits no longer.
    case cancelled(OperationID)
    case ended(AttemptID, AttemptEnd)
    /// The timer that was set last has fired.
    case timerFired
}

public enum ClientEffect: Hashable, Sendable {
    /// Send this to that server; answered by `.ended`, unless it is abandoned.
    case attempt(AttemptID, ClientRequest, to: Address)
    /// The attempt's end does not matter any more.
    case abandon(AttemptID)
    case finished(OperationID, ClientOutcome)
    /// Replaces the timer that was set before.
    case setTimer(Instant)
}
