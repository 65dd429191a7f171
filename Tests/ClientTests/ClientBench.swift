import Client
import Machine
import Placement
import Testing
import Wire

/// A client and a test that plays the cluster.
struct ClientBench {
    static let servers = (1...3).map { Address(host: "s\($0)", port: 1) }
    static let session = SessionID(opened: Position(term: 1, seq: 1))

    var client: ClientMachine
    var now = Instant.zero
    /// Attempts that were not answered or abandoned, in order.
    private(set) var open: [(id: AttemptID, request: ClientRequest, to: Address)] = []
    private(set) var outcomes: [OperationID: ClientOutcome] = [:]
    private(set) var timer: Instant?
    private var next: UInt64 = 0

    init(_ options: ClientOptions = ClientOptions(), servers: [Address] = ClientBench.servers, seed: UInt64 = 1) {
        client = ClientMachine(servers: servers, options: options, random: SeededRandom(seed: seed))
    }

    static func position(_ seq: UInt64 = 9, group: String = "birds") -> GroupPosition {
        GroupPosition(group: group, lineage: Lineage("l"), seq: seq)
    }

    static let routes = Routes(
        ring: RingStatus(version: 1, sealed: true, tokens: [RingToken(token: 7, group: "birds")]),
        groups: [Routes.Group(name: "birds", primary: Address(host: "primary", port: 1))])

    mutating func step(_ event: ClientEvent) {
        var effects: [ClientEffect] = []
        client.step(event, at: now, into: &effects)
        for effect in effects {
            switch effect {
            case .attempt(let id, let request, let to): open.append((id, request, to))
            case .abandon(let id): open.removeAll { $0.id == id }
            case .finished(let id, let outcome):
                #expect(outcomes[id] == nil, "an operation ends once")
                outcomes[id] = outcome
            case .setTimer(let instant): timer = instant
            }
        }
    }

    mutating func begin(_ operation: ClientOperation, timeout: Nanoseconds? = nil) -> OperationID {
        next += 1
        let id = OperationID(next)
        step(.requested(id, operation, timeout: timeout))
        return id
    }

    /// Ends the oldest attempt.
    mutating func end(_ end: AttemptEnd) {
        guard !open.isEmpty else {
            Issue.record("nothing was attempted")
            return
        }
        let attempt = open.removeFirst()
        step(.ended(attempt.id, end))
    }

    mutating func answer(_ reply: ClientReply) { end(.reply(reply)) }
    mutating func done(_ result: KeyResult, seq: UInt64 = 9) { answer(.done(result, at: Self.position(seq))) }
    mutating func fail(_ code: ClientError.Code, _ message: String = "why", redirect: Address? = nil) {
        answer(.failed(ClientError(code, message, redirect: redirect)))
    }

    /// Lets time pass until something is attempted or ended, at most so long.
    mutating func wait(_ longest: Nanoseconds = .seconds(60), until condition: (ClientBench) -> Bool) {
        let end = now + longest
        while !condition(self), let due = timer, due <= end {
            now = max(now, due)
            timer = nil
            step(.timerFired)
        }
    }

    mutating func waitForAttempt() { wait { !$0.open.isEmpty } }

    /// A put that has its routes and session and is under way.
    mutating func beginPut(_ key: String = "k", timeout: Nanoseconds? = nil) -> OperationID {
        let id = begin(.put(key: Array(key.utf8), value: [1]), timeout: timeout)
        if case .routes? = open.last?.request { answer(.routes(Self.routes)) }
        if case .key(.openSession, _)? = open.last?.request { done(.opened(Self.session)) }
        return id
    }

    var lastRequest: KeyRequest? {
        guard case .key(let request, _)? = open.last?.request else { return nil }
        return request
    }
}
