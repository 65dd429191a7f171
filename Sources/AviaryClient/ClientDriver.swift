import Client
import Dispatch
import GRPCAdapter
import Machine
import Synchronization
import Wire

/// Drives a client machine: steps it under a lock, performs its effects outside of it.
///
/// Effects of two steps may overtake each other on their way out of the lock. That matters only for an attempt that is abandoned
/// before it was begun: so attempts are written down under the lock, as `starting`, and one that is not there any more when its
/// turn comes is not begun.
final class ClientDriver: Sendable {
    private struct State {
        var machine: ClientMachine
        var completions: [OperationID: @Sendable (ClientOutcome) -> Void] = [:]
        var lastOperation: UInt64 = 0
        /// Which setting of the timer is the last.
        var timer: UInt64 = 0
        var isShutDown = false
    }

    /// Attempts on the wire.
    private struct Calls {
        var connections: [Address: (client: KVClient, lastUse: UInt64)] = [:]
        var uses: UInt64 = 0
        var starting: [AttemptID: Address] = [:]
        var begun: [AttemptID: (connection: KVClient, handle: KVClient.CallHandle, to: Address)] = [:]

        /// The connection to an address, and one that makes room for it: addresses come from redirects, too, and so there may be many.
        mutating func connection(to address: Address, limit: Int) -> (KVClient, closing: KVClient?) {
            uses += 1
            if let known = connections[address]?.client {
                connections[address]?.lastUse = uses
                return (known, nil)
            }
            var closing: KVClient?
            if connections.count >= limit {
                let busy = Set(starting.values).union(begun.values.map(\.to))
                let idle = connections.filter { !busy.contains($0.key) }.min { $0.value.lastUse < $1.value.lastUse }
                if let idle { closing = connections.removeValue(forKey: idle.key)?.client }
            }
            let made = KVClient(servers: [address])
            connections[address] = (made, uses)
            return (made, closing)
        }
    }

    /// Connections beyond this are closed when nothing is under way on them.
    private let mostConnections: Int
    private let state: Mutex<State>
    private let calls = Mutex(Calls())
    private let queue = DispatchQueue(label: "aviary client timer")
    private let start = ContinuousClock.now

    init(servers: [Address], options: ClientOptions) {
        mostConnections = servers.count + 64
        var system = SystemRandomNumberGenerator()
        let random = SeededRandom(seed: system.next())
        state = Mutex(State(machine: ClientMachine(servers: servers, options: options, random: random)))
    }

    /// How many connections are open, or being opened.
    var connectionCount: Int { calls.withLock { $0.connections.count } }

    func newOperation() -> OperationID {
        state.withLock { state in
            state.lastOperation += 1
            return OperationID(state.lastOperation)
        }
    }

    func begin(
        _ id: OperationID, _ operation: ClientOperation, timeout: Nanoseconds?,
        completion: @escaping @Sendable (ClientOutcome) -> Void
    ) {
        let isOver = state.withLock { state in
            if !state.isShutDown { state.completions[id] = completion }
            return state.isShutDown
        }
        if isOver { return completion(.notDone(ClientError(.unavailable, "the client is shut down; nothing was done"))) }
        step(.requested(id, operation, timeout: timeout))
    }

    func cancel(_ id: OperationID) { step(.cancelled(id)) }

    /// Ends everything that is under way, and closes the connections, without waiting for it.
    func shutDown() {
        let waiting = state.withLock { state in
            state.isShutDown = true
            return Array(state.completions.keys)
        }
        for id in waiting { step(.cancelled(id)) }
        let connections = calls.withLock { calls in
            defer { calls.connections = [:] }
            return calls.connections.values.map(\.client)
        }
        // It waits for its own thread, which may be the one that this runs on.
        queue.async { for connection in connections { connection.shutDown() } }
    }

    private func time() -> Instant {
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return Instant(nanoseconds: seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }

    private func step(_ event: ClientEvent) {
        var finished: [(@Sendable (ClientOutcome) -> Void, ClientOutcome)] = []
        var attempts: [(AttemptID, ClientRequest, Address)] = []
        var abandoned: [AttemptID] = []
        var timer: (Instant, UInt64)?
        // The clock is read under the lock: the machine's time never goes back.
        let now = state.withLock { state in
            let now = time()
            var effects: [ClientEffect] = []
            state.machine.step(event, at: now, into: &effects)
            for effect in effects {
                switch effect {
                case .attempt(let id, let request, let to):
                    attempts.append((id, request, to))
                    calls.withLock { $0.starting[id] = to }
                case .abandon(let id): abandoned.append(id)
                case .finished(let id, let outcome):
                    if let completion = state.completions.removeValue(forKey: id) { finished.append((completion, outcome)) }
                case .setTimer(let instant):
                    state.timer += 1
                    timer = (instant, state.timer)
                }
            }
            return now
        }
        for id in abandoned { abandon(id) }
        for (id, request, to) in attempts { attempt(id, request, to) }
        if let (instant, number) = timer { setTimer(after: instant - now, number) }
        for (completion, outcome) in finished { completion(outcome) }
    }

    private func setTimer(after delay: Nanoseconds, _ number: UInt64) {
        queue.asyncAfter(deadline: .now() + .nanoseconds(Int(max(0, delay.count)))) { [weak self] in
            guard let self, self.state.withLock({ $0.timer == number && !$0.isShutDown }) else { return }
            self.step(.timerFired)
        }
    }

    // MARK: Calls

    private func attempt(_ id: AttemptID, _ request: ClientRequest, _ to: Address) {
        let found = calls.withLock { calls in
            calls.starting[id] == nil ? nil : calls.connection(to: to, limit: mostConnections)
        }
        guard let (connection, closing) = found else { return }
        if let closing { queue.async { closing.shutDown() } }
        let handle = connection.call(request, timeout: Self.patience(of: request)) { [weak self] end in
            guard let self else { return }
            self.calls.withLock { calls in
                calls.starting[id] = nil
                calls.begun[id] = nil
            }
            self.step(.ended(id, AttemptEnd(end)))
        }
        let isAwaited = calls.withLock { calls in
            guard calls.starting.removeValue(forKey: id) != nil else { return false }
            calls.begun[id] = (connection, handle, to)
            return true
        }
        // Abandoned meanwhile, or over: then it does nothing.
        if !isAwaited { connection.cancel(handle) }
    }

    /// The machine keeps the time; the connection's own limit is for what the machine has forgotten.
    private static func patience(of request: ClientRequest) -> Nanoseconds {
        switch request {
        case .key(_, let patience?): patience + .milliseconds(100)
        case .key(_, nil), .status, .routes, .transfer, .recover: .seconds(5)
        }
    }

    private func abandon(_ id: AttemptID) {
        let call = calls.withLock { calls in
            calls.starting[id] = nil
            return calls.begun.removeValue(forKey: id)
        }
        if let (connection, handle, _) = call { connection.cancel(handle) }
    }
}

extension AttemptEnd {
    init(_ end: CallEnd) {
        switch end {
        case .reply(let reply): self = .reply(reply)
        case .unreachable(let reason): self = .unreachable(reason)
        case .broken(let reason): self = .broken(reason)
        }
    }
}
