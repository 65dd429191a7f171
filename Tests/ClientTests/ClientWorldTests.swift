import Client
import Machine
import Placement
import Testing
import Wire

/// A client against a small cluster that does everything that a real one may: it loses requests and answers, is late, repeats what
/// it was sent, forgets sessions, refuses, and comes back.
private struct SmallCluster {
    /// A group by what it promises: each identity is executed once.
    struct Group {
        var log: [(identity: RequestIdentity?, operation: UInt64)] = []
        var sessions: [SessionID: Session] = [:]
    }

    struct Session {
        var lowestOpen: UInt64 = 1
        var results: [UInt64: (KeyResult, UInt64)] = [:]
    }

    var groups: [String: Group] = ["birds": Group(), "fish": Group()]
    let ring = Ring(groups: [Ring.Group(name: "birds"), Ring.Group(name: "fish")])
    /// How often each operation was executed; the operation is what the value says.
    var executed: [UInt64: Int] = [:]

    mutating func execute(_ request: KeyRequest) -> ClientReply {
        guard let name = ring.owner(of: request.key), var group = groups[name] else {
            return .failed(ClientError(.unavailable, "nobody"))
        }
        defer { groups[name] = group }
        func done(_ result: KeyResult, _ seq: UInt64) -> ClientReply {
            .done(result, at: GroupPosition(group: name, lineage: Lineage("l"), seq: seq))
        }
        switch request {
        case .get: return done(.value(nil), UInt64(group.log.count))
        case .openSession:
            group.log.append((nil, 0))
            let session = SessionID(opened: Position(term: 1, seq: UInt64(group.log.count)))
            group.sessions[session] = Session()
            return done(.opened(session), UInt64(group.log.count))
        case .put(_, let value, let identity?):
            guard var session = group.sessions[identity.session] else { return .failed(ClientError(.notFound, "session")) }
            if let known = session.results[identity.sequence] { return done(known.0, known.1) }
            guard identity.sequence >= session.lowestOpen else { return .failed(ClientError(.aborted, "forgotten")) }
            let operation = value.reduce(0) { $0 << 8 | UInt64($1) }
            group.log.append((identity, operation))
            executed[operation, default: 0] += 1
            let seq = UInt64(group.log.count)
            session.results[identity.sequence] = (.put, seq)
            session.lowestOpen = max(session.lowestOpen, identity.lowestOpen)
            for old in session.results.keys where old < session.lowestOpen { session.results[old] = nil }
            group.sessions[identity.session] = session
            return done(.put, seq)
        case .put, .delete: return .failed(ClientError(.invalidArgument, "without identity"))
        }
    }

    mutating func forgetSessions() { for name in groups.keys { groups[name]?.sessions = [:] } }
}

extension SeededRandom {
    fileprivate mutating func below(_ bound: Int) -> Int { Int(next(upperBound: UInt64(bound))) }
}

@Suite struct ClientWorldTests {
    private enum Occurrence {
        case arrives(AttemptID, ClientRequest)
        case answered(AttemptID, AttemptEnd)
        case begin(UInt64)
        case forget
        case cancel(UInt64)
    }

    @Test("Whatever happens on the way: at most once, and the truth about each", arguments: 0..<400 as Range<UInt64>)
    func truth(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var cluster = SmallCluster()
        var options = ClientOptions(
            timeout: .seconds(Int64(random.below(3)) + 1), attemptTimeout: .milliseconds(200),
            sessionWindow: 1 + random.below(4))
        options.direct = random.chance(1, in: 2)
        var client = ClientMachine(servers: ClientBench.servers, options: options, random: random.fork())
        var agenda: [(at: Instant, order: Int, what: Occurrence)] = []
        var order = 0
        func plan(_ what: Occurrence, at instant: Instant) {
            order += 1
            agenda.append((instant, order, what))
        }
        let operations: UInt64 = 60
        for number in 1...operations {
            let at = Instant.zero + .milliseconds(Int64(random.below(4_000)))
            plan(.begin(number), at: at)
            if random.chance(1, in: 16) { plan(.cancel(number), at: at + .milliseconds(Int64(random.below(300)))) }
        }
        for _ in 0..<random.below(3) { plan(.forget, at: .zero + .milliseconds(Int64(random.below(4_000)))) }
        let badPercent = UInt64(random.below(60))
        let healed = Instant.zero + .seconds(4)
        var outcomes: [OperationID: ClientOutcome] = [:]
        var abandoned: Set<AttemptID> = []
        var timer: Instant?
        var now = Instant.zero

        func step(_ event: ClientEvent) {
            var effects: [ClientEffect] = []
            client.step(event, at: now, into: &effects)
            for effect in effects {
                switch effect {
                case .setTimer(let at): timer = at
                case .abandon(let id): abandoned.insert(id)
                case .finished(let id, let outcome):
                    #expect(outcomes[id] == nil)
                    outcomes[id] = outcome
                case .attempt(let id, let request, _):
                    let delay = Nanoseconds.milliseconds(Int64(random.below(30)) + 1)
                    let isBad = now < healed && random.chance(badPercent, in: 100)
                    guard isBad else {
                        plan(.arrives(id, request), at: now + delay)
                        continue
                    }
                    switch random.below(6) {
                    case 0: plan(.answered(id, .unreachable("refused")), at: now + delay)
                    case 1: plan(.answered(id, .broken("lost")), at: now + delay)
                    case 2:
                        // It arrives long after the connection broke.
                        plan(.answered(id, .broken("late")), at: now + delay)
                        plan(.arrives(id, request), at: now + .milliseconds(Int64(random.below(6_000))))
                        abandoned.insert(id)
                    case 3: plan(.answered(id, .reply(.failed(ClientError(.unavailable, "not now")))), at: now + delay)
                    case 4: break  // Never answered.
                    default:
                        // Twice, the second time late.
                        plan(.arrives(id, request), at: now + delay)
                        plan(.arrives(id, request), at: now + .milliseconds(Int64(random.below(6_000))))
                    }
                }
            }
        }
        func key(_ number: UInt64) -> [UInt8] { Array("key\(number % 7)".utf8) }
        func value(_ number: UInt64) -> [UInt8] { [UInt8(number >> 8), UInt8(truncatingIfNeeded: number)] }

        while true {
            let next = agenda.indices.min { (agenda[$0].at, agenda[$0].order) < (agenda[$1].at, agenda[$1].order) }
            if let due = timer, next.map({ due <= agenda[$0].at }) ?? true {
                now = max(now, due)
                timer = nil
                step(.timerFired)
                continue
            }
            guard let next else { break }
            let (at, _, what) = agenda.remove(at: next)
            now = max(now, at)
            switch what {
            case .begin(let number):
                step(.requested(OperationID(number), .put(key: key(number), value: value(number)), timeout: nil))
            case .cancel(let number): step(.cancelled(OperationID(number)))
            case .forget: cluster.forgetSessions()
            case .answered(let id, let end): step(.ended(id, end))
            case .arrives(let id, let request):
                let reply: ClientReply
                switch request {
                case .routes:
                    reply = .routes(Routes(ring: RingStatus(version: 1, sealed: true, tokens: cluster.ring.tokens), groups: []))
                case .status, .transfer, .recover: reply = .failed(ClientError(.invalidArgument, "no"))
                case .key(let request, _): reply = cluster.execute(request)
                }
                if !abandoned.contains(id) { step(.ended(id, .reply(reply))) }
            }
        }
        #expect(outcomes.count == Int(operations))
        #expect(client.operationsUnderWay == 0)
        for number in 1...operations {
            let times = cluster.executed[number] ?? 0
            #expect(times <= 1, "operation \(number) was executed \(times) times")
            switch outcomes[OperationID(number)] {
            case .done: #expect(times == 1, "operation \(number) is said to be done")
            case .notDone: #expect(times == 0, "operation \(number) is said not to be done")
            case .unknown: break
            case nil: Issue.record("operation \(number) never ended")
            }
        }
    }
}
