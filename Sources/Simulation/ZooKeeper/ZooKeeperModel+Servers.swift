import Machine

// Fault model of servers. Each applies the one history at its own pace, so its state is that after some prefix. It answers
// reads from that state, and hands everything else to the leader, waiting where it does not reach it; a client's write is
// answered when the server itself has applied it, so that events of the change go before. `sync` brings it up to what the
// leader has decided; it is no quorum round, so a leader that has been replaced, and does not know yet, answers it from what
// it has, unless writes of its own wait for a quorum that never comes.
//
// A server that is cut off from the others goes on answering reads and pings until its sync limit. One that comes back joins
// the leader, and has what was decided by then, before it serves.

extension ZooKeeperModel {
    /// One server of the ensemble.
    struct Server: Sendable {
        var tree = DataTree()
        /// How many transactions it has applied.
        var applied = 0
        var watches = WatchTable()
        var catchUpPlanned = false
        /// Whether clients can be connected to it.
        var serves = true
        /// The leader, by number, that it served under last.
        var term: UInt32 = 1
        var isDown = false
        /// Cut off from all other servers.
        var isIsolated = false
        var isolatedAt = Instant.zero
        var isSlow = false
        /// It was the leader when it was cut off, another one leads by now, and it does not know.
        var isDeposed = false
        /// As a leader that is cut off: whether writes wait for their quorum.
        var hasProposals = false
        /// How many sessions there were when it was cut off.
        var sessionsKnown = 0
        /// Counts isolations, ends and starts; plans for an earlier state are void.
        var changes: UInt32 = 0

        /// Whether a session lives, as far as this server knows.
        func knows(_ session: Session, _ index: Int) -> Bool {
            index < sessionsKnown && session.closedBy.map { $0 >= applied } ?? true
        }
    }
}

extension ZooKeeperModel {
    // MARK: Executing

    mutating func planExecution(_ handle: Int, at now: Instant) {
        guard handles[handle].isReached, !handles[handle].isStalled, !handles[handle].executionPlanned,
            handles[handle].executed < handles[handle].requests.count
        else { return }
        let index = handles[handle].executed
        let (arrival, pace) = handles[handle].requests.look(at: index) { ($0.arrival, $0.pace) }
        var time = max(arrival, now)
        switch pace {
        case .usual: break
        case .write: time = time + options.commitTime.draw(&random)
        case .sync: time = time + options.latency.draw(&random)
        }
        handles[handle].executionPlanned = true
        plan(.execution(handle: Int32(handle), connection: handles[handle].connection), at: time)
    }

    /// The connected server executes a client's oldest request.
    mutating func executeNext(_ handle: Int, at now: Instant) {
        guard handles[handle].isReached, !handles[handle].isStalled,
            handles[handle].executed < handles[handle].requests.count
        else { return }
        let request = handles[handle].requests[handles[handle].executed]
        // A plan from before a cut may come early.
        guard request.arrival <= now else { return planExecution(handle, at: now) }
        let id: CoordinationID
        let reply: CoordinationReply
        switch request.kind {
        case .refused(let refused, let error):
            id = refused
            reply = .failed(error, operations: [])
        case .close:
            guard reachesLeader(handles[handle].server) else { return }
            // Answered behind everything that was asked before.
            handles[handle].isClosing = true
            closeSession(sessionIndex(handles[handle].sessionID), at: now)
            catchUp(handles[handle].server, at: now)
            handles[handle].executed += 1
            return send(.closed, to: handle, at: now, isAnswer: true)
        case .operation(let asked, let operation):
            if springsTrap(operation, of: handles[handle].process) {
                if random.chance(1, in: 2), execute(operation, of: handle, at: now) != nil {
                    handles[handle].executed += 1
                }
                return lose(handle, at: now)
            }
            guard let answer = execute(operation, of: handle, at: now) else { return }
            id = asked
            reply = answer
        }
        handles[handle].executed += 1
        send(.reply(id, reply), to: handle, at: now, isAnswer: true)
        planExecution(handle, at: now)
    }

    /// The answer to a request; nil where it has to wait, or the connection is over.
    private mutating func execute(
        _ operation: CoordinationOperation, of handle: Int, at now: Instant
    ) -> CoordinationReply? {
        let server = handles[handle].server
        if operation.isRead {
            if servers[server].tree.zxid < leader.tree.zxid { counters.add(.zooKeeperReadWasStale) }
            if servers[server].isIsolated { counters.add(.servedByIsolatedServer) }
            return read(operation, handle)
        }
        guard reachesLeader(server) else {
            guard leadsAlone(server) else { return nil }
            if operation.isWrite { servers[server].hasProposals = true }
            if servers[server].hasProposals { return nil }
            counters.add(.syncAnsweredByLoneLeader)
            return .synced
        }
        let session = sessionIndex(handles[handle].sessionID)
        guard sessions[session].isAlive else {
            lose(handle, at: now)
            return nil
        }
        // Requests of an earlier connection come first, or never.
        sessions[session].late.removeAll()
        var reply = CoordinationReply.synced
        if operation.isWrite {
            reply = leader.decide(operation, of: sessions[session].id)
            planCatchUps(at: now)
        }
        catchUp(server, at: now)
        return handles[handle].state == .connected ? reply : nil
    }

    /// A read, from the connected server's state; sets the watch there.
    private mutating func read(_ operation: CoordinationOperation, _ handle: Int) -> CoordinationReply {
        let server = handles[handle].server
        let watcher = WatchTable.Watcher(handle: handle, connection: handles[handle].connection)
        switch operation {
        case .get(let path, let watch):
            guard let (data, stat) = servers[server].tree.look(path, { ($0.data, $0.stat) }) else {
                return .failed(.noNode, operations: [])
            }
            if watch { servers[server].watches.watchData(path, watcher) }
            return .data(data, stat)
        case .exists(let path, let watch):
            if watch { servers[server].watches.watchData(path, watcher) }
            return .existence(servers[server].tree.look(path) { $0.stat })
        case .children(let path, let watch):
            guard let (children, stat) = servers[server].tree.look(path, { ($0.children, $0.stat) }) else {
                return .failed(.noNode, operations: [])
            }
            if watch { servers[server].watches.watchChildren(path, watcher) }
            // In no particular order.
            var names = children
            names.shuffle(using: &random)
            return .children(names, stat)
        case .create, .delete, .set, .multi, .sync: preconditionFailure("not a read")
        }
    }

    // MARK: Applying the history

    /// Every server will apply what was committed, each after its own lag.
    mutating func planCatchUps(at now: Instant) {
        for server in servers.indices { planCatchUp(server, at: now) }
        // Who judges the history looks after the moment in which it grew.
        leader.forget(before: servers.reduce(leader.historyEnd - Self.rememberedTransactions) { min($0, $1.applied) })
    }

    mutating func planCatchUp(_ server: Int, at now: Instant) {
        guard !servers[server].catchUpPlanned else { return }
        servers[server].catchUpPlanned = true
        let lag =
            servers[server].isSlow
            ? random.length((options.syncLimit / 8)...options.syncLimit) : options.lag.draw(&random)
        plan(.catchUp(server: Int32(server)), at: now + lag)
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
                    handles[handle].sessionID == transaction.session, !handles[handle].isClosing
                {
                    lose(handle, at: now)
                }
            }
        }
    }
}
