import Machine

extension ZooKeeperModel {
    // MARK: To the server

    mutating func enqueue(_ kind: Handle.Request.Kind, _ handle: Int, at now: Instant) {
        let arrival = max(now + options.latency.draw(&random), handles[handle].lastArrival)
        handles[handle].lastArrival = arrival
        handles[handle].requests.append(Handle.Request(kind: kind, arrival: arrival))
        planExecution(handle, at: now)
    }

    /// The index of the oldest request that was not executed.
    private func nextRequest(_ handle: Int) -> Int? {
        var index = 0
        while index < handles[handle].requests.count {
            if !handles[handle].requests[index].isExecuted { return index }
            index += 1
        }
        return nil
    }

    mutating func planExecution(_ handle: Int, at now: Instant) {
        guard handles[handle].state == .connected, !handles[handle].isStalled, !handles[handle].executionPlanned,
            let index = nextRequest(handle)
        else { return }
        let request = handles[handle].requests[index]
        var time = max(request.arrival, now)
        switch request.kind {
        case .close: time = time + options.commitTime.draw(&random)
        case .operation(_, let operation):
            if operation.isWrite { time = time + options.commitTime.draw(&random) }
            if case .sync = operation { time = time + options.latency.draw(&random) }
        }
        handles[handle].executionPlanned = true
        plan(.execution(handle: Int32(handle), connection: handles[handle].connection), at: time)
    }

    /// The connected server executes a client's oldest request.
    mutating func executeNext(_ handle: Int, at now: Instant) {
        guard handles[handle].state == .connected, !handles[handle].isStalled, let index = nextRequest(handle) else { return }
        let server = handles[handle].server
        let request = handles[handle].requests[index]
        // A plan from before a cut may come early.
        guard request.arrival <= now else { return planExecution(handle, at: now) }
        switch request.kind {
        case .close:
            guard !servers[server].isIsolated else { return }
            let session = sessionIndex(handles[handle].sessionID)
            if sessions[session].isAlive { closeSession(session, at: now) }
            finish(handle, .closed, at: now)
            return
        case .operation(let id, let operation):
            guard size(of: operation) <= options.largestRequest else {
                // The server hangs up on a packet that is too long.
                return lose(handle, at: now)
            }
            let reply: CoordinationReply
            if operation.isRead {
                if servers[server].tree.zxid < leader.tree.zxid { counters.add(.zooKeeperReadWasStale) }
                if servers[server].isIsolated { counters.add(.servedByIsolatedServer) }
                reply = read(operation, handle)
            } else {
                // What needs the leader waits while the server does not reach it.
                guard !servers[server].isIsolated else { return }
                let session = sessionIndex(handles[handle].sessionID)
                guard sessions[session].isAlive else { return lose(handle, at: now) }
                // Requests of an earlier connection come first, or never.
                sessions[session].late.removeAll()
                if operation.isWrite {
                    reply = leader.decide(operation, of: sessions[session].id)
                    planCatchUps(at: now)
                } else {
                    reply = .synced
                }
                // The answer comes when the connected server has applied it: events of the change go before.
                catchUp(server, at: now)
                guard handles[handle].state == .connected else { return }
            }
            handles[handle].requests[index].isExecuted = true
            send(.reply(id, reply), to: handle, at: now, isAnswer: true)
        }
        planExecution(handle, at: now)
    }

    private func size(of operation: CoordinationOperation) -> Int {
        switch operation {
        case .create(let path, let data, _), .set(let path, let data, _): path.utf8.count + data.count + 60
        case .delete(let path, _), .get(let path, _), .exists(let path, _), .children(let path, _), .sync(let path):
            path.utf8.count + 60
        case .multi(let operations):
            operations.reduce(60) { sum, operation in
                switch operation {
                case .create(let path, let data, _), .set(let path, let data, _): sum + path.utf8.count + data.count + 60
                case .delete(let path, _), .check(let path, _): sum + path.utf8.count + 60
                }
            }
        }
    }

    /// A read, from the connected server's state; sets the watch there.
    private mutating func read(_ operation: CoordinationOperation, _ handle: Int) -> CoordinationReply {
        let server = handles[handle].server
        let watcher = WatchTable.Watcher(handle: handle, connection: handles[handle].connection)
        switch operation {
        case .get(let path, let watch):
            guard DataTree.isValid(path) else { return .failed(.badArguments, operations: []) }
            guard let node = servers[server].tree[path] else { return .failed(.noNode, operations: []) }
            if watch { servers[server].watches.watchData(path, watcher) }
            return .data(node.data, node.stat)
        case .exists(let path, let watch):
            guard DataTree.isValid(path) else { return .failed(.badArguments, operations: []) }
            if watch { servers[server].watches.watchData(path, watcher) }
            return .existence(servers[server].tree[path]?.stat)
        case .children(let path, let watch):
            guard DataTree.isValid(path) else { return .failed(.badArguments, operations: []) }
            guard let node = servers[server].tree[path] else { return .failed(.noNode, operations: []) }
            if watch { servers[server].watches.watchChildren(path, watcher) }
            // In no particular order.
            var names = node.children
            names.shuffle(using: &random)
            return .children(names, node.stat)
        case .create, .delete, .set, .multi, .sync: preconditionFailure("not a read")
        }
    }

    // MARK: Servers apply the history

    /// Every server will apply what was committed, each after its own lag.
    mutating func planCatchUps(at now: Instant) {
        for server in servers.indices where !servers[server].catchUpPlanned {
            servers[server].catchUpPlanned = true
            plan(.catchUp(server: Int32(server)), at: now + options.lag.draw(&random))
        }
        leader.forget(before: servers.reduce(leader.historyEnd) { min($0, $1.applied) })
    }

    /// A server applies everything that is committed: watches fire, and clients whose session was closed lose it.
    mutating func catchUp(_ server: Int, at now: Instant) {
        while servers[server].applied < leader.historyEnd {
            let transaction = leader.transaction(servers[server].applied)
            servers[server].applied += 1
            for change in transaction.changes {
                servers[server].tree.apply(change, at: transaction.zxid)
                for (watcher, path, kind) in servers[server].watches.fire(change) {
                    guard handles[watcher.handle].connection == watcher.connection, handles[watcher.handle].isAlive else {
                        continue
                    }
                    send(.watchFired(path: path, kind), to: watcher.handle, at: now, zxid: transaction.zxid)
                }
            }
            servers[server].tree.advance(to: transaction.zxid)
            if transaction.closesSession {
                let handle = sessions[sessionIndex(transaction.session)].handle
                if handles[handle].state == .connected, handles[handle].server == server,
                    handles[handle].sessionID == transaction.session
                {
                    lose(handle, at: now)
                }
            }
        }
    }

    // MARK: To the client

    mutating func send(
        _ event: CoordinationEvent.Kind, to handle: Int, at now: Instant, zxid: Int64? = nil, isAnswer: Bool = false
    ) {
        let arrival = max(now + options.latency.draw(&random), handles[handle].lastPacket)
        handles[handle].lastPacket = arrival
        let seen = zxid ?? servers[handles[handle].server].tree.zxid
        handles[handle].packets.append(Handle.Packet(arrival: arrival, event: event, zxid: seen, isAnswer: isAnswer))
        planDelivery(handle, at: now)
    }

    mutating func planDelivery(_ handle: Int, at now: Instant) {
        guard !handles[handle].isStalled, !handles[handle].deliveryPlanned, let first = handles[handle].packets.first else {
            return
        }
        handles[handle].deliveryPlanned = true
        plan(.delivery(handle: Int32(handle), connection: handles[handle].connection), at: max(first.arrival, now))
    }

    mutating func deliverNext(_ handle: Int, at now: Instant) {
        guard !handles[handle].isStalled else { return }
        while let packet = handles[handle].packets.first, packet.arrival <= now {
            _ = handles[handle].packets.popFirst()
            // Watch events carry no zxid to remember; answers do.
            if packet.isAnswer { handles[handle].lastZxid = max(handles[handle].lastZxid, packet.zxid) }
            if case .watchFired(let path, let kind) = packet.event { forgetWatches(handle, path, kind) }
            if packet.isAnswer, let request = handles[handle].requests.popFirst(),
                case .operation(_, let operation) = request.kind, case .reply(_, let reply) = packet.event
            {
                rememberWatch(handle, operation, reply)
            }
            tell(handle, packet.event)
        }
        planDelivery(handle, at: now)
    }

    private mutating func rememberWatch(_ handle: Int, _ operation: CoordinationOperation, _ reply: CoordinationReply) {
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

    private mutating func forgetWatches(_ handle: Int, _ path: String, _ kind: WatchKind) {
        handles[handle].watches.removeAll { watch in
            guard watch.path == path else { return false }
            switch kind {
            case .created, .dataChanged: return watch.kind != .children
            case .deleted: return true
            case .childrenChanged: return watch.kind == .children
            }
        }
    }
}

extension CoordinationOperation {
    /// Whether the connected server answers it by itself.
    var isRead: Bool {
        switch self {
        case .get, .exists, .children: true
        case .create, .delete, .set, .multi, .sync: false
        }
    }
}
