import Coordination
import Machine
import Placement
import Wire

// How a server describes the cluster: what ZooKeeper shows, and what each data node says of itself.

/// One round of questions to the data nodes. Calls that come while it runs get its result.
struct StatusRound: Sendable {
    struct Question: Hashable, Sendable {
        var group: String
        var number: UInt64
        var address: Address
    }

    var calls: [CallID]
    /// Not answered yet, by the identity of the question.
    var open = SortedMap<UInt64, Question>()
    var replicas = SortedMap<String, SortedMap<UInt64, ReplicaStatus>>()
}

extension ServerNode {
    mutating func statusRequested(_ call: CallID, at now: Instant, into effects: inout Sink) {
        guard phase == .running else {
            let error = ClientError(.unavailable, "server \(address) is not serving")
            return effects.append(.reply(.failed(error), to: call))
        }
        guard (status?.calls.count ?? 0) < options.pendingStatusCalls else {
            let error = ClientError(.resourceExhausted, "\(options.pendingStatusCalls) calls wait for the status already")
            return effects.append(.reply(.failed(error), to: call))
        }
        if status != nil {
            status?.calls.append(call)
            return
        }
        var round = StatusRound(calls: [call])
        for (name, view) in groups {
            for (number, member) in view.members {
                let id = requests.freshID()
                round.open[id] = StatusRound.Question(group: name, number: number, address: member.address)
                effects.append(.send(.statusQuery(id: id), to: member.address))
            }
        }
        status = round
        if round.open.isEmpty {
            finishStatus(at: now, into: &effects)
        } else {
            effects.append(.setTimer(Timer.status.id, at: now + options.statusPatience))
        }
    }

    mutating func statusAnswered(_ id: UInt64, _ replica: ReplicaStatus, at now: Instant, into effects: inout Sink) {
        guard let question = status?.open[id] else { return }
        status?.open[id] = nil
        var group = status?.replicas[question.group] ?? SortedMap()
        group[question.number] = replica
        status?.replicas[question.group] = group
        finishStatusIfComplete(at: now, into: &effects)
    }

    /// A node that cannot be reached is not waited for.
    mutating func statusLost(_ peer: Address, at now: Instant, into effects: inout Sink) {
        guard let round = status else { return }
        for (id, question) in round.open where question.address == peer { status?.open[id] = nil }
        finishStatusIfComplete(at: now, into: &effects)
    }

    private mutating func finishStatusIfComplete(at now: Instant, into effects: inout Sink) {
        if status?.open.isEmpty == true { finishStatus(at: now, into: &effects) }
    }

    mutating func finishStatus(at now: Instant, into effects: inout Sink) {
        guard let round = status else { return }
        status = nil
        effects.append(.cancelTimer(Timer.status.id))
        let cluster = clusterStatus(round.replicas)
        for call in round.calls { effects.append(.reply(.status(cluster), to: call)) }
    }

    /// Answers from what this server knows; it may be old, and nodes that get a request say where it belongs.
    mutating func routesRequested(_ call: CallID, into effects: inout Sink) {
        guard phase == .running, ring.isLoaded else {
            let reason = phase == .running ? "has not heard from ZooKeeper yet" : "is not serving"
            return effects.append(.reply(.failed(ClientError(.unavailable, "server \(address) \(reason)")), to: call))
        }
        let groups = groups.map { name, view in Routes.Group(name: name, primary: view.primaryAddress) }
        effects.append(.reply(.routes(Routes(ring: ringStatus, groups: groups)), to: call))
    }

    private var ringStatus: RingStatus {
        RingStatus(version: ring.record?.version ?? 0, sealed: ring.record?.sealed ?? false, tokens: ring.ring.tokens)
    }

    private func clusterStatus(_ replicas: SortedMap<String, SortedMap<UInt64, ReplicaStatus>>) -> ClusterStatus {
        ClusterStatus(
            answeredBy: address,
            coordinated: session.isConnected,
            master: master.record.map { ServerStatus(number: $0.number, address: $0.address, epoch: UInt64(max(0, $0.epoch))) },
            servers: servers.servers.map { number, server in
                let isMaster = master.record?.number == number
                return ServerStatus(
                    number: number, address: server.address,
                    epoch: isMaster ? master.record.map { UInt64(max(0, $0.epoch)) } : nil)
            },
            groups: groups.map { name, view in groupStatus(name, view, replicas[name] ?? SortedMap()) },
            ring: ringStatus
        )
    }

    private func groupStatus(_ name: String, _ view: GroupView, _ replicas: SortedMap<UInt64, ReplicaStatus>) -> GroupStatus {
        let config = view.config
        let plan = GroupPlan(view)
        let isServing = config?.primary.flatMap { replicas[$0.number] }?.role == .primary
        return GroupStatus(
            name: name,
            state: state(of: name, view, plan, isServing: isServing),
            problem: plan.problem ?? absence(view),
            lineage: config?.lineage.text ?? "",
            term: config?.term ?? 0,
            primary: config?.primary?.number,
            members: members(view, replicas),
            shareMillionths: ring.ring.shareMillionths(of: name)
        )
    }

    private func state(of name: String, _ view: GroupView, _ plan: GroupPlan, isServing: Bool) -> GroupStatus.State {
        switch plan {
        case .stuck: return view.configExists ? .noPrimary : .forming
        case .bootstrap: return .forming
        case .replace, .depose: return .electing
        case .settled:
            guard view.config != nil else { return .forming }
            guard isServing else { return .electing }
            return ring.record?.contains(name) == true ? .serving : .pending
        }
    }

    /// In-sync stores whose lives are gone, in words.
    private func absence(_ view: GroupView) -> String {
        let gone = (view.config?.inSync ?? []).filter { !view.isRegistered($0.number) }
        return gone.isEmpty ? "" : "in-sync but not there: " + gone.map(\.description).joined(separator: ", ")
    }

    /// Everybody who is registered, and in-sync stores that are not.
    private func members(_ view: GroupView, _ replicas: SortedMap<UInt64, ReplicaStatus>) -> [MemberStatus] {
        let config = view.config
        var members = view.members.map { number, registration in
            let member = MemberID(store: registration.store, number: number)
            return MemberStatus(
                member: member, address: registration.address, isPrimary: config?.primary == member,
                inSync: config?.inSync.contains(member) == true, replica: replicas[number]
            )
        }
        for member in config?.inSync ?? [] where view.members[member.number] == nil {
            members.append(
                MemberStatus(
                    member: member, address: nil, isPrimary: config?.primary == member, inSync: true, replica: nil))
        }
        return members.sorted { $0.member < $1.member }
    }
}
