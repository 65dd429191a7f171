import Coordination
import Machine
import Simulation

// Property: a master's writes succeed only while its epoch is the newest, and those of at most one session under each epoch; and
// beside it only a primary names a primary: its own heir.

/// Reads the ensemble's history: who made each version of the epoch, and who writes under it. What a master writes is known by
/// the paths, so that a master that does not check its epoch is seen as well: only masters name primaries, and a primary that hands
/// over.
struct MasteryOracle: Sendable {
    /// How many transactions it has seen.
    private(set) var checked = 0
    private var makers = SortedMap<Int32, Int64>()
    /// The newest version of the epoch.
    private var newest: Int32 = 0
    /// What each group's config was before the transaction, and which session made each registration.
    private var configs = SortedMap<String, GroupConfig>()
    private var owners = LookupTable<String, Int64>()
    /// How often a master took office.
    private(set) var epochs = 0

    /// The next transaction of the history.
    mutating func look(_ transaction: Transaction?) -> Violation? {
        defer { checked += 1 }
        guard let transaction else {
            return Violation("every transaction is judged", "transaction \(checked) was forgotten before it was looked at")
        }
        return look(transaction.operations, of: transaction.session)
    }

    /// A committed transaction.
    mutating func look(_ operations: [MultiOperation], of session: Int64) -> Violation? {
        defer { remember(operations, of: session) }
        for operation in operations {
            switch operation {
            case .set(Paths.serverEpoch, _, let version):
                newest = max(newest, version + 1)
                makers[version + 1] = session
                epochs += 1
            case .check(Paths.serverEpoch, let version):
                if let maker = makers[version], maker != session {
                    return Violation(
                        "one master writes per epoch",
                        "session \(session) wrote under epoch version \(version), which session \(maker) had made")
                }
            case .set(let path, _, _) where path.hasSuffix("/primary"):
                if let maker = makers[newest], maker != session, !isHandover(operations, primaryAt: path, by: session) {
                    return Violation(
                        "only the newest master writes",
                        "session \(session) wrote \(path) after session \(maker) had made epoch version \(newest)")
                }
            case .check, .create, .delete, .set: break
            }
        }
        return nil
    }

    /// Whether a transaction is that of a primary which gives its own office to an in-sync store, and says so.
    private func isHandover(_ operations: [MultiOperation], primaryAt path: String, by session: Int64) -> Bool {
        let group = String(path.dropFirst("\(Paths.data)/".count).dropLast("/primary".count))
        guard let old = configs[group], let primary = old.primary,
            owners[Paths.member(primary.number, ofGroup: group)] == session
        else { return false }
        for case .set(Paths.config(ofGroup: group), let bytes, _) in operations {
            guard let new = GroupConfig(bytes), let heir = new.primary else { return false }
            return heir != primary && old.inSync.contains(heir) && new.term == old.term + 1 && new.lineage == old.lineage
                && new.released == GroupConfig.Office(number: primary.number, term: old.term)
        }
        return false
    }

    private mutating func remember(_ operations: [MultiOperation], of session: Int64) {
        for operation in operations {
            switch operation {
            case .create(let path, let data, let mode):
                if path.hasSuffix("/config") { remember(config: data, at: path) }
                if mode == .ephemeral, path.hasPrefix("\(Paths.data)/") { owners[path] = session }
            case .set(let path, let data, _):
                if path.hasSuffix("/config") { remember(config: data, at: path) }
            case .check, .delete: break
            }
        }
    }

    private mutating func remember(config data: [UInt8], at path: String) {
        let group = String(path.dropFirst("\(Paths.data)/".count).dropLast("/config".count))
        configs[group] = GroupConfig(data)
    }
}
