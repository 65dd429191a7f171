import Coordination
import Machine
import Simulation
import Nodes
import Wire

extension ClusterRun {
    /// Safety, after every batch of a process.
    mutating func judge(_ process: Int) {
        if world.zooKeeper.committedCount > mastery.checked { judged(mastery.look(world.zooKeeper)) }
        guard case .data(let group) = roles[process], let status = world.dataStatus(process) else { return }
        let life = world.life(of: process)
        judged(
            recovery.stepped(
                process, life: life, isOpen: status.isOpen, commit: status.commit, last: status.last,
                disk: world.disk(process)))
        judgeLog(of: process, group: group, life: life, status)
        guard status.isServing else { return }
        var rival: Int?
        for other in roles.indices where other != process && roles[other] == roles[process] {
            if world.isServing(other) { rival = other }
        }
        let (isNew, found) = serving.serves(
            ServingOracle.Reign(process: process, life: life, term: status.term), group: group, rival: rival)
        judged(found)
        if isNew { judgeState(of: process, group: group) }
    }

    /// Whoever takes office has every acknowledged write.
    private mutating func judgeState(of process: Int, group: Int) {
        guard let bytes = world.zooKeeper.committedData(at: Paths.ring), let ring = RingRecord(bytes)?.ring else { return }
        for key in histories.indices {
            let name = Array(histories[key].name.utf8)
            guard ring.owner(of: name) == ClusterPlan.groupNames[group] else { continue }
            let state = ReadState(world.value(of: name, at: process), key: histories[key].name)
            judged(
                histories[key].read(state, since: histories[key].floor, by: "the new primary \(world.address(of: process))"))
        }
    }

    // MARK: Recovery

    /// Looks whether everything has come right; after a bounded time it must have.
    mutating func look() {
        switch phase {
        case .faults, .over: return
        case .recovery:
            if let missing = missingAfterRecovery() {
                if world.now > deadline { judged(Violation("everything comes right after the faults", missing)) }
            } else {
                phase = .proving
                deadline = world.now + plan.recoveryTime
                for client in clients.indices { clients[client].successes = 0 }
            }
        case .proving:
            if let client = clients.first(where: { $0.successes < 5 }) {
                if world.now > deadline {
                    judged(
                        Violation(
                            "clients succeed after the faults",
                            "client \(client.number) had \(client.successes) successes in a row"))
                }
            } else {
                phase = .draining
            }
        case .draining:
            if clients.allSatisfy({ $0.current == nil }) { beginAudit() }
        case .audit:
            if clients.allSatisfy({ $0.audit.isEmpty }), missingAfterRecovery() == nil, differenceOfReplicas() == nil {
                phase = .over
            } else if world.now > deadline {
                let unread = clients.filter { !$0.audit.isEmpty }.map { "client \($0.number): \($0.audit.count) keys" }
                let detail = missingAfterRecovery() ?? differenceOfReplicas() ?? "unread: \(unread)"
                judged(Violation("replicas are equal after quiet", detail))
            }
        }
        judgeWork()
        if phase != .over { plan(.look, after: .milliseconds(100)) }
    }

    private mutating func beginAudit() {
        phase = .audit
        deadline = world.now + plan.recoveryTime
        for key in histories.indices { clients[key % clients.count].audit.append(key) }
        for client in clients.indices { plan(.act(client: client), after: .zero) }
    }

    /// What is not yet as it should be; nil where all is.
    private mutating func missingAfterRecovery() -> String? {
        if let down = roles.indices.first(where: { !world.isUp($0) }) { return "\(world.address(of: down)) is down" }
        if world.zooKeeper.committedData(at: Paths.master) == nil { return "there is no master" }
        for (group, name) in ClusterPlan.groupNames.prefix(plan.stores.count).enumerated() {
            let members = roles.indices.filter { roles[$0] == .data(group: group) }
            var isServed = false
            for process in members where world.isServing(process) { isServed = true }
            guard isServed else { return "group \(name) has no serving primary" }
            guard let bytes = world.zooKeeper.committedData(at: Paths.config(ofGroup: name)), let config = GroupConfig(bytes)
            else {
                return "group \(name) has no configuration"
            }
            for process in members {
                guard let status = world.dataStatus(process), let member = status.member else {
                    return "\(world.address(of: process)) is not registered"
                }
                guard config.inSync.contains(member) else {
                    return "\(world.address(of: process)) (\(member)) is not in the in-sync set \(config.inSync.map(\.number))"
                }
            }
        }
        return nil
    }

    /// What differs between the stores of a group; nil where nothing does.
    private mutating func differenceOfReplicas() -> String? {
        for group in plan.stores.indices {
            let members = roles.indices.filter { roles[$0] == .data(group: group) }
            let logs = members.map { LogImage(world.disk($0).visibleBytes(of: .log) ?? []) }
            for (process, log) in zip(members, logs) {
                guard log == logs[0] else {
                    return
                        "\(world.address(of: process)) has \(log.summary), \(world.address(of: members[0])) has \(logs[0].summary)"
                }
                guard let status = world.dataStatus(process), status.commit == log.records.last?.seq ?? 0 else {
                    return "\(world.address(of: process)) has not committed its whole log"
                }
            }
            for history in histories {
                var states: [[UInt8]?] = []
                for process in members { states.append(world.value(of: Array(history.name.utf8), at: process)) }
                if let other = states.firstIndex(where: { $0 != states[0] }) {
                    return
                        "\(history.name) differs between \(world.address(of: members[0])) and \(world.address(of: members[other]))"
                }
            }
        }
        return nil
    }
}
