import Machine
import Simulation
import Wire

/// A client of the workload: one operation at a time, on its own keys to write and on any key to read.
struct WorkloadClient: Sendable {
    struct Operation: Sendable {
        enum Kind: Hashable, Sendable {
            case put(version: Int), delete(version: Int), get(since: Int)
        }

        var call: CallID
        var key: Int
        var kind: Kind
    }

    let number: Int
    /// The keys that it writes at present, as indices of `ClusterRun.histories`.
    var keys: [Int] = []
    var current: Operation?
    /// Keys that it still has to read, in the audit.
    var audit: [Int] = []
    /// Operations in a row that succeeded, since the healing.
    var successes = 0
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
    mutating func beginOperation(_ client: Int) {
        guard clients[client].current == nil else { return }
        switch phase {
        case .faults, .recovery, .proving:
            if workload.chance(plan.readPercent, in: 100), !histories.isEmpty {
                get(client, key: workload.below(histories.count))
            } else {
                mutate(client)
            }
        case .audit:
            if let key = clients[client].audit.last { get(client, key: key) }
        case .draining, .over: break
        }
    }

    private mutating func mutate(_ client: Int) {
        clients[client].keys.removeAll { !histories[$0].isOpen }
        while clients[client].keys.count < plan.keysPerClient {
            histories.append(KeyHistory(name: "c\(client)k\(histories.count)"))
            clients[client].keys.append(histories.count - 1)
        }
        let key = clients[client].keys[workload.below(clients[client].keys.count)]
        let isDelete = workload.chance(plan.deletePercent, in: 100)
        let version = histories[key].began(isDelete: isDelete)
        let name = Array(histories[key].name.utf8)
        if isDelete {
            call(client, key, .delete(version: version), .delete(key: name))
        } else {
            let value = ReadState.value(key: histories[key].name, version: version, padding: workload.below(plan.padding + 1))
            call(client, key, .put(version: version), .put(key: name, value: value))
        }
    }

    private mutating func get(_ client: Int, key: Int) {
        call(client, key, .get(since: histories[key].floor), .get(key: Array(histories[key].name.utf8)))
    }

    private mutating func call(_ client: Int, _ key: Int, _ kind: WorkloadClient.Operation.Kind, _ request: KeyRequest) {
        let isDirect = workload.chance(plan.directPercent, in: 100) && phase == .faults
        let process = isDirect ? plan.servers + workload.below(roles.count - plan.servers) : workload.below(plan.servers)
        // After the faults nobody is in a hurry: what fails then fails for other reasons.
        let patience = phase == .faults ? workload.length(plan.patience / 4...plan.patience) : .seconds(8)
        let told = workload.chance(1, in: 2) ? patience : nil
        let call = world.call(.key(request, patience: told), from: client, to: process)
        clients[client].current = WorkloadClient.Operation(call: call, key: key, kind: kind)
        clientOfCall[call] = client
        plan(.giveUp(client: client, call), after: patience)
    }

    // MARK: Outcomes

    mutating func giveUp(_ client: Int, _ call: CallID) {
        guard let operation = clients[client].current, operation.call == call else { return }
        world.abandon(call)
        clientOfCall.removeValue(forKey: call)
        unknown(client, operation)
    }

    mutating func answered(_ client: Int, _ call: CallID, _ outcome: CallOutcome<ClientReply>) {
        guard let operation = clients[client].current, operation.call == call else { return }
        switch outcome {
        case .refused: refused(client, operation, "connection refused")
        case .broken: unknown(client, operation)
        case .reply(.failed(let error)):
            if error.mayHaveHappened { unknown(client, operation) } else { refused(client, operation, error.message) }
        case .reply(let reply): succeeded(client, operation, reply)
        }
    }

    private mutating func succeeded(_ client: Int, _ operation: WorkloadClient.Operation, _ reply: ClientReply) {
        operations.succeeded += 1
        clients[client].successes += 1
        switch (operation.kind, reply) {
        case (.put(let version), .put):
            judged(histories[operation.key].acknowledged(version, existed: nil))
        case (.delete(let version), .deleted(let existed)):
            judged(histories[operation.key].acknowledged(version, existed: existed))
        case (.get(let since), .value(let value)):
            let state = ReadState(value, key: histories[operation.key].name)
            judged(histories[operation.key].read(state, since: since, by: "client \(client) (call \(operation.call.number))"))
            if phase == .audit, clients[client].audit.last == operation.key { clients[client].audit.removeLast() }
        case (.put, _), (.delete, _), (.get, _):
            judged(Violation("answers fit their questions", "\(operation.kind) was answered with \(reply)"))
        }
        ended(client)
    }

    private mutating func refused(_ client: Int, _ operation: WorkloadClient.Operation, _ reason: String) {
        operations.refused += 1
        clients[client].successes = 0
        switch operation.kind {
        case .put(let version), .delete(let version): judged(histories[operation.key].refused(version, reason))
        case .get: break
        }
        // Nobody was there: a client waits a little before it asks again.
        ended(client, pausing: .milliseconds(200))
    }

    private mutating func unknown(_ client: Int, _ operation: WorkloadClient.Operation) {
        operations.unknown += 1
        clients[client].successes = 0
        switch operation.kind {
        case .put(let version), .delete(let version): histories[operation.key].unknown(version)
        case .get: break
        }
        ended(client)
    }

    private mutating func ended(_ client: Int, pausing atLeast: Nanoseconds = .zero) {
        clients[client].current = nil
        let pause =
            switch phase {
            case .faults: plan.thinkTime * 2
            case .recovery, .proving: max(plan.thinkTime, .milliseconds(200))
            case .draining, .audit, .over: Nanoseconds.zero
            }
        // In bursts: half of the operations follow at once, so that they meet.
        let isBurst = phase == .faults && workload.chance(1, in: 2)
        plan(.act(client: client), after: workload.length(.zero...max(isBurst ? pause / 50 : pause, atLeast)))
    }

    /// Keeps the first violation.
    mutating func judged(_ found: Violation?) {
        guard let found, violation == nil else { return }
        violation = found
        if world.trace.isRecording { world.trace.tell(at: world.now, "VIOLATION \(found)") }
    }
}
