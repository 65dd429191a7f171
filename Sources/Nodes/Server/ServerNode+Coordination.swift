import Coordination
import Machine
import Wire

// What a server does with ZooKeeper: it registers, watches, stands for election, and manages groups as master.

extension ServerNode {
    mutating func coordinated(_ event: CoordinationEvent, at now: Instant, into effects: inout Sink) {
        coordinationStirred = true
        if let change = session.step(event, at: now, into: &effects) { sessionChanged(change, at: now, into: &effects) }
        guard phase != .ended else { return }
        switch event.kind {
        case .reply(let id, _):
            if id.owner >= Owner.firstGroup {
                offerToGroups(event, only: id.owner, at: now, into: &effects)
            } else {
                offer(event, only: id.owner, at: now, into: &effects)
            }
        case .connected, .disconnected, .expired, .closed, .watchFired:
            offer(event, only: nil, at: now, into: &effects)
            offerToGroups(event, only: nil, at: now, into: &effects)
        }
    }

    /// To the machine that asked, or to every one but the group views; each knows what is its own.
    private mutating func offer(
        _ event: CoordinationEvent, only asker: UInt32?, at now: Instant, into effects: inout Sink
    ) {
        func concerns(_ owner: UInt32) -> Bool { asker == nil || asker == owner }
        if concerns(Owner.registration),
            let outcome = registration.step(event, session: session, at: now, into: &effects)
        {
            registered(outcome, at: now, into: &effects)
        }
        if concerns(Owner.servers) { _ = servers.step(event, session: session, at: now, into: &effects) }
        if concerns(Owner.master) { _ = master.step(event, session: session, at: now, into: &effects) }
        if concerns(Owner.catalog), catalog.step(event, session: session, at: now, into: &effects) {
            catalogChanged(at: now, into: &effects)
        }
        if concerns(Owner.ring), ring.step(event, session: session, at: now, into: &effects) { routesChanged = true }
        if concerns(Owner.election), let outcome = election.step(event, session: session, at: now, into: &effects) {
            electionEnded(outcome, at: now, into: &effects)
        }
        if asker == Owner.mastership {
            mastership?.step(event, groups: &groups, ring: &ring, session: session, at: now, into: &effects)
            countRecoveries(at: now, into: &effects)
            concludeRecoveries(into: &effects)
        }
    }

    private mutating func offerToGroups(
        _ event: CoordinationEvent, only owner: UInt32?, at now: Instant, into effects: inout Sink
    ) {
        let session = session
        for index in groups.keys.indices {
            let isChanged = groups.update(at: index) { view in
                guard owner == nil || owner == view.owner else { return false }
                return view.step(event, session: session, at: now, into: &effects)
            }
            guard isChanged else { continue }
            routesChanged = true
            let problem = groups.values[index].primaryAddress == nil ? GroupPlan(groups.values[index]).problem : nil
            impasses[groups.keys[index]] = problem
        }
    }

    mutating func coordinationTimerFired(_ timer: TimerID, at now: Instant, into effects: inout Sink) {
        coordinationStirred = true
        session.timerFired(timer, at: now, into: &effects)
        registration.timerFired(timer, session: session, at: now, into: &effects)
        servers.timerFired(timer, session: session, at: now, into: &effects)
        master.timerFired(timer, session: session, at: now, into: &effects)
        catalog.timerFired(timer, session: session, at: now, into: &effects)
        ring.timerFired(timer, session: session, at: now, into: &effects)
        election.timerFired(timer, session: session, at: now, into: &effects)
        guard timer.purpose == Timer.groups.rawValue else { return }
        let session = session
        for index in groups.keys.indices {
            groups.update(at: index) { $0.timerFired(timer, session: session, at: now, into: &effects) }
        }
    }

    private mutating func sessionChanged(_ change: Session.Change, at now: Instant, into effects: inout Sink) {
        switch change {
        case .established: register(at: now, into: &effects)
        case .reconnected, .disconnected: break
        case .expired:
            // What was known goes on serving as routes; what this server was, it is no more.
            number = nil
            if isMaster { effects.reached(.masterLostSession) }
            endMastership("its ZooKeeper session expired", into: &effects)
        case .closed: sessionClosed(into: &effects)
        }
    }

    /// Takes a number, as a new life.
    private mutating func register(at now: Instant, into effects: inout Sink) {
        guard phase == .running else { return }
        number = nil
        let content = ServerRegistration(address: address, guid: random.uuid())
        registration.begin(content: content.bytes, session: session, at: now, into: &effects)
    }

    private mutating func registered(_ outcome: Registration.Outcome, at now: Instant, into effects: inout Sink) {
        switch outcome {
        case .registered(let number):
            self.number = number
            effects.log(.info, "registered as server", [LogField("number", number), LogField("address", address)])
            servers.refresh(session: session, at: now, into: &effects)
        // It has no store.
        case .found: break
        }
    }

    private mutating func catalogChanged(at now: Instant, into effects: inout Sink) {
        let names = catalog.groups
        for name in groups.keys where !names.contains(name) {
            groups[name] = nil
            impasses[name] = nil
        }
        for name in names where groups[name] == nil {
            let timer = TimerID(purpose: Timer.groups.rawValue, instance: UInt64(nextGroupOwner))
            var view = GroupView(group: name, owner: nextGroupOwner, timer: timer, random: random.fork())
            nextGroupOwner += 1
            view.begin(session: session, at: now, into: &effects)
            groups[name] = view
        }
        routesChanged = true
    }
}

// MARK: - Mastership

extension ServerNode {
    /// What the events of a batch led to, looked at once.
    mutating func advanceCoordination(at now: Instant, into effects: inout Sink) {
        guard phase == .running || phase == .draining, session.isConnected else { return }
        checkRegistration(at: now, into: &effects)
        checkMaster(at: now, into: &effects)
        mastership?.review(groups, ring: ring, session: session, at: now, into: &effects)
    }

    /// Somebody may have deleted this life's registration while it lives, even before this server has heard that it is registered.
    /// One that is about to end needs none any more.
    private mutating func checkRegistration(at now: Instant, into effects: inout Sink) {
        guard phase == .running, let number, servers.isCurrent(session), !servers.isRegistered(number) else { return }
        effects.reached(.serverRegistrationVanished)
        effects.log(.warning, "registration is gone, registering anew", [LogField("number", number)])
        register(at: now, into: &effects)
    }

    /// Stands for election where there is no master, and resigns where there is another.
    private mutating func checkMaster(at now: Instant, into effects: inout Sink) {
        if isMaster, mastership?.wasDeposed() == true {
            endMastership("another server was elected", into: &effects)
            master.refresh(session: session, at: now, into: &effects)
        }
        guard master.isCurrent(session) else { return }
        let isOurs = master.isOurs(session)
        let isVacant = !isOurs && master.isVacant(session)
        if !isVacant, !isOurs {
            if isMaster { endMastership("another server is master", into: &effects) }
            if master.record?.address == address { effects.reached(.waitedForOwnDyingSession) }
        }
        guard isVacant || isOurs, phase == .running, let number, !election.isRunning else { return }
        if isVacant || !isMaster && master.record != nil {
            election.begin(address: address, number: number, session: session, at: now, into: &effects)
        }
    }

    private mutating func electionEnded(_ outcome: Election.Outcome, at now: Instant, into effects: inout Sink) {
        switch outcome {
        case .elected(let epoch):
            if let mastership { masterPort = mastership.usedPort }
            isMaster = true
            mastership = Mastership(
                epoch: epoch, port: masterPort, session: session, timer: Timer.mastership.id,
                virtualNodes: options.virtualNodes, probePatience: options.probePatience, random: random.fork()
            )
            effects.log(.notice, "elected master", [LogField("number", number ?? 0), LogField("epoch", epoch)])
        case .otherMaster: break
        }
        master.refresh(session: session, at: now, into: &effects)
    }

    private mutating func endMastership(_ reason: String, into effects: inout Sink) {
        guard let mastership else { return }
        masterPort = mastership.usedPort
        self.mastership = nil
        isMaster = false
        recoveriesLost(where: { $0.stage == .writing }, into: &effects)
        effects.log(.warning, "no longer master", [LogField("epoch", mastership.epoch), LogField("reason", reason)])
    }
}

// MARK: - Primaries that are not heard

extension ServerNode {
    /// Whoever is not master drops it: the standby says it again, and hears who is.
    mutating func suspected(_ suspicion: Suspicion, from sender: Address, at now: Instant, into effects: inout Sink) {
        guard isMaster else { return }
        coordinationStirred = true
        let links = links
        mastership?.suspected(
            suspicion, from: sender, groups: groups, isLinkUp: links.isUp, at: now, into: &effects)
    }

    mutating func probeAnswered(_ reply: ProbeReply, from sender: Address, into effects: inout Sink) {
        guard isMaster else { return }
        coordinationStirred = true
        mastership?.answered(reply, from: sender, into: &effects)
    }

    mutating func suspectLost(_ peer: Address, into effects: inout Sink) {
        guard isMaster else { return }
        coordinationStirred = true
        mastership?.linkDown(peer, into: &effects)
    }
}
