import Coordination
import Machine
import Replication
import Wire

// What ZooKeeper says: an answer is offered to the part that asked, everything else to every part of the node; each knows
// its own.

extension DataNode {
    mutating func coordinated(_ event: CoordinationEvent, now: Instant, into effects: inout Sink) {
        let change = session.step(event, at: now, into: &effects)
        switch change {
        case .expired: leave("the ZooKeeper session expired", now: now, into: &effects)
        case .closed:
            if phase == .closing {
                phase = .ended
                effects.append(.halt(.finished))
                return
            }
        case .established:
            gate.begin(session: session.token)
            register(now: now, into: &effects)
        case .reconnected: primary?.reconnected(into: &effects)
        case .disconnected, nil: break
        }
        let asker: UInt32? = if case .reply(let id, _) = event.kind { id.owner } else { nil }
        if asker == nil || asker == Owner.registration,
            let outcome = registration.step(event, session: session, at: now, into: &effects)
        {
            concluded(outcome, now: now, into: &effects)
        }
        let viewChanged =
            (asker == nil || asker == Owner.view) && view.step(event, session: session, at: now, into: &effects)
        if asker == nil || asker == Owner.ring, ringView.step(event, session: session, at: now, into: &effects),
            let record = ringView.record
        {
            gate.ringRead(record, version: ringView.version)
        }
        if asker == nil || asker == Owner.master { _ = master.step(event, session: session, at: now, into: &effects) }
        // Until it shows this life, a view that has become current without a change tells something, too: that it is gone.
        if viewChanged || !wasSeen { evaluate(now: now, into: &effects) }
        guard asker == Owner.config || asker == Owner.gate, primary != nil || gate.isAsking, event.session == session.token,
            case .reply(let id, let reply) = event.kind
        else { return }
        if let verdict = primary?.coordinated(id, reply, now: now, into: &effects) {
            conclude(verdict, now: now, into: &effects)
        }
        if gate.replied(id, reply, at: position(store.commit), into: &effects) {
            ringView.refresh(session: session, at: now, into: &effects)
        }
    }

    private mutating func concluded(_ outcome: Registration.Outcome, now: Instant, into effects: inout Sink) {
        switch outcome {
        case .found(let nonce, let elsewhere):
            guard phase == .running, store.isOpen else { return }
            storeFound(nonce, elsewhere: elsewhere, now: now, into: &effects)
        case .registered(let number):
            guard phase == .running else { return }
            self.number = number
            wasSeen = false
            follower = Follower(group: group, me: MemberID(store: store.store, number: number))
            if leaderVanished, let config = view.config, config.term > endedTerm { effects.reached(.deposedPrimaryRejoined) }
            leaderVanished = false
            effects.log(
                .notice, "registered",
                [
                    LogField("group", group), LogField("number", number), LogField("store", store.store),
                    LogField("position", store.last),
                ]
            )
            view.refresh(session: session, at: now, into: &effects)
            evaluate(now: now, into: &effects)
        }
    }

    mutating func coordinationTimerFired(_ timer: TimerID, now: Instant, into effects: inout Sink) {
        registration.timerFired(timer, session: session, at: now, into: &effects)
        view.timerFired(timer, session: session, at: now, into: &effects)
        ringView.timerFired(timer, session: session, at: now, into: &effects)
        master.timerFired(timer, session: session, at: now, into: &effects)
    }
}
