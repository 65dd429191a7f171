import Machine

// Fault model of connections. A client that loses its server, or hears nothing for two thirds of the timeout, is disconnected,
// and every request that it waits for ends with `connectionLoss`. The truth behind that is one of three: never sent; executed,
// with the answer lost; or still on its way, and executed a little later: also after the client has reconnected and read the
// old state, but before the next write or sync of the same session.
//
// A server that is behind what the client has seen refuses it, so reads never go back within one session. The client has seen
// what answers showed, and what its pings were answered with. A new session may see the past.

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
        guard servers[server].serves, cuts[process][server] == 0 else { return planAttempt(handle, at: now) }
        if handles[handle].sessionID != 0 {
            let session = sessionIndex(handles[handle].sessionID)
            let isKnown: Bool
            if reachesLeader(server) {
                isKnown = sessions[session].isAlive
            } else if leadsAlone(server) {
                // A leader that is cut off asks nobody but itself.
                isKnown = servers[server].knows(sessions[session], session)
            } else {
                return planAttempt(handle, at: now)
            }
            guard isKnown else {
                counters.add(.expiryLearnedOnReconnect)
                return finish(handle, .expired, at: now)
            }
            guard servers[server].tree.zxid >= handles[handle].lastZxid else {
                counters.add(.reconnectRefusedByLaggingServer)
                return planAttempt(handle, at: now)
            }
        } else {
            // A new session is a transaction.
            guard reachesLeader(server) else { return planAttempt(handle, at: now) }
            let orphan = random.chance(1, in: 50)
            grantSession(to: handle, at: now)
            if orphan {
                // Granted, and the answer lost: the session lives until it expires, and nobody knows it.
                counters.add(.orphanSession)
                handles[handle].sessionID = 0
                updateHearing(ofSession: sessions.count - 1, at: now)
                return planAttempt(handle, at: now)
            }
            // A server has applied the session's own creation; with local sessions it need not have.
            if random.chance(1, in: 2) { catchUp(server, at: now) }
        }
        connected(handle, to: server, at: now)
    }

    private mutating func connected(_ handle: Int, to server: Int, at now: Instant) {
        handles[handle].state = .connected
        handles[handle].server = server
        handles[handle].connection += 1
        handles[handle].isStalled = false
        handles[handle].executionPlanned = false
        handles[handle].deliveryPlanned = false
        handles[handle].packets.removeAll()
        handles[handle].isReached = false
        send(.connected(sessionID: handles[handle].sessionID, timeout: options.grantedTimeout), to: handle, at: now)
        setWatchesAgain(handle, at: now)
        updateHearing(ofHandle: handle, at: now)
    }

    // MARK: Losing a connection

    /// Both sides know that the connection is gone. The client goes on looking for a server.
    mutating func lose(_ handle: Int, at now: Instant) {
        guard handles[handle].state == .connected, handles[handle].isAlive else { return }
        leaveRequestsBehind(handle, at: now)
        // A ping's answer, behind everything that the server had said, shows how far the server was.
        if handles[handle].packets.isEmpty, !handles[handle].isStalled, random.chance(1, in: 2) {
            handles[handle].lastZxid = max(handles[handle].lastZxid, servers[handles[handle].server].tree.zxid)
        }
        handles[handle].connection += 1
        handles[handle].packets.removeAll()
        handles[handle].isStalled = false
        if handles[handle].wantsToClose {
            failRequests(of: handle, with: .connectionLoss)
            return finish(handle, .closed, at: now)
        }
        handles[handle].state = .connecting
        if handles[handle].isReached {
            handles[handle].isReached = false
            tell(handle, .disconnected)
            failRequests(of: handle, with: .connectionLoss)
        }
        updateHearing(ofHandle: handle, at: now)
        planAttempt(handle, at: now)
    }

    /// What the client had sent and nobody has executed: some of it is still on its way, in order; the rest is lost.
    mutating func leaveRequestsBehind(_ handle: Int, at now: Instant) {
        guard handles[handle].state == .connected, handles[handle].sessionID != 0 else { return }
        let session = sessionIndex(handles[handle].sessionID)
        counters.add(.replyLost, handles[handle].executed)
        let sent = undecided(of: handle, at: now)
        // What a server had handed to a leader that is no more is in doubt with all that the leader was deciding.
        let isOnItsWay = leaderServer != nil && servers[handles[handle].server].term == elections
        let surviving = isOnItsWay ? random.below(sent.count + 1) : 0
        counters.add(.requestLost, sent.count - surviving)
        var time = now
        for request in sent[..<surviving] {
            sessions[session].late.append(request)
            time = time + options.lateness.draw(&random)
            plan(.lateRequest(session: Int32(session)), at: time)
        }
    }

    /// The writes of a connection that the leader may have received and has not decided, in order.
    func undecided(of handle: Int, at now: Instant) -> [LateRequest] {
        guard handles[handle].isReached else { return [] }
        let reached = lastMomentOfReach(handles[handle].server) ?? now
        var writes: [LateRequest] = []
        for index in handles[handle].executed..<handles[handle].requests.count {
            let request = handles[handle].requests[index]
            switch request.kind {
            case .operation(_, let operation):
                if request.asked > reached { return writes }
                if operation.isWrite { writes.append(.operation(operation)) }
            case .close: writes.append(.close)
            case .refused: break
            }
        }
        return writes
    }

    mutating func executeLate(_ session: Int, at now: Instant) {
        guard sessions[session].isAlive, canCommit, let request = sessions[session].late.popFirst() else { return }
        counters.add(.appliedAfterConnectionLoss)
        decide(request, of: session, at: now)
    }

    mutating func decide(_ request: LateRequest, of session: Int, at now: Instant) {
        switch request {
        case .operation(let operation):
            _ = leader.decide(operation, of: sessions[session].id)
            planCatchUps(at: now)
        case .close: closeSession(session, at: now)
        }
    }

    mutating func dropConnections(of server: Int, at now: Instant) {
        for handle in handles.indices where handles[handle].state == .connected && handles[handle].server == server {
            lose(handle, at: now)
        }
        servers[server].watches.removeAll()
    }
}
