import Coordination
import Machine
import Wire

/// An operator's recovery of a group that waits for its end.
struct PendingRecovery: Hashable, Sendable {
    /// Who asked for it.
    enum Asker: Hashable, Sendable {
        case call(CallID)
        /// Another server, under its own number.
        case server(Address, id: UInt64)
    }

    enum Stage: Hashable, Sendable {
        /// It was passed on to the master.
        case passedOn(to: Address)
        /// ZooKeeper is asked for the group's next number, which must not move until the end.
        case counting
        /// The registered stores are asked where their logs end.
        case asking(topVersion: Int32)
        /// ZooKeeper has it.
        case writing
    }

    var asker: Asker
    var request: RecoverRequest
    var stage: Stage
    var until: Instant
    /// Questions that are open, by their identities, and who has answered.
    var questions = SortedMap<UInt64, MemberID>()
    var candidates: [Recovered.Candidate] = []
}

// An operator's word that a group shall go on without its in-sync stores goes to the master. It asks the stores that are registered
// where their logs end, because what they registered with may be old, and then decides (`Mastership.recover`). It is sent once;
// whoever wants it tried again asks again.

extension ServerNode {
    private static let mostRecoveries = 16

    mutating func recoverRequested(
        _ request: RecoverRequest, from asker: PendingRecovery.Asker, at now: Instant, into effects: inout Sink
    ) {
        func refuse(_ code: ClientError.Code, _ message: String, into effects: inout Sink) {
            answer(asker, .failed(ClientError(code, "\(message); nothing was done")), into: &effects)
        }
        guard phase == .running else { return refuse(.unavailable, "server \(address) is not serving", into: &effects) }
        guard recoveries.count < Self.mostRecoveries else {
            return refuse(.resourceExhausted, "\(Self.mostRecoveries) recoveries are under way", into: &effects)
        }
        guard mastership == nil else { return count(request, asker, at: now, into: &effects) }
        guard case .call = asker, let master = master.record?.address, master != address else {
            return refuse(.unavailable, "server \(address) is not the master, and knows no other", into: &effects)
        }
        let id = requests.freshID()
        recoveries[id] = PendingRecovery(
            asker: asker, request: request, stage: .passedOn(to: master), until: now + options.statusPatience * 8)
        effects.append(.send(.recover(id: id, request), to: master))
        setRecoveryTimer(into: &effects)
    }

    /// The master: who is registered, for certain?
    private mutating func count(
        _ request: RecoverRequest, _ asker: PendingRecovery.Asker, at now: Instant, into effects: inout Sink
    ) {
        guard groups.contains(request.group) else {
            let message = "server \(address) knows no group \(request.group); nothing was done"
            return answer(asker, .failed(ClientError(.failedPrecondition, message)), into: &effects)
        }
        let id = requests.freshID()
        recoveries[id] = PendingRecovery(
            asker: asker, request: request, stage: .counting, until: now + options.statusPatience * 2)
        let session = session
        mastership?.takeCensus(of: request.group, for: id, session: session, into: &effects)
        countRecoveries(at: now, into: &effects)
        setRecoveryTimer(into: &effects)
    }

    /// What ZooKeeper said of next numbers. What do the registered stores hold?
    mutating func countRecoveries(at now: Instant, into effects: inout Sink) {
        guard !recoveries.isEmpty else { return }
        for census in mastership?.takeCensuses() ?? [] {
            guard let pending = recoveries[census.id], pending.stage == .counting else { continue }
            // The number came behind every registration that it counts, and so did their announcements.
            guard let version = census.version, let view = groups[pending.request.group], view.isCurrent(session) else {
                end(census.id, .failed(notNow(pending.request)), into: &effects)
                continue
            }
            ask(census.id, view, topVersion: version, at: now, into: &effects)
        }
        setRecoveryTimer(into: &effects)
    }

    private mutating func ask(
        _ id: UInt64, _ view: GroupView, topVersion: Int32, at now: Instant, into effects: inout Sink
    ) {
        var questions = SortedMap<UInt64, MemberID>()
        for (number, member) in view.members {
            let question = requests.freshID()
            questions[question] = MemberID(store: member.store, number: number)
            effects.append(.send(.statusQuery(id: question), to: member.address))
        }
        recoveries.update(id) { pending in
            pending.stage = .asking(topVersion: topVersion)
            pending.until = now + options.statusPatience
            pending.questions = questions
        }
        if questions.isEmpty { decide(id, at: now, into: &effects) }
    }

    private func notNow(_ request: RecoverRequest) -> ClientError {
        ClientError(.unavailable, "group \(request.group) is just being looked at, ask again; nothing was done")
    }

    mutating func recoveryHeard(_ question: UInt64, _ replica: ReplicaStatus, at now: Instant, into effects: inout Sink) {
        guard let (id, pending) = recoveries.first(where: { $0.1.questions.contains(question) }) else { return }
        let asked = pending.questions[question]
        recoveries.update(id) { pending in
            pending.questions[question] = nil
            if asked == replica.member {
                pending.candidates.append(Recovered.Candidate(member: replica.member, last: replica.last))
            }
        }
        if recoveries[id]?.questions.isEmpty == true { decide(id, at: now, into: &effects) }
    }

    private mutating func decide(_ id: UInt64, at now: Instant, into effects: inout Sink) {
        guard let pending = recoveries[id], case .asking(let topVersion) = pending.stage else { return }
        recoveries.update(id) { pending in
            pending.questions = SortedMap()
            pending.stage = .writing
        }
        guard mastership != nil, let view = groups[pending.request.group] else {
            let error = ClientError(.unavailable, "server \(address) is no longer the master; nothing was done")
            return end(id, .failed(error), into: &effects)
        }
        let session = session
        if let reply = mastership?.recover(
            pending.request, id: id, topVersion: topVersion, candidates: pending.candidates, view, session: session, at: now,
            into: &effects)
        {
            end(id, reply, into: &effects)
        }
    }

    /// What ZooKeeper said to those that were written.
    mutating func concludeRecoveries(into effects: inout Sink) {
        guard !recoveries.isEmpty else { return }
        for outcome in mastership?.takeRecoveries() ?? [] { end(outcome.id, outcome.reply, into: &effects) }
    }

    /// Whether the answer was to one that was passed on.
    mutating func recoveryAnswered(_ id: UInt64, _ reply: ClientReply, into effects: inout Sink) -> Bool {
        guard let pending = recoveries[id], case .passedOn = pending.stage else { return false }
        end(id, reply, into: &effects)
        return true
    }

    /// The master is master no more, or the link to it broke: nobody will say what came of these.
    mutating func recoveriesLost(where isLost: (PendingRecovery) -> Bool, into effects: inout Sink) {
        for (id, pending) in recoveries where isLost(pending) {
            let message =
                "the master was lost before it answered; group \(pending.request.group) may be recovered: see its status"
            end(id, .failed(ClientError(.aborted, message)), into: &effects)
        }
    }

    mutating func recoveryTimerFired(at now: Instant, into effects: inout Sink) {
        for (id, pending) in recoveries where pending.until <= now {
            switch pending.stage {
            case .counting: end(id, .failed(notNow(pending.request)), into: &effects)
            case .asking: decide(id, at: now, into: &effects)
            case .passedOn: recoveriesLost(where: { $0 == pending }, into: &effects)
            // The session's end, at the latest, brings an answer.
            case .writing: break
            }
        }
        setRecoveryTimer(into: &effects)
    }

    private mutating func setRecoveryTimer(into effects: inout Sink) {
        let due = recoveries.values.filter { $0.stage != .writing }.map(\.until).min()
        if let due { effects.append(.setTimer(Timer.recovery.id, at: due)) }
    }

    private mutating func end(_ id: UInt64, _ reply: ClientReply, into effects: inout Sink) {
        guard let pending = recoveries[id] else { return }
        recoveries[id] = nil
        answer(pending.asker, reply, into: &effects)
    }

    private func answer(_ asker: PendingRecovery.Asker, _ reply: ClientReply, into effects: inout Sink) {
        switch asker {
        case .call(let call): effects.append(.reply(reply, to: call))
        case .server(let server, let id): effects.append(.send(.forwardReply(id: id, reply), to: server))
        }
    }
}
