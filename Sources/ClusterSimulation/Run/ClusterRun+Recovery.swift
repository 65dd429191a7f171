import Coordination
import Machine
import Placement
import Simulation
import Wire

// The operator's last resort. Where every in-sync store of a group has lost its disk, or may have lost what it acknowledged under a
// weaker sync policy, nobody can be elected, and an operator who knows that lets the group go on with what another store has.
//
// This operator knows what a real one has to find out: it asks only where no process of the group has anything of an in-sync
// store left that is whole, and none takes itself for the primary. So acknowledged writes may be lost by a recovery, and only then.
//
// What is judged: until then everything, as ever. From then on, the keys that the group owned are *retired*: nobody writes them, and
// what reads return of them is judged by the positions that they name, in the new history as it was committed. Clients go on with
// new keys, of which everything is demanded again.

/// What is known of the histories of the groups.
struct GroupHistories: Sendable {
    /// What the operator waits for, by call: the group.
    var calls = LookupTable<CallID, Int>()
    /// By group: the history that it had when the operator first asked.
    var lineages: [Lineage?]
    /// How many histories of each group were given up.
    private var ends: [Int]
    /// Where each group's config is in ZooKeeper.
    let configPaths: [String]
    /// What each group's config was when it was last looked at: it is looked at with every transaction, and seldom another.
    private var configs: [(bytes: [UInt8], config: GroupConfig?)]

    init(groups: Int) {
        lineages = Array(repeating: nil, count: groups)
        ends = Array(repeating: 0, count: groups)
        configPaths = (0..<groups).map { Paths.config(ofGroup: ClusterPlan.groupNames[$0 % 4]) }
        configs = Array(repeating: ([], nil), count: groups)
    }

    /// Takes in what a group's config is now.
    mutating func saw(config bytes: [UInt8], of group: Int) {
        if configs[group].bytes != bytes { configs[group] = (bytes, GroupConfig(bytes)) }
    }

    /// The config that was last seen; nil where that was none.
    func config(of group: Int) -> GroupConfig? { configs[group].config }
    func lineageOfConfig(_ group: Int) -> Lineage? { configs[group].config?.lineage }

    /// Whether the operator has asked for a recovery yet.
    var wasAsked: Bool { lineages.contains { $0 != nil } }
    /// How many histories were given up.
    var ended: Int { ends.reduce(0, +) }
    func hasEnded(_ group: Int) -> Bool { ends[group] > 0 }
    mutating func end(_ group: Int) { ends[group] += 1 }

    /// A number that a group has in one of its histories only.
    func name(of group: Int) -> Int { group + 16 * ends[group] }
}

extension ClusterRun {
    mutating func planRecovery() {
        guard plan.recovers else { return }
        plan(.recover, after: operation.length(.milliseconds(300)...(.seconds(1))))
    }

    mutating func lookForLostGroups() {
        guard phase == .faults || phase == .recovery else { return }
        planRecovery()
        guard histories.calls.isEmpty else { return }
        for group in plan.stores.indices {
            let isIdle = operation.chance(1, in: 24)
            guard let config = config(of: group), isLost(group, config) || isIdle else { continue }
            // Now and then it asks what would be lost, of groups that are well, too.
            let accepts = isLost(group, config)
            if histories.lineages[group] == nil { histories.lineages[group] = config.lineage }
            let server = operation.below(plan.servers)
            guard isPresent(server) else { continue }
            let request = RecoverRequest(
                group: ClusterPlan.groupNames[group % 4], store: nil, acceptsDataLoss: accepts, by: "operator")
            let call = world.call(.recover(request), from: 0, to: server)
            histories.calls[call] = group
            plan(.giveUpRecovery(call), after: .seconds(5))
            return
        }
    }

    /// A group's committed config, nil where there is none that can be read.
    mutating func config(of group: Int) -> GroupConfig? {
        lookAtConfig(of: group)
        return histories.config(of: group)
    }

    private mutating func lookAtConfig(of group: Int) {
        histories.saw(config: world.committedData(at: histories.configPaths[group]) ?? [], of: group)
    }

    /// Whether nothing is left of a group's in-sync stores that anybody could wait for.
    private mutating func isLost(_ group: Int, _ config: GroupConfig) -> Bool {
        let name = ClusterPlan.groupNames[group % 4]
        for member in config.inSync where world.committedData(at: Paths.member(member.number, ofGroup: name)) != nil {
            return false
        }
        for process in members(of: group) {
            guard world.isUp(process), !world.holdsOffice(process), let holding = world.holding(process) else { return false }
            if holding.isWhole, config.inSync.contains(where: { $0.store == holding.store }) { return false }
        }
        return true
    }

    mutating func giveUpRecovery(_ call: CallID) {
        if histories.calls.removeValue(forKey: call) != nil { world.abandon(call) }
    }

    mutating func recoveryAnswered(_ call: CallID, _ outcome: CallOutcome<ClientReply>) {
        guard histories.calls.removeValue(forKey: call) != nil else { return }
        switch outcome {
        case .refused, .broken: break
        case .reply(.failed(let error)): errors[error.code.rawValue] = (errors[error.code.rawValue] ?? 0) + 1
        case .reply(.recovered): break
        case .reply(let reply):
            judged(Violation("answers fit their questions", "a recovery was answered with \(reply)"))
        }
    }

    // MARK: A history ends, another begins

    mutating func lookForNewHistories() {
        for group in plan.stores.indices {
            guard let known = histories.lineages[group] else { continue }
            lookAtConfig(of: group)
            guard let lineage = histories.lineageOfConfig(group), lineage != known, let config = histories.config(of: group)
            else { continue }
            histories.lineages[group] = lineage
            historyEnded(group, known, config)
        }
    }

    private mutating func historyEnded(_ group: Int, _ former: Lineage, _ config: GroupConfig) {
        histories.end(group)
        var holders: [Int] = []
        for process in members(of: group) where holdsFormerHistory(process, group) { holders.append(process) }
        prefixes.historyEnded(group, former: holders)
        positions.historyEnded(group, former: former, new: config.lineage)
        let name = ClusterPlan.groupNames[group % 4]
        let ring = world.committedData(at: Paths.ring).flatMap { RingRecord($0)?.ring }
        for key in keys.indices {
            let owner = ring?.owner(of: Array(keys[key].name.utf8))
            guard owner == nil || owner == name else { continue }
            keys[key].isRetired = true
            history.close(key: key)
        }
        for client in clients.indices {
            clients[client].forgetSessions()
            clients[client].seen = LookupTable()
        }
    }

    /// Whether the store that a process has open belongs to a history that its group has given up. The chosen one takes up the new one,
    /// though perhaps not in its first life.
    mutating func holdsFormerHistory(_ process: Int, _ group: Int) -> Bool {
        guard histories.hasEnded(group), let holding = world.holding(process), let own = holding.lineage,
            let config = config(of: group)
        else { return false }
        return own != config.lineage && !config.inSync.contains { $0.store == holding.store }
    }

    /// The first entries of a new history are committed.
    mutating func historyBegan(_ group: Int) {
        positions.historyBegan(group)
        for (index, entry) in prefixes.committed[group].enumerated() {
            guard let event = entry.memory else { continue }
            let position = Position(term: entry.term, seq: UInt64(index + 1))
            judged(once.committed(event, at: position, group: histories.name(of: group)))
        }
        _ = prefixes.takeMemories()
    }
}
