import Client
import Machine
import Simulation
import Wire

// Clients on the client library: the machine that applications use, driven here instead of by gRPC. It finds its way, opens sessions,
// repeats what is safe, and says of each operation what became of it: done, certainly not done, or unknown. The oracles hold it to that
// like any other client: what it calls certainly not done must never be seen, and nothing it repeats may be done twice.

/// A client's library, and what its driver knows.
struct LibraryClient: Sendable {
    var machine: ClientMachine
    /// Attempts on the wire.
    var calls = SortedMap<UInt64, CallID>()
    var lastOperation: UInt64 = 0
    /// Which setting of the timer is the last.
    var timer: UInt64 = 0
}

/// An attempt of a library.
struct LibraryAttempt: Sendable {
    var client: Int
    var id: AttemptID
}

extension ClusterRun {
    mutating func makeLibraries() {
        libraries = (0..<min(plan.libraryClients, clients.count)).map { LibraryClient(machine: newLibrary(of: $0, life: 0)) }
    }

    private func newLibrary(of client: Int, life: UInt64) -> ClientMachine {
        var random = SeededRandom(seed: libraryIdentities ^ UInt64(client) << 32 ^ life)
        var options = ClientOptions()
        // Not sooner than other clients call again; and not so soon that on slow ways nearly every attempt is abandoned.
        let slowWay = plan.world.network.latency.worst * 4 + plan.world.disk.syncTime.worst * 2
        options.attemptTimeout = max(plan.patience / 4, min(options.attemptTimeout, max(plan.patience / 2, slowWay)))
        options.direct = random.chance(1, in: 2)
        options.exactlyOnce = plan.sessionPercent > 0 || random.chance(3, in: 4)
        let servers = presentServers.isEmpty ? [0] : presentServers
        return ClientMachine(servers: servers.map { world.address(of: $0) }, options: options, random: random)
    }

    func usesLibrary(_ operation: ClusterSchedule.Operation) -> Bool {
        operation.client < libraries.count && operation.kind != .wrong && phase != .audit
    }

    mutating func beginInLibrary(
        _ operation: ClusterSchedule.Operation, key: Int, _ kind: WorkloadClient.Operation.Kind, _ request: KeyRequest,
        _ asked: ClientHistory.Request?
    ) {
        let client = operation.client
        libraries[client].lastOperation += 1
        let id = OperationID(libraries[client].lastOperation)
        var kind = kind
        if operation.isFresh {
            restartLibrary(of: client)
            if operation.reading == .seen { kind = .staleGet(atLeast: nil) }
        }
        // No call of its own: its attempts have theirs.
        let call = CallID(1 << 63 | UInt64(client) << 32 | id.number)
        clients[client].current = WorkloadClient.Operation(
            call: call, key: key, kind: kind, began: world.now, text: world.trace.isRecording ? request.brief : "")
        if let asked, !keys[key].isRetired { history.invoked(call, client: client, key: key, asked, at: world.now) }
        if operation.isKept { plan(.cancelInLibrary(client: client, id), after: operation.patience / 2) }
        step(
            client,
            .requested(id, ClientOperation(request, isMonotonic: operation.reading == .seen), timeout: operation.patience))
    }

    /// As if the program were started anew: what it had under way is broken off.
    private mutating func restartLibrary(of client: Int) {
        for (_, call) in libraries[client].calls {
            world.abandon(call)
            libraryCalls.removeValue(forKey: call)
        }
        libraries[client].calls = SortedMap()
        libraries[client].timer += 1
        clients[client].seen = LookupTable()
        libraries[client].machine = newLibrary(of: client, life: libraries[client].lastOperation)
    }

    mutating func libraryTimerFired(_ client: Int, _ timer: UInt64) {
        if libraries[client].timer == timer { step(client, .timerFired) }
    }

    mutating func cancelInLibrary(_ client: Int, _ id: OperationID) { step(client, .cancelled(id)) }

    mutating func libraryAnswered(_ attempt: LibraryAttempt, _ outcome: CallOutcome<ClientReply>) {
        libraries[attempt.client].calls[attempt.id.number] = nil
        let end: AttemptEnd
        switch outcome {
        case .refused: end = .unreachable("connection refused")
        case .broken: end = .broken("connection broke")
        case .reply(let reply):
            if case .failed(let error) = reply { errors[error.code.rawValue] = (errors[error.code.rawValue] ?? 0) + 1 }
            end = .reply(reply)
        }
        step(attempt.client, .ended(attempt.id, end))
    }

    private mutating func step(_ client: Int, _ event: ClientEvent) {
        var effects: [ClientEffect] = []
        libraries[client].machine.step(event, at: world.now, into: &effects)
        for effect in effects {
            switch effect {
            case .attempt(let id, let request, let address):
                guard let process = roles.indices.first(where: { world.address(of: $0) == address }) else {
                    judged(Violation("nodes name nodes", "client \(client) was sent to \(address)"))
                    continue
                }
                let call = world.call(request, from: client, to: process)
                libraryCalls[call] = LibraryAttempt(client: client, id: id)
                libraries[client].calls[id.number] = call
            case .abandon(let id):
                guard let call = libraries[client].calls[id.number] else { continue }
                libraries[client].calls[id.number] = nil
                libraryCalls.removeValue(forKey: call)
                world.abandon(call)
            case .finished(let id, let outcome): finishedInLibrary(client, id, outcome)
            case .setTimer(let instant):
                libraries[client].timer += 1
                let delay = max(.zero, instant - world.now)
                plan(.libraryTimer(client: client, libraries[client].timer), after: delay)
            }
        }
    }

    private mutating func finishedInLibrary(_ client: Int, _ id: OperationID, _ outcome: ClientOutcome) {
        guard var operation = clients[client].current, operation.call.number & 0xFFFF_FFFF == id.number else { return }
        switch outcome {
        case .done(let result, let position):
            // What another history's position demands, this one's cannot give.
            if case .staleGet(let demanded?) = operation.kind, demanded.lineage != position.lineage {
                operation.kind = .staleGet(atLeast: nil)
            }
            clients[client].groupOfKey[operation.key] = position.group
            succeeded(client, operation, result, at: position)
        case .notDone(let error): refused(client, operation, error.message)
        case .unknown: unknown(client, operation)
        }
    }
}

extension ClientOperation {
    fileprivate init(_ request: KeyRequest, isMonotonic: Bool) {
        switch request {
        case .put(let key, let value, _): self = .put(key: key, value: value)
        case .delete(let key, _): self = .delete(key: key)
        case .get(let key, .linearizable): self = .get(key: key, .linearizable)
        case .get(let key, .confirmed): self = .get(key: key, .confirmed)
        case .get(let key, .stale(let position)):
            self = .get(key: key, isMonotonic ? .monotonic : .stale(atLeast: position))
        case .openSession(let key): self = .get(key: key, .stale(atLeast: nil))
        }
    }
}
