import Machine
import Wire

// The way of one operation: what it still needs, its attempts, and its end.

extension ClientMachine {
    mutating func requested(
        _ id: OperationID, _ request: ClientOperation, timeout: Nanoseconds?, at now: Instant,
        into effects: inout [ClientEffect]
    ) {
        precondition(operations[id] == nil, "operation \(id.number) was begun before")
        guard operations.count < options.operations else {
            let message = "\(options.operations) operations are under way, which is the limit of this client; nothing was done"
            return effects.append(.finished(id, .notDone(ClientError(.resourceExhausted, message))))
        }
        operations[id] = Operation(request, deadline: now + max(.zero, timeout ?? options.timeout))
        advance(id, at: now, into: &effects)
    }

    mutating func cancelled(_ id: OperationID, at now: Instant, into effects: inout [ClientEffect]) {
        giveUp(id, .aborted, "the caller gave it up", at: now, into: &effects)
    }

    /// Does the next thing that an operation needs.
    mutating func advance(_ id: OperationID, at now: Instant, into effects: inout [ClientEffect]) {
        guard let operation = operations[id] else { return }
        // Who could do without them does not wait.
        if routes == nil ? options.direct : routesAreStale { fetchRoutes(at: now, into: &effects) }
        guard operation.identity == nil, needsRoutes(operation.request) else { return attempt(id, at: now, into: &effects) }
        guard routes != nil, !ringIsWrong else {
            operations.update(id) { $0.state = .waitsForRoutes }
            agenda.add(.operation(id), at: operation.deadline)
            waitingForRoutes.append(id)
            return fetchRoutes(at: now, into: &effects)
        }
        guard let group = ring.owner(of: operation.request.key) else {
            ringIsWrong = true
            let error = ClientError(.unavailable, "no group serves keys yet; nothing was done")
            operations.update(id) { $0.lastError = error }
            return pause(id, at: now, into: &effects)
        }
        if operation.request.isRead { return attempt(id, at: now, into: &effects) }
        operations.update(id) { $0.state = .waitsForSession(group: group) }
        agenda.add(.operation(id), at: operation.deadline)
        if groups[group] == nil { groups[group] = GroupState() }
        groups.update(group) { $0.waiting.append(id) }
        letWaitingGo(group, at: now, into: &effects)
    }

    private func needsRoutes(_ request: ClientOperation) -> Bool {
        switch request {
        case .put, .delete: options.exactlyOnce
        case .get(_, .monotonic): true
        case .get: false
        }
    }

    // MARK: Attempts

    mutating func attempt(_ id: OperationID, at now: Instant, into effects: inout [ClientEffect]) {
        guard let operation = operations[id] else { return }
        guard now < operation.deadline else { return timedOut(id, at: now, into: &effects) }
        let to = operation.redirect ?? primary(of: operation, at: now) ?? choice.choose(at: now)
        // What cannot be repeated is waited for as long as the caller waits.
        let longest = operation.isRepeatable ? options.attemptTimeout : operation.deadline - now
        let until = min(operation.deadline, now + longest)
        let request = ClientRequest.key(keyRequest(of: operation), patience: until - now)
        let attempt = send(request, for: .operation(id), to: to, until: until, into: &effects)
        let group = operation.request.isMonotonic ? ring.owner(of: operation.request.key) : nil
        operations.update(id) { operation in
            operation.demandedOf = group
            operation.state = .attempting(attempt)
            operation.attempts += 1
            operation.rapidAttempts += 1
        }
        agenda.add(.operation(id), at: until)
    }

    mutating func send(
        _ request: ClientRequest, for errand: Errand, to address: Address, until: Instant, into effects: inout [ClientEffect]
    ) -> AttemptID {
        lastAttempt += 1
        let attempt = AttemptID(lastAttempt)
        attempts[attempt] = Attempt(errand: errand, to: address, until: until)
        effects.append(.attempt(attempt, request, to: address))
        return attempt
    }

    /// Where to go directly; nil where any server will do. While the routes are in doubt a server knows better.
    private func primary(of operation: Operation, at now: Instant) -> Address? {
        guard options.direct, let routes, !routesAreStale, !ringIsWrong else { return nil }
        switch operation.request {
        case .get(_, .stale), .get(_, .monotonic): return nil
        case .put, .delete, .get: break
        }
        guard let owner = operation.identity?.group ?? ring.owner(of: operation.request.key),
            let primary = routes.groups.first(where: { $0.name == owner })?.primary, choice.isHealthy(primary, at: now)
        else { return nil }
        return primary
    }

    private func keyRequest(of operation: Operation) -> KeyRequest {
        let identity = operation.identity.map { identity in
            if let window = groups[identity.group]?.window, window.session == identity.session {
                return window.identity(identity.sequence)
            }
            // A session that its group has forgotten: whatever is said of it, it stays forgotten.
            return RequestIdentity(
                group: identity.group, session: identity.session, sequence: identity.sequence, lowestOpen: 1)
        }
        switch operation.request {
        case .put(let key, let value): return .put(key: key, value: value, identity: identity)
        case .delete(let key): return .delete(key: key, identity: identity)
        case .get(let key, .linearizable): return .get(key: key)
        case .get(let key, .confirmed): return .get(key: key, mode: .confirmed)
        case .get(let key, .stale(let position)): return .get(key: key, mode: .stale(atLeast: position))
        case .get(let key, .monotonic):
            return .get(key: key, mode: .stale(atLeast: ring.owner(of: key).flatMap { groups[$0]?.seen }))
        }
    }

    mutating func operationEnded(
        _ id: OperationID, _ attempt: Attempt, _ end: AttemptEnd, at now: Instant, into effects: inout [ClientEffect]
    ) {
        guard let operation = operations[id] else { return }
        switch end {
        case .reply(.done(let result, let position)) where result.fits(operation.request):
            choice.answered(attempt.to)
            if operation.request.isMonotonic, operation.demandedOf != position.group {
                // Another group owns the key than the ring said: nothing was demanded of what was seen of that one.
                if ring.owner(of: operation.request.key) != position.group { (ringIsWrong, routesAreStale) = (true, true) }
                if let seen = groups[position.group]?.seen, seen.lineage != position.lineage || position.seq < seen.seq {
                    let message = "\(attempt.to) answered for group \(position.group) with less than was seen of it"
                    operations.update(id) { $0.lastError = ClientError(.unavailable, message) }
                    return pause(id, at: now, into: &effects)
                }
            }
            saw(position)
            finish(id, .done(result, at: position), at: now, into: &effects)
        case .reply(.done), .reply(.status), .reply(.routes), .reply(.transferred), .reply(.recovered):
            doubtful(
                id, attempt, ClientError(.aborted, "\(attempt.to) answered something else than it was asked"), at: now,
                into: &effects)
        case .reply(.failed(let error)):
            operations.update(id) { $0.lastError = error }
            refused(id, attempt, error, at: now, into: &effects)
        case .unreachable(let reason):
            let error = ClientError(.unavailable, "\(attempt.to) cannot be reached: \(reason)")
            operations.update(id) { $0.lastError = error }
            lost(id, attempt, at: now, into: &effects)
        case .broken(let reason):
            doubtful(
                id, attempt, ClientError(.aborted, "the connection to \(attempt.to) broke: \(reason)"), at: now, into: &effects)
        }
    }

    /// A server, or the node behind it, said why not.
    private mutating func refused(
        _ id: OperationID, _ attempt: Attempt, _ error: ClientError, at now: Instant, into effects: inout [ClientEffect]
    ) {
        choice.answered(attempt.to)
        switch error.code {
        case .invalidArgument:
            // A position of another group was demanded than the key's, if it is for this that it was refused: the ring is in doubt.
            let doubtsRing = operations.update(id) { operation in
                defer { operation.hasDoubtedRing = operation.hasDoubtedRing || operation.request.isMonotonic }
                return operation.request.isMonotonic && !operation.hasDoubtedRing
            }
            guard doubtsRing == true else { return fail(id, error, at: now, into: &effects) }
            ringIsWrong = true
            pause(id, at: now, into: &effects)
        case .dataLoss: fail(id, error, at: now, into: &effects)
        case .failedPrecondition:
            if let redirect = error.redirect, operations.update(id, { $0.follow(redirect) }) == true {
                return self.attempt(id, at: now, into: &effects)
            }
            routesAreStale = true
            choice.passOver(attempt.to)
            pause(id, at: now, into: &effects)
        case .unavailable:
            routesAreStale = true
            choice.passOver(attempt.to)
            pause(id, at: now, into: &effects)
        case .resourceExhausted: pause(id, at: now, into: &effects)
        case .aborted, .deadlineExceeded:
            guard operations.update(id, { $0.mayBeDone() }) == true else { return fail(id, error, at: now, into: &effects) }
            pause(id, at: now, into: &effects)
        case .notFound: sessionForgotten(id, error, at: now, into: &effects)
        }
    }

    /// The group does not know the session any more. What was never in doubt did not happen, and gets a new identity.
    private mutating func sessionForgotten(
        _ id: OperationID, _ error: ClientError, at now: Instant, into effects: inout [ClientEffect]
    ) {
        guard let operation = operations[id], let identity = operation.identity else {
            return fail(id, error, at: now, into: &effects)
        }
        guard !operation.isInDoubt else { return fail(id, error, at: now, into: &effects) }
        release(identity, at: now, into: &effects)
        operations.update(id) { $0.identity = nil }
        groups.update(identity.group) { state in
            // The first of its mutations to hear of it ends the session; the others hear of it themselves.
            if state.window?.session == identity.session { state.window = nil }
        }
        advance(id, at: now, into: &effects)
    }

    /// The attempt may have done it.
    private mutating func doubtful(
        _ id: OperationID, _ attempt: Attempt, _ error: ClientError, at now: Instant, into effects: inout [ClientEffect]
    ) {
        let isRepeatable = operations.update(id) { operation in
            operation.lastError = error
            return operation.mayBeDone()
        }
        guard isRepeatable == true else {
            choice.failed(attempt.to, at: now, random: &random)
            return fail(id, error, at: now, into: &effects)
        }
        lost(id, attempt, at: now, into: &effects)
    }

    /// The server is no help: another one at once, if there is one that may be.
    private mutating func lost(_ id: OperationID, _ attempt: Attempt, at now: Instant, into effects: inout [ClientEffect]) {
        choice.failed(attempt.to, at: now, random: &random)
        // It may have been the primary that they name.
        if options.direct { routesAreStale = true }
        let rapid = operations.update(id) { operation in
            operation.redirect = nil
            return operation.rapidAttempts
        }
        if choice.hasHealthy(at: now), let rapid, rapid <= choice.servers.count {
            self.attempt(id, at: now, into: &effects)
        } else {
            pause(id, at: now, into: &effects)
        }
    }

    /// Tries again in a while.
    mutating func pause(_ id: OperationID, at now: Instant, into effects: inout [ClientEffect]) {
        guard let attempts = operations.update(id, { $0.attempts }) else { return }
        let latest = now + pauseLength(after: attempts)
        let until = operations.update(id) { operation in
            operation.redirect = nil
            operation.hops = 0
            operation.rapidAttempts = 0
            let until = min(operation.deadline, latest)
            operation.state = .pausing(until: until)
            return until
        }
        if let until { agenda.add(.operation(id), at: until) }
    }

    /// Doubles with each failure; half of it is drawn, so that those who failed together do not come back together.
    mutating func pauseLength(after failures: Int) -> Nanoseconds {
        let length = min(options.firstPause * Int64(1 << min(max(0, failures - 1), 20)), options.longestPause)
        return length / 2 + Nanoseconds(Int64(random.next(upperBound: UInt64(length.count / 2 + 1))))
    }

    // MARK: Time

    mutating func operationIsDue(_ id: OperationID, at now: Instant, into effects: inout [ClientEffect]) {
        guard let operation = operations[id] else { return }
        switch operation.state {
        case .waitsForRoutes, .waitsForSession:
            if operation.deadline <= now { timedOut(id, at: now, into: &effects) }
        case .pausing(let until):
            guard until <= now else { return }
            if operation.deadline <= now { timedOut(id, at: now, into: &effects) } else { advance(id, at: now, into: &effects) }
        case .attempting(let attempt):
            guard let under = attempts[attempt], under.until <= now else { return }
            if operation.deadline <= now { return timedOut(id, at: now, into: &effects) }
            attempts.removeValue(forKey: attempt)
            effects.append(.abandon(attempt))
            doubtful(id, under, ClientError(.deadlineExceeded, "no answer in time from \(under.to)"), at: now, into: &effects)
        }
    }

    private mutating func timedOut(_ id: OperationID, at now: Instant, into effects: inout [ClientEffect]) {
        giveUp(id, .deadlineExceeded, "not answered in time", at: now, into: &effects)
    }

    /// Ends an operation whose caller waits no longer, wherever it is.
    private mutating func giveUp(
        _ id: OperationID, _ code: ClientError.Code, _ reason: String, at now: Instant, into effects: inout [ClientEffect]
    ) {
        guard let operation = operations[id] else { return }
        if case .attempting(let attempt) = operation.state {
            attempts.removeValue(forKey: attempt)
            effects.append(.abandon(attempt))
            operations.update(id) { _ = $0.mayBeDone() }
        }
        let isInDoubt = operations.update(id) { $0.isInDoubt } == true
        let last = (operation.lastError ?? obstacle(of: operation)).map { "; the last failure: \($0.message)" } ?? ""
        let certainty = operation.request.isRead ? "nothing was read" : isInDoubt ? "it may have happened" : "nothing was done"
        let error = ClientError(isInDoubt ? code : .unavailable, "\(reason); \(certainty)\(last)")
        fail(id, error, at: now, into: &effects)
    }

    /// What keeps an operation that has not been attempted.
    private func obstacle(of operation: Operation) -> ClientError? {
        switch operation.state {
        case .waitsForRoutes: fetchError
        case .waitsForSession(let group): groups[group]?.lastError
        case .pausing, .attempting: nil
        }
    }

    // MARK: The end

    private mutating func fail(_ id: OperationID, _ error: ClientError, at now: Instant, into effects: inout [ClientEffect]) {
        guard let operation = operations[id] else { return }
        finish(id, operation.isInDoubt ? .unknown(error) : .notDone(error), at: now, into: &effects)
    }

    private mutating func finish(
        _ id: OperationID, _ outcome: ClientOutcome, at now: Instant, into effects: inout [ClientEffect]
    ) {
        guard let operation = operations.removeValue(forKey: id) else { return }
        effects.append(.finished(id, outcome))
        if let identity = operation.identity { release(identity, at: now, into: &effects) }
    }

    /// Nobody waits for this number any more.
    private mutating func release(_ identity: Identity, at now: Instant, into effects: inout [ClientEffect]) {
        groups.update(identity.group) { state in
            if state.window?.session == identity.session { state.window?.end(identity.sequence) }
        }
        letWaitingGo(identity.group, at: now, into: &effects)
    }

    private mutating func saw(_ position: GroupPosition) {
        if groups[position.group] == nil { groups[position.group] = GroupState() }
        groups.update(position.group) { state in
            // Of another lineage is newer, whatever its number: the old one is gone.
            if let seen = state.seen, seen.lineage == position.lineage, seen.seq >= position.seq { return }
            state.seen = position
        }
    }
}

extension KeyResult {
    fileprivate func fits(_ request: ClientOperation) -> Bool {
        switch (self, request) {
        case (.put, .put), (.value, .get), (.deleted, .delete): true
        case (.put, _), (.value, _), (.deleted, _), (.opened, _): false
        }
    }
}
