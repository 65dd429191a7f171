import Machine
import Simulation
import Wire

extension ClusterRun {
    // MARK: When

    /// Plans the next operation of a client, and voids the plan before.
    mutating func planAct(_ client: Int, after delay: Nanoseconds) {
        clients[client].round += 1
        var delay = delay
        if phase == .faults, schedule != nil {
            guard clients[client].scripted < clients[client].script.count else { return }
            delay = max(.zero, clients[client].script[clients[client].scripted].at - (world.now - .zero))
        }
        plan(.act(client: client, round: clients[client].round), after: delay)
    }

    private mutating func ended(_ client: Int, pausing atLeast: Nanoseconds = .zero) {
        clients[client].current = nil
        switch phase {
        case .faults:
            // In bursts: half of the operations follow at once, so that they meet.
            let isBurst = workload.chance(1, in: 2)
            let pause = isBurst ? plan.thinkTime / 25 : plan.thinkTime * 2
            planAct(client, after: workload.length(.zero...max(pause, atLeast)))
        case .recovery, .proving:
            planAct(client, after: aftermath.length(.zero...max(plan.thinkTime, .milliseconds(200))))
        case .draining, .audit, .over:
            planAct(client, after: aftermath.length(.zero...max(.milliseconds(1), atLeast)))
        }
    }

    // MARK: What

    mutating func beginOperation(_ client: Int) {
        guard clients[client].current == nil else { return }
        switch phase {
        case .faults:
            if schedule != nil { return followScript(client) }
            var random = workload
            let drawn = drawOperation(client, &random)
            workload = random
            begin(drawn)
        case .recovery, .proving:
            var random = aftermath
            let drawn = drawOperation(client, &random)
            aftermath = random
            begin(drawn)
        case .audit:
            guard let key = clients[client].audit.last else { return }
            var random = aftermath
            let process = anyServer(&random)
            aftermath = random
            begin(
                ClusterSchedule.Operation(
                    at: .zero, client: client, kind: .get, key: keys[key].name,
                    process: process, patience: .seconds(8), tellsPatience: false,
                    reading: plan.wildClocks ? .confirmed : .linearizable))
        case .draining, .over: break
        }
    }

    private mutating func followScript(_ client: Int) {
        let next = clients[client].script[clients[client].scripted]
        clients[client].scripted += 1
        // In a smaller run a write before may have an unknown outcome; then its key is not written again.
        if next.kind == .put || next.kind == .delete, let key = keyNamed[next.key], !keys[key].isOpen {
            return planAct(client, after: .zero)
        }
        begin(next)
    }

    private mutating func newVersion(of key: Int, isDelete: Bool) -> Int {
        guard keys[key].isShared else { return keys[key].history.began(isDelete: isDelete) }
        keys[key].versions += 1
        return keys[key].versions
    }

    private mutating func begin(_ operation: ClusterSchedule.Operation) {
        if phase == .faults { written?.operations.append(operation) }
        let key = key(named: operation.key)
        let name = Array(operation.key.utf8)
        let kind: WorkloadClient.Operation.Kind
        let request: KeyRequest
        let asked: ClientHistory.Request?
        switch operation.kind {
        case .wrong:
            kind = .wrong
            request = outsideLimits(operation)
            asked = nil
        case .get:
            let mode = mode(of: operation, key: key)
            request = .get(key: name, mode: mode)
            switch mode {
            case .linearizable, .confirmed:
                kind = .get(since: keys[key].history.floor)
                asked = .get
            case .stale(let atLeast):
                kind = .staleGet(atLeast: atLeast)
                asked = nil
            }
        case .delete:
            kind = .delete(version: newVersion(of: key, isDelete: true))
            request = .delete(key: name)
            asked = .delete
        case .put:
            let version = newVersion(of: key, isDelete: false)
            kind = .put(version: version)
            asked = .put(version: version)
            request = .put(key: name, value: ReadState.value(key: operation.key, version: version, padding: operation.padding))
        }
        if usesLibrary(operation) { return beginInLibrary(operation, key: key, kind, request, asked) }
        if operation.isOnce, operation.kind == .put || operation.kind == .delete {
            return beginOnce(operation, key: key, kind, request)
        }
        let process = operation.process < roles.count ? operation.process : 0
        let told = operation.tellsPatience ? operation.patience : nil
        let call = world.call(.key(request, patience: told), from: operation.client, to: process)
        clients[operation.client].current = WorkloadClient.Operation(
            call: call, key: key, kind: kind, began: world.now, process: process,
            text: world.trace.isRecording ? request.brief : "")
        clientOfCall[call] = operation.client
        if let asked, !keys[key].isRetired { history.invoked(call, client: operation.client, key: key, asked, at: world.now) }
        plan(.giveUp(client: operation.client, call), after: operation.patience)
    }

    private func outsideLimits(_ operation: ClusterSchedule.Operation) -> KeyRequest {
        let limits = plan.data.limits
        let long = Array(repeating: UInt8(ascii: "x"), count: limits.keyBytes + 1)
        return switch operation.padding % 4 {
        case 0: .get(key: [])
        case 1: .delete(key: long)
        case 2: .put(key: [], value: [])
        case _: .put(key: Array(operation.key.utf8), value: Array(repeating: 0, count: limits.valueBytes + 1))
        }
    }

    // MARK: Outcomes

    mutating func giveUp(_ client: Int, _ call: CallID) {
        guard let operation = clients[client].current, operation.call == call else { return }
        if let once = operation.once, once.waitsForNextAttempt { return }
        world.abandon(call)
        clientOfCall.removeValue(forKey: call)
        if operation.once != nil { return attemptFailed(client, mayHaveHappened: true) }
        unknown(client, operation)
    }

    mutating func answered(_ client: Int, _ call: CallID, _ outcome: CallOutcome<ClientReply>) {
        guard let operation = clients[client].current, operation.call == call else { return }
        if operation.once != nil { return answeredOnce(client, operation, outcome) }
        switch outcome {
        case .refused: refused(client, operation, "connection refused")
        case .broken: unknown(client, operation)
        case .reply(.failed(let error)):
            errors[error.code.rawValue] = (errors[error.code.rawValue] ?? 0) + 1
            if error.mayHaveHappened { return unknown(client, operation) }
            let hasFewPlaces = plan.hasFewerPlacesThanClients(forReads: operation.kind.isRead)
            refused(client, operation, error.message, isBound: error.code == .resourceExhausted && hasFewPlaces)
        case .reply(.done(let result, let position)):
            clients[client].groupOfKey[operation.key] = position.group
            remember(client, operation, position.group)
            succeeded(client, operation, result, at: position)
        case .reply(.status), .reply(.routes), .reply(.transferred), .reply(.recovered):
            judged(Violation("answers fit their questions", "\(operation.kind) was answered with what was not asked"))
        }
    }

    private mutating func remember(_ client: Int, _ operation: WorkloadClient.Operation, _ group: String) {
        guard let process = operation.process, case .data = roles[process] else { return }
        if case .staleGet = operation.kind { return }
        clients[client].answeredBy[group] = process
    }

    mutating func succeeded(
        _ client: Int, _ operation: WorkloadClient.Operation, _ reply: KeyResult, at position: GroupPosition
    ) {
        operations.succeeded += 1
        clients[client].successes += 1
        tellBar(client, operation, .ok)
        judge(operation, reply, of: client)
        judgePosition(operation, reply, at: position, of: client)
        ended(client)
    }

    private mutating func judge(_ operation: WorkloadClient.Operation, _ reply: KeyResult, of client: Int) {
        let key = operation.key
        if keys[key].isRetired {
            if phase == .audit, clients[client].audit.last == key { audited(client) }
            return
        }
        switch (operation.kind, reply) {
        case (.put(let version), .put):
            history.returned(operation.recorded, .put, at: world.now)
            if !keys[key].isShared { judged(keys[key].history.acknowledged(version, existed: nil)) }
        case (.delete(let version), .deleted(let existed)):
            history.returned(operation.recorded, .deleted(existed: existed), at: world.now)
            if !keys[key].isShared { judged(keys[key].history.acknowledged(version, existed: existed)) }
        case (.get(let since), .value(let value)):
            let state = ReadState(value, key: keys[key].name)
            history.returned(operation.recorded, .value(state), at: world.now)
            if !keys[key].isShared {
                judged(keys[key].history.read(state, since: since, by: "client \(client) (call \(operation.call.number))"))
            }
            if phase == .audit, clients[client].audit.last == key { audited(client) }
        case (.staleGet, .value(let value)):
            let state = ReadState(value, key: keys[key].name)
            // What it shows has been committed: from then on nobody else may miss it.
            if !keys[key].isShared {
                judged(keys[key].history.read(state, since: 0, by: "client \(client) (call \(operation.call.number), stale)"))
            }
        case (.put, _), (.delete, _), (.get, _), (.staleGet, _), (.wrong, _):
            judged(Violation("answers fit their questions", "\(operation.kind) was answered with \(reply)"))
        }
    }

    /// - Parameter isBound: it was one too many, which healthy nodes say, too.
    mutating func refused(_ client: Int, _ operation: WorkloadClient.Operation, _ reason: String, isBound: Bool = false) {
        operations.refused += 1
        if !isBound { clients[client].successes = 0 }
        if operation.kind != .wrong { history.refused(operation.recorded) }
        tellBar(client, operation, .notDone)
        switch operation.kind {
        case .put(let version), .delete(let version):
            if !keys[operation.key].isShared && !keys[operation.key].isRetired {
                judged(keys[operation.key].history.refused(version, reason))
            }
        case .get: auditFailed(client)
        case .staleGet, .wrong: break
        }
        // Nobody was there: a client waits a little before it asks again.
        ended(client, pausing: .milliseconds(200))
    }

    mutating func unknown(_ client: Int, _ operation: WorkloadClient.Operation) {
        operations.unknown += 1
        clients[client].successes = 0
        if operation.kind != .wrong { history.unknown(operation.recorded) }
        tellBar(client, operation, .unknown)
        switch operation.kind {
        case .put(let version), .delete(let version):
            if !keys[operation.key].isShared && !keys[operation.key].isRetired {
                keys[operation.key].history.unknown(version)
            }
        case .get: auditFailed(client)
        case .staleGet, .wrong: break
        }
        ended(client, pausing: .milliseconds(200))
    }

    private mutating func audited(_ client: Int) {
        clients[client].audit.removeLast()
        clients[client].auditFailures = 0
    }

    /// In safety mode a key may be out of reach for good; in liveness mode the audit's deadline is the judge.
    private mutating func auditFailed(_ client: Int) {
        guard phase == .audit, plan.mode == .safety else { return }
        clients[client].auditFailures += 1
        // The group of a key that is out of reach may be gone: its other keys are tried, but once each.
        if clients[client].auditFailures >= 3 || unreachable > 20 {
            unreachable += 1
            audited(client)
        }
    }

    private mutating func tellBar(_ client: Int, _ operation: WorkloadClient.Operation, _ outcome: StoryBar.Outcome) {
        guard world.trace.isRecording else { return }
        world.tellBar(
            StoryBar(
                lane: world.endpoint(ofClient: client), kind: .operation, begin: operation.began, end: world.now,
                text: operation.text, outcome: outcome))
    }

    /// Keeps the first violation.
    mutating func judged(_ found: Violation?) {
        guard let found, violation == nil else { return }
        violation = found
        world.tell(.violation, "\(found)")
    }
}
