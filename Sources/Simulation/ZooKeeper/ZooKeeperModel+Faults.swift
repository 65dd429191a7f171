import Machine

// What is done to an ensemble from outside: ways to a server are cut, servers crash and are slow, leaders crash and come back,
// sessions are ended, nodes are deleted by hand, and the whole ensemble is out. (`setIsolated` is with the leadership that it is about.)

extension ZooKeeperModel {
    /// Cuts a process off from a server, or ends that: a process that was cut off twice is reached again when both have ended.
    /// Neither side notices at once.
    @usableFromInline mutating func setCut(_ process: Int, _ server: Int, _ isCut: Bool, at now: Instant) {
        let before = cuts[process][server]
        cuts[process][server] = isCut ? before + 1 : max(0, before - 1)
        guard (before > 0) != (cuts[process][server] > 0) else { return }
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

    /// A process's connections break, and both sides notice.
    @usableFromInline mutating func breakConnections(of process: Int, at now: Instant) {
        for handle in handlesOfProcess[process] { lose(handle, at: now) }
    }

    @usableFromInline mutating func setDown(_ server: Int, _ down: Bool, at now: Instant) {
        guard servers[server].isDown != down else { return }
        servers[server].changes += 1
        servers[server].isDown = down
        if down {
            stopServing(server, at: now)
        } else {
            planToJoin(server, at: now)
        }
        reviewLeadership(at: now)
    }

    /// The leader crashes, and its server is back by itself after a while.
    @usableFromInline mutating func failOver(at now: Instant) {
        guard let leaderServer, !servers[leaderServer].isIsolated else { return }
        setDown(leaderServer, true, at: now)
        plan(
            .restart(server: Int32(leaderServer), change: servers[leaderServer].changes),
            at: now + options.restarting.draw(&random))
    }

    /// A server applies what is committed long after the others, but within what the leader bears with.
    @usableFromInline mutating func setSlow(_ server: Int, _ slow: Bool, at now: Instant) { servers[server].isSlow = slow }

    /// No leader, and none can be elected.
    @usableFromInline mutating func beginOutage(at now: Instant) {
        guard !isOut else { return }
        isOut = true
        loseLeader(at: now)
        for server in servers.indices where servers[server].serves { stopServing(server, at: now) }
    }

    /// A new leader at once, if there is a majority.
    @usableFromInline mutating func endOutage(at now: Instant) {
        guard isOut else { return }
        isOut = false
        elect(at: now)
        reviewLeadership(at: now)
    }

    /// The ensemble ends a session, as it does when it has not heard of it for too long.
    @usableFromInline mutating func expireSession(ofHandle handle: Int, at now: Instant) {
        guard handles[handle].sessionID != 0, canCommit else { return }
        let session = sessionIndex(handles[handle].sessionID)
        guard sessions[session].isAlive else { return }
        counters.add(.sessionExpired)
        closeSession(session, at: now)
    }

    /// The process's connection is to break around one of its next writes: before it is executed, or before it is answered. At
    /// most other moments a broken connection leaves nothing in doubt.
    @usableFromInline mutating func setWriteTrap(_ process: Int) { writeTraps[process] = true }

    /// Whether the trap springs at this write. Not always at the next one: most writes create what is there already.
    mutating func springsTrap(_ operation: CoordinationOperation, of process: Int) -> Bool {
        guard writeTraps[process], operation.isWrite else { return false }
        if case .create(_, _, .persistent) = operation { return false }
        // A transaction is what a node would most like to know the outcome of.
        if case .multi = operation {} else { guard random.chance(1, in: 3) else { return false } }
        writeTraps[process] = false
        counters.add(.connectionBrokeAroundWrite)
        return true
    }

    /// The ephemeral nodes of a process's present sessions, in order.
    @usableFromInline func ephemeralNodes(of process: Int) -> [String] {
        handlesOfProcess[process].flatMap { handle in
            handles[handle].sessionID == 0 ? [] : leader.tree.ephemerals(of: handles[handle].sessionID)
        }
    }

    /// An operator deletes a node.
    @usableFromInline mutating func deleteByHand(_ path: String, at now: Instant) {
        guard canCommit else { return }
        _ = leader.decide(.delete(path: path, version: -1), of: 0)
        planCatchUps(at: now)
    }

    /// Everything works again, or will in a moment.
    mutating func heal(at now: Instant) {
        for process in writeTraps.indices { writeTraps[process] = false }
        for server in servers.indices {
            setSlow(server, false, at: now)
            setDown(server, false, at: now)
            setIsolated(server, false, at: now)
            for process in cuts.indices { while cuts[process][server] > 0 { setCut(process, server, false, at: now) } }
        }
        endOutage(at: now)
    }
}
