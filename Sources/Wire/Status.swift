import Machine

/// What one data node knows of itself.
public struct ReplicaStatus: Hashable, Sendable {
    public enum Role: Int, Hashable, Sendable, CaseIterable {
        /// Opening its store, or not registered.
        case starting = 1
        /// Registered, but not in the in-sync set.
        case learner = 2
        case standby = 3
        /// Elected, not serving yet: it brings the in-sync stores level and waits out promises.
        case takingOffice = 4
        case primary = 5
    }

    public var group: String
    public var member: MemberID
    public var role: Role
    /// Current term.
    public var term: UInt64
    /// End of the log.
    public var last: Position
    public var commit: UInt64
    /// Number of keys in the committed state.
    public var keys: UInt64
    /// At a primary: whether linearizable reads are covered by leases of all in-sync stores right now.
    public var leased: Bool
    /// Whether the node has a ZooKeeper session that is connected.
    public var coordinated: Bool

    public init(
        group: String, member: MemberID, role: Role, term: UInt64, last: Position, commit: UInt64, keys: UInt64, leased: Bool,
        coordinated: Bool
    ) {
        self.group = group
        self.member = member
        self.role = role
        self.term = term
        self.last = last
        self.commit = commit
        self.keys = keys
        self.leased = leased
        self.coordinated = coordinated
    }
}

/// The cluster as one server sees it.
public struct ClusterStatus: Hashable, Sendable {
    /// The server that answers.
    public var answeredBy: Address
    /// Whether that server is connected to ZooKeeper; if not, what follows is the last it knew.
    public var coordinated: Bool
    public var master: ServerStatus?
    public var servers: [ServerStatus]
    public var groups: [GroupStatus]
    public var ring: RingStatus

    public init(
        answeredBy: Address, coordinated: Bool, master: ServerStatus?, servers: [ServerStatus], groups: [GroupStatus],
        ring: RingStatus
    ) {
        self.answeredBy = answeredBy
        self.coordinated = coordinated
        self.master = master
        self.servers = servers
        self.groups = groups
        self.ring = ring
    }
}

public struct ServerStatus: Hashable, Sendable {
    public var number: UInt64
    public var address: Address
    /// Of the master: its epoch.
    public var epoch: UInt64?

    public init(number: UInt64, address: Address, epoch: UInt64? = nil) {
        self.number = number
        self.address = address
        self.epoch = epoch
    }
}

public struct GroupStatus: Hashable, Sendable {
    public enum State: Int, Hashable, Sendable, CaseIterable {
        /// No configuration yet: no store was chosen.
        case forming = 1
        /// A primary serves.
        case serving = 2
        /// A primary is elected and takes office, or does not answer.
        case electing = 3
        /// No in-sync store is there.
        case noPrimary = 4
        /// The group has a primary, but owns no part of the ring: it registered after keys were written.
        case pending = 5
    }

    public var name: String
    public var state: State
    /// What is wrong, for the operator; empty where nothing is.
    public var problem: String
    public var lineage: String
    public var term: UInt64
    /// Number of the primary by the group's configuration.
    public var primary: UInt64?
    public var members: [MemberStatus]
    /// The share of the hash space that the group owns, in millionths.
    public var shareMillionths: UInt64

    public init(
        name: String, state: State, problem: String, lineage: String, term: UInt64, primary: UInt64?, members: [MemberStatus],
        shareMillionths: UInt64
    ) {
        self.name = name
        self.state = state
        self.problem = problem
        self.lineage = lineage
        self.term = term
        self.primary = primary
        self.members = members
        self.shareMillionths = shareMillionths
    }
}

public struct MemberStatus: Hashable, Sendable {
    public var member: MemberID
    /// nil where the member is not registered.
    public var address: Address?
    public var isPrimary: Bool
    public var inSync: Bool
    /// What the node itself says; nil where it did not answer in time.
    public var replica: ReplicaStatus?

    public init(member: MemberID, address: Address?, isPrimary: Bool, inSync: Bool, replica: ReplicaStatus?) {
        self.member = member
        self.address = address
        self.isPrimary = isPrimary
        self.inSync = inSync
        self.replica = replica
    }
}

public struct RingStatus: Hashable, Sendable {
    /// Counts the changes of the ring.
    public var version: UInt64
    /// Whether keys may have been written: from then on groups that come are pending.
    public var sealed: Bool
    public var tokens: [RingToken]

    public init(version: UInt64, sealed: Bool, tokens: [RingToken]) {
        self.version = version
        self.sealed = sealed
        self.tokens = tokens
    }
}

public struct RingToken: Hashable, Sendable {
    public var token: UInt32
    public var group: String

    public init(token: UInt32, group: String) {
        self.token = token
        self.group = group
    }
}
