import Machine
import Simulation

// What the design tolerates. Crashes, cuts, pauses, slow and failing disks and ZooKeeper's troubles hit anybody at any time:
// they take no copy away. The loss of a disk does. A group survives it while another in-sync member has everything, and that
// is certain only if nothing else happens to the group until the new, empty store is in-sync again: a primary that dies in the
// same moment can be succeeded by the life that the ensemble still holds for the lost store, and then nobody is left. So in
// liveness mode a disk is lost only in a group that is whole, and the group (with ZooKeeper) is then left in peace until it is
// whole again. Damage to what a disk holds (rot, lost sectors, misdirected writes) is refused by the store that finds it, and
// nothing repairs it yet: it happens in safety mode only, where there is no budget.

/// What of each group's budget is used.
struct FaultBudget: Sendable {
    /// The process of each group whose disk was lost and that is not in-sync again.
    var lost: [Int?]
    /// Faults that are going on, with their ends.
    var active: [(fault: Fault, end: Instant)] = []

    init(groups: Int) { lost = Array(repeating: nil, count: groups) }
}

extension ClusterRun {
    /// Whether a fault may happen now.
    mutating func allows(_ fault: Fault) -> Bool {
        if fault.kind.breaksClocks, !plan.wildClocks { return false }
        // Nobody could do anything with a disk of another group.
        if fault.kind == .oldImage, let victim = fault.processes.first,
            group(of: Int(clamping: fault.amount)) == nil || group(of: Int(clamping: fault.amount)) != group(of: victim)
        {
            return false
        }
        guard plan.mode == .liveness else { return true }
        // What is damaged is not made good yet.
        if fault.kind.isDamage { return false }
        for group in budget.lost.indices {
            if let process = budget.lost[group], world.isUp(process), isWhole(group) { budget.lost[group] = nil }
        }
        if fault.kind.exchangesDisks {
            guard budget.lost.allSatisfy({ $0 == nil }) else { return false }
            let now = world.now
            budget.active.removeAll { $0.end <= now }
            for process in fault.processes {
                guard let group = group(of: process) else { continue }
                if members(of: group).count < 2 || budget.active.contains(where: { touches($0.fault, group) }) { return false }
                if !isWhole(group) { return false }
            }
            return true
        }
        return budget.lost.indices.allSatisfy { budget.lost[$0] == nil || !touches(fault, $0) }
    }

    mutating func spend(_ fault: Fault) {
        guard plan.mode == .liveness else { return }
        let stagger = Nanoseconds(max(0, fault.amount)) * Int64(fault.processes.count)
        let isStaggered = fault.kind == .rollingRestart || fault.kind == .bulkPowerLoss
        // A trap springs when it likes.
        var lasting = fault.isTrap ? Nanoseconds.seconds(3_600) : fault.lasts + (isStaggered ? stagger : .zero)
        // Who has lost its registration hears of it later, and looks whole until then.
        if fault.kind == .sessionExpiry || fault.kind == .nodeDeletion { lasting = .seconds(10) }
        if lasting > .zero { budget.active.append((fault, world.now + lasting)) }
        guard fault.kind.exchangesDisks else { return }
        for process in fault.processes { if let group = group(of: process) { budget.lost[group] = process } }
    }

    private func group(of process: Int) -> Int? {
        guard roles.indices.contains(process), case .data(let group) = roles[process] else { return nil }
        return group
    }

    /// Whether a fault concerns a group: one of its stores, or ZooKeeper.
    private func touches(_ fault: Fault, _ group: Int) -> Bool {
        if !fault.servers.isEmpty || fault.kind == .zooKeeperOutage || fault.kind == .zooKeeperFailover { return true }
        return fault.processes.contains { self.group(of: $0) == group }
            || fault.paths.contains { self.group(of: $0.from) == group || self.group(of: $0.to) == group }
    }
}
