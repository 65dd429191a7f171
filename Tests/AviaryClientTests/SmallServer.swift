import GRPCAdapter
import Machine
import Synchronization
import Wire

/// A server of one group over a real socket, which executes each identity once, as a group does.
final class SmallServer: Sendable {
    struct State {
        var values: [[UInt8]: [UInt8]] = [:]
        var results: [RequestIdentity: KeyResult] = [:]
        var executed = 0
        var sessions: UInt64 = 0
        var requests: [ClientRequest] = []
        /// Executes this many mutations without a word.
        var silences = 0
        /// Sends each read to another port, on which nobody listens.
        var strays = false
        var strayPort: UInt16 = 0
    }

    private final class Holder: Sendable {
        let server = Mutex<GRPCServer?>(nil)
    }

    let state: Mutex<State>
    let address: Address
    private let server: GRPCServer
    private let holder: Holder

    init() throws {
        let holder = Holder()
        let box = StateBox()
        server = try GRPCServer(
            listen: Address(host: "127.0.0.1", port: 0),
            handlers: GRPCServer.Handlers(
                requested: { request, call in
                    guard let reply = box.owner.withLock({ $0?.value })?.execute(request) else { return }
                    holder.server.withLock { $0 }?.reply(reply, to: call)
                }, cancelled: { _ in }, received: { _, _ in }))
        state = Mutex(State())
        address = Address(host: "127.0.0.1", port: server.port)
        self.holder = holder
        holder.server.withLock { [server] in $0 = server }
        box.owner.withLock { [self] in $0 = Weak(value: self) }
    }

    private struct Weak: Sendable { weak let value: SmallServer? }
    private final class StateBox: Sendable { let owner = Mutex<Weak?>(nil) }

    deinit {
        holder.server.withLock { $0 = nil }
        server.shutDown(grace: .zero)
    }

    /// nil: no answer.
    private func execute(_ request: ClientRequest) -> ClientReply? {
        state.withLock { state in
            state.requests.append(request)
            switch request {
            case .status, .transfer, .recover: return .failed(ClientError(.failedPrecondition, "no status here"))
            case .routes:
                let ring = RingStatus(version: 1, sealed: true, tokens: [RingToken(token: 1, group: "birds")])
                return .routes(Routes(ring: ring, groups: []))
            case .key(.openSession, _):
                state.sessions += 1
                return Self.done(.opened(SessionID(opened: Position(term: 1, seq: state.sessions))))
            case .key(.get, _) where state.strays:
                state.strayPort += 1
                let stray = Address(host: "127.0.0.1", port: state.strayPort)
                return .failed(ClientError(.failedPrecondition, "elsewhere", redirect: stray))
            case .key(.get(let key, _), _): return Self.done(.value(state.values[key]))
            case .key(.put(let key, let value, let identity), _):
                return mutate(&state, identity) { state in
                    state.values[key] = value
                    return .put
                }
            case .key(.delete(let key, let identity), _):
                return mutate(&state, identity) { .deleted(existed: $0.values.removeValue(forKey: key) != nil) }
            }
        }
    }

    private func mutate(
        _ state: inout State, _ identity: RequestIdentity?, _ body: (inout State) -> KeyResult
    ) -> ClientReply? {
        guard var identity else { return .failed(ClientError(.invalidArgument, "a mutation without identity")) }
        identity.lowestOpen = 0
        if let known = state.results[identity] { return Self.done(known) }
        let result = body(&state)
        state.results[identity] = result
        state.executed += 1
        guard state.silences == 0 else {
            state.silences -= 1
            return nil
        }
        return Self.done(result)
    }

    private static func done(_ result: KeyResult) -> ClientReply {
        .done(result, at: GroupPosition(group: "birds", lineage: Lineage("l"), seq: 3))
    }
}
