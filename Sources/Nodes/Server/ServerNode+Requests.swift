import Coordination
import Machine
import Wire

// How a server serves keys: it sends each request to the primary of the group that owns the key, and tells the client
// truthfully what became of it.
//
// - A request that certainly did not happen (no primary to send it to, or no link to it; the node was not the primary, or not
//   in office yet) waits a little, is tried again when a route changes, and every now and then; then UNAVAILABLE.
// - A mutation without an identity that was sent and not answered may have happened: ABORTED when the link broke or another
//   primary was elected, DEADLINE_EXCEEDED when its time ran out. It is never sent twice, and only on a link that is up.
// - A mutation with an identity is sent again until its time runs out: its group executes it once, and answers repeats with the
//   result. If no attempt brings one, it may have happened, whatever the last attempt's answer says of that attempt.
// - A read that was not answered is simply tried again.
// - Stale reads go to any replica (`ServerNode+StaleReads`).

extension ServerNode {
    /// The timer that looks at the requests is no finer than this.
    private static let timerGrain = Nanoseconds.milliseconds(10)

    private enum Route {
        case to(Address)
        /// There is no way now, but there may soon be one.
        case awaited(RequestTable.Delay)
        /// There will be none without an operator, or without a store that comes back.
        case none(String)
    }

    mutating func keyRequested(
        _ request: KeyRequest, patience: Nanoseconds?, call: CallID, at now: Instant, into effects: inout Sink
    ) {
        guard phase == .running else {
            let error = ClientError(.unavailable, "server \(address) is not serving; nothing was done")
            return effects.append(.reply(.failed(error), to: call))
        }
        if let violation = options.limits.violation(of: request) {
            return effects.append(.reply(.failed(violation), to: call))
        }
        guard requests.count < options.pendingRequests, requests.bytes + request.payloadBytes <= options.pendingRequestBytes
        else {
            effects.reached(.requestsAtBound)
            let message =
                "\(requests.count) requests of \(requests.bytes) bytes are under way at server \(address); the limits are "
                + "\(options.pendingRequests) and \(options.pendingRequestBytes); nothing was done"
            return effects.append(.reply(.failed(ClientError(.resourceExhausted, message)), to: call))
        }
        let time = max(.zero, min(patience ?? options.requestTimeout, options.requestTimeout))
        let entry = RequestTable.Entry(call: call, request: request, deadline: now + time)
        if let id = requests.insert(entry) { send(id, at: now, into: &effects) }
    }

    /// Sends a parked request on its way, if there is one.
    mutating func send(_ id: UInt64, at now: Instant, into effects: inout Sink) {
        guard let (key, isStaleRead) = requests.look(id, { ($0.request.key, $0.request.isStaleRead) }) else { return }
        if isStaleRead {
            if let entry = requests[id] { askReplica(id, entry, at: now, into: &effects) }
            return
        }
        switch route(of: key) {
        case .to(let address):
            guard links.isUp(address) else {
                links.probe(address, id: requests.freshID(), every: options.routeRetry, at: now, into: &effects)
                return park(id, .noLink(to: address), at: now, into: &effects)
            }
            requests.update(id) { entry in
                if entry.giveUp != nil { effects.reached(.parkedRequestSent) }
                if entry.mayHaveHappened { effects.reached(.mutationSentAgain) }
                entry.state = .sent(to: address, until: entry.deadline)
                entry.asked = address
                effects.append(.send(.forward(id: id, entry.request), to: address))
            }
        case .awaited(let delay): park(id, delay, at: now, into: &effects)
        case .none(let reason):
            effects.reached(.requestForStuckGroup)
            fail(id, .unavailable, reason, into: &effects)
        }
    }

    /// `mutating` although it changes nothing: so everything is looked at in its place, and nothing is copied.
    private mutating func route(of key: [UInt8]) -> Route {
        guard ring.isLoaded else { return .awaited(.noRing) }
        guard let name = ring.ring.owner(of: key) else { return .none("no group serves keys yet; nothing was done") }
        guard let index = groups.index(of: name), groups.values[index].isLoaded else {
            return .awaited(.groupUnknown(name))
        }
        if let address = groups.values[index].primaryAddress { return .to(address) }
        guard let problem = impasses[name] else { return .awaited(.noPrimary(ofGroup: name)) }
        return .none("group \(name) has no primary: \(problem); nothing was done")
    }

    /// Keeps a request for another try: one that certainly did not happen for a while, one that may be repeated to its end.
    mutating func park(_ id: UInt64, _ delay: RequestTable.Delay, at now: Instant, into effects: inout Sink) {
        let patience = options.routePatience
        let retryAt = now + options.routeRetry
        effects.reached(.requestParked)
        var isTooLate = false
        requests.update(id) { entry in
            entry.delay = delay
            let by = entry.mayHaveHappened ? entry.deadline : entry.giveUp ?? min(entry.deadline, now + patience)
            entry.giveUp = by
            entry.state = .parked(retryAt: retryAt)
            isTooLate = by <= now
        }
        guard isTooLate else { return }
        effects.reached(.parkedRequestGivenUp)
        fail(id, delay.code, delay.text(server: address), into: &effects)
    }

    mutating func forwardAnswered(
        _ id: UInt64, _ reply: ClientReply, from sender: Address, at now: Instant, into effects: inout Sink
    ) {
        // An answer of anybody but the node that was asked last is an old one.
        guard requests.look(id, { $0.isSent(to: sender) }) == true else { return effects.reached(.answerCameTooLate) }
        switch reply {
        case .failed(let error):
            guard let entry = requests[id] else { return }
            if entry.request.isStaleRead { return replicaRefused(id, error, from: sender, at: now, into: &effects) }
            switch error.code {
            case .failedPrecondition, .unavailable: park(id, .answered(error.message), at: now, into: &effects)
            case .aborted, .deadlineExceeded:
                guard !entry.request.isRead, entry.mayBeRepeated, entry.leftOpenBy != sender else {
                    return answer(id, reply, into: &effects)
                }
                requests.update(id) { $0.leftOpenBy = sender }
                repeatLater(id, .answered(error.message), at: now, into: &effects)
            case .invalidArgument, .notFound, .resourceExhausted, .dataLoss:
                if entry.mayHaveHappened, error.code == .notFound { effects.reached(.repeatFoundNoSession) }
                fail(id, error, into: &effects)
            }
        case .done: answer(id, reply, into: &effects)
        case .status, .routes, .transferred, .recovered: break
        }
    }

    /// A mutation with an identity was sent, and its answer will not come: it is tried again.
    private mutating func repeatLater(
        _ id: UInt64, _ delay: RequestTable.Delay, at now: Instant, into effects: inout Sink
    ) {
        requests.update(id) { entry in
            entry.mayHaveHappened = true
            entry.asked = nil
        }
        park(id, delay, at: now, into: &effects)
    }

    /// What waits for this link goes on its way.
    mutating func linkUp(_ peer: Address, at now: Instant, into effects: inout Sink) {
        guard links.cameUp(peer) else { return }
        for id in requests.ids(where: { $0.isParked && $0.asked != peer }) {
            guard let entry = requests[id] else { continue }
            if entry.request.isStaleRead {
                guard isReplica(peer, for: entry.request.key) else { continue }
            } else {
                guard case .to(peer) = route(of: entry.request.key) else { continue }
            }
            send(id, at: now, into: &effects)
        }
    }

    mutating func linkDown(_ peer: Address, at now: Instant, into effects: inout Sink) {
        links.wentDown(peer)
        statusLost(peer, at: now, into: &effects)
        transfersLost(peer, into: &effects)
        recoveriesLost(where: { $0.stage == .passedOn(to: peer) }, into: &effects)
        for id in requests.ids(where: { $0.isSent(to: peer) }) {
            guard let entry = requests[id] else { continue }
            if entry.request.isStaleRead {
                let error = ClientError(.unavailable, "the link to \(peer), a replica, broke; nothing was read")
                replicaRefused(id, error, from: peer, at: now, into: &effects)
                continue
            }
            if entry.request.isRead {
                effects.reached(.readKeptAfterBrokenLink)
                requests.update(id) { $0.asked = nil }
                park(id, .linkBroke(to: peer), at: now, into: &effects)
            } else if entry.mayBeRepeated {
                repeatLater(id, .linkBroke(to: peer), at: now, into: &effects)
            } else {
                effects.reached(.mutationCutOff)
                let message = "the link to \(peer), the primary, broke before it answered; it may have happened"
                fail(id, .aborted, message, into: &effects)
            }
        }
    }

    /// Follows the routes as they are now, and lets go of links to nodes that are gone.
    mutating func routesDidChange(at now: Instant, into effects: inout Sink) {
        routesChanged = false
        for id in requests.ids(where: { _ in true }) {
            guard let entry = requests[id] else { continue }
            if entry.request.isStaleRead {
                // One that was sent is answered, or falls back by itself.
                if entry.isParked { send(id, at: now, into: &effects) }
                continue
            }
            switch (route(of: entry.request.key), entry.state) {
            case (.to(let address), .parked): if address != entry.asked { send(id, at: now, into: &effects) }
            case (.none, .parked): send(id, at: now, into: &effects)
            case (.to(let address), .sent(let peer, let until)):
                if address != peer { overtaken(id, peer: peer, until: until, at: now, into: &effects) }
            case (.awaited, .parked), (.awaited, .sent), (.none, .sent): break
            }
        }
        closeLinksToTheGone(into: &effects)
    }

    /// There is another primary than the one that was asked. A read asks the new one; of a mutation the old one may still
    /// tell, but not for long: it was replaced because it is gone, or answers nobody.
    private mutating func overtaken(
        _ id: UInt64, peer: Address, until: Instant, at now: Instant, into effects: inout Sink
    ) {
        guard let entry = requests[id] else { return }
        if entry.request.isRead { return send(id, at: now, into: &effects) }
        if entry.mayBeRepeated {
            repeatLater(id, .replaced(peer), at: now, into: &effects)
            return send(id, at: now, into: &effects)
        }
        let patience = options.overtakenPatience
        requests.update(id) { $0.state = .sent(to: peer, until: min(until, now + patience)) }
    }

    mutating func requestsTimerFired(at now: Instant, into effects: inout Sink) {
        requestsDue = nil
        for id in requests.ids(where: { $0.due <= now }) { isDue(id, at: now, into: &effects) }
        requests.findEarliestDue()
    }

    private mutating func isDue(_ id: UInt64, at now: Instant, into effects: inout Sink) {
        if requests.look(id, { $0.isToBeTried(at: now) }) == true { return send(id, at: now, into: &effects) }
        guard let entry = requests[id] else { return }
        switch entry.state {
        case .parked(let retryAt):
            if min(entry.deadline, entry.giveUp ?? entry.deadline) <= now {
                effects.reached(.parkedRequestGivenUp)
                fail(id, entry.delay.code, entry.delay.text(server: address), into: &effects)
            } else if retryAt <= now {
                send(id, at: now, into: &effects)
            }
        case .sent(let peer, let until):
            if entry.request.isStaleRead, until < entry.deadline {
                let error = ClientError(.unavailable, "no answer in time from \(peer), a replica; nothing was read")
                replicaRefused(id, error, from: peer, at: now, into: &effects)
            } else if until < entry.deadline {
                let message = "\(peer), the primary, was replaced before it answered; it may have happened"
                fail(id, .aborted, message, into: &effects)
            } else if entry.request.isRead {
                effects.reached(.readTimedOut)
                fail(id, .unavailable, "no answer in time from \(peer); nothing was read", into: &effects)
            } else {
                effects.reached(.mutationTimedOut)
                let message = "no answer in time from \(peer), the primary; it may have happened"
                fail(id, .deadlineExceeded, message, into: &effects)
            }
        }
    }

    /// Sets the one timer of all requests for the first that is due.
    mutating func setRequestsTimer(at now: Instant, into effects: inout Sink) {
        guard let next = requests.earliestDue else { return }
        let due = max(next, now + Self.timerGrain)
        if let requestsDue, requestsDue <= due { return }
        requestsDue = due
        effects.append(.setTimer(Timer.requests.id, at: due))
    }

    /// The node ends: what was sent may have happened, the rest did not.
    mutating func failAllRequests(into effects: inout Sink) {
        for peer in transfers.values.map(\.peer) { transfersLost(peer, into: &effects) }
        recoveriesLost(where: { _ in true }, into: &effects)
        for id in requests.ids(where: { _ in true }) {
            guard let entry = requests[id] else { continue }
            effects.reached(.serverLeftRequests)
            if entry.isParked || entry.request.isRead {
                fail(id, .unavailable, "server \(address) is shutting down; nothing was done", into: &effects)
            } else {
                fail(id, .aborted, "server \(address) is shutting down; it may have happened", into: &effects)
            }
        }
    }

    mutating func fail(_ id: UInt64, _ code: ClientError.Code, _ message: String, into effects: inout Sink) {
        fail(id, ClientError(code, message), into: &effects)
    }

    /// The last attempt failed so. That it did nothing says nothing of an earlier one that was not answered.
    private mutating func fail(_ id: UInt64, _ error: ClientError, into effects: inout Sink) {
        guard requests.look(id, { $0.mayHaveHappened }) == true, !error.mayHaveHappened else {
            return answer(id, .failed(error), into: &effects)
        }
        let message = "it may have happened by an earlier attempt; the last attempt failed: \(error.message)"
        answer(id, .failed(ClientError(.aborted, message)), into: &effects)
    }

    mutating func answer(_ id: UInt64, _ reply: ClientReply, into effects: inout Sink) {
        if let call = requests.remove(id) { effects.append(.reply(reply, to: call)) }
    }

    private mutating func closeLinksToTheGone(into effects: inout Sink) {
        var present: [Address] = []
        present.reserveCapacity(lastPresent?.count ?? knownPeers.count)
        for index in groups.keys.indices {
            let members = groups.values[index].members
            for index in members.keys.indices { present.append(members.values[index].address) }
        }
        if present == lastPresent { return }
        lastPresent = present
        present.sort()
        if present == knownPeers { return }
        // The answers of a node that is gone still count, if any come.
        let gone = knownPeers.filter { !present.contains($0) }
        let awaited = gone.filter { peer in !requests.ids(where: { $0.isSent(to: peer) }).isEmpty }
        for peer in gone where !awaited.contains(peer) {
            links.wentDown(peer)
            effects.append(.closeLink(peer))
        }
        knownPeers = present + awaited
        // They are looked at again with the next change of any route.
        if !awaited.isEmpty { lastPresent = nil }
    }
}
