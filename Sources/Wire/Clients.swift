import Machine

/// A request about one key.
public enum KeyRequest: Hashable, Sendable {
    case put(key: [UInt8], value: [UInt8], identity: RequestIdentity? = nil)
    case get(key: [UInt8], mode: ReadMode = .linearizable)
    case delete(key: [UInt8], identity: RequestIdentity? = nil)
    /// Opens a client session in the group that owns the key.
    case openSession(key: [UInt8])

    public var key: [UInt8] {
        switch self {
        case .put(let key, _, _), .get(let key, _), .delete(let key, _), .openSession(let key): key
        }
    }

    /// The bytes of key and value, for budgets.
    public var payloadBytes: Int {
        switch self {
        case .put(let key, let value, _): key.count + value.count
        case .get(let key, _), .delete(let key, _), .openSession(let key): key.count
        }
    }

    public var isRead: Bool {
        switch self {
        case .get: true
        case .put, .delete, .openSession: false
        }
    }

    /// Whether any replica may answer it.
    public var isStaleRead: Bool {
        switch self {
        case .get(_, .stale): true
        case .get(_, .linearizable), .get(_, .confirmed), .put, .delete, .openSession: false
        }
    }

    /// By what the group tells a repeat of this mutation from a new one; nil where the client did not say.
    public var identity: RequestIdentity? {
        switch self {
        case .put(_, _, let identity), .delete(_, let identity): identity
        case .get, .openSession: nil
        }
    }
}

/// How fresh what a read returns has to be.
public enum ReadMode: Hashable, Sendable {
    /// Everything that was acknowledged before the read began, by the primary's lease: quick, and as right as the clocks' rates
    /// are (see the drift allowance).
    case linearizable
    /// The same without any trust in clocks: the primary asks all in-sync stores before it answers.
    case confirmed
    /// What some replica has committed, and at least what stood at that position, where one is given.
    case stale(atLeast: GroupPosition?)
}

/// A point in what a group has committed. Every answer carries that of the state it was made from; a stale read can ask for at
/// least that, and so sees what its client has written or read before.
public struct GroupPosition: Hashable, Sendable, CustomStringConvertible {
    public var group: String
    public var lineage: Lineage
    /// The last entry whose effect is in the state.
    public var seq: UInt64

    public init(group: String, lineage: Lineage, seq: UInt64) {
        self.group = group
        self.lineage = lineage
        self.seq = seq
    }

    public var description: String { "\(group)@\(lineage):\(seq)" }

    /// Reads what `description` writes; nil for anything else.
    public init?(_ text: some StringProtocol) {
        guard let colon = text.lastIndex(of: ":"), let at = text[..<colon].lastIndex(of: "@"),
            let seq = UInt64(text[colon...].dropFirst()), seq <= UInt64(Int64.max)
        else { return nil }
        let lineage = text[at..<colon].dropFirst()
        guard at > text.startIndex, !lineage.isEmpty else { return nil }
        self.init(group: String(text[..<at]), lineage: Lineage(String(lineage)), seq: seq)
    }
}

/// A client session of one group: the position of the log entry that opened it. No other of that group ever has the same, whatever
/// became of it, because a term is given out once. Another group's may.
public struct SessionID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var opened: Position

    public init(opened: Position) { self.opened = opened }

    public static func < (a: SessionID, b: SessionID) -> Bool { a.opened < b.opened }
    public var description: String { opened.description }
}

/// Which mutation of a client session this is. A group executes each once, however often it arrives, and answers repeats with
/// the result that it remembers.
public struct RequestIdentity: Hashable, Sendable, CustomStringConvertible {
    /// The group that opened the session. Without it a client that is wrong about who owns a key would be taken for the owner of a
    /// session with the same name, and be answered with what that one did. Empty in that group's own log, where it goes without
    /// saying.
    public var group: String
    public var session: SessionID
    /// Counts the session's mutations, from 1.
    public var sequence: UInt64
    /// The lowest of them whose answer the client still waits for: results below are forgotten.
    public var lowestOpen: UInt64

    public init(group: String = "", session: SessionID, sequence: UInt64, lowestOpen: UInt64) {
        self.group = group
        self.session = session
        self.sequence = sequence
        self.lowestOpen = lowestOpen
    }

    public var description: String { "\(session)#\(sequence)" }
}

/// What a client can ask of any node.
public enum ClientRequest: Hashable, Sendable {
    /// `patience`: how long the client still waits, where it said so.
    indirect case key(KeyRequest, patience: Nanoseconds?)
    case status
    /// Where keys are served, as a server sees it.
    case routes
    /// Hand a group over to another primary.
    case transfer(TransferRequest)
    /// Let a group go on without its in-sync stores.
    indirect case recover(RecoverRequest)
}

/// What became of a request about a key.
public enum KeyResult: Hashable, Sendable {
    case put
    /// nil: not found.
    case value([UInt8]?)
    case deleted(existed: Bool)
    case opened(SessionID)
}

public enum ClientReply: Hashable, Sendable {
    /// `at`: the state that the answer was made from; of a mutation, the one with its effect.
    case done(KeyResult, at: GroupPosition)
    indirect case status(ClusterStatus)
    indirect case routes(Routes)
    case transferred(Transferred)
    indirect case recovered(Recovered)
    indirect case failed(ClientError)
}

/// Why a request failed. Every failure says whether it certainly did not happen.
public struct ClientError: Error, Hashable, Sendable {
    /// The gRPC codes that Aviary uses, with the meaning that gRPC users expect.
    public enum Code: Int, Hashable, Sendable, CaseIterable {
        /// Empty or oversized key, oversized value. Did not happen.
        case invalidArgument = 3
        /// May have happened.
        case deadlineExceeded = 4
        /// The group does not know the request's session (any more): it expired, or was evicted. Did not happen; an earlier
        /// attempt of the same mutation may have.
        case notFound = 5
        /// A bound was reached. Did not happen.
        case resourceExhausted = 8
        /// Not the primary, or not the owner; `redirect` names the right node if known. Did not happen.
        case failedPrecondition = 9
        /// May have happened.
        case aborted = 10
        /// No primary yet, or no way to it. Did not happen.
        case unavailable = 14
        /// Stored bytes are damaged and no replica has them.
        case dataLoss = 15
    }

    public var code: Code
    /// One clear line that names the offender and the limit.
    public var message: String
    public var redirect: Address?

    public init(_ code: Code, _ message: String, redirect: Address? = nil) {
        self.code = code
        self.message = message
        self.redirect = redirect
    }

    public var mayHaveHappened: Bool {
        switch code {
        case .deadlineExceeded, .aborted: true
        case .invalidArgument, .notFound, .resourceExhausted, .failedPrecondition, .unavailable, .dataLoss: false
        }
    }
}

/// Limits on what clients may store.
public struct Limits: Hashable, Sendable {
    /// Longest key, in bytes.
    public var keyBytes: Int
    /// Longest value, in bytes.
    public var valueBytes: Int

    public init(keyBytes: Int = 1024, valueBytes: Int = 1 << 20) {
        self.keyBytes = keyBytes
        self.valueBytes = valueBytes
    }

    /// nil where the request is within the limits, else INVALID_ARGUMENT with the limit in the message.
    public func violation(of request: KeyRequest) -> ClientError? {
        let key = request.key
        if key.isEmpty { return ClientError(.invalidArgument, "the key is empty; a key has 1 to \(keyBytes) bytes") }
        if key.count > keyBytes {
            return ClientError(.invalidArgument, "the key has \(key.count) bytes; the limit is \(keyBytes)")
        }
        if let identity = request.identity, identity.sequence == 0 || identity.lowestOpen > identity.sequence {
            return ClientError(
                .invalidArgument,
                "mutation \(identity.sequence) of session \(identity.session) says that \(identity.lowestOpen) is the lowest still open; "
                    + "they are counted from 1, and its own is open")
        }
        if case .put(_, let value, _) = request, value.count > valueBytes {
            return ClientError(.invalidArgument, "the value has \(value.count) bytes; the limit is \(valueBytes)")
        }
        return nil
    }
}
