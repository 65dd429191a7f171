import Machine

// Fault model of the client's side: the C library with the adapter over it, as a node sees them.
//
// Requests are answered once each, in the order in which they were made, and everything that was pending is answered before
// the last word about a session. A request that no server would take (a malformed path, more than a megabyte) is refused here
// with `badArguments`: sent, it would have broken the connection, and with it all requests of the session.
//
// Without a connection, requests are held: they are sent over the next one, or end with `connectionLoss` when they have waited
// for a whole session timeout. A connection that breaks ends what was sent with `connectionLoss`, after `disconnected`.
//
// A close waits for what was asked before it, up to some seconds; without a connection it only forgets the handle, and the
// session is left to expire. After it everything is refused: `closing`, and from `closed` (or `expired`) on `sessionExpired`.

extension ZooKeeperModel {
    @usableFromInline mutating func perform(_ effect: CoordinationEffect, of process: Int, at now: Instant) {
        switch effect {
        case .openSession(let token):
            guard handle(of: process, token) == nil else { return }
            let handle = handles.count
            handles.append(Handle(process: process, token: token))
            handlesOfProcess[process].append(handle)
            planAttempt(handle, at: now)
        case .closeSession(let token):
            guard let handle = handle(of: process, token) else {
                return tell(process: process, CoordinationEvent(session: token, kind: .closed))
            }
            close(handle, at: now)
        case .request(let token, let id, let operation):
            guard let handle = handle(of: process, token) else {
                let reply = CoordinationReply.failed(.sessionExpired, operations: [])
                return tell(process: process, CoordinationEvent(session: token, kind: .reply(id, reply)))
            }
            request(id, operation, of: handle, at: now)
        }
    }

    private mutating func handle(of process: Int, _ token: SessionToken) -> Int? {
        for handle in handlesOfProcess[process].reversed() where handles[handle].token == token { return handle }
        return nil
    }

    private mutating func request(
        _ id: CoordinationID, _ operation: CoordinationOperation, of handle: Int, at now: Instant
    ) {
        let refusal: CoordinationError? =
            switch handles[handle].state {
            case .over: .sessionExpired
            case .connecting, .connected:
                handles[handle].wantsToClose ? .closing : operation.isAcceptable(options) ? nil : .badArguments
            }
        if let refusal, handles[handle].requests.isEmpty {
            tell(handle, .reply(id, .failed(refusal, operations: [])))
        } else {
            enqueue(refusal.map { .refused(id, $0) } ?? .operation(id, operation), handle, at: now)
        }
        if !handles[handle].isReached, refusal == nil { planToGiveUpHeld(handle, asked: now) }
    }

    private mutating func enqueue(_ kind: Handle.Request.Kind, _ handle: Int, at now: Instant) {
        let arrival = max(now + options.latency.draw(&random), handles[handle].lastArrival)
        handles[handle].lastArrival = arrival
        var request = Handle.Request(kind: kind, asked: now, arrival: arrival, pace: .usual)
        switch kind {
        case .close: request.pace = .write
        case .operation(_, let operation):
            request.setsWatch = operation.setsWatch
            if operation.isWrite { request.pace = .write }
            if case .sync = operation { request.pace = .sync }
        case .refused: break
        }
        handles[handle].requests.append(consume request)
        planExecution(handle, at: now)
    }

    // MARK: Without a connection

    private mutating func planToGiveUpHeld(_ handle: Int, asked: Instant) {
        // The adapter looks every quarter of a second.
        let late = random.length(.zero ... .milliseconds(250))
        plan(.heldTooLong(handle: Int32(handle)), at: asked + options.requestedTimeout + late)
    }

    /// There is a connection again.
    private mutating func sendHeld(_ handle: Int, at now: Instant) {
        handles[handle].isReached = true
        for index in 0..<handles[handle].requests.count {
            let arrival = max(now + options.latency.draw(&random), handles[handle].lastArrival)
            handles[handle].lastArrival = arrival
            handles[handle].requests[index].arrival = arrival
        }
        planExecution(handle, at: now)
    }

    /// Requests that have waited for a connection for too long.
    mutating func giveUpHeld(_ handle: Int, at now: Instant) {
        guard handles[handle].isAlive, !handles[handle].isReached else { return }
        while let request = handles[handle].requests.first {
            if case .operation = request.kind, request.asked + options.requestedTimeout > now { return }
            if case .operation = request.kind { counters.add(.heldRequestGivenUp) }
            answerOldest(of: handle, with: .connectionLoss)
        }
    }

    /// Answers the oldest request without having heard from a server.
    private mutating func answerOldest(of handle: Int, with error: CoordinationError) {
        guard let request = handles[handle].takeRequest() else { return }
        switch request.kind {
        case .operation(let id, _): tell(handle, .reply(id, .failed(error, operations: [])))
        case .refused(let id, let refusal): tell(handle, .reply(id, .failed(refusal, operations: [])))
        case .close: break
        }
    }

    mutating func failRequests(of handle: Int, with error: CoordinationError) {
        while !handles[handle].requests.isEmpty { answerOldest(of: handle, with: error) }
    }

    // MARK: The end of a handle

    private mutating func close(_ handle: Int, at now: Instant) {
        switch handles[handle].state {
        case .over: tell(handle, .closed)
        case .connecting: finish(handle, .closed, at: now)
        case .connected where !handles[handle].isReached: finish(handle, .closed, at: now)
        case .connected:
            guard !handles[handle].wantsToClose else { return }
            handles[handle].wantsToClose = true
            enqueue(.close, handle, at: now)
            let patience = random.length(.seconds(1) ... .milliseconds(5_500))
            plan(.closeGivenUp(handle: Int32(handle), connection: handles[handle].connection), at: now + patience)
        }
    }

    /// The server did not answer: the handle goes, and what was sent may still be executed.
    mutating func giveUpClosing(_ handle: Int, at now: Instant) {
        leaveRequestsBehind(handle, at: now)
        finish(handle, .closed, at: now)
    }

    /// The handle is over, with `expired` or `closed` as its last word.
    mutating func finish(_ handle: Int, _ word: CoordinationEvent.Kind, at now: Instant) {
        handles[handle].state = .over
        handles[handle].isReached = false
        handles[handle].connection += 1
        handles[handle].packets.removeAll()
        handles[handle].watches.removeAll()
        failRequests(of: handle, with: word == .expired ? .sessionExpired : .closing)
        tell(handle, word)
        updateHearing(ofHandle: handle, at: now)
    }

    /// The life of a process ends: its connections close, its sessions are left to expire.
    @usableFromInline mutating func processEnded(_ process: Int, at now: Instant) {
        for handle in handlesOfProcess[process] {
            leaveRequestsBehind(handle, at: now)
            handles[handle].isAlive = false
            handles[handle].state = .over
            handles[handle].isReached = false
            handles[handle].connection += 1
            updateHearing(ofHandle: handle, at: now)
            handles[handle].requests.removeAll()
            handles[handle].executed = 0
            handles[handle].packets.removeAll()
            handles[handle].watches.removeAll()
        }
        handlesOfProcess[process].removeAll()
        isPaused[process] = false
    }

    @usableFromInline mutating func setPaused(_ process: Int, _ paused: Bool, at now: Instant) {
        isPaused[process] = paused
        for handle in handlesOfProcess[process] {
            updateHearing(ofHandle: handle, at: now)
            if !paused, handles[handle].state == .connecting { planAttempt(handle, at: now) }
        }
    }

    // MARK: What servers send

    mutating func send(
        _ event: CoordinationEvent.Kind, to handle: Int, at now: Instant, zxid: Int64? = nil, isAnswer: Bool = false
    ) {
        let arrival = max(now + options.latency.draw(&random), handles[handle].lastPacket)
        handles[handle].lastPacket = arrival
        let seen = zxid ?? servers[handles[handle].server].tree.zxid
        handles[handle].packets.append(Handle.Packet(arrival: arrival, event: event, zxid: seen, isAnswer: isAnswer))
        planDelivery(handle, at: now)
    }

    mutating func planDelivery(_ handle: Int, at now: Instant) {
        guard !handles[handle].isStalled, !handles[handle].deliveryPlanned, !handles[handle].packets.isEmpty else {
            return
        }
        handles[handle].deliveryPlanned = true
        let arrival = handles[handle].packets.look(at: 0) { $0.arrival }
        plan(.delivery(handle: Int32(handle), connection: handles[handle].connection), at: max(arrival, now))
    }

    mutating func deliverNext(_ handle: Int, at now: Instant) {
        guard !handles[handle].isStalled else { return }
        while !handles[handle].packets.isEmpty, handles[handle].packets.look(at: 0, { $0.arrival <= now }) {
            guard let packet = handles[handle].packets.popFirst() else { break }
            // Watch events carry no zxid to remember; answers do.
            if packet.isAnswer { handles[handle].lastZxid = max(handles[handle].lastZxid, packet.zxid) }
            if case .watchFired(let path, let kind) = packet.event {
                // Nobody waits for it where an event before took the watch along, or once the handle is to be closed.
                guard forgetWatches(handle, path, kind), !handles[handle].wantsToClose else { continue }
            }
            if case .closed = packet.event { return finish(handle, .closed, at: now) }
            if packet.isAnswer, let request = handles[handle].takeRequest(), request.setsWatch,
                case .operation(_, let operation) = request.kind, case .reply(_, let reply) = packet.event
            {
                rememberWatch(handle, operation, reply)
            }
            tell(handle, packet.event)
            if case .connected = packet.event { sendHeld(handle, at: now) }
        }
        planDelivery(handle, at: now)
    }
}

extension CoordinationOperation {
    /// Whether the adapter would send it: its paths are well-formed, and it is not larger than what a server takes, counted
    /// from above.
    func isAcceptable(_ options: ZooKeeperModel.Options) -> Bool {
        let bytes: Int?
        switch self {
        case .create(let path, let data, let mode): bytes = Self.size(path, data, isSequential: mode.isSequential)
        case .set(let path, let data, _): bytes = Self.size(path, data)
        case .delete(let path, _), .get(let path, _), .exists(let path, _), .children(let path, _), .sync(let path):
            bytes = Self.size(path)
        case .multi(let operations): bytes = Self.size(operations)
        }
        return bytes.map { Self.overhead + $0 <= options.largestRequest } ?? false
    }

    private static let overhead = 64

    /// nil where one of the paths is malformed.
    private static func size(_ operations: [MultiOperation]) -> Int? {
        var sum = 0
        for operation in operations {
            let bytes: Int?
            switch operation {
            case .check(let path, _), .delete(let path, _): bytes = size(path)
            case .create(let path, let data, let mode): bytes = size(path, data, isSequential: mode.isSequential)
            case .set(let path, let data, _): bytes = size(path, data)
            }
            guard let bytes else { return nil }
            sum += bytes
        }
        return sum
    }

    @inline(__always) private static func size(_ path: String, _ data: [UInt8] = [], isSequential: Bool = false) -> Int? {
        DataTree.isValid(path, sequential: isSequential) ? overhead + path.utf8.count + data.count : nil
    }

    /// Whether the connected server answers it by itself.
    var isRead: Bool {
        switch self {
        case .get, .exists, .children: true
        case .create, .delete, .set, .multi, .sync: false
        }
    }

    /// Whether it sets a watch, where it succeeds.
    var setsWatch: Bool {
        switch self {
        case .get(_, let watch), .exists(_, let watch), .children(_, let watch): watch
        case .create, .delete, .set, .multi, .sync: false
        }
    }

    /// Whether the leader decides it.
    var isWrite: Bool {
        switch self {
        case .create, .delete, .set, .multi: true
        case .get, .exists, .children, .sync: false
        }
    }
}
