import Machine
import Replication
import Wire

// How a data node begins and ends: store, session, registration; and the reverse.

extension DataNode {
    mutating func start(now: Instant, into effects: inout Sink) {
        guard phase == .unstarted else { return }
        phase = .opening
        // Until the log tells what lives before this one may have promised; nothing is done before it does.
        promise = Promise(start: now, lease: options.replication.lease)
        startedAt = now
        store.open(into: &effects)
    }

    mutating func completed(_ completion: DiskCompletion, now: Instant, into effects: inout Sink) {
        for event in store.completed(completion, into: &effects) {
            guard phase != .ended else { return }
            switch event {
            case .opened: storeOpened(now: now, into: &effects)
            case .refused(let reason):
                phase = .ended
                effects.append(.halt(.refused(reason)))
            case .failed(let reason): stop(reason, now: now, into: &effects)
            case .synced: break  // The batch's end looks at the durable marks.
            case .truncated:
                storeRewritten(now: now, into: &effects)
                evaluate(now: now, into: &effects)
            case .entriesRead(let ticket, let entries):
                primary?.entriesRead(ticket: ticket, entries, store: &store, now: now, into: &effects)
            case .walked(let ticket, let walk, let entries):
                primary?.walked(ticket: ticket, walk, entries, store: store, now: now, into: &effects)
            case .copyWritten: break  // The batch's end tells the primary.
            case .copyTaken:
                follower?.copyTaken(store: store, into: &effects)
                evaluate(now: now, into: &effects)
            case .closed: session.close(into: &effects)
            case .setAside: logWasSetAside(now: now, into: &effects)
            }
        }
    }

    private mutating func storeOpened(now: Instant, into effects: inout Sink) {
        guard phase == .opening else { return }
        if store.longestLease > options.replication.lease { effects.reached(.longerLeaseInherited) }
        promise = Promise(start: startedAt, lease: max(options.replication.lease, min(store.longestLease, Append.longestLease)))
        phase = .running
        session.open(at: now, into: &effects)
    }

    /// The node must not go on: one line for the operator, and the end. A supervisor starts it again.
    mutating func stop(_ reason: String, now: Instant, into effects: inout Sink) {
        stepDown("the node must stop", now: now, into: &effects)
        stale.failAll("group \(group): the node must stop", into: &effects)
        phase = .ended
        effects.append(.halt(.broken(reason)))
    }

    // MARK: Shutdown

    mutating func shutdownRequested(now: Instant, into effects: inout Sink) {
        switch phase {
        case .unstarted, .opening:
            effects.reached(.shutdownDuringOpening)
            phase = .ended
            effects.append(.halt(.finished))
        case .running:
            phase = .draining
            stale.failAll("this node of group \(group) is shutting down", into: &effects)
            if !pending.isEmpty { effects.reached(.shutdownWaited) }
            effects.log(.info, "shutting down", [LogField("group", group), LogField("inFlight", pending.writes.count)])
            effects.append(.setTimer(Timer.drain, at: now + options.drainTime))
            // Where it cannot hand over, its end is noticed by its session's, which it closes.
            if let reason = primary?.beginHandover(to: nil, leaving: true, now: now, into: &effects) {
                effects.log(.info, "ending as primary without an heir", [LogField("group", group), LogField("reason", reason)])
            }
        case .draining, .closing, .ended: break
        }
    }

    /// Nothing is in flight any more, or it has taken too long.
    mutating func drainEnded(now: Instant, into effects: inout Sink) {
        switch phase {
        case .draining:
            phase = .closing
            if !pending.isEmpty { effects.reached(.drainTimedOut) }
            leave("the node is shutting down", now: now, into: &effects)
            effects.append(.setTimer(Timer.drain, at: now + options.drainTime))
            if store.isRewriting {
                // The log is left as a crash would leave it, which opening knows how to take.
                session.close(into: &effects)
            } else {
                store.close(into: &effects)
            }
        case .closing:
            effects.reached(.closingTimedOut)
            phase = .ended
            effects.append(.halt(.finished))
        case .unstarted, .opening, .running, .ended: break
        }
    }
}
