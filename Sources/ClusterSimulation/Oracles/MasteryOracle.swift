import Coordination
import Machine
import Simulation

// Property: the writes of at most one session succeed under each master epoch.

/// Reads the ensemble's history: who made each version of the epoch, and who writes under it.
struct MasteryOracle: Sendable {
    /// How many transactions it has seen.
    private(set) var checked = 0
    private var makers = SortedMap<Int32, Int64>()
    /// How often a master took office.
    private(set) var epochs = 0

    mutating func look(_ zooKeeper: ZooKeeperModel) -> Violation? {
        while checked < zooKeeper.committedCount {
            defer { checked += 1 }
            guard let transaction = zooKeeper.transaction(checked) else { continue }
            for operation in transaction.operations {
                switch operation {
                case .set(Paths.serverEpoch, _, let version):
                    makers[version + 1] = transaction.session
                    epochs += 1
                case .check(Paths.serverEpoch, let version):
                    if let maker = makers[version], maker != transaction.session {
                        return Violation(
                            "one master writes per epoch",
                            "session \(transaction.session) wrote under epoch version \(version), which session \(maker) had made"
                        )
                    }
                case .check, .create, .delete, .set: break
                }
            }
        }
        return nil
    }
}
