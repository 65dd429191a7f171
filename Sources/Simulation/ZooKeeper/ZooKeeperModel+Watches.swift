import Machine

// Fault model of watches. The server that a client is connected to keeps them; each fires once, and reaches the client before
// any answer that shows the change. Nothing is told while the client is disconnected, and what was on its way is lost.
//
// After a reconnection the library sets its watches again, with the last zxid that the client saw in an answer, and the server
// fires those at once whose node it knows to differ: gone looks deleted, a later zxid looks changed (deleted and created
// again, too), and what was missing and is there looks created. Created and deleted again is missed. A server that lags fires
// by what it knows. Source: `DataTree.setWatches`; the C client, `collectWatchers`.

/// A watch as the client library remembers it.
struct RegisteredWatch: Hashable, Sendable {
    enum Kind: Hashable, Sendable {
        /// Set by `get`, or by `exists` on a node that was there.
        case data
        /// Set by `exists` on a missing node.
        case existence
        case children
    }

    var path: String
    var kind: Kind
}

extension ZooKeeperModel {
    mutating func rememberWatch(_ handle: Int, _ operation: CoordinationOperation, _ reply: CoordinationReply) {
        var watch: RegisteredWatch?
        if case .get(let path, watch: true) = operation, case .data = reply {
            watch = RegisteredWatch(path: path, kind: .data)
        } else if case .exists(let path, watch: true) = operation, case .existence(let stat) = reply {
            watch = RegisteredWatch(path: path, kind: stat == nil ? .existence : .data)
        } else if case .children(let path, watch: true) = operation, case .children = reply {
            watch = RegisteredWatch(path: path, kind: .children)
        }
        if let watch, !handles[handle].watches.contains(watch) { handles[handle].watches.append(watch) }
    }

    /// Whether there was a watch that waited for this.
    mutating func forgetWatches(_ handle: Int, _ path: String, _ kind: WatchKind) -> Bool {
        let count = handles[handle].watches.count
        handles[handle].watches.removeAll { watch in
            guard watch.path == path else { return false }
            switch kind {
            case .created, .dataChanged: return watch.kind != .children
            case .deleted: return true
            case .childrenChanged: return watch.kind == .children
            }
        }
        return handles[handle].watches.count < count
    }

    mutating func setWatchesAgain(_ handle: Int, at now: Instant) {
        let server = handles[handle].server
        let watcher = WatchTable.Watcher(handle: handle, connection: handles[handle].connection)
        let seen = handles[handle].lastZxid
        for watch in handles[handle].watches {
            let node = servers[server].tree[watch.path]
            let event: WatchKind? =
                switch (watch.kind, node) {
                case (.data, nil), (.children, nil): .deleted
                case (.data, let node?): node.mzxid > seen ? .dataChanged : nil
                case (.children, let node?): node.pzxid > seen ? .childrenChanged : nil
                case (.existence, nil): nil
                case (.existence, _?): .created
                }
            if let event {
                counters.add(.watchFiredOnReconnect)
                send(.watchFired(path: watch.path, event), to: handle, at: now)
            } else if watch.kind == .children {
                servers[server].watches.watchChildren(watch.path, watcher)
            } else {
                servers[server].watches.watchData(watch.path, watcher)
            }
        }
    }
}
