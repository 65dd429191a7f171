import Machine

/// Who watches what at one server. One-shot: telling removes. Source: `server/watch/WatchManager.java`.
struct WatchTable: Sendable {
    struct Watcher: Hashable, Sendable {
        var handle: Int
        /// The connection that the watch was set over; it dies with it.
        var connection: UInt32
    }

    private var data = PathTable<[Watcher]>()
    private var children = PathTable<[Watcher]>()

    mutating func watchData(_ path: String, _ watcher: Watcher) { WatchTable.add(watcher, path, to: &data) }
    mutating func watchChildren(_ path: String, _ watcher: Watcher) { WatchTable.add(watcher, path, to: &children) }

    private static func add(_ watcher: Watcher, _ path: String, to table: inout PathTable<[Watcher]>) {
        let isKnown: Void? = table.update(path) { if !$0.contains(watcher) { $0.append(watcher) } }
        if isKnown == nil { table[path] = [watcher] }
    }

    /// The watchers that a change fires, with what each is told, in the order in which ZooKeeper tells them.
    mutating func fire(_ change: TreeChange) -> [(Watcher, path: String, WatchKind)] {
        var told: [(Watcher, path: String, WatchKind)] = []
        guard !data.isEmpty || !children.isEmpty else { return told }
        func tell(_ watchers: [Watcher]?, _ path: String, _ kind: WatchKind) {
            for watcher in watchers ?? [] where !told.contains(where: { $0.0 == watcher && $0.path == path && $0.2 == kind }) {
                told.append((watcher, path, kind))
            }
        }
        switch change {
        case .create(let path, _, _):
            tell(data.removeValue(forKey: path.text, path.hash), path.text, .created)
            tell(children.removeValue(forKey: path.parent, path.parentHash), path.parent, .childrenChanged)
        case .delete(let path):
            tell(data.removeValue(forKey: path.text, path.hash), path.text, .deleted)
            tell(children.removeValue(forKey: path.text, path.hash), path.text, .deleted)
            tell(children.removeValue(forKey: path.parent, path.parentHash), path.parent, .childrenChanged)
        case .set(let path, _):
            tell(data.removeValue(forKey: path.text, path.hash), path.text, .dataChanged)
        }
        return told
    }

    mutating func removeAll() {
        data.removeAll()
        children.removeAll()
    }
}
