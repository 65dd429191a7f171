import Machine
import Replication
import Storage
import Wire

// How a primary executes a mutation once, however often it arrives.
//
// A mutation with an identity is looked for in two places: in the committed state (`SessionTable`) and among this primary's own
// entries that are not committed yet (`PendingCalls`). Together they are complete. An entry that another primary appended either
// is not in this one's log, and then no later primary will commit it (it would have to come from a store that has more than an
// in-sync one may lack); or it is, and then it was committed by the first entry of this term, before the primary served anybody
// (`Primary.enterOffice`). So what is in neither place has not happened, and will not by an earlier attempt, unless this primary
// is deposed already: then what it appends will not be committed either.
//
// What is remembered is answered whatever the lease says. The answer claims that the mutation happened and what it did, and that
// stays true for ever, because it is committed; a deposed primary is as right about it as any. But that a session is *not* there
// could be a deposed primary's ignorance of a session that its successor has opened: that is said under a lease only.

extension DataNode {
    /// Precondition: a primary in office that owns the key.
    mutating func executeOnce(
        _ operation: Operation, _ kind: PendingCalls.Write.Kind, _ identity: RequestIdentity, origin: Origin, now: Instant,
        into effects: inout Sink
    ) {
        guard identity.group == group else {
            return origin.fail(
                .notFound, "session \(identity.session) is of group \(identity.group), not of \(group); nothing was done",
                into: &effects)
        }
        keepSessions(now: now)
        keeper?.heard(identity.session, at: now)
        switch pending.join(PendingCalls.Mutation(identity), origin, atMost: options.pendingWrites) {
        case .joined: return effects.reached(.repeatWaitedForEntry)
        case .atBound:
            effects.reached(.writesAtBound)
            return origin.fail(
                .resourceExhausted, "\(pending.callers) callers wait for writes of group \(group) already", into: &effects)
        case .unknown: break
        }
        switch store.recollection(of: identity) {
        case .happened(let seq, let result):
            effects.reached(.resultRemembered)
            if let term = primary?.term, store.term(at: seq) != term { effects.reached(.resultRememberedAcrossTerms) }
            origin.answer(.done(result, at: position(seq)), into: &effects)
        case .forgotten:
            effects.reached(.resultForgotten)
            origin.fail(
                .aborted,
                "the client of session \(identity.session) waits for mutation \(identity.sequence) no more; it may have happened",
                into: &effects)
        case .unknownSession: refuseSession(identity.session, origin, now: now, into: &effects)
        case .new(let lowestOpen):
            // Whether it will be closed is not decided before that entry is committed; nor does anything of it come behind that.
            guard keeper?.closes(identity.session) != true else {
                return origin.fail(
                    .unavailable, "session \(identity.session) is being closed; nothing was done", into: &effects)
            }
            guard identity.sequence - max(lowestOpen, identity.lowestOpen) < UInt64(options.sessions.mostResults) else {
                effects.reached(.resultsAtBound)
                return origin.fail(
                    .resourceExhausted,
                    "mutation \(identity.sequence) is too far beyond the lowest that the client of session \(identity.session) "
                        + "waits for, \(max(lowestOpen, identity.lowestOpen)); the limit is \(options.sessions.mostResults); "
                        + "nothing was done",
                    into: &effects)
            }
            append(operation, kind, identity: identity, origin: origin, into: &effects)
        }
    }

    private mutating func refuseSession(
        _ session: SessionID, _ origin: Origin, now: Instant, into effects: inout Sink
    ) {
        guard primary?.leaseHolds(at: now) == true else {
            return origin.fail(
                .unavailable, "session \(session) is not known here, and may be elsewhere; nothing was done", into: &effects)
        }
        effects.reached(.sessionUnknown)
        origin.fail(
            .notFound, "group \(group) does not know session \(session): it expired or made room; nothing was done",
            into: &effects)
    }

    /// Precondition: a primary in office.
    mutating func openSession(origin: Origin, now: Instant, into effects: inout Sink) {
        keepSessions(now: now)
        let underWay = pending.openings - (keeper?.closingCount ?? 0)
        if store.sessionCount + underWay >= options.sessions.mostSessions {
            guard hasRoom(0), let idlest = keeper?.evictable(of: store.sessions.ids, at: now) else {
                effects.reached(.sessionsAtBound)
                return origin.fail(
                    .resourceExhausted,
                    "group \(group) has \(store.sessionCount) client sessions, which is the limit, and all are in use; nothing was done",
                    into: &effects)
            }
            effects.reached(.sessionEvicted)
            close(idlest)
        }
        guard let term = primary?.term else { return }
        // Its name is where its entry will be: that is the next one, or none is appended.
        let session = SessionID(opened: Position(term: term, seq: store.last.seq + 1))
        append(.openSession, .open(session), origin: origin, into: &effects)
    }

    /// Closes the sessions that have been silent for too long.
    mutating func expireSessions(now: Instant, into effects: inout Sink) {
        guard phase == .running, primary?.isServing == true else { return }
        keepSessions(now: now)
        // While this primary hands over nothing is appended.
        guard primary?.isHandingOver != true, keeper?.isTimeToLook(at: now) == true else { return }
        for session in keeper?.expired(of: store.sessions.ids, at: now) ?? [] {
            effects.reached(.sessionExpired)
            close(session)
        }
    }

    private mutating func close(_ session: SessionID) {
        guard let term = primary?.term else { return }
        let position = Position(term: term, seq: store.last.seq + 1)
        store.append(Entry(position: position, operation: .closeSession(session)))
        keeper?.closed(session, by: position.seq)
    }

    private mutating func keepSessions(now: Instant) {
        if keeper == nil { keeper = SessionKeeper(options: options.sessions, at: now) }
    }
}
