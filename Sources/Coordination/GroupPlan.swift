import Machine
import Wire

/// What a group needs from the master, decided from what ZooKeeper shows of it and from nothing else.
///
/// The decision may rest on an old picture. It becomes an act only in a transaction that checks all it rests on
/// (`Mastership`).
public enum GroupPlan: Hashable, Sendable {
    /// Nothing.
    case settled
    /// Nothing that a master may do; what an operator must know, as a clause.
    case stuck(String)
    /// The group's first configuration, with this store as primary of term 1.
    case bootstrap(MemberID, isImported: Bool)
    /// The primary is gone: another one, and the in-sync set of its term.
    case replace(old: MemberID?, new: MemberID, inSync: [MemberID])
    /// The primary is registered and counts as gone: another one, whose term's in-sync set is without it, and an end to its
    /// registration.
    case depose(old: MemberID, new: MemberID, inSync: [MemberID])

    /// `gone`: what was found out about a primary that is still registered.
    public init(_ view: GroupView, gone: Suspicions.Finding? = nil) {
        if gone == nil, view.isPrimaryRegistered {
            self = .settled
        } else if let config = view.config {
            self.init(config: config, members: view.members, gone: gone, isRegistered: view.isRegistered)
        } else if view.configExists {
            self = .stuck("its configuration is unreadable")
        } else if let number = view.registered.first(where: { view.members[$0] == nil }) {
            self = .stuck("the registration of number \(number) is unreadable")
        } else {
            self.init(bootstrapping: view.members)
        }
    }

    /// The rule for a group that has a configuration.
    ///
    /// A recorded life that is still there has never stopped holding what it held. A later life of an in-sync store does
    /// if its log was whole. Any other store may lack acknowledged entries.
    init(
        config: GroupConfig, members: SortedMap<UInt64, StoreRegistration>, gone: Suspicions.Finding? = nil,
        isRegistered: (UInt64) -> Bool
    ) {
        let alive = config.inSync.filter { members[$0.number]?.store == $0.store }.sorted()
        if let primary = config.primary, isRegistered(primary.number) {
            self = .settled
            if let gone, gone.primary == primary, gone.term == config.term {
                // Of those that are known to live; the others that are registered stay, and the new primary shrinks away whoever
                // does not answer it.
                let others = alive.filter { $0 != primary }
                if let heir = others.first(where: { gone.heirs.contains($0) }) {
                    self = .depose(old: primary, new: heir, inSync: others)
                }
            }
            return
        }
        if let chosen = alive.first {
            self = .replace(old: config.primary, new: chosen, inSync: alive)
            return
        }
        let later = members.filter { number, store in
            guard store.whole, config.inSync.contains(where: { $0.store == store.store && $0.number < number }) else {
                return false
            }
            // A store that was chosen at bootstrap and ended before it could take the lineage up has none yet. Where there
            // is another in-sync store, both had taken it up; then it is an old image that has none.
            // Likewise one that was chosen by an operator holds the history before that.
            return store.lineage == config.lineage
                || (config.inSync.count == 1 && (store.lineage == nil || store.lineage == config.former.last))
        }
        // Of several lives of one store all but the newest are dying sessions; of several stores any will do.
        let newest = later.filter { number, store in !later.contains { $0.1.store == store.store && $0.0 > number } }
        if let (number, store) = newest.first {
            let chosen = MemberID(store: store.store, number: number)
            self = .replace(old: config.primary, new: chosen, inSync: [chosen])
            return
        }
        let names = config.inSync.map(\.description).joined(separator: ", ")
        self = .stuck("no in-sync store is alive (in-sync: \(names))")
    }

    /// The rule for a group without configuration.
    init(bootstrapping members: SortedMap<UInt64, StoreRegistration>) {
        if let (number, store) = members.first(where: { $0.1.lineage != nil }) {
            self = .stuck(
                "store \(store.store) (number \(number)) holds a history that ZooKeeper does not know; it is left alone")
            return
        }
        let imported = members.filter { $0.1.isImported }
        if imported.count > 1 {
            let names = imported.map { "\($0.1.store)/\($0.0)" }.joined(separator: ", ")
            self = .stuck("more than one store holds imported data (\(names)); it cannot be told which is right")
            return
        }
        if let (number, store) = members.first(where: { !$0.1.isEmpty && !$0.1.isImported }) {
            self = .stuck("store \(store.store) (number \(number)) holds entries of no known history; it is left alone")
            return
        }
        if let (number, store) = imported.first ?? members.first(where: { _ in true }) {
            self = .bootstrap(MemberID(store: store.store, number: number), isImported: !imported.isEmpty)
        } else {
            self = .settled
        }
    }

    /// What is wrong, for the operator; nil where nothing is.
    public var problem: String? {
        switch self {
        case .stuck(let problem): problem
        case .settled, .bootstrap, .replace, .depose: nil
        }
    }
}
