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
            guard wasSeen || view.isCurrent(session) else { return }
            return registrationVanished(now: now, into: &effects)
        }
        wasSeen = true
        guard let config = view.config else { return }
        if setsAsideFormerLog(config, now: now, into: &effects) { return }
        becomeWhole(config, as: number, into: &effects)
        if config.primary == MemberID(store: store.store, number: number) {
            serve(config, as: number, now: now, into: &effects)
            // One that an operator has chosen takes the new history up only there; and its next registration may come before
            // anything else makes it look again.
            becomeWhole(config, as: number, into: &effects)
        } else {
            if primary != nil { stepDown("config names another primary in term \(config.term)", now: now, into: &effects) }
            let me = MemberID(store: store.store, number: number)
            roleTeller.observed(config, group: group, me: me, into: &effects)
            keepVigil(config, as: me, now: now, into: &effects)
            if store.lineage == config.lineage, config.term > store.adoptedTerm, !store.isRewriting {
                effects.reached(.termAdoptedFromConfig)
                store.adopt(term: config.term)
            }
        }
    }

    /// An in-sync member of its own history has everything that counts, whatever a crash had taken from it before.
    private mutating func becomeWhole(_ config: GroupConfig, as number: UInt64, into effects: inout Sink) {
        guard !store.isWhole, store.isOpen, store.lineage == config.lineage,
            config.inSync.contains(MemberID(store: store.store, number: number))
        else { return }
        effects.reached(.becameWholeAgain)
        store.becameWhole()
    }

    private mutating func serve(_ config: GroupConfig, as number: UInt64, now: Instant, into effects: inout Sink) {
        if primary != nil {
            primary?.registered(view.registered, view.members, store: &store, now: now)
            if let verdict = primary?.observed(config, version: view.configVersion, now: now, into: &effects) {
                conclude(verdict, now: now, into: &effects)
            }
            return
        }
        guard config.term > endedTerm, phase == .running, !store.isRewriting else { return }
        guard config.term >= store.adoptedTerm, takesUpLineage(config, into: &effects) else { return }
        effects.log(
            .notice, "elected primary, taking office",
            [
                LogField("group", group), LogField("term", config.term), LogField("number", number),
                LogField("position", store.last), LogField("commit", store.commit),
            ]
        )
        hasLed = true
        store.dropCopy(into: &effects)
        vigil.end()
        roleTeller.begin()
        configPort.session = session.token
        primary = Primary(
            group: group, me: MemberID(store: store.store, number: number), config: config, version: view.configVersion,
            options: options.replication, port: configPort, store: &store, now: now
        )
        primary?.registered(view.registered, view.members, store: &store, now: now)
        effects.append(.setTimer(Timer.heartbeat, at: now + options.replication.heartbeat))
    }

    mutating func conclude(_ verdict: Primary.Verdict, now: Instant, into effects: inout Sink) {
        switch verdict {
        case .deposed(let reason): stepDown(reason, now: now, into: &effects)
        case .handedOver(let heir):
            if phase == .draining { effects.reached(.handedOverAtShutdown) }
            stepDown("handed over to \(heir)", heir: heir, now: now, into: &effects)
        }
    }

    /// Ends this life's primary. What it had appended may still come to be; it says so to everyone who waits.
    mutating func stepDown(_ reason: String, heir: MemberID? = nil, now: Instant, into effects: inout Sink) {
        guard let primary else { return }
        effects.log(
            .warning, "stepping down as primary",
            [LogField("group", group), LogField("term", primary.term), LogField("reason", reason)]
        )
        endedTerm = max(endedTerm, primary.term)
        configPort = primary.port
        self.primary = nil
        keeper = nil
        transferEnded(heir, into: &effects)
        effects.append(.cancelTimer(Timer.heartbeat))
        effects.append(.setTimer(Timer.resignation, at: now + options.replication.replicationTimeout))
        pending.failAll("group \(group): the primary of term \(endedTerm) stepped down", into: &effects)
        gate.failAll(before: nil, "group \(group): the primary of term \(endedTerm) stepped down", into: &effects)
    }

    /// A life that has stepped down does not serve that term again. Where config goes on naming it, nobody would replace it,
    /// because it is registered: so it takes its registration back, and comes again as a new life.
    mutating func resignIfStuck(now: Instant, into effects: inout Sink) {
        guard phase == .running, primary == nil, let number, let config = view.config,
            config.primary == MemberID(store: store.store, number: number), config.term <= endedTerm
        else { return }
        effects.append(.setTimer(Timer.resignation, at: now + options.replication.replicationTimeout))
        guard view.isCurrent(session) else { return }
        effects.log(
            .warning, "stepped down in a term that config still gives to this node, giving up the registration",
            [LogField("group", group), LogField("term", config.term), LogField("number", number)]
        )
        configPort.session = session.token
        configPort.request(.delete(path: Paths.member(number, ofGroup: group), version: -1), into: &effects)
    }

    /// Somebody proved this life gone while it lives: it is nobody now, and registers as a new life.
    private mutating func registrationVanished(now: Instant, into effects: inout Sink) {
        effects.log(
            .warning, "registration is gone, registering anew", [LogField("group", group), LogField("number", number ?? 0)])
        effects.reached(.storeRegistrationVanished)
        let hadLed = hasLed
        leave("its registration is gone", now: now, into: &effects)
        leaderVanished = hadLed
        register(now: now, into: &effects)
    }

    /// This life's registration is void.
    mutating func leave(_ reason: String, now: Instant, into effects: inout Sink) {
        stepDown(reason, now: now, into: &effects)
        store.dropCopy(into: &effects)
        number = nil
        wasSeen = false
        hasLed = false
        follower = nil
        vigil.end()
        roleTeller.begin()
    }

    mutating func appendReceived(_ append: Append, from sender: Address, now: Instant, into effects: inout Sink) {
        guard
            follows(
                append.from, of: append.term, append.group, append.lineage, to: append.to, now: now, into: &effects)
        else { return }
        concluded(follower?.received(append, from: sender, store: &store, now: now, into: &effects), now: now, into: &effects)
    }

    mutating func pieceReceived(_ piece: CopyPiece, from sender: Address, now: Instant, into effects: inout Sink) {
        guard follows(piece.from, of: piece.term, piece.group, piece.lineage, to: piece.to, now: now, into: &effects)
        else { return }
        concluded(follower?.received(piece, from: sender, store: &store, now: now, into: &effects), now: now, into: &effects)
    }

    /// Whether somebody's word as primary is the follower's business; a primary that is told of a higher term steps down.
    private mutating func follows(
        _ other: MemberID, of term: UInt64, _ group: String, _ lineage: Lineage, to number: UInt64, now: Instant,
        into effects: inout Sink
    ) -> Bool {
        guard phase == .running, store.isOpen, follower != nil else { return false }
        guard let primary else { return true }
        if term == primary.term { return false }
        if term > primary.term, group == self.group, number == self.number, lineage == store.lineage,
            other.store != store.store
        {
            stepDown("\(other) is primary of term \(term)", now: now, into: &effects)
        }
        return true
    }

    private mutating func concluded(_ verdict: Follower.Verdict?, now: Instant, into effects: inout Sink) {
        switch verdict {
        case .broken(let reason): stop("group \(group): \(reason)", now: now, into: &effects)
        case .taken, .dropped, nil: break
        }
    }
}
