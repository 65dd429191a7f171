import Wire

/// The cluster's status as `aviary status --json` prints it. Fields are added, never renamed.
struct StatusDocument: Encodable {
    struct Server: Encodable {
        let number: UInt64
        let address: String
        let epoch: UInt64?
    }

    struct Member: Encodable {
        let number: UInt64
        let store: String
        /// Absent where it is not registered.
        let address: String?
        let isPrimary: Bool
        let inSync: Bool
        /// What the node itself says, and below: absent where it did not answer.
        let role: String?
        let term: UInt64?
        let lastTerm: UInt64?
        let lastSeq: UInt64?
        let commit: UInt64?
        let keys: UInt64?
        let leased: Bool?
        let coordinated: Bool?
        /// Entries behind the primary's log.
        let lag: UInt64?
    }

    struct Group: Encodable {
        let name: String
        let state: String
        let problem: String
        let lineage: String
        let term: UInt64
        /// Number of the primary; absent where there is none.
        let primary: UInt64?
        /// Part of the hash space, 0 to 1.
        let share: Double
        let members: [Member]
    }

    struct Ring: Encodable {
        struct Token: Encodable {
            let token: UInt32
            let group: String
        }
        let version: UInt64
        let sealed: Bool
        let tokens: [Token]
    }

    let answeredBy: String
    let coordinated: Bool
    let master: Server?
    let servers: [Server]
    let groups: [Group]
    let ring: Ring

    init(_ status: ClusterStatus) {
        answeredBy = status.answeredBy.description
        coordinated = status.coordinated
        master = status.master.map(Server.init)
        servers = status.servers.map(Server.init)
        groups = status.groups.map(Group.init)
        ring = Ring(
            version: status.ring.version, sealed: status.ring.sealed,
            tokens: status.ring.tokens.map { Ring.Token(token: $0.token, group: $0.group) })
    }
}

extension StatusDocument.Server {
    init(_ server: ServerStatus) {
        self.init(number: server.number, address: server.address.description, epoch: server.epoch)
    }
}

extension StatusDocument.Group {
    init(_ group: GroupStatus) {
        let end = group.members.first { $0.isPrimary }?.replica?.last.seq
        self.init(
            name: group.name, state: Self.name(group.state), problem: group.problem, lineage: group.lineage, term: group.term,
            primary: group.primary, share: Double(group.shareMillionths) / 1e6,
            members: group.members.map { StatusDocument.Member($0, primaryEnd: end) })
    }

    private static func name(_ state: GroupStatus.State) -> String {
        switch state {
        case .forming: "forming"
        case .serving: "serving"
        case .electing: "electing"
        case .noPrimary: "noPrimary"
        case .pending: "pending"
        }
    }
}

extension StatusDocument.Member {
    init(_ member: MemberStatus, primaryEnd: UInt64?) {
        let replica = member.replica
        let lag: UInt64? =
            if let primaryEnd, let last = replica?.last.seq { primaryEnd - min(primaryEnd, last) } else { nil }
        self.init(
            number: member.member.number, store: member.member.store.text, address: member.address?.description,
            isPrimary: member.isPrimary, inSync: member.inSync, role: replica.map { Self.name($0.role) }, term: replica?.term,
            lastTerm: replica?.last.term, lastSeq: replica?.last.seq, commit: replica?.commit, keys: replica?.keys,
            leased: replica?.leased, coordinated: replica?.coordinated, lag: lag)
    }

    private static func name(_ role: ReplicaStatus.Role) -> String {
        switch role {
        case .starting: "starting"
        case .learner: "learner"
        case .standby: "standby"
        case .takingOffice: "takingOffice"
        case .primary: "primary"
        }
    }
}
