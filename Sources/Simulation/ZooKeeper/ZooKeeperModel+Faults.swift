import Machine

extension ZooKeeperModel {
    /// Cuts a process off from a server, or ends that. Neither side notices at once.
    mutating func setCut(_ process: Int, _ server: Int, _ isCut: Bool, at now: Instant) {
        guard cuts[process][server] != isCut else { return }
        cuts[process][server] = isCut
        for handle in handlesOfProcess[process]
        where handles[handle].state == .connected && handles[handle].server == server && handles[handle].isStalled != isCut {
            handles[handle].isStalled = isCut
            updateHearing(ofHandle: handle, at: now)
            if isCut {
                handles[handle].executionPlanned = false
                handles[handle].deliveryPlanned = false
                // Plans made before the cut are void; the connection itself goes on, so it is not counted up.
                let patience = options.grantedTimeout * 2 / 3
                let heard = random.length(.zero...(options.grantedTimeout / 3))
                let time = max(now, now + patience - heard)
                plan(.silence(handle: Int32(handle), connection: handles[handle].connection), at: time)
            } else {
                planExecution(handle, at: now)
                planDelivery(handle, at: now)
            }
        }
    }

    /// A server loses the others: it goes on serving what it knows until its sync limit.
    mutating func setIsolated(_ server: Int, _ isolated: Bool, at now: Instant) {
        guard servers[server].isIsolated != isolated else { return }
        servers[server].isIsolated = isolated
        servers[server].isolations += 1
        for handle in handles.indices where handles[handle].state == .connected && handles[handle].server == server {
            updateHearing(ofHandle: handle, at: now)
        }
        if isolated {
            plan(.syncLimit(server: Int32(server), isolation: servers[server].isolations), at: now + options.syncLimit)
        } else {
            catchUp(server, at: now)
            for handle in handles.indices where handles[handle].state == .connected && handles[handle].server == server {
                planExecution(handle, at: now)
            }
        }
    }

    mutating func setDown(_ server: Int, _ down: Bool, at now: Instant) {
        guard servers[server].isDown != down else { return }
        servers[server].isDown = down
        if down {
            dropConnections(of: server, at: now)
        } else if !servers[server].catchUpPlanned {
            servers[server].catchUpPlanned = true
            plan(.catchUp(server: Int32(server)), at: now + options.lag.draw(&random))
        }
    }

    /// No leader: every connection drops, nothing is decided, nobody expires.
    mutating func beginOutage(at now: Instant) {
        guard !isOut else { return }
        isOut = true
        for server in servers.indices { dropConnections(of: server, at: now) }
    }

    /// A new leader: every session has its full timeout again.
    mutating func endOutage(at now: Instant) {
        guard isOut else { return }
        isOut = false
        leader.beginEpoch()
        for session in sessions.indices where sessions[session].isAlive {
            sessions[session].late.removeAll()
            planExpiry(session, heard: now)
        }
    }

    /// The ensemble ends a session, as it does when it has not heard of it for too long.
    mutating func expireSession(ofHandle handle: Int, at now: Instant) {
        guard handles[handle].sessionID != 0 else { return }
        let session = sessionIndex(handles[handle].sessionID)
        guard sessions[session].isAlive else { return }
        counters.add(.sessionExpired)
        closeSession(session, at: now)
    }

    /// Everything works again.
    mutating func heal(at now: Instant) {
        endOutage(at: now)
        for server in servers.indices {
            setDown(server, false, at: now)
            setIsolated(server, false, at: now)
            for process in cuts.indices { setCut(process, server, false, at: now) }
        }
    }
}
