import Coordination
import Machine
import Nodes
import Simulation
import Storage
import Wire

/// What must come true once the faults are over, in liveness mode: the invariants that only a cluster that could do it can break.
enum Demand: String, CaseIterable {
    case comesRight = "everything comes right after the faults"
    case clientsSucceed = "clients succeed after the faults"
    case replicasAreEqual = "replicas are equal after quiet"

    func violated(_ detail: String) -> Violation { Violation(rawValue, detail) }
}

extension ClusterRun {
    /// Safety, after every batch of a process.
    mutating func judge(_ process: Int) {
        tellRole(process)
        if world.committedTransactions > mastery.checked {
            while world.committedTransactions > mastery.checked {
                judged(mastery.look(world.committedTransaction(mastery.checked)))
            }
            if histories.wasAsked { lookForNewHistories() }
        }
        guard case .data(let group) = roles[process], let status = world.dataStatus(process) else { return }
        let life = world.life(of: process)
        if let found = recovery.stepped(
            process, life: life, isOpen: status.isOpen, commit: status.commit, last: status.last, isWhole: status.isWhole,
            disk: world.disk(process))
        {
            judged(found)
        }
        judgeLog(of: process, group: group, life: life, status)
        guard status.isServing else { return }
        var rival: Int?
        for other in roles.indices where other != process && roles[other] == roles[process] {
            if world.isServing(other) { rival = other }
        }
        let (isNew, found) = serving.serves(
            ServingOracle.Reign(process: process, life: life, term: status.term), group: group, rival: rival)
        if let found { judged(found) }
        if isNew { judgeState(of: process, group: group) }
    }

    /// Whoever takes office has every acknowledged write.
    private mutating func judgeState(of process: Int, group: Int) {
        guard let bytes = world.committedData(at: Paths.ring), let ring = RingRecord(bytes)?.ring else { return }
        for key in keys.indices where !keys[key].isShared && !keys[key].isRetired {
            let name = Array(keys[key].name.utf8)
            guard ring.owner(of: name) == ClusterPlan.groupNames[group % 4] else { continue }
            let state = ReadState(world.value(of: name, at: process), key: keys[key].name)
            let floor = keys[key].history.floor
            judged(keys[key].history.read(state, since: floor, by: "the new primary \(world.address(of: process))"))
        }
    }

    // MARK: Recovery

    /// Looks whether everything has come right; in liveness mode, after a bounded time it must have.
    mutating func look() {
        switch phase {
        case .faults, .over: return
        case .recovery:
            if plan.mode == .safety {
                // Nothing need come right. What does has the time of an election to do so, and is then judged.
                if world.now > deadline - plan.recoveryTime + .seconds(10) { phase = .draining }
            } else if let missing = missingAfterRecovery() {
                if world.now > deadline { judged(Demand.comesRight.violated(missing)) }
            } else {
                phase = .proving
                tellPhase("proving")
                deadline = world.now + plan.recoveryTime
                for client in clients.indices { clients[client].successes = 0 }
            }
        case .proving:
            if let client = clients.first(where: { $0.successes < 5 }) {
                if world.now > deadline {
                    judged(Demand.clientsSucceed.violated("client \(client.number) had \(client.successes) successes in a row"))
                }
            } else {
                phase = .draining
            }
        case .draining:
            if clients.allSatisfy({ $0.current == nil }) { beginAudit() }
        case .audit:
            let isRead = clients.allSatisfy { $0.audit.isEmpty && $0.current == nil }
            if isRead, plan.mode == .safety || missingAfterRecovery() == nil && differenceOfReplicas() == nil {
                judgeHistories()
                phase = .over
            } else if world.now > deadline {
                let unread = clients.filter { !$0.audit.isEmpty }.map { "client \($0.number): \($0.audit.count) keys" }
                let detail = isRead ? missingAfterRecovery() ?? differenceOfReplicas() ?? "nothing" : "unread: \(unread)"
                judged(Demand.replicasAreEqual.violated(detail))
            }
        }
        judgeWork()
        if phase != .over { plan(.look, after: .milliseconds(100)) }
    }

    private mutating func beginAudit() {
        phase = .audit
        tellPhase("audit")
        deadline = world.now + plan.recoveryTime
        if plan.mode == .safety { deadline = deadline + .seconds(600) }
        for key in keys.indices { clients[key % clients.count].audit.append(key) }
        for client in clients.indices { planAct(client, after: .zero) }
    }

    /// What can only be judged when everything is known.
    private mutating func judgeHistories() { judged(history.judge(nameOf: { keys[$0].name })) }

    /// What is not yet as it should be; nil where all is.
    private mutating func missingAfterRecovery() -> String? {
        if let down = roles.indices.first(where: { !world.isUp($0) && isPresent($0) }) {
            return "\(world.address(of: down)) is down"
        }
        let hasServer = roles.indices.contains { roles[$0] == .server && isPresent($0) }
        if hasServer, world.committedData(at: Paths.master) == nil { return "there is no master" }
        for process in roles.indices where roles[process] == .server && isPresent(process) {
            guard let number = world.serverNumber(process), world.committedData(at: Paths.server(number)) != nil
            else {
                return "\(world.address(of: process)) is not registered"
            }
        }
        for group in plan.stores.indices { if let missing = missing(in: group) { return missing } }
        return nil
    }

    /// Whether every store of a group is up and in-sync, under a primary that serves.
    mutating func isWhole(_ group: Int) -> Bool { missing(in: group) == nil }

    private mutating func missing(in group: Int) -> String? {
        let name = ClusterPlan.groupNames[group % 4]
        let members = members(of: group)
        guard !members.isEmpty else { return nil }
        var isServed = false
        for process in members where world.isServing(process) { isServed = true }
        guard isServed else { return "group \(name) has no serving primary" }
        guard let config = config(of: group) else { return "group \(name) has no configuration" }
        for process in members {
            guard let member = world.member(process) else {
                return "\(world.address(of: process)) is not registered"
            }
            guard config.inSync.contains(member) else {
                return "\(world.address(of: process)) (\(member)) is not in the in-sync set \(config.inSync.map(\.number))"
            }
        }
        return nil
    }

    /// What differs between the stores of a group; nil where nothing does.
    private mutating func differenceOfReplicas() -> String? {
        for group in plan.stores.indices {
            let members = members(of: group)
            let logs = members.map { LogImage(world.disk($0).visibleBytes(of: .log) ?? []) }
            for (process, log) in zip(members, logs) {
                guard log.agrees(with: logs[0]) else {
                    return
                        "\(world.address(of: process)) has \(log.summary), \(world.address(of: members[0])) has \(logs[0].summary)"
                }
                guard let status = world.dataStatus(process), status.commit == log.last else {
                    return "\(world.address(of: process)) has not committed its whole log"
                }
            }
            var memories: [SessionTable] = []
            for process in members { if let memory = world.sessions(at: process) { memories.append(memory) } }
            if let other = memories.firstIndex(where: { $0 != memories[0] }) {
                return
                    "\(world.address(of: members[0])) remembers other results of client sessions than \(world.address(of: members[other]))"
            }
            for key in keys {
                var states: [[UInt8]?] = []
                for process in members { states.append(world.value(of: Array(key.name.utf8), at: process)) }
                if let other = states.firstIndex(where: { $0 != states[0] }) {
                    return
                        "\(key.name) differs between \(world.address(of: members[0])) and \(world.address(of: members[other]))"
                }
            }
        }
        return nil
    }
}
