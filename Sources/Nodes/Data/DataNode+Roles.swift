import Coordination
import Machine
import Replication
import Wire

// Who this node is: what its group's config says of its present life, and nothing else.

extension DataNode {
    /// Looks at the group again. Called after everything that may have changed what config says of this life, or whether
    /// this life can act on it.
    mutating func evaluate(now: Instant, into effects: inout Sink) {
        guard phase == .running || phase == .draining, store.isOpen, let number, view.isLoaded else { return }
        if !view.isRegistered(number) {
            guard wasSeen else { return }
            return registrationVanished(now: now, into: &effects)
        }
        wasSeen = true
        guard let config = view.config else { return }
        if config.primary == MemberID(store: store.store, number: number) {
            serve(config, as: number, now: now, into: &effects)
        } else {
            if primary != nil { stepDown("config names another primary in term \(config.term)", into: &effects) }
            if store.lineage == config.lineage, config.term > store.adoptedTerm, !store.isRewriting {
                store.adopt(term: config.term)
            }
        }
    }

    private mutating func serve(_ config: GroupConfig, as number: UInt64, now: Instant, into effects: inout Sink) {
        if primary != nil {
            primary?.registered(view.registered, view.members, store: store, now: now)
            if let verdict = primary?.observed(config, version: view.configVersion, into: &effects) {
                conclude(verdict, into: &effects)
            }
            return
        }
        guard config.term > endedTerm, phase == .running, !store.isRewriting else { return }
        if let own = store.lineage, own != config.lineage {
            effects.log(
                .error, "elected, but this store holds another history",
                [LogField("group", group), LogField("lineage", own), LogField("expected", config.lineage)]
            )
            return
        }
        guard config.term >= store.adoptedTerm else { return }
        effects.log(
            .notice, "elected primary, taking office",
            [
                LogField("group", group), LogField("term", config.term), LogField("number", number),
                LogField("position", store.last), LogField("commit", store.commit),
            ]
        )
        configPort.session = session.token
        primary = Primary(
            group: group, me: MemberID(store: store.store, number: number), config: config, version: view.configVersion,
            options: options.replication, port: configPort, store: &store, now: now
        )
        primary?.registered(view.registered, view.members, store: store, now: now)
        effects.append(.setTimer(Timer.heartbeat, at: now + options.replication.heartbeat))
    }

    mutating func conclude(_ verdict: Primary.Verdict, into effects: inout Sink) {
        switch verdict {
        case .deposed(let reason): stepDown(reason, into: &effects)
        }
    }

    /// Ends this life's primary. What it had appended may still come to be; it says so to everyone who waits.
    mutating func stepDown(_ reason: String, into effects: inout Sink) {
        guard let primary else { return }
        effects.log(
            .warning, "stepping down as primary",
            [LogField("group", group), LogField("term", primary.term), LogField("reason", reason)]
        )
        endedTerm = max(endedTerm, primary.term)
        configPort = primary.port
        self.primary = nil
        effects.append(.cancelTimer(Timer.heartbeat))
        pending.failAll("group \(group): the primary of term \(endedTerm) stepped down", into: &effects)
        gate.failAll(before: nil, "group \(group): the primary of term \(endedTerm) stepped down", into: &effects)
    }

    /// Somebody proved this life gone while it lives: it is nobody now, and registers as a new life.
    private mutating func registrationVanished(now: Instant, into effects: inout Sink) {
        effects.log(.warning, "registration is gone, registering anew", [LogField("group", group), LogField("number", number ?? 0)])
        leave("its registration is gone", into: &effects)
        register(now: now, into: &effects)
    }

    /// This life's registration is void.
    mutating func leave(_ reason: String, into effects: inout Sink) {
        stepDown(reason, into: &effects)
        number = nil
        wasSeen = false
        follower = nil
    }

    mutating func appendReceived(_ append: Append, from sender: Address, now: Instant, into effects: inout Sink) {
        guard phase == .running, store.isOpen, follower != nil else { return }
        if let primary {
            if append.term == primary.term { return }
            if append.term > primary.term, append.group == group, append.to == number {
                stepDown("\(append.from) is primary of term \(append.term)", into: &effects)
            }
        }
        switch follower?.received(append, from: sender, store: &store, now: now, into: &effects) {
        case .broken(let reason): stop("group \(group): \(reason)", into: &effects)
        case .taken, .dropped, nil: break
        }
    }
}
