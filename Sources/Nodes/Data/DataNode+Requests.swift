import Machine
import Wire

// What a data node answers. Only a primary in office takes requests, for the keys that its group owns; everybody else says
// who does. Stale reads are everybody's (`DataNode+StaleReads`).

extension DataNode {
    mutating func requested(_ request: ClientRequest, call: CallID, now: Instant, into effects: inout Sink) {
        switch request {
        case .key(let request, _): take(request, origin: .call(call), now: now, into: &effects)
        case .transfer(let request): transferRequested(request, origin: .call(call), now: now, into: &effects)
        case .recover: refuseRecovery(.call(call), into: &effects)
        case .status, .routes:
            let message = "this is a data node of group \(group); a server knows the cluster"
            effects.append(.reply(.failed(ClientError(.failedPrecondition, message)), to: call))
        }
    }

    /// A request of a client, directly or through a server.
    mutating func take(_ request: KeyRequest, origin: Origin, now: Instant, into effects: inout Sink) {
        if let violation = options.limits.violation(of: request) { return origin.answer(.failed(violation), into: &effects) }
        guard phase == .running else {
            let state = phase == .opening ? "is opening its store" : "is shutting down"
            return origin.fail(.unavailable, "this node of group \(group) \(state); nothing was done", into: &effects)
        }
        if case .get(let key, .stale(let position)) = request {
            return readStale(key, atLeast: position, origin: origin, now: now, into: &effects)
        }
        guard primary != nil else { return refuseAsReplica(origin, into: &effects) }
        guard primary?.isServing == true else {
            effects.reached(.refusedWhileTakingOffice)
            let message = "group \(group): its primary is taking office in term \(primary?.term ?? 0); nothing was done"
            return origin.fail(.unavailable, message, into: &effects)
        }
        guard primary?.isHandingOver != true else {
            effects.reached(.refusedWhileHandingOver)
            return origin.fail(.unavailable, "group \(group): its primary is handing over; nothing was done", into: &effects)
        }
        switch gate.admit(request, origin: origin, now: now) {
        case .admitted: execute(request, origin: origin, now: now, into: &effects)
        case .refused(let error):
            effects.reached(gate.isPending ? .requestForPendingGroup : .keyOfAnotherGroup)
            origin.answer(.failed(error), into: &effects)
        case .waits: break
        }
    }

    mutating func refuseAsReplica(_ origin: Origin, into effects: inout Sink) {
        guard let chosen = view.config?.primary?.number, let index = view.members.index(of: chosen), chosen != number else {
            return origin.fail(.unavailable, "group \(group) has no primary; nothing was done", into: &effects)
        }
        effects.reached(.replicaNamedPrimary)
        let primary = view.members.values[index].address
        if redirect?.address != primary {
            redirect = Redirect(
                address: primary, reason: "not the primary of group \(group); \(primary) is; nothing was done")
        }
        origin.fail(.failedPrecondition, redirect?.reason ?? "", redirect: primary, into: &effects)
    }

    /// Precondition: a primary in office that owns the key.
    private mutating func execute(_ request: KeyRequest, origin: Origin, now: Instant, into effects: inout Sink) {
        switch request {
        case .get(let key, let mode):
            guard pending.readCount < options.pendingReads else {
                effects.reached(.readsAtBound)
                return origin.fail(
                    .resourceExhausted, "\(options.pendingReads) reads wait at the primary of group \(group) already",
                    into: &effects
                )
            }
            let read = PendingCalls.Read(key: key, arrived: now, origin: origin)
            switch mode {
            case .confirmed: pending.confirmed.add(read)
            // (Stale ones were answered before.)
            case .linearizable, .stale: pending.add(read)
            }
        case .put(let key, let value, let identity?):
            executeOnce(.put(key: key, value: value), .put, identity, origin: origin, now: now, into: &effects)
        case .delete(let key, let identity?):
            executeOnce(.delete(key: key), .delete, identity, origin: origin, now: now, into: &effects)
        case .put(let key, let value, nil): append(.put(key: key, value: value), .put, origin: origin, into: &effects)
        case .delete(let key, nil): append(.delete(key: key), .delete, origin: origin, into: &effects)
        case .openSession: openSession(origin: origin, now: now, into: &effects)
        }
    }

    /// Whether one more write, of so many bytes, may wait for its commit.
    func hasRoom(_ bytes: Int) -> Bool {
        pending.callers < options.pendingWrites && pending.writeBytes + bytes <= options.pendingWriteBytes
    }

    mutating func append(
        _ operation: Operation, _ kind: PendingCalls.Write.Kind, identity: RequestIdentity? = nil, origin: Origin,
        into effects: inout Sink
    ) {
        guard let term = primary?.term else { return }
        let bytes = operation.payloadBytes
        guard hasRoom(bytes) else {
            effects.reached(.writesAtBound)
            return origin.fail(
                .resourceExhausted,
                "\(pending.writes.count) writes of \(pending.writeBytes) bytes wait at the primary of group \(group); the limits are "
                    + "\(options.pendingWrites) and \(options.pendingWriteBytes); nothing was done",
                into: &effects
            )
        }
        let position = Position(term: term, seq: store.last.seq + 1)
        var recorded = identity
        recorded?.group = ""
        store.append(Entry(position: position, operation: operation, identity: recorded))
        pending.add(
            PendingCalls.Write(
                seq: position.seq, kind: kind, bytes: bytes, origin: origin, mutation: identity.map { .init($0) }))
    }

    /// Has the ring proved for requests that wait for it, and takes up those that need wait no more.
    mutating func proveRing(now: Instant, into effects: inout Sink) {
        // While it hands over nothing may be appended; the requests wait, and are told so in time.
        guard !gate.waiting.isEmpty, let isServing = primary?.isServing, primary?.isHandingOver != true else { return }
        for (waiting, admission) in gate.takeReady() {
            switch admission {
            case .admitted: execute(waiting.request, origin: waiting.origin, now: now, into: &effects)
            case .refused(let error): waiting.origin.answer(.failed(error), into: &effects)
            case .waits: preconditionFailure("what is ready does not wait")
            }
        }
        if gate.batchEnded(isServing: isServing && session.isConnected, into: &effects) {
            ringView.refresh(session: session, at: now, into: &effects)
        }
    }
}
