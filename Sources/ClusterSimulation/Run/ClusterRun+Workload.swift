import Machine
import Simulation
import Wire

/// A key of the workload.
struct WorkloadKey: Sendable {
    /// Several clients write it. What they saw is judged at the end; the history of a key with one writer also at once.
    let isShared: Bool
    var history: KeyHistory
    /// How many versions of a shared key were written.
    var versions = 0
    /// It was written in a history that its group has given up: nobody writes it any more, and what reads return of it is judged by the
    /// positions that they name.
    var isRetired = false
    /// The group that writes of it were made in.
    var group: String?

    var name: String { history.name }
    /// Whether it may be written.
    var isOpen: Bool { !isRetired && (isShared || history.isOpen) }
}

/// A client of the workload: one operation at a time, on its own keys and shared ones to write and on any key to read.
struct WorkloadClient: Sendable {
    struct Operation: Sendable {
        enum Kind: Hashable, Sendable {
            case put(version: Int), delete(version: Int), get(since: Int)
            case staleGet(atLeast: GroupPosition?)
            /// Outside the limits.
            case wrong
        }

        var call: CallID
        var key: Int
        var kind: Kind
        var began: Instant
        /// For the story.
        var text: String
        /// Of a mutation of a client session.
        var once: OnceMutation?

        /// Under which its history knows it: the first call that could have an effect.
        var recorded: CallID { once?.first ?? call }
    }

    let number: Int
    /// Its own keys at present, as indices of `ClusterRun.keys`; -1 where there is none yet.
    var keys: [Int] = []
    /// How many keys of its own it has had.
    var keysMade = 0
    var current: Operation?
    /// What a schedule wants of it; the next is `script[scripted]`.
    var script: [ClusterSchedule.Operation] = []
    var scripted = 0
    /// Plans to act of an earlier round are void.
    var round = 0
    /// Keys that it still has to read, in the audit.
    var audit: [Int] = []
    /// How often the audit's read of the present key has failed.
    var auditFailures = 0
    /// The highest positions that answers have named to it, by group.
    var seen = LookupTable<String, GroupPosition>()
    /// Operations in a row that succeeded, since the healing.
    var successes = 0
    /// Its sessions, by the names of their groups, and which keys it knows to belong to which group.
    var sessions = SortedMap<String, ClientSession>()
    var groupOfKey = LookupTable<Int, String>()
    /// Mutations that are or were repeated after their answers.
    var answered: [AnsweredMutation] = []
    /// One of them is under way.
    var isRepeating = false

    mutating func saw(_ position: GroupPosition) {
        if position.seq > seen[position.group]?.seq ?? 0 { seen[position.group] = position }
    }

    mutating func forgetSessions() { sessions.removeAll() }
}

/// How the operations of clients ended.
public struct OperationCounts: Hashable, Sendable, Codable {
    public var succeeded = 0
    public var refused = 0
    public var unknown = 0

    public static func += (a: inout OperationCounts, b: OperationCounts) {
        a.succeeded += b.succeeded
        a.refused += b.refused
        a.unknown += b.unknown
    }
}

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

    // What draws and looks is `mutating` although not all of it changes something: so a run is asked in its place, and not copied.

    private mutating func drawOperation(_ client: Int, _ random: inout SeededRandom) -> ClusterSchedule.Operation {
        // After the faults nobody is in a hurry: what fails then fails for other reasons.
        let isHurried = phase == .faults
        var kind: ClusterSchedule.Operation.Kind
        let key: String
        let isShared = plan.sharedKeys > 0 && random.chance(plan.sharedPercent, in: 100)
        if random.chance(plan.readPercent, in: 100), isShared || !keys.isEmpty {
            kind = .get
            key = isShared ? sharedKey(random.below(plan.sharedKeys)) : keys[random.below(keys.count)].name
        } else {
            key =
                isShared
                ? sharedKey(random.below(plan.sharedKeys)) : keys[ownKey(client, slot: random.below(plan.keysPerClient))].name
            kind = random.chance(plan.deletePercent, in: 100) ? .delete : .put
        }
        if isHurried, random.chance(1, in: 64) { kind = .wrong }
        let reading = kind == .get ? drawReading() : .linearizable
        let once = drawOnce(kind, &random)
        let isDirect = random.chance(plan.directPercent, in: 100) && isHurried && !presentStores.isEmpty
        let process = isDirect ? presentStores[random.below(presentStores.count)] : anyServer(&random)
        return ClusterSchedule.Operation(
            at: world.now - .zero, client: client, kind: kind, key: key,
            padding: kind == .put ? random.below(plan.padding + 1) : kind == .wrong ? random.below(4) : 0, process: process,
            patience: isHurried ? random.length(plan.patience / 4...plan.patience) : .seconds(8),
            tellsPatience: random.chance(1, in: 2), reading: reading, isOnce: once.isOnce, again: once.again,
            isKept: once.isKept, isFresh: once.isFresh)
    }

    private mutating func drawReading() -> ClusterSchedule.Operation.Reading {
        var random = phase == .faults ? readings.before : readings.after
        let isStale = random.chance(plan.stalePercent, in: 100)
        let isBound = random.chance(1, in: 2)
        let isConfirmed = random.chance(plan.confirmedPercent, in: 100)
        if phase == .faults { readings.before = random } else { readings.after = random }
        if isStale { return isBound ? .seen : .stale }
        return isConfirmed || plan.wildClocks ? .confirmed : .linearizable
    }

    /// How an operation reads. A demand is that of the moment, in a schedule, too: positions differ from run to run.
    private mutating func mode(of operation: ClusterSchedule.Operation, key: Int) -> ReadMode {
        switch operation.reading {
        case .linearizable: return plan.wildClocks ? .confirmed : .linearizable
        case .confirmed: return .confirmed
        case .stale: return .stale(atLeast: nil)
        case .seen:
            // Where nothing was written yet there is no telling whose positions matter.
            return .stale(atLeast: keys[key].group.flatMap { clients[operation.client].seen[$0] })
        }
    }

    /// The key in one of a client's slots: a new one where there is none, or where the last write has an unknown outcome.
    private mutating func ownKey(_ client: Int, slot: Int) -> Int {
        while clients[client].keys.count <= slot { clients[client].keys.append(-1) }
        let known = clients[client].keys[slot]
        if known >= 0, keys[known].isOpen { return known }
        // After the healing they are others: what was written before does not decide which.
        let name = "c\(client)\(phase == .faults ? "k" : "h")\(clients[client].keysMade)"
        clients[client].keysMade += 1
        let key = key(named: name)
        clients[client].keys[slot] = key
        return key
    }

    /// Others once a history was given up: those that were written in it are not written again.
    private mutating func sharedKey(_ number: Int) -> String {
        histories.ended == 0 ? "s\(number)" : "s\(number)h\(histories.ended)"
    }

    private mutating func anyServer(_ random: inout SeededRandom) -> Int {
        presentServers.isEmpty ? 0 : presentServers[random.below(presentServers.count)]
    }

    /// A key's index, a new one if need be. Shared keys begin with an `s`.
    private mutating func key(named name: String) -> Int {
        if let known = keyNamed[name] { return known }
        keys.append(WorkloadKey(isShared: name.hasPrefix("s"), history: KeyHistory(name: name)))
        keyNamed[name] = keys.count - 1
        return keys.count - 1
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
            call: call, key: key, kind: kind, began: world.now, text: world.trace.isRecording ? request.brief : "")
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
            if error.mayHaveHappened { unknown(client, operation) } else { refused(client, operation, error.message) }
        case .reply(.done(let result, let position)):
            clients[client].groupOfKey[operation.key] = position.group
            succeeded(client, operation, result, at: position)
        case .reply(.status), .reply(.routes), .reply(.transferred), .reply(.recovered):
            judged(Violation("answers fit their questions", "\(operation.kind) was answered with what was not asked"))
        }
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

    mutating func refused(_ client: Int, _ operation: WorkloadClient.Operation, _ reason: String) {
        operations.refused += 1
        clients[client].successes = 0
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
