import Coordination
import Machine
import Wire

// How a server serves stale reads: any registered member of the group that owns the key may answer, whether the group has a primary
// or not. They go round the members that are not the primary, which has other work; a member that refuses (it is below the demanded
// position, opening, without the ring), whose link breaks or that does not answer soon is passed over for the next, and the primary
// is the last. When all have been asked in vain, the read waits a little and begins again, as every request does that did not
// happen; in the end it is told why the last one refused. Nothing was read, whatever went wrong.

extension ServerNode {
    /// Sends a stale read to a member that was not asked yet, if the link to one is up.
    mutating func askReplica(_ id: UInt64, _ entry: RequestTable.Entry, at now: Instant, into effects: inout Sink) {
        guard ring.isLoaded else {
            return park(id, .noRing, at: now, into: &effects)
        }
        guard let name = ring.ring.owner(of: entry.request.key) else {
            return fail(id, .unavailable, "no group serves keys yet; nothing was read", into: &effects)
        }
        guard let index = groups.index(of: name), groups.values[index].isLoaded else {
            return park(id, .groupUnknown(name), at: now, into: &effects)
        }
        if let replica = nextReplica(inGroupAt: index, except: entry.tried, at: now, into: &effects) {
            if entry.giveUp != nil, entry.tried.isEmpty { effects.reached(.parkedRequestSent) }
            let patience = options.replicaPatience
            requests.update(id) { entry in
                entry.state = .sent(to: replica, until: min(entry.deadline, now + patience))
                entry.asked = replica
            }
            return effects.append(.send(.forward(id: id, entry.request), to: replica))
        }
        // What a replica said tells more than that there is no link to another.
        let delay = entry.tried.isEmpty ? .noReplica(ofGroup: name) : entry.delay
        requests.update(id) { entry in
            entry.tried = []
            entry.asked = nil
        }
        park(id, delay, at: now, into: &effects)
    }

    /// The next member in turn whose link is up; the primary only where no other is. Opens the links that are not.
    private mutating func nextReplica(
        inGroupAt index: Int, except tried: [Address], at now: Instant, into effects: inout Sink
    ) -> Address? {
        let primary = groups.values[index].primaryAddress
        var standbys: [Address] = []
        for (_, member) in groups.values[index].members {
            if links.isUp(member.address) {
                if member.address != primary, !tried.contains(member.address) { standbys.append(member.address) }
            } else {
                links.probe(member.address, id: requests.freshID(), every: options.routeRetry, at: now, into: &effects)
            }
        }
        if !standbys.isEmpty {
            staleTurn &+= 1
            return standbys[Int(UInt(bitPattern: staleTurn) % UInt(standbys.count))]
        }
        guard let primary, links.isUp(primary), !tried.contains(primary) else { return nil }
        return primary
    }

    /// A replica did not answer: the next one is asked.
    mutating func replicaRefused(
        _ id: UInt64, _ error: ClientError, from replica: Address, at now: Instant, into effects: inout Sink
    ) {
        switch error.code {
        case .failedPrecondition, .unavailable, .resourceExhausted: break
        case .invalidArgument, .deadlineExceeded, .notFound, .aborted, .dataLoss:
            return answer(id, .failed(error), into: &effects)
        }
        requests.update(id) { entry in
            entry.tried.append(replica)
            entry.delay = .refused(error)
        }
        effects.reached(.staleReadTriedElsewhere)
        send(id, at: now, into: &effects)
    }

    /// Whether an address is that of a member of the group that owns the key.
    mutating func isReplica(_ peer: Address, for key: [UInt8]) -> Bool {
        guard ring.isLoaded, let name = ring.ring.owner(of: key), let index = groups.index(of: name) else { return false }
        for (_, member) in groups.values[index].members where member.address == peer { return true }
        return false
    }
}
