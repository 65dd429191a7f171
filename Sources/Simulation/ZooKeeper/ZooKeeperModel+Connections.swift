import Machine

extension ZooKeeperModel {
    // MARK: Connecting

    mutating func planAttempt(_ handle: Int, at now: Instant) {
        let time = now + options.reconnecting.draw(&random)
        // Only the newest plan counts.
        handles[handle].connection += 1
        plan(.attempt(handle: Int32(handle), connection: handles[handle].connection), at: time)
    }

    /// The library tries the next server of its list.
    mutating func attempt(_ handle: Int, at now: Instant) {
        let process = handles[handle].process
        // A paused client tries when it runs again.
        guard !isPaused[process] else { return }
        let server = random.below(servers.count)
        guard !isOut, !servers[server].isDown, !servers[server].isIsolated, !cuts[process][server] else {
            return attemptFailed(handle, at: now)
        }
        if handles[handle].sessionID != 0 {
            let session = sessionIndex(handles[handle].sessionID)
            guard sessions[session].isAlive else {
                counters.add(.expiryLearnedOnReconnect)
                return finish(handle, .expired, at: now)
            }
            guard servers[server].tree.zxid >= handles[handle].lastZxid else {
                counters.add(.reconnectRefusedByLaggingServer)
                return attemptFailed(handle, at: now)
            }
        } else {
            let orphan = random.chance(1, in: 50)
            grantSession(to: handle, at: now)
            if orphan {
                // Granted, and the answer lost: the session lives until it expires, and nobody knows it.
                counters.add(.orphanSession)
                handles[handle].sessionID = 0
                updateHearing(ofSession: sessions.count - 1, at: now)
                return attemptFailed(handle, at: now)
            }
            // A server has applied the session's own creation; with local sessions it need not have.
            if random.chance(1, in: 2) { catchUp(server, at: now) }
        }
        connected(handle, to: server, at: now)
    }

    /// Requests that waited for this attempt fail, unsent.
    private mutating func attemptFailed(_ handle: Int, at now: Instant) {
        failRequests(of: handle, with: .connectionLoss)
        planAttempt(handle, at: now)
    }

    private mutating func grantSession(to handle: Int, at now: Instant) {
        let id = Int64(0x1000_0000) + Int64(sessions.count)
        sessions.append(Session(id: id, timeout: options.grantedTimeout, handle: handle))
        handles[handle].sessionID = id
        leader.openSession(id)
        planCatchUps(at: now)
    }

    func sessionIndex(_ id: Int64) -> Int { Int(id - 0x1000_0000) }

    private mutating func connected(_ handle: Int, to server: Int, at now: Instant) {
        handles[handle].state = .connected
        handles[handle].server = server
        handles[handle].connection += 1
        handles[handle].isStalled = false
        handles[handle].executionPlanned = false
        handles[handle].deliveryPlanned = false
        handles[handle].packets.removeAll()
        send(.connected(sessionID: handles[handle].sessionID, timeout: options.grantedTimeout), to: handle, at: now)
        setWatchesAgain(handle, at: now)
        // Requests that were made while there was no connection are sent now.
        for index in 0..<handles[handle].requests.count {
            handles[handle].requests[index].arrival = now
        }
        planExecution(handle, at: now)
        updateHearing(ofHandle: handle, at: now)
    }

    /// `DataTree.setWatches`: fires what differs by zxid from what the client saw last, sets the rest.
    private mutating func setWatchesAgain(_ handle: Int, at now: Instant) {
        let server = handles[handle].server
        let watcher = WatchTable.Watcher(handle: handle, connection: handles[handle].connection)
        let seen = handles[handle].lastZxid
        for watch in handles[handle].watches {
            let node = servers[server].tree[watch.path]
            let event: WatchKind? =
                switch watch.kind {
                case .data: node == nil ? .deleted : node!.mzxid > seen ? .dataChanged : nil
                case .existence: node == nil ? nil : .created
                case .children: node == nil ? .deleted : node!.pzxid > seen ? .childrenChanged : nil
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

    // MARK: Losing a connection

    /// Both sides know that the connection is gone. The client goes on looking for a server.
    mutating func lose(_ handle: Int, at now: Instant) {
        guard handles[handle].state == .connected, handles[handle].isAlive else { return }
        leaveRequestsBehind(handle, at: now)
        handles[handle].connection += 1
        handles[handle].packets.removeAll()
        handles[handle].isStalled = false
        if handles[handle].wantsToClose {
            failRequests(of: handle, with: .connectionLoss)
            return finish(handle, .closed, at: now)
        }
        handles[handle].state = .connecting
        tell(handle, .disconnected)
        failRequests(of: handle, with: .connectionLoss)
        updateHearing(ofHandle: handle, at: now)
        planAttempt(handle, at: now)
    }

    /// What the client had sent and nobody has executed: some of it is still on its way, in order; the rest is lost.
    mutating func leaveRequestsBehind(_ handle: Int, at now: Instant) {
        guard handles[handle].state == .connected, handles[handle].sessionID != 0 else { return }
        let session = sessionIndex(handles[handle].sessionID)
        var sent: [CoordinationOperation] = []
        for index in 0..<handles[handle].requests.count {
            let request = handles[handle].requests[index]
            if request.isExecuted {
                counters.add(.replyLost)
            } else if case .operation(_, let operation) = request.kind {
                sent.append(operation)
            }
        }
        let surviving = random.below(sent.count + 1)
        counters.add(.requestLost, sent.count - surviving)
        var time = now
        for operation in sent[..<surviving] where operation.isWrite {
            sessions[session].late.append(operation)
            time = time + options.lateness.draw(&random)
            plan(.lateRequest(session: Int32(session)), at: time)
        }
    }

    mutating func executeLate(_ session: Int, at now: Instant) {
        guard sessions[session].isAlive, !isOut, let operation = sessions[session].late.popFirst() else { return }
        counters.add(.appliedAfterConnectionLoss)
        _ = leader.decide(operation, of: sessions[session].id)
        planCatchUps(at: now)
    }

    mutating func failRequests(of handle: Int, with error: CoordinationError) {
        while let request = handles[handle].requests.popFirst() {
            if case .operation(let id, _) = request.kind { tell(handle, .reply(id, .failed(error, operations: []))) }
        }
    }

    /// The handle is over, with `expired` or `closed` as its last word (after which only failures come).
    mutating func finish(_ handle: Int, _ word: CoordinationEvent.Kind, at now: Instant) {
        handles[handle].state = .over
        handles[handle].connection += 1
        handles[handle].packets.removeAll()
        handles[handle].watches.removeAll()
        tell(handle, word)
        failRequests(of: handle, with: word == .expired ? .sessionExpired : .closing)
        updateHearing(ofHandle: handle, at: now)
    }

    /// The client has heard nothing for too long: it gives the connection up. The server notices nothing.
    mutating func clientSideSilence(_ handle: Int, at now: Instant) { lose(handle, at: now) }

    mutating func dropConnections(of server: Int, at now: Instant) {
        for handle in handles.indices where handles[handle].state == .connected && handles[handle].server == server {
            lose(handle, at: now)
        }
        servers[server].watches.removeAll()
    }

    // MARK: Sessions

    /// Starts or stops the countdown to a session's expiry, as the leader hears of it or not.
    mutating func updateHearing(ofHandle handle: Int, at now: Instant) {
        guard handles[handle].sessionID != 0 else { return }
        updateHearing(ofSession: sessionIndex(handles[handle].sessionID), at: now)
    }

    mutating func updateHearing(ofSession session: Int, at now: Instant) {
        guard sessions[session].isAlive else { return }
        let handle = handles[sessions[session].handle]
        let isHeard =
            handle.sessionID == sessions[session].id && handle.isAlive && handle.state == .connected && !handle.isStalled
            && !isPaused[handle.process] && !servers[handle.server].isIsolated && !isOut
        if isHeard {
            sessions[session].deadline = nil
            sessions[session].watch += 1
        } else if sessions[session].deadline == nil {
            // The last ping is up to a third of the timeout old.
            let heard = now - random.length(.zero...(sessions[session].timeout / 3))
            planExpiry(session, heard: heard)
        }
    }

    mutating func planExpiry(_ session: Int, heard: Instant) {
        let tick = options.tick.count
        let bucket = ((heard + sessions[session].timeout).nanoseconds / tick + 1) * tick
        sessions[session].deadline = Instant(nanoseconds: bucket)
        sessions[session].watch += 1
        plan(.expiry(session: Int32(session), watch: sessions[session].watch), at: Instant(nanoseconds: bucket))
    }

    mutating func expire(_ session: Int, _ watch: UInt32, at now: Instant) {
        guard sessions[session].isAlive, sessions[session].watch == watch, !isOut else { return }
        counters.add(.sessionExpired)
        closeSession(session, at: now)
    }

    mutating func closeSession(_ session: Int, at now: Instant) {
        sessions[session].isAlive = false
        sessions[session].late.removeAll()
        leader.closeSession(sessions[session].id)
        planCatchUps(at: now)
    }
}

extension CoordinationOperation {
    /// Whether the leader decides it.
    var isWrite: Bool {
        switch self {
        case .create, .delete, .set, .multi: true
        case .get, .exists, .children, .sync: false
        }
    }
}
