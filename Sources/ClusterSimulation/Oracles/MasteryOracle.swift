import Coordination
import Machine
import Simulation

// Property: a master's writes succeed only while its epoch is the newest, and those of at most one session under each epoch.

/// Reads the ensemble's history: who made each version of the epoch, and who writes under it. What a master writes is known by
/// the paths, so that a master that does not check its epoch is seen as well: only masters name primaries.
struct MasteryOracle: Sendable {
    /// How many transactions it has seen.
    private(set) var checked = 0
    private var makers = SortedMap<Int32, Int64>()
    /// The newest version of the epoch.
    private var newest: Int32 = 0
    /// How often a master took office.
    private(set) var epochs = 0

    mutating func look(_ zooKeeper: ZooKeeperModel) -> Violation? {
        while checked < zooKeeper.committedCount {
            defer { checked += 1 }
            guard let transaction = zooKeeper.transaction(checked) else {
                return Violation("every transaction is judged", "transaction \(checked) was forgotten before it was looked at")
            }
            if let found = look(transaction.operations, of: transaction.session) { return found }
        }
        return nil
    }

    /// A committed transaction.
    mutating func look(_ operations: [MultiOperation], of session: Int64) -> Violation? {
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
                if let maker = makers[newest], maker != session {
                    return Violation(
                        "only the newest master writes",
                        "session \(session) wrote \(path) after session \(maker) had made epoch version \(newest)")
                }
            case .check, .create, .delete, .set: break
            }
        }
        return nil
    }
}
