import Machine
import Simulation
import Wire

// Property: what a read returns is the state of its key at exactly the position that the answer names; that position is
// committed, and not before the one that was demanded.
//
// So the same position shows the same to everybody, whichever replica answers, and who demands what it has seen reads its own
// writes. Nothing is said about how old a stale answer is: how new the others are is judged elsewhere.

/// The states of all keys at every position, from what `CommittedPrefixOracle` saw committed, against what answers say.
struct PositionOracle: Sendable {
    private struct Change: Sendable {
        var seq: UInt64
        /// nil: deleted.
        var value: UInt64?
    }

    private struct Group: Sendable {
        /// How much of the committed log is in `changes`.
        var taken = 0
        /// By the digest of the key, in the order of the log.
        var changes = LookupTable<UInt64, [Change]>()
        /// The history that answers name, and those that an operator gave up.
        var lineage: Lineage?
        var former: [Lineage] = []
    }

    private var groups: [Group]
    /// How many answers were judged.
    private(set) var judged = 0

    init(groups: Int) { self.groups = Array(repeating: Group(), count: groups) }

    /// An operator let a group go on in a new history. What is answered from the old one says so, and is not judged any more.
    mutating func historyEnded(_ group: Int, former: Lineage, new: Lineage) {
        groups[group].former.append(former)
        groups[group].lineage = new
    }

    /// The committed entries of the new history are others from some place on.
    mutating func historyBegan(_ group: Int) {
        groups[group].taken = 0
        groups[group].changes = LookupTable()
    }

    /// A read was answered.
    ///
    /// - Parameters:
    ///   - group: the index of the group that the position names.
    ///   - committed: the entries of that group which were ever committed, from 1.
    mutating func answered(
        _ value: [UInt8]?, of key: [UInt8], at position: GroupPosition, atLeast demanded: GroupPosition?, group: Int,
        committed: [EntryIdentity], to reader: @autoclosure () -> String
    ) -> Violation? {
        judged += 1
        if groups[group].former.contains(position.lineage) { return nil }
        let lineage = groups[group].lineage ?? position.lineage
        groups[group].lineage = lineage
        guard position.lineage == lineage else {
            return Violation("a group has one history", "\(reader()) was answered at \(position), after \(lineage)")
        }
        if let demanded,
            demanded.group != position.group || demanded.lineage != position.lineage || demanded.seq > position.seq
        {
            return Violation(
                "stale reads are not below the position that they demand",
                "\(reader()) was answered at \(position), and had demanded \(demanded)")
        }
        guard position.seq <= UInt64(committed.count) else {
            return Violation(
                "answers come from what is committed",
                "\(reader()) was answered at \(position), and the group has committed \(committed.count) entries")
        }
        take(committed, group)
        let name = EntryIdentity.digest(of: key)
        let state = groups[group].changes[name]?.last { $0.seq <= position.seq }
        guard state?.value == value.map({ EntryIdentity.digest(of: $0) }) else {
            let written = state.map { "\($0.seq) \($0.value == nil ? "deletes" : "writes") it last" } ?? "none is of it"
            return Violation(
                "reads return the state at the position that they name",
                "\(reader()) was answered at \(position) with \(brief(value)); of the entries up to there, \(written)")
        }
        return nil
    }

    private mutating func take(_ committed: [EntryIdentity], _ group: Int) {
        while groups[group].taken < committed.count {
            let entry = committed[groups[group].taken]
            groups[group].taken += 1
            guard let key = entry.key else { continue }
            let change = Change(seq: UInt64(groups[group].taken), value: entry.value)
            if groups[group].changes.update(key, { $0.append(change) }) == nil { groups[group].changes[key] = [change] }
        }
    }

    private func brief(_ value: [UInt8]?) -> String {
        value.map { String(decoding: $0.prefix { $0 != UInt8(ascii: " ") }.prefix(40), as: UTF8.self) } ?? "not found"
    }
}

extension ClusterRun {
    /// An answer named the state that it was made from.
    mutating func judgePosition(
        _ operation: WorkloadClient.Operation, _ reply: KeyResult, at position: GroupPosition, of client: Int
    ) {
        guard let group = ClusterPlan.groupNames[..<plan.stores.count].firstIndex(of: position.group) else {
            return judged(Violation("answers name a group", "client \(client) was answered at \(position)"))
        }
        clients[client].saw(position)
        let demanded: GroupPosition?
        switch operation.kind {
        case .put, .delete:
            keys[operation.key].group = position.group
            return
        case .staleGet(let atLeast): demanded = atLeast
        case .get: demanded = nil
        case .wrong: return
        }
        guard case .value(let value) = reply else { return }
        judged(
            positions.answered(
                value, of: Array(keys[operation.key].name.utf8), at: position, atLeast: demanded, group: group,
                committed: prefixes.committed[group], to: "client \(client) (call #\(operation.call.number))"))
    }
}
