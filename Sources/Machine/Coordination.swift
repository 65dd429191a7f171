// The vocabulary of the coordination neighbour: ZooKeeper's operations, replies and error codes, as they are.

/// One life of a ZooKeeper client: `openSession` names a new one, and everything about it carries the token. Events of an
/// earlier token are late news of a dead session.
public struct SessionToken: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (a: SessionToken, b: SessionToken) -> Bool { a.number < b.number }
}

/// A coordination request as the machine names it; the reply echoes it. `owner` says which part of the node asked.
public struct CoordinationID: Hashable, Sendable {
    public var owner: UInt32
    public var serial: UInt64
    public init(owner: UInt32, serial: UInt64) {
        self.owner = owner
        self.serial = serial
    }
}

public enum CoordinationEffect: Hashable, Sendable {
    /// Starts a client with a new session. It keeps trying to reach an ensemble until `closeSession`.
    case openSession(SessionToken)
    /// Ends the session: its ephemeral nodes vanish. Answered by `closed`.
    case closeSession(SessionToken)
    /// Requests of a session are executed and answered in order.
    case request(SessionToken, CoordinationID, CoordinationOperation)
}

public struct CoordinationEvent: Hashable, Sendable {
    public var session: SessionToken
    public var kind: Kind

    public init(session: SessionToken, kind: Kind) {
        self.session = session
        self.kind = kind
    }

    public enum Kind: Hashable, Sendable {
        /// The session is (again) served by some server. `sessionID` is what `Stat.ephemeralOwner` shows; `timeout` is the
        /// negotiated one.
        case connected(sessionID: Int64, timeout: Nanoseconds)
        /// No server is reached; the session may live on. Every pending request is answered with `connectionLoss`.
        case disconnected
        /// The session is over, and its ephemeral nodes are gone or going. Final for this token.
        case expired
        /// The session was closed as asked. Final for this token.
        case closed
        case reply(CoordinationID, CoordinationReply)
        /// A one-shot watch fired. Acting on it means reading again, never believing the event.
        case watchFired(path: String, WatchKind)
    }
}

public enum WatchKind: Hashable, Sendable {
    case created, deleted, dataChanged, childrenChanged
}

public enum CreateMode: Hashable, Sendable {
    case persistent, ephemeral, persistentSequential, ephemeralSequential

    public var isEphemeral: Bool { self == .ephemeral || self == .ephemeralSequential }
    public var isSequential: Bool { self == .persistentSequential || self == .ephemeralSequential }
}

/// `version` −1 matches any.
///
/// Indirect, as the replies are: both are handed on through many parts, and are then no more than a reference.
public indirect enum CoordinationOperation: Hashable, Sendable {
    case create(path: String, data: [UInt8], mode: CreateMode)
    case delete(path: String, version: Int32)
    case set(path: String, data: [UInt8], version: Int32)
    case get(path: String, watch: Bool)
    case exists(path: String, watch: Bool)
    case children(path: String, watch: Bool)
    /// Brings the connected server up to what the leader had committed. Not a quorum round.
    case sync(path: String)
    /// All or nothing at one zxid; later operations see the earlier ones.
    case multi([MultiOperation])
}

public enum MultiOperation: Hashable, Sendable {
    case check(path: String, version: Int32)
    case create(path: String, data: [UInt8], mode: CreateMode)
    case delete(path: String, version: Int32)
    case set(path: String, data: [UInt8], version: Int32)
}

public indirect enum CoordinationReply: Hashable, Sendable {
    /// With the path as created (sequential nodes get their suffix).
    case created(path: String)
    case deleted
    case set(Stat)
    case data([UInt8], Stat)
    /// The answer of `exists`: nil where there is no such node (a watch is set all the same).
    case existence(Stat?)
    /// Names without the parent's path, in no particular order.
    case children([String], Stat)
    case synced
    case multi([MultiResult])
    /// Nothing was done, unless `error.isOutcomeUnknown`. For a multi, `operations` holds each operation's code: ok before the
    /// failing one, its code, `runtimeInconsistency` after it.
    case failed(CoordinationError, operations: [CoordinationError?])
}

public enum MultiResult: Hashable, Sendable {
    case checked
    case created(path: String)
    case deleted
    case set(Stat)
}

/// ZooKeeper's error codes (`zookeeper.h`, `KeeperException.Code`).
public enum CoordinationError: Hashable, Sendable {
    case systemError
    case runtimeInconsistency
    case connectionLoss
    case marshallingError
    case unimplemented
    case operationTimeout
    case badArguments
    case invalidState
    case noNode
    case noAuth
    case badVersion
    case noChildrenForEphemerals
    case nodeExists
    case notEmpty
    case sessionExpired
    case sessionMoved
    case authFailed
    case closing
    case other(Int32)

    public init(code: Int32) {
        switch code {
        case -1: self = .systemError
        case -2: self = .runtimeInconsistency
        case -4: self = .connectionLoss
        case -5: self = .marshallingError
        case -6: self = .unimplemented
        case -7: self = .operationTimeout
        case -8: self = .badArguments
        case -9: self = .invalidState
        case -101: self = .noNode
        case -102: self = .noAuth
        case -103: self = .badVersion
        case -108: self = .noChildrenForEphemerals
        case -110: self = .nodeExists
        case -111: self = .notEmpty
        case -112: self = .sessionExpired
        case -115: self = .authFailed
        case -116: self = .closing
        case -118: self = .sessionMoved
        default: self = .other(code)
        }
    }

    public var code: Int32 {
        switch self {
        case .systemError: -1
        case .runtimeInconsistency: -2
        case .connectionLoss: -4
        case .marshallingError: -5
        case .unimplemented: -6
        case .operationTimeout: -7
        case .badArguments: -8
        case .invalidState: -9
        case .noNode: -101
        case .noAuth: -102
        case .badVersion: -103
        case .noChildrenForEphemerals: -108
        case .nodeExists: -110
        case .notEmpty: -111
        case .sessionExpired: -112
        case .authFailed: -115
        case .closing: -116
        case .sessionMoved: -118
        case .other(let code): code
        }
    }

    /// Whether the operation may have been applied all the same.
    public var isOutcomeUnknown: Bool {
        switch self {
        case .connectionLoss, .operationTimeout, .sessionMoved, .systemError, .closing, .invalidState, .sessionExpired, .other:
            true
        case .runtimeInconsistency, .marshallingError, .unimplemented, .badArguments, .noNode, .noAuth, .badVersion,
            .noChildrenForEphemerals, .nodeExists, .notEmpty, .authFailed:
            false
        }
    }
}

/// A node's metadata (`org.apache.zookeeper.data.Stat`). Times are left out: no machine may use them.
public struct Stat: Hashable, Sendable {
    public var czxid: Int64
    public var mzxid: Int64
    public var pzxid: Int64
    public var version: Int32
    public var cversion: Int32
    public var aversion: Int32
    /// The owning session's identity; 0 for a persistent node.
    public var ephemeralOwner: Int64
    public var dataLength: Int32
    public var numChildren: Int32

    public init(
        czxid: Int64 = 0, mzxid: Int64 = 0, pzxid: Int64 = 0, version: Int32 = 0, cversion: Int32 = 0, aversion: Int32 = 0,
        ephemeralOwner: Int64 = 0, dataLength: Int32 = 0, numChildren: Int32 = 0
    ) {
        self.czxid = czxid
        self.mzxid = mzxid
        self.pzxid = pzxid
        self.version = version
        self.cversion = cversion
        self.aversion = aversion
        self.ephemeralOwner = ephemeralOwner
        self.dataLength = dataLength
        self.numChildren = numChildren
    }
}
