import Machine

/// A ZooKeeper that can lag, lose connections and apply requests late, for one test thread.
///
/// Every transaction leaves a copy of the tree. A connected client stands at one of them: it reads there, and its watches
/// fire as it is moved on. A write is applied to the newest tree, and its client is moved there before it hears.
struct Ensemble {
    struct Connection {
        var position: Int
        var watches: [Watch] = []
    }

    struct Watch: Equatable {
        var path: String
        var ofChildren: Bool
    }

    private(set) var history = [Tree()]
    private var sessions: Set<Int64> = []
    private var nextSession: Int64 = 100
    /// Writes of lost connections that may still be applied.
    var late: [(session: Int64, operations: [MultiOperation])] = []

    var tree: Tree { history[history.count - 1] }

    mutating func openSession() -> Int64 {
        nextSession += 1
        sessions.insert(nextSession)
        return nextSession
    }

    func isAlive(_ session: Int64) -> Bool { sessions.contains(session) }

    mutating func expire(_ session: Int64) {
        guard sessions.remove(session) != nil else { return }
        var next = tree
        next.expire(session)
        if next.zxid != tree.zxid { history.append(next) }
    }

    mutating func applyLate(_ index: Int) {
        let write = late.remove(at: index)
        guard isAlive(write.session) else { return }
        _ = commit(write.operations, session: write.session)
    }

    mutating func commit(_ operations: [MultiOperation], session: Int64) -> Result<[MultiResult], Tree.Refusal> {
        var next = tree
        do {
            let results = try next.apply(operations, session: session)
            history.append(next)
            return .success(results)
        } catch {
            return .failure(error)
        }
    }

    /// Executes a request of a connected client; the events in their order, the reply last.
    mutating func execute(
        _ operation: CoordinationOperation, session: Int64, on connection: inout Connection
    ) -> (events: [CoordinationEvent.Kind], reply: CoordinationReply) {
        if let operations = operation.asTransaction {
            let result = commit(operations, session: session)
            let events = move(&connection, to: history.count - 1)
            return (events, reply(to: operation, result))
        }
        let at = history[connection.position]
        switch operation {
        case .sync:
            return (move(&connection, to: history.count - 1), .synced)
        case .get(let path, let watch):
            guard let node = at.nodes[path], let stat = at.stat(path) else { return ([], .failed(.noNode, operations: [])) }
            if watch { connection.watches.append(Watch(path: path, ofChildren: false)) }
            return ([], .data(node.data, stat))
        case .exists(let path, let watch):
            if watch { connection.watches.append(Watch(path: path, ofChildren: false)) }
            return ([], .existence(at.stat(path)))
        case .children(let path, let watch):
            guard let stat = at.stat(path) else { return ([], .failed(.noNode, operations: [])) }
            if watch { connection.watches.append(Watch(path: path, ofChildren: true)) }
            return ([], .children(at.children(path), stat))
        case .create, .delete, .set, .multi: fatalError("writes are handled above")
        }
    }

    private func reply(to operation: CoordinationOperation, _ result: Result<[MultiResult], Tree.Refusal>) -> CoordinationReply
    {
        switch (operation, result) {
        case (.multi, .success(let results)): return .multi(results)
        case (.multi, .failure(let refusal)): return .failed(refusal.error, operations: refusal.operations)
        case (_, .failure(let refusal)): return .failed(refusal.error, operations: [])
        case (_, .success(let results)):
            switch results[0] {
            case .created(let path): return .created(path: path)
            case .deleted: return .deleted
            case .set(let stat): return .set(stat)
            case .checked: fatalError("no check outside of a multi")
            }
        }
    }

    /// Moves a client's server on, and fires the watches that this triggers.
    mutating func move(_ connection: inout Connection, to position: Int) -> [CoordinationEvent.Kind] {
        var events: [CoordinationEvent.Kind] = []
        while connection.position < position {
            connection.position += 1
            for change in history[connection.position].changes {
                let isHit = { (watch: Watch) in
                    watch.path == change.path
                        && (watch.ofChildren
                            ? change.kind == .childrenChanged || change.kind == .deleted
                            : change.kind != .childrenChanged)
                }
                if connection.watches.contains(where: isHit) {
                    connection.watches.removeAll(where: isHit)
                    events.append(.watchFired(path: change.path, change.kind))
                }
            }
        }
        return events
    }
}
