import DequeModule
import Machine
import Placement
import Wire

// What operations wait for: the cluster's routes, and a session of each group that is written to. One attempt at each is under
// way at a time, for all who wait.

extension ClientMachine {
    /// Routes are not fetched more often than this, however often they turn out to be old.
    private static let fetchInterval = Nanoseconds.milliseconds(100)

    mutating func ended(_ id: AttemptID, _ end: AttemptEnd, at now: Instant, into effects: inout [ClientEffect]) {
        guard let attempt = attempts.removeValue(forKey: id) else { return }
        switch attempt.errand {
        case .operation(let operation): operationEnded(operation, attempt, end, at: now, into: &effects)
        case .routes: fetchEnded(attempt, end, at: now, into: &effects)
        case .session(let group): openingEnded(group, attempt, end, at: now, into: &effects)
        }
    }

    mutating func lookAtAgenda(at now: Instant, into effects: inout [ClientEffect]) {
        while let matter = agenda.takeDue(at: now) {
            switch matter {
            case .operation(let id): operationIsDue(id, at: now, into: &effects)
            case .routes: fetchIsDue(at: now, into: &effects)
            case .session(let group): openingIsDue(group, at: now, into: &effects)
            }
        }
    }

    mutating func setTimer(into effects: inout [ClientEffect]) {
        guard let next = agenda.next, timer.map({ next < $0 }) ?? true else { return }
        timer = next
        effects.append(.setTimer(next))
    }

    // MARK: Routes

    /// Sees to it that routes come for those who wait.
    mutating func fetchRoutes(at now: Instant, into effects: inout [ClientEffect]) {
        guard fetching == nil else { return }
        if let fetchedAt, now < fetchedAt + Self.fetchInterval {
            fetching = .pausing(until: fetchedAt + Self.fetchInterval)
            return agenda.add(.routes, at: fetchedAt + Self.fetchInterval)
        }
        let until = now + options.attemptTimeout
        fetching = .attempting(send(.routes, for: .routes, to: choice.choose(at: now), until: until, into: &effects))
        agenda.add(.routes, at: until)
    }

    private mutating func fetchEnded(
        _ attempt: Attempt, _ end: AttemptEnd, at now: Instant, into effects: inout [ClientEffect]
    ) {
        fetching = nil
        switch end {
        case .reply(.routes(let routes)):
            choice.answered(attempt.to)
            self.routes = routes
            ring = Ring(tokens: routes.ring.tokens)
            routesAreStale = false
            ringIsWrong = false
            fetchedAt = now
            fetchFailures = 0
            fetchError = nil
            let waiting = waitingForRoutes
            waitingForRoutes.removeAll()
            for id in waiting where operations[id]?.state == .waitsForRoutes { advance(id, at: now, into: &effects) }
        case .reply(.failed(let error)):
            choice.passOver(attempt.to)
            fetchFailed(error, at: now)
        case .reply(.done), .reply(.status), .reply(.transferred), .reply(.recovered):
            choice.passOver(attempt.to)
            fetchFailed(ClientError(.aborted, "\(attempt.to) answered something else than its routes"), at: now)
        case .unreachable(let reason), .broken(let reason):
            choice.failed(attempt.to, at: now, random: &random)
            fetchFailed(ClientError(.unavailable, "\(attempt.to) cannot be reached: \(reason)"), at: now)
        }
    }

    private mutating func fetchFailed(_ error: ClientError, at now: Instant) {
        fetchFailures += 1
        fetchError = error
        let until = now + pauseLength(after: fetchFailures)
        fetching = .pausing(until: until)
        agenda.add(.routes, at: until)
    }

    private mutating func fetchIsDue(at now: Instant, into effects: inout [ClientEffect]) {
        switch fetching {
        case .pausing(let until):
            guard until <= now else { return }
            fetching = nil
            // Those who waited may have given up meanwhile.
            waitingForRoutes = waitingForRoutes.filter { operations[$0]?.state == .waitsForRoutes }
            if !waitingForRoutes.isEmpty || routesAreStale { fetchRoutes(at: now, into: &effects) }
        case .attempting(let id):
            guard let attempt = attempts[id], attempt.until <= now else { return }
            attempts.removeValue(forKey: id)
            effects.append(.abandon(id))
            choice.failed(attempt.to, at: now, random: &random)
            fetchFailed(ClientError(.unavailable, "no answer in time from \(attempt.to)"), at: now)
        case nil: break
        }
    }

    // MARK: Sessions

    /// Lets as many go as the session has room for; opens one where there is none.
    mutating func letWaitingGo(_ group: String, at now: Instant, into effects: inout [ClientEffect]) {
        while let first = groups[group]?.waiting.first {
            guard operations[first]?.state == .waitsForSession(group: group) else {
                groups.update(group) { $0.waiting.removeFirst() }
                continue
            }
            guard let window = groups[group]?.window else { return openSession(group, at: now, into: &effects) }
            guard window.span < options.sessionWindow else { return }
            let sequence = groups.update(group) { state in
                state.waiting.removeFirst()
                return state.window?.begin() ?? 0
            }
            let identity = Identity(group: group, session: window.session, sequence: sequence ?? 0)
            operations.update(first) { $0.identity = identity }
            attempt(first, at: now, into: &effects)
        }
    }

    private mutating func openSession(_ group: String, at now: Instant, into effects: inout [ClientEffect]) {
        guard let state = groups[group], state.opening == nil, let first = state.waiting.first,
            let key = operations[first]?.request.key
        else { return }
        let until = now + options.attemptTimeout
        let request = ClientRequest.key(.openSession(key: key), patience: options.attemptTimeout)
        let to = state.redirect ?? choice.choose(at: now)
        let attempt = send(request, for: .session(group: group), to: to, until: until, into: &effects)
        groups.update(group) { $0.opening = .attempting(attempt) }
        agenda.add(.session(group: group), at: until)
    }

    private mutating func openingEnded(
        _ group: String, _ attempt: Attempt, _ end: AttemptEnd, at now: Instant, into effects: inout [ClientEffect]
    ) {
        groups.update(group) { $0.opening = nil }
        switch end {
        case .reply(.done(.opened(let session), let position)):
            choice.answered(attempt.to)
            guard position.group == group else { return keyHasMoved(from: group, at: now, into: &effects) }
            groups.update(group) { state in
                state.window = SessionWindow(group: group, session: session)
                state.failures = 0
                state.hops = 0
                state.redirect = nil
                state.lastError = nil
            }
            letWaitingGo(group, at: now, into: &effects)
        case .reply(.failed(let error)):
            choice.answered(attempt.to)
            if let redirect = error.redirect, let hops = groups[group]?.hops, hops < Self.mostHops {
                groups.update(group) { state in
                    state.hops = hops + 1
                    state.redirect = redirect
                }
                return openSession(group, at: now, into: &effects)
            }
            choice.passOver(attempt.to)
            openingFailed(group, error, at: now)
        case .reply(.done), .reply(.status), .reply(.routes), .reply(.transferred), .reply(.recovered):
            openingFailed(group, ClientError(.aborted, "\(attempt.to) answered something else than a session"), at: now)
        case .unreachable(let reason), .broken(let reason):
            choice.failed(attempt.to, at: now, random: &random)
            openingFailed(group, ClientError(.unavailable, "\(attempt.to) cannot be reached: \(reason)"), at: now)
        }
    }

    /// Another group owns the key than the routes said: whoever waits asks them again.
    private mutating func keyHasMoved(from group: String, at now: Instant, into effects: inout [ClientEffect]) {
        ringIsWrong = true
        let waiting = groups.update(group) { state in
            defer { state.waiting.removeAll() }
            return state.waiting
        }
        for id in waiting ?? [] where operations[id]?.state == .waitsForSession(group: group) {
            advance(id, at: now, into: &effects)
        }
    }

    private mutating func openingFailed(_ group: String, _ error: ClientError, at now: Instant) {
        let failures = (groups[group]?.failures ?? 0) + 1
        let until = now + pauseLength(after: failures)
        groups.update(group) { state in
            state.failures = failures
            state.hops = 0
            state.redirect = nil
            state.lastError = error
            state.opening = .pausing(until: until)
        }
        agenda.add(.session(group: group), at: until)
    }

    private mutating func openingIsDue(_ group: String, at now: Instant, into effects: inout [ClientEffect]) {
        switch groups[group]?.opening {
        case .pausing(let until):
            guard until <= now else { return }
            groups.update(group) { $0.opening = nil }
            letWaitingGo(group, at: now, into: &effects)
        case .attempting(let id):
            guard let attempt = attempts[id], attempt.until <= now else { return }
            attempts.removeValue(forKey: id)
            effects.append(.abandon(id))
            choice.failed(attempt.to, at: now, random: &random)
            openingFailed(group, ClientError(.unavailable, "no answer in time from \(attempt.to)"), at: now)
        case nil: break
        }
    }
}
