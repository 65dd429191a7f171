import Machine
import Simulation
import Wire

// Mutations that a client wants done once, and says again until it knows what became of them.
//
// A client does not know which group owns a key before it was answered about it: every answer's position names the group. So it
// reads a new key first, or, where it has no session at all, opens one by that key. (Another group's session would not do: two
// groups may give out equal names.) Each attempt goes to the next server, and says the same as the first. Some mutations are
// said once more though they were answered: a late duplicate, perhaps of a session that is gone meanwhile.
//
// What was ever sent and is not known to be done is not known to be not done either, whatever the last attempt was told. Only a
// session that was gone at the first attempt is replaced by another, under which the mutation is a new one.

/// A client's session in one group.
struct ClientSession: Sendable {
    let id: SessionID
    private var next: UInt64 = 1
    /// The mutations whose answers the client waits for, ascending.
    private var open: [UInt64] = []

    init(_ id: SessionID) { self.id = id }

    mutating func begin(in group: String) -> RequestIdentity {
        open.append(next)
        next += 1
        return RequestIdentity(group: group, session: id, sequence: next - 1, lowestOpen: open[0])
    }

    mutating func finished(_ sequence: UInt64) { open.removeAll { $0 == sequence } }
}

/// How far a mutation of a session has come.
struct OnceMutation: Sendable {
    /// What the schedule says of it.
    let scheduled: ClusterSchedule.Operation
    let request: KeyRequest
    /// There as soon as it has a session.
    var identity: RequestIdentity?
    var group = ""
    /// The first attempt's call.
    var first: CallID?
    var attempts = 0
    /// The call that is under way opens a session, or tells which group's session is needed.
    var isPreparing = false
    var waitsForNextAttempt = false
    var mayHaveHappened = false

    /// A client gives up after so many calls.
    static let mostAttempts = 8
}

/// A mutation that was answered, and is said once more.
struct AnsweredMutation: Sendable {
    struct Place: Hashable, Sendable {
        var client: Int
        var index: Int
    }

    let scheduled: ClusterSchedule.Operation
    let request: KeyRequest
    let identity: RequestIdentity
    let group: String
}

extension KeyRequest {
    /// The same mutation with an identity.
    fileprivate func identified(by identity: RequestIdentity) -> KeyRequest {
        switch self {
        case .put(let key, let value, _): .put(key: key, value: value, identity: identity)
        case .delete(let key, _): .delete(key: key, identity: identity)
        case .get, .openSession: self
        }
    }
}

extension ClusterRun {
    /// Whether a mutation is one of a session, and what else is peculiar to it.
    mutating func drawOnce(
        _ kind: ClusterSchedule.Operation.Kind, _ random: inout SeededRandom
    ) -> (isOnce: Bool, again: Nanoseconds?, isKept: Bool, isFresh: Bool) {
        guard plan.sessionPercent > 0, kind == .put || kind == .delete, random.chance(plan.sessionPercent, in: 100) else {
            return (false, nil, false, false)
        }
        guard phase == .faults else { return (true, nil, false, false) }
        var again: Nanoseconds?
        if random.chance(1, in: 4) {
            let longest = random.chance(1, in: 2) ? .milliseconds(20) : min(.seconds(8), plan.data.sessions.idleTime * 3)
            again = random.length(.zero...longest)
        }
        return (true, again, random.chance(1, in: 2), random.chance(1, in: 24))
    }

    mutating func beginOnce(
        _ operation: ClusterSchedule.Operation, key: Int, _ kind: WorkloadClient.Operation.Kind, _ request: KeyRequest
    ) {
        if operation.isFresh { clients[operation.client].forgetSessions() }
        clients[operation.client].current = WorkloadClient.Operation(
            call: CallID(0), key: key, kind: kind, began: world.now, text: world.trace.isRecording ? request.brief : "",
            once: OnceMutation(scheduled: operation, request: request))
        attempt(operation.client)
    }

    /// The next call for a client's mutation: the mutation itself, or one that it needs first.
    private mutating func attempt(_ client: Int) {
        guard var operation = clients[client].current, var once = operation.once else { return }
        if once.identity == nil, let group = clients[client].groupOfKey[operation.key] {
            once.group = group
            once.identity = clients[client].sessions.update(group) { $0.begin(in: group) }
        }
        let isLost = clients[client].groupOfKey[operation.key] == nil && !clients[client].sessions.isEmpty
        let request =
            once.identity.map { once.request.identified(by: $0) }
            ?? (isLost ? .get(key: once.request.key) : .openSession(key: once.request.key))
        let scheduled = once.scheduled
        let told = scheduled.tellsPatience ? scheduled.patience : nil
        let call = world.call(.key(request, patience: told), from: client, to: process(of: scheduled, attempt: once.attempts))
        once.attempts += 1
        once.isPreparing = once.identity == nil
        once.waitsForNextAttempt = false
        if !once.isPreparing, once.first == nil {
            once.first = call
            let asked: ClientHistory.Request
            switch operation.kind {
            case .put(let version): asked = .put(version: version)
            case .delete, .get, .staleGet, .wrong: asked = .delete
            }
            if !keys[operation.key].isRetired {
                history.invoked(call, client: client, key: operation.key, asked, at: world.now)
            }
        }
        operation.call = call
        operation.once = once
        clients[client].current = operation
        clientOfCall[call] = client
        plan(.giveUp(client: client, call), after: scheduled.patience)
    }

    /// The first attempt goes where the schedule says, the others to one server after the other.
    private mutating func process(of operation: ClusterSchedule.Operation, attempt: Int) -> Int {
        guard attempt > 0, !presentServers.isEmpty else { return operation.process < roles.count ? operation.process : 0 }
        return presentServers[(operation.process + attempt) % presentServers.count]
    }

    mutating func attemptAgain(_ client: Int, after call: CallID) {
        guard let operation = clients[client].current, operation.call == call, operation.once?.waitsForNextAttempt == true
        else {
            return
        }
        attempt(client)
    }

    /// An attempt ended without an answer that would decide what became of the mutation.
    mutating func attemptFailed(_ client: Int, mayHaveHappened: Bool, _ reason: String = "not sent") {
        guard var operation = clients[client].current, var once = operation.once else { return }
        if mayHaveHappened, !once.isPreparing { once.mayHaveHappened = true }
        once.waitsForNextAttempt = once.mayHaveHappened && once.attempts < OnceMutation.mostAttempts
        operation.once = once
        clients[client].current = operation
        if once.waitsForNextAttempt {
            let delay = Nanoseconds.milliseconds(20) * Int64(1 << min(once.attempts, 5))
            return plan(.attempt(client: client, after: operation.call), after: delay)
        }
        over(client, once)
        if once.mayHaveHappened { unknown(client, operation) } else { refused(client, operation, reason) }
    }

    /// The client expects no answer to a mutation any more, or says so at least.
    private mutating func over(_ client: Int, _ once: OnceMutation) {
        // Who still waited when everything was healed goes on afterwards: with a mutation that it waits for for ever it could not.
        let isKept = once.scheduled.isKept && phase == .faults
        guard let identity = once.identity, !isKept || once.scheduled.again == nil && !once.mayHaveHappened else { return }
        finished(client, identity, group: once.group)
    }

    private mutating func finished(_ client: Int, _ identity: RequestIdentity, group: String) {
        clients[client].sessions.update(group) { if $0.id == identity.session { $0.finished(identity.sequence) } }
    }

    private mutating func sessionIsGone(_ client: Int, _ identity: RequestIdentity, group: String) {
        if clients[client].sessions[group]?.id == identity.session { clients[client].sessions[group] = nil }
    }

    mutating func answeredOnce(
        _ client: Int, _ operation: WorkloadClient.Operation, _ outcome: CallOutcome<ClientReply>
    ) {
        guard let once = operation.once else { return }
        switch outcome {
        case .refused: attemptFailed(client, mayHaveHappened: false, "connection refused")
        case .broken: attemptFailed(client, mayHaveHappened: true)
        case .reply(.failed(let error)):
            errors[error.code.rawValue] = (errors[error.code.rawValue] ?? 0) + 1
            if error.code == .notFound, let identity = once.identity {
                sessionIsGone(client, identity, group: once.group)
                if !once.mayHaveHappened { return attemptUnderAnother(client) }
                // Nobody will ever know.
                clients[client].current?.once?.attempts = OnceMutation.mostAttempts
            }
            attemptFailed(client, mayHaveHappened: error.mayHaveHappened, error.message)
        case .reply(.done(.opened(let session), let position)) where once.isPreparing:
            clients[client].groupOfKey[operation.key] = position.group
            clients[client].sessions[position.group] = ClientSession(session)
            attempt(client)
        case .reply(.done(.value, let position)) where once.isPreparing:
            clients[client].groupOfKey[operation.key] = position.group
            attempt(client)
        case .reply(.done(let result, let position)):
            guard let identity = once.identity else {
                return judged(Violation("answers fit their questions", "the opening of a session was answered with \(result)"))
            }
            clients[client].groupOfKey[operation.key] = position.group
            if !keys[operation.key].isRetired { judgeOnce(identity, position, result) }
            over(client, once)
            if let again = once.scheduled.again {
                let answered = AnsweredMutation(
                    scheduled: once.scheduled, request: once.request, identity: identity, group: position.group)
                clients[client].answered.append(answered)
                plan(.repeatAnswered(client: client, clients[client].answered.count - 1), after: again)
            }
            succeeded(client, operation, result, at: position)
        case .reply(.status), .reply(.routes), .reply(.transferred), .reply(.recovered):
            judged(Violation("answers fit their questions", "\(operation.kind) was answered with \(outcome)"))
        }
    }

    /// The session was gone before the mutation was ever sent under it.
    private mutating func attemptUnderAnother(_ client: Int) {
        guard let once = clients[client].current?.once, once.attempts < OnceMutation.mostAttempts else {
            return attemptFailed(client, mayHaveHappened: false, "one session after the other was gone")
        }
        clients[client].current?.once?.identity = nil
        attempt(client)
    }

    private mutating func judgeOnce(_ identity: RequestIdentity, _ position: GroupPosition, _ result: KeyResult) {
        guard let group = plan.stores.indices.first(where: { ClusterPlan.groupNames[$0 % 4] == position.group }) else {
            return judged(Violation("answers fit their questions", "\(position.group) is no group"))
        }
        judged(once.answered(identity, group: histories.name(of: group), result, seq: position.seq))
    }

    private func isRetired(_ answered: AnsweredMutation) -> Bool {
        keyNamed[answered.scheduled.key].map { keys[$0].isRetired } ?? false
    }

    // MARK: Repeats of what was answered

    mutating func sendRepeat(_ client: Int, _ index: Int) {
        let answered = clients[client].answered[index]
        guard phase != .over, !clients[client].isRepeating, !isRetired(answered) else {
            return finished(client, answered.identity, group: answered.group)
        }
        clients[client].isRepeating = true
        let call = world.call(
            .key(answered.request.identified(by: answered.identity), patience: nil), from: client,
            to: process(of: answered.scheduled, attempt: 1))
        repeatOfCall[call] = AnsweredMutation.Place(client: client, index: index)
        plan(.giveUpRepeat(call), after: answered.scheduled.patience)
    }

    mutating func giveUpRepeat(_ call: CallID) {
        guard let place = repeatOfCall.removeValue(forKey: call) else { return }
        world.abandon(call)
        repeatEnded(place)
    }

    private mutating func repeatEnded(_ place: AnsweredMutation.Place) {
        let answered = clients[place.client].answered[place.index]
        clients[place.client].isRepeating = false
        finished(place.client, answered.identity, group: answered.group)
    }

    mutating func repeatAnswered(_ place: AnsweredMutation.Place, _ outcome: CallOutcome<ClientReply>) {
        let answered = clients[place.client].answered[place.index]
        repeatEnded(place)
        switch outcome {
        case .refused, .broken: break
        case .reply(.failed(let error)):
            errors[error.code.rawValue] = (errors[error.code.rawValue] ?? 0) + 1
            if error.code == .notFound { sessionIsGone(place.client, answered.identity, group: answered.group) }
        case .reply(.done(let result, let position)):
            if !isRetired(answered) { judgeOnce(answered.identity, position, result) }
        case .reply(.status), .reply(.routes), .reply(.transferred), .reply(.recovered):
            judged(Violation("answers fit their questions", "a mutation was answered with a status"))
        }
    }
}
