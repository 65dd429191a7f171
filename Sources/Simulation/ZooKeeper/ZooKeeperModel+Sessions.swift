import Machine

// Fault model of sessions. Only the leader ends them, in buckets: in (timeout, timeout + tick] after it last heard of them. It
// hears of a session while its client runs, is connected, and its server reaches the leader; a server that is cut off answers
// its clients' pings, and the leader hears nothing. A client learns that its session has expired when it reaches a server
// again. Its ephemeral nodes go in one transaction, which servers apply when they come to it.
//
// A new leader gives every session its full timeout again. A leader that is cut off can end nothing, but counts on: it ends
// what is due as soon as it is back. A session can be granted and the answer lost: an orphan, which lives until it expires.

extension ZooKeeperModel {
    func sessionIndex(_ id: Int64) -> Int { Int(id - 0x1000_0000) }

    mutating func grantSession(to handle: Int, at now: Instant) {
        let id = Int64(0x1000_0000) + Int64(sessions.count)
        sessions.append(Session(id: id, timeout: options.grantedTimeout, handle: handle))
        handles[handle].sessionID = id
        leader.openSession(id)
        planCatchUps(at: now)
    }

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
            && !isPaused[handle.process] && (reachesLeader(handle.server) || leaderServer == handle.server)
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
        guard sessions[session].isAlive, sessions[session].watch == watch, canCommit else { return }
        counters.add(.sessionExpired)
        closeSession(session, at: now)
    }

    /// The leader is back before anybody missed it: what came due meanwhile ends now.
    mutating func expireWhatIsDue(at now: Instant) {
        for session in sessions.indices where sessions[session].isAlive {
            guard let deadline = sessions[session].deadline, deadline <= now else { continue }
            expire(session, sessions[session].watch, at: now)
        }
    }

    /// All of a session's ephemeral nodes go at one zxid.
    mutating func closeSession(_ session: Int, at now: Instant) {
        guard sessions[session].isAlive else { return }
        sessions[session].isAlive = false
        sessions[session].late.removeAll()
        sessions[session].closedBy = leader.historyEnd
        leader.closeSession(sessions[session].id)
        planCatchUps(at: now)
    }
}
