import AviaryProtos
import Machine
import SwiftProtobuf
import Wire

// The messages of `aviary.v1.Cluster`. Operators ask seldom, so the generated types do.

extension Aviary_V1_StatusResponse {
    init(_ status: ClusterStatus) {
        self.init()
        answeredBy = status.answeredBy.description
        coordinated = status.coordinated
        if let master = status.master { self.master = Aviary_V1_Server(master) }
        servers = status.servers.map(Aviary_V1_Server.init)
        groups = status.groups.map(Aviary_V1_Group.init)
        ring = Aviary_V1_Ring(status.ring)
    }
}

extension Aviary_V1_Server {
    init(_ server: ServerStatus) {
        self.init()
        number = server.number
        address = server.address.description
        epoch = server.epoch ?? 0
    }
}

extension Aviary_V1_Group {
    init(_ group: GroupStatus) {
        self.init()
        name = group.name
        // The raw values are the enum's numbers.
        state = State(rawValue: group.state.rawValue) ?? .unspecified
        problem = group.problem
        lineage = group.lineage
        term = group.term
        primary = group.primary ?? 0
        members = group.members.map(Aviary_V1_Member.init)
        shareMillionths = group.shareMillionths
    }
}

extension Aviary_V1_Member {
    init(_ member: MemberStatus) {
        self.init()
        store = member.member.store.text
        number = member.member.number
        address = member.address?.description ?? ""
        isPrimary = member.isPrimary
        inSync = member.inSync
        if let replica = member.replica { self.replica = Aviary_V1_Replica(replica) }
    }
}

extension Aviary_V1_Replica {
    init(_ replica: ReplicaStatus) {
        self.init()
        group = replica.group
        store = replica.member.store.text
        number = replica.member.number
        role = Role(rawValue: replica.role.rawValue) ?? .unspecified
        term = replica.term
        lastTerm = replica.last.term
        lastSeq = replica.last.seq
        commit = replica.commit
        keys = replica.keys
        leased = replica.leased
        coordinated = replica.coordinated
    }
}

extension Aviary_V1_Ring {
    init(_ ring: RingStatus) {
        self.init()
        version = ring.version
        sealed = ring.sealed
        tokens = ring.tokens.map { token in
            var message = Token()
            message.token = token.token
            message.group = token.group
            return message
        }
    }
}

extension Aviary_V1_RoutesResponse {
    init(_ routes: Routes) {
        self.init()
        ring = Aviary_V1_Ring(routes.ring)
        groups = routes.groups.map { group in
            var message = Aviary_V1_GroupRoute()
            message.name = group.name
            message.primary = group.primary?.description ?? ""
            return message
        }
    }
}

// Reading: what lacks a usable address or state is left out rather than invented.

extension ClusterStatus {
    init(decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        guard let message = try? Aviary_V1_StatusResponse(serializedBytes: [UInt8](bytes)),
            let answeredBy = Address(message.answeredBy)
        else { throw Malformed() }
        self.init(
            answeredBy: answeredBy,
            coordinated: message.coordinated,
            master: message.hasMaster ? ServerStatus(message.master) : nil,
            servers: message.servers.compactMap(ServerStatus.init),
            groups: message.groups.compactMap(GroupStatus.init),
            ring: RingStatus(message.ring)
        )
    }
}

extension Routes {
    init(decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        guard let message = try? Aviary_V1_RoutesResponse(serializedBytes: [UInt8](bytes)) else { throw Malformed() }
        self.init(
            ring: RingStatus(message.ring),
            groups: message.groups.map { Routes.Group(name: $0.name, primary: Address($0.primary)) })
    }
}

extension RingStatus {
    fileprivate init(_ message: Aviary_V1_Ring) {
        self.init(
            version: message.version, sealed: message.sealed,
            tokens: message.tokens.map { RingToken(token: $0.token, group: $0.group) })
    }
}

extension ServerStatus {
    fileprivate init?(_ message: Aviary_V1_Server) {
        guard let address = Address(message.address) else { return nil }
        self.init(number: message.number, address: address, epoch: message.epoch == 0 ? nil : message.epoch)
    }
}

extension GroupStatus {
    fileprivate init?(_ message: Aviary_V1_Group) {
        guard let state = State(rawValue: message.state.rawValue) else { return nil }
        self.init(
            name: message.name,
            state: state,
            problem: message.problem,
            lineage: message.lineage,
            term: message.term,
            primary: message.primary == 0 ? nil : message.primary,
            members: message.members.map(MemberStatus.init),
            shareMillionths: message.shareMillionths
        )
    }
}

extension MemberStatus {
    fileprivate init(_ message: Aviary_V1_Member) {
        self.init(
            member: MemberID(store: StoreID(message.store), number: message.number),
            address: Address(message.address),
            isPrimary: message.isPrimary,
            inSync: message.inSync,
            replica: message.hasReplica ? ReplicaStatus(message.replica) : nil
        )
    }
}

extension ReplicaStatus {
    fileprivate init?(_ message: Aviary_V1_Replica) {
        guard let role = Role(rawValue: message.role.rawValue) else { return nil }
        self.init(
            group: message.group,
            member: MemberID(store: StoreID(message.store), number: message.number),
            role: role,
            term: message.term,
            last: Position(term: message.lastTerm, seq: message.lastSeq),
            commit: message.commit,
            keys: message.keys,
            leased: message.leased,
            coordinated: message.coordinated
        )
    }
}
