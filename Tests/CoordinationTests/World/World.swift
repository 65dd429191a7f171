import Coordination
import Machine
import Wire

/// What a test lets run against the ensemble: a few machines of one node.
protocol Part {
    mutating func begin(_ session: Session, at now: Instant, into sink: inout Sink)
    mutating func step(
        _ event: CoordinationEvent, change: Session.Change?, _ session: Session, at now: Instant, into sink: inout Sink)
    mutating func timerFired(_ timer: TimerID, _ session: Session, at now: Instant, into sink: inout Sink)
}

/// Clients on an ensemble. `chaos` plays every fault there is, `calm` lets everything settle.
struct World<P: Part> {
    struct Client {
        var part: P
        var session = Session(timer: TimerID(purpose: 1000))
        var wanted: SessionToken?
        var ensembleSession: Int64?
        var connection: Ensemble.Connection?
        /// The newest tree that this session has seen.
        var seen = 0
        var pending: [(CoordinationID, CoordinationOperation)] = []
        var inbox: [CoordinationEvent] = []
        var timers: [TimerID: Instant] = [:]
        var log: [LogLine] = []
        /// Steps of the chaos for which this client, or its connection, stands still.
        var stalledRequests = 0
        var stalledEvents = 0
    }

    var ensemble = Ensemble()
    var clients: [Client]
    var now = Instant.zero
    var random: SeededRandom
    /// Nodes that an operator deletes now and then during the chaos.
    var endangered: [String] = []
    /// Called after each step of the ensemble's tree.
    var onCommit: (_ before: Tree, _ after: Tree) -> Void = { _, _ in }
    private var checked = 0

    init(parts: [P], seed: UInt64) {
        random = SeededRandom(seed: seed)
        clients = parts.map { Client(part: $0) }
        for index in clients.indices {
            step(index) { client, now, sink in
                client.session.open(at: now, into: &sink)
                client.part.begin(client.session, at: now, into: &sink)
            }
        }
    }

    // MARK: Running

    mutating func chaos(steps: Int) {
        for _ in 0..<steps {
            let index = Int(random.next(upperBound: UInt64(clients.count)))
            switch Int(random.next(upperBound: UInt64(100))) {
            case 0..<3: disconnect(index)
            case 3: expire(index)
            case 4..<6:
                if !ensemble.late.isEmpty { ensemble.applyLate(Int(random.next(upperBound: UInt64(ensemble.late.count)))) }
            case 6:
                if let path = endangered.randomElement(using: &random) {
                    _ = ensemble.commit([.delete(path: path, version: -1)], session: 0)
                }
            case 7..<12: connect(index)
            case 12..<20: advanceTime()
            case 20..<35: moveServer(index)
            case 35..<65: if clients[index].stalledRequests == 0 { executeNext(index) }
            case 65: clients[index].stalledRequests = Int(random.next(upperBound: UInt64(200)))
            case 66: clients[index].stalledEvents = Int(random.next(upperBound: UInt64(200)))
            default: if clients[index].stalledEvents == 0 { deliverNext(index) }
            }
            clients[index].stalledRequests = max(0, clients[index].stalledRequests - 1)
            clients[index].stalledEvents = max(0, clients[index].stalledEvents - 1)
            check()
        }
    }

    /// No more faults, but requests that are still under way from before, and time passes. Returns whether the condition came true.
    mutating func calm(steps: Int = 20_000, until condition: (Self) -> Bool) -> Bool {
        for _ in 0..<steps {
            var isIdle = true
            for index in clients.indices {
                if clients[index].connection == nil { connect(index) }
                moveServer(index)
                if !clients[index].pending.isEmpty || !clients[index].inbox.isEmpty { isIdle = false }
                executeNext(index)
                deliverNext(index)
            }
            check()
            if isIdle {
                if condition(self), ensemble.late.isEmpty { return true }
                advanceTime()
                if !ensemble.late.isEmpty { ensemble.applyLate(0) }
            }
        }
        return condition(self)
    }

    private mutating func check() {
        while checked < ensemble.history.count - 1 {
            onCommit(ensemble.history[checked], ensemble.history[checked + 1])
            checked += 1
        }
    }

    // MARK: What can happen

    private mutating func step(_ index: Int, _ body: (inout Client, Instant, inout Sink) -> Void) {
        var sink = Sink()
        body(&clients[index], now, &sink)
        for effect in sink.drain() {
            switch effect {
            case .coordination(let effect): perform(effect, index)
            case .setTimer(let timer, let at): clients[index].timers[timer] = at
            case .cancelTimer(let timer): clients[index].timers[timer] = nil
            case .log(let line): clients[index].log.append(line)
            case .send, .closeLink, .reply, .disk, .halt: break
            }
        }
    }

    private mutating func perform(_ effect: CoordinationEffect, _ index: Int) {
        switch effect {
        case .openSession(let token):
            clients[index].wanted = token
            clients[index].ensembleSession = nil
            clients[index].connection = nil
            clients[index].pending = []
            clients[index].seen = 0
        case .closeSession: break
        case .request(let token, let id, let operation):
            if token == clients[index].wanted, clients[index].connection != nil {
                clients[index].pending.append((id, operation))
            } else {
                fail(id, .connectionLoss, token, index)
            }
        }
    }

    private mutating func fail(_ id: CoordinationID, _ error: CoordinationError, _ token: SessionToken, _ index: Int) {
        clients[index].inbox.append(CoordinationEvent(session: token, kind: .reply(id, .failed(error, operations: []))))
    }

    private mutating func executeNext(_ index: Int) {
        guard var connection = clients[index].connection, let session = clients[index].ensembleSession,
            let token = clients[index].wanted, !clients[index].pending.isEmpty
        else { return }
        guard ensemble.isAlive(session) else { return disconnect(index) }
        let (id, operation) = clients[index].pending.removeFirst()
        let (events, reply) = ensemble.execute(operation, session: session, on: &connection)
        clients[index].seen = connection.position
        clients[index].connection = connection
        clients[index].inbox += (events + [.reply(id, reply)]).map { CoordinationEvent(session: token, kind: $0) }
    }

    private mutating func moveServer(_ index: Int) {
        guard var connection = clients[index].connection, let token = clients[index].wanted,
            connection.position < ensemble.history.count - 1
        else { return }
        let events = ensemble.move(&connection, to: connection.position + 1)
        if !events.isEmpty { clients[index].seen = connection.position }
        clients[index].connection = connection
        clients[index].inbox += events.map { CoordinationEvent(session: token, kind: $0) }
    }

    private mutating func deliverNext(_ index: Int) {
        guard !clients[index].inbox.isEmpty else { return }
        let event = clients[index].inbox.removeFirst()
        step(index) { client, now, sink in
            let change = client.session.step(event, at: now, into: &sink)
            client.part.step(event, change: change, client.session, at: now, into: &sink)
        }
    }

    /// What was pending is applied up to some point, the next write perhaps late, the rest never.
    private mutating func disconnect(_ index: Int) {
        guard let session = clients[index].ensembleSession, let token = clients[index].wanted, clients[index].connection != nil
        else { return }
        let pending = clients[index].pending
        let applied = Int(random.next(upperBound: UInt64(pending.count + 1)))
        for (position, request) in pending.enumerated() {
            if let operations = request.1.asTransaction, ensemble.isAlive(session) {
                if position < applied {
                    _ = ensemble.commit(operations, session: session)
                } else if position == applied, random.chance(1, in: 2) {
                    ensemble.late.append((session, operations))
                }
            }
            fail(request.0, .connectionLoss, token, index)
        }
        clients[index].pending = []
        clients[index].connection = nil
        clients[index].inbox.append(CoordinationEvent(session: token, kind: .disconnected))
    }

    private mutating func connect(_ index: Int) {
        guard let token = clients[index].wanted, clients[index].connection == nil else { return }
        if let session = clients[index].ensembleSession, !ensemble.isAlive(session) {
            clients[index].wanted = nil
            clients[index].inbox.append(CoordinationEvent(session: token, kind: .expired))
            return
        }
        let session = clients[index].ensembleSession ?? ensemble.openSession()
        let newest = ensemble.history.count - 1
        let position = clients[index].seen + Int(random.next(upperBound: UInt64(newest - clients[index].seen + 1)))
        clients[index].ensembleSession = session
        clients[index].seen = position
        clients[index].connection = Ensemble.Connection(position: position)
        let kind = CoordinationEvent.Kind.connected(sessionID: session, timeout: .seconds(4))
        clients[index].inbox.append(CoordinationEvent(session: token, kind: kind))
    }

    private mutating func expire(_ index: Int) {
        guard let session = clients[index].ensembleSession else { return }
        disconnect(index)
        ensemble.expire(session)
    }

    private mutating func advanceTime() {
        let due = clients.indices.flatMap { index in clients[index].timers.map { (at: $0.value, index: index, timer: $0.key) } }
        guard let next = due.min(by: { ($0.at, $0.index, $0.timer) < ($1.at, $1.index, $1.timer) }) else { return }
        now = max(now, next.at)
        clients[next.index].timers[next.timer] = nil
        step(next.index) { client, now, sink in
            client.session.timerFired(next.timer, at: now, into: &sink)
            client.part.timerFired(next.timer, client.session, at: now, into: &sink)
        }
    }
}
