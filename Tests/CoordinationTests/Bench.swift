import Coordination
import Machine
import Testing
import Wire

/// One machine on the workbench: its session, its effects, and a hand that answers its requests.
struct Bench {
    struct Request {
        var id: CoordinationID
        var operation: CoordinationOperation
    }

    var session = Session(timer: TimerID(purpose: 100))
    var sink = Sink()
    var now = Instant.zero
    var effects: [AviaryEffect] = []

    init() {
        session.open(at: now, into: &sink)
        sink = Sink()
    }

    /// A bench whose session `id` is established.
    static func connected(_ id: Int64 = 7) -> Bench {
        var bench = Bench()
        _ = bench.session.step(bench.event(.connected(sessionID: id, timeout: .seconds(4))), at: bench.now, into: &bench.sink)
        bench.sink = Sink()
        return bench
    }

    func event(_ kind: CoordinationEvent.Kind) -> CoordinationEvent { CoordinationEvent(session: session.token, kind: kind) }

    /// What the session makes of an event, and the event, for the machine.
    mutating func happened(_ kind: CoordinationEvent.Kind) -> CoordinationEvent {
        let event = event(kind)
        _ = session.step(event, at: now, into: &sink)
        return event
    }

    /// The session expires, and the next one is established.
    mutating func expire(nextID: Int64 = 8) -> [CoordinationEvent] {
        [happened(.expired), happened(.connected(sessionID: nextID, timeout: .seconds(4)))]
    }

    /// The requests since the last look, and nothing else: timers and lines go to `effects`.
    mutating func requests() -> [Request] {
        var requests: [Request] = []
        for effect in sink.drain() {
            if case .coordination(.request(_, let id, let operation)) = effect {
                requests.append(Request(id: id, operation: operation))
            } else {
                effects.append(effect)
            }
        }
        return requests
    }

    /// The one request since the last look.
    mutating func request(_ location: SourceLocation = #_sourceLocation) throws -> Request {
        let found = requests()
        try #require(found.count == 1, "one request expected: \(found.map(\.operation))", sourceLocation: location)
        return found[0]
    }

    /// The timer that was set last.
    mutating func lastTimer() throws -> TimerID {
        _ = requests().map { _ in Issue.record("a request was not looked at") }
        let timers = effects.compactMap { effect -> (TimerID, Instant)? in
            if case .setTimer(let timer, let at) = effect { (timer, at) } else { nil }
        }
        let last = try #require(timers.last)
        now = max(now, last.1)
        return last.0
    }

    var lines: [String] {
        effects.compactMap { effect in if case .log(let line) = effect { line.event } else { nil } }
    }
}

let lost = CoordinationReply.failed(.connectionLoss, operations: [])
let noNode = CoordinationReply.failed(.noNode, operations: [])

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

extension StoreRegistration {
    static func test(
        _ store: String, whole: Bool = true, lineage: String? = nil, last: Position = .zero, keys: Bool = false
    ) -> StoreRegistration {
        StoreRegistration(
            address: Address(host: store, port: 1), store: StoreID(store), whole: whole, lineage: lineage.map { Lineage($0) },
            last: last, keys: keys, guid: "guid-\(store)")
    }
}

/// Reads `a/1`.
func member(_ text: String) -> MemberID {
    let parts = text.split(separator: "/")
    return MemberID(store: StoreID(String(parts[0])), number: UInt64(parts[1])!)
}
