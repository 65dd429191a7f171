import Machine

// Fault model of leadership. A majority of servers that are up and reach each other elects one of them; without a leader
// nothing is decided, no session ends, and no server serves: the loss of a leader breaks every connection, however well its
// server is. A leader alone (the only server of its ensemble) comes and goes the same way.
//
// What the lost leader was deciding was not acknowledged, and may have reached those who elect the next one, or not: the
// proposals of that moment survive up to some point, and the new leader decides them first, under the old epoch. So a write
// whose answer was `connectionLoss` can be done by somebody else's term, before any client is connected.
//
// A leader that is cut off from the others goes on until it notices: it answers reads, pings and `sync` from what it has,
// takes back clients whose sessions it knows, and decides nothing. The others notice in their own time, and elect another:
// for a while there are two who think that they lead, and only one of them decides. If the leader is back before anybody
// noticed, everything goes on, and sessions that came due meanwhile end.

/// What a lost leader had been asked to decide.
struct Proposal: Sendable {
    var session: Int
    var request: LateRequest
}

extension ZooKeeperModel {
    /// Whether there is a leader with a majority behind it.
    var canCommit: Bool { leaderServer.map { !servers[$0].isIsolated } ?? false }

    /// Whether what a server hands on is decided.
    func reachesLeader(_ server: Int) -> Bool { canCommit && servers[server].serves && !servers[server].isIsolated }

    /// Whether a server thinks that it leads, and is cut off from all others.
    func leadsAlone(_ server: Int) -> Bool {
        servers[server].serves && servers[server].isIsolated && (leaderServer == server || servers[server].isDeposed)
    }

    /// When a server last reached the leader; nil: it does now.
    func lastMomentOfReach(_ server: Int) -> Instant? {
        let leaderCutOffAt = leaderServer.flatMap { servers[$0].isIsolated ? servers[$0].isolatedAt : nil }
        let cutOffAt = servers[server].isIsolated ? servers[server].isolatedAt : nil
        guard let leaderCutOffAt else { return cutOffAt }
        return min(cutOffAt ?? leaderCutOffAt, leaderCutOffAt)
    }

    /// Whether every server is up and reaches the others.
    @usableFromInline var isWhole: Bool { servers.allSatisfy { !$0.isDown && !$0.isIsolated } }

    /// Those who could elect.
    private var members: [Int] { servers.indices.filter { !servers[$0].isDown && !servers[$0].isIsolated } }

    /// Something changed that leadership depends on.
    mutating func reviewLeadership(at now: Instant) {
        let hasMajority = members.count * 2 > servers.count
        // One that is cut off itself is missed by and by.
        if let leaderServer, servers[leaderServer].isDown || !hasMajority && !servers[leaderServer].isIsolated {
            loseLeader(at: now)
        }
        if leaderServer == nil, hasMajority, !isOut, !electionPlanned {
            electionPlanned = true
            plan(.election, at: now + options.electing.draw(&random))
        }
    }

    /// Every server that follows stops serving.
    mutating func loseLeader(at now: Instant) {
        guard let lost = leaderServer else { return }
        if servers[lost].isIsolated {
            // Its own clients do not notice, but the others may have what they asked for before.
            for handle in handles.indices where handles[handle].state == .connected && handles[handle].server == lost {
                let session = sessionIndex(handles[handle].sessionID)
                for request in undecided(of: handle, at: now) { inDoubt.append(Proposal(session: session, request: request)) }
            }
        }
        for server in servers.indices where servers[server].serves && !servers[server].isIsolated {
            stopServing(server, at: now)
        }
        for session in sessions.indices {
            while let request = sessions[session].late.popFirst() {
                inDoubt.append(Proposal(session: session, request: request))
            }
        }
        leaderServer = nil
    }

    mutating func stopServing(_ server: Int, at now: Instant) {
        dropConnections(of: server, at: now)
        servers[server].serves = false
        servers[server].isDeposed = false
        servers[server].hasProposals = false
    }

    mutating func elect(at now: Instant) {
        let voters = members
        guard leaderServer == nil, !isOut, voters.count * 2 > servers.count else { return }
        counters.add(.zooKeeperLeaderElected)
        leaderServer = voters[random.below(voters.count)]
        elections += 1
        decideWhatSurvived(at: now)
        leader.beginEpoch()
        for server in voters { join(server, at: now) }
        for session in sessions.indices where sessions[session].isAlive { planExpiry(session, heard: now) }
    }

    private mutating func decideWhatSurvived(at now: Instant) {
        // Those of one session are in order; of several, any order is as good.
        var proposals: [Proposal] = []
        while !inDoubt.isEmpty {
            let session = inDoubt[random.below(inDoubt.count)].session
            guard let index = inDoubt.firstIndex(where: { $0.session == session }) else { break }
            proposals.append(inDoubt.remove(at: index))
        }
        let surviving = random.below(proposals.count + 1)
        counters.add(.proposalLostWithLeader, proposals.count - surviving)
        for proposal in proposals[..<surviving] where sessions[proposal.session].isAlive {
            counters.add(.proposalSurvivedLeader)
            decide(proposal.request, of: proposal.session, at: now)
        }
    }

    /// A server follows the leader from here on, with all that was decided.
    private mutating func join(_ server: Int, at now: Instant) {
        servers[server].serves = true
        servers[server].term = elections
        catchUp(server, at: now)
    }

    mutating func planToJoin(_ server: Int, at now: Instant) {
        plan(
            .join(server: Int32(server), change: servers[server].changes), at: now + options.electing.draw(&random))
    }

    mutating func joined(_ server: Int, _ change: UInt32, at now: Instant) {
        // Without a leader the election brings it in.
        guard servers[server].changes == change, !servers[server].serves, !servers[server].isDown,
            !servers[server].isIsolated, canCommit
        else { return }
        join(server, at: now)
    }

    // MARK: Cut off

    /// The others have not heard of their leader for too long.
    mutating func leaderMissed(_ server: Int, _ isolation: UInt32, at now: Instant) {
        guard servers[server].isIsolated, servers[server].changes == isolation, leaderServer == server else { return }
        loseLeader(at: now)
        servers[server].isDeposed = true
        reviewLeadership(at: now)
    }

    /// A server has not heard of the others for too long.
    mutating func isolationGrewLong(_ server: Int, _ isolation: UInt32, at now: Instant) {
        guard servers[server].isIsolated, servers[server].changes == isolation, servers[server].serves else { return }
        if leaderServer == server { loseLeader(at: now) }
        stopServing(server, at: now)
        reviewLeadership(at: now)
    }

    @usableFromInline mutating func setIsolated(_ server: Int, _ isolated: Bool, at now: Instant) {
        // A server alone has nobody to be cut off from.
        guard servers[server].isIsolated != isolated, servers.count > 1 else { return }
        if isolated {
            if leaderServer == server { catchUp(server, at: now) }
            servers[server].isIsolated = true
            servers[server].isolatedAt = now
            servers[server].sessionsKnown = sessions.count
            servers[server].changes += 1
            let isolation = servers[server].changes
            let limit = options.syncLimit
            plan(
                .syncLimit(server: Int32(server), isolation: isolation), at: now + random.length((limit / 2)...(limit * 5 / 4)))
            if leaderServer == server {
                plan(.leaderMissed(server: Int32(server), isolation: isolation), at: now + random.length((limit / 16)...limit))
            }
        } else {
            servers[server].isIsolated = false
            servers[server].changes += 1
            let stillFollows = servers[server].serves && leaderServer != nil && servers[server].term == elections
            if stillFollows {
                servers[server].hasProposals = false
                if leaderServer == server { expireWhatIsDue(at: now) }
                planCatchUps(at: now)
            } else {
                if servers[server].serves { stopServing(server, at: now) }
                planToJoin(server, at: now)
            }
        }
        // All are concerned where it leads.
        for handle in handles.indices where handles[handle].state == .connected {
            updateHearing(ofHandle: handle, at: now)
            if !isolated { planExecution(handle, at: now) }
        }
        reviewLeadership(at: now)
    }
}
