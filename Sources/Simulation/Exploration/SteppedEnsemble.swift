import Machine

// Fault model. A ZooKeeper ensemble without time: which of the pending things happens next is somebody else's choice. It
// decides with the `Leader` of the timed model, and follows the same rules (`ZooKeeperModel`); here each of its free choices
// is a step of its own:
// - a request is executed, an answer or event arrives, in order per client, at any time;
// - a connection breaks: what was executed is answered with connection loss all the same; of what was not, any prefix is
//   still on its way, and is executed at any later time, but not after a later write or sync of the session, and not after
//   its end;
// - a session expires at any time (its client may be slow, or cut off), and the client learns it when it connects again;
// - a session is granted, the connection breaks, and the client never knows it had one;
// - with `lags`, each client's server shows any state between the last that it showed and the newest.
// Every client has one server, which is never down; there is no change of leaders.

/// ZooKeeper, with one client library for each of some processes, stepped by hand.
public struct SteppedEnsemble: Sendable {
    public enum Step: Hashable, Sendable {
        /// The library reaches a server: a session is granted, resumed, or told to be over.
        case connect(Int)
        /// The oldest request reaches the server, and is done.
        case execute(Int)
        /// The oldest answer or event reaches the client.
        case deliver(Int)
        /// The connection breaks; `surviving` of the writes that were not done are still on their way.
        case lose(Int, surviving: Int)
        /// The oldest write that a broken connection left is done.
        case late(session: Int)
        case expire(session: Int)
        /// The client's server shows the newest state.
        case catchUp(Int)
    }

    enum State: Hashable, Sendable {
        case absent, connecting, connected, over
    }

    struct Request: Sendable {
        var id: CoordinationID
        var operation: CoordinationOperation
    }

    struct Packet: Sendable {
        var event: CoordinationEvent.Kind
        var zxid: Int64
        /// What it answers.
        var answered: CoordinationOperation?
    }

    struct Client: Sendable {
        var state = State.absent
        var token = SessionToken(0)
        /// 0 until the client knows of a session.
        var sessionID: Int64 = 0
        var lastZxid: Int64 = 0
        var requests: [Request] = []
        /// Executed, the answer is among `packets`.
        var answering: [CoordinationID] = []
        var packets: [Packet] = []
        /// What the library sets again after a reconnection.
        var watches: [RegisteredWatch] = []
        var server = WatchTable()
        /// How many transactions its server has applied, and what it shows; nil where it is what the leader has.
        var applied = 0
        var past: DataTree?
        var sessionsGranted: Int64 = 0
        /// Whether the client was told of the session that it has.
        var knowsSession = false
    }

    struct Session: Sendable {
        let id: Int64
        let client: Int
        /// Whether the client goes on using it.
        var isUsed = true
        var late: [CoordinationOperation] = []
    }

    var leader = Leader()
    var clients: [Client]
    /// Those that are alive.
    var sessions: [Session] = []
    let lags: Bool
    let answersAtOnce: Bool
    /// What happened to each client's part since its fingerprint was taken: with the old fingerprint it determines the new
    /// one. 0 where nothing did.
    package var inputs: [UInt64]
    var isTreeKnown = false
    var treePrint: UInt64 = 0

    /// - Parameters:
    ///   - lags: whether servers may show the past.
    ///   - answersAtOnce: an answer arrives in the step in which its request is executed. That leaves next to nothing out: a late
    ///     answer makes the next request late, which is a case anyway, and a lost one is a write that a broken connection left
    ///     on its way and that is done at once. It saves most of the states.
    package init(clients: Int, lags: Bool, answersAtOnce: Bool) {
        self.answersAtOnce = answersAtOnce
        inputs = Array(repeating: 1, count: clients)
        self.clients = Array(repeating: Client(), count: clients)
        self.lags = lags
    }

    // MARK: What may happen

    /// Steps that are no fault, for one client.
    package func steps(of client: Int) -> [Step] {
        var steps: [Step] = []
        let state = clients[client].state
        if state == .connecting { steps.append(.connect(client)) }
        if state == .connected, !clients[client].requests.isEmpty { steps.append(.execute(client)) }
        if state == .connected, !clients[client].packets.isEmpty { steps.append(.deliver(client)) }
        if state == .connected, !isAlive(clients[client].sessionID) { steps.append(.lose(client, surviving: 0)) }
        if clients[client].past != nil { steps.append(.catchUp(client)) }
        for (index, session) in sessions.enumerated() where session.client == client {
            if !session.late.isEmpty { steps.append(.late(session: index)) }
            if !session.isUsed { steps.append(.expire(session: index)) }
        }
        return steps
    }

    /// Ways in which the client's connection can break.
    package func losses(of client: Int) -> [Step] {
        guard clients[client].state == .connected, isAlive(clients[client].sessionID) else { return [] }
        let writes = clients[client].requests.count { $0.operation.isWrite }
        return (0...writes).map { .lose(client, surviving: $0) }
    }

    /// The end of the session that the client uses.
    package func expiries(of client: Int) -> [Step] {
        sessions.indices.filter { sessions[$0].client == client && sessions[$0].isUsed }.map { .expire(session: $0) }
    }

    /// Whether nothing is under way to or from the client, and it is connected.
    package func isQuiet(_ client: Int) -> Bool {
        clients[client].state == .connected && clients[client].requests.isEmpty && clients[client].packets.isEmpty
            && clients[client].past == nil && isAlive(clients[client].sessionID)
            && !sessions.contains { $0.client == client && (!$0.late.isEmpty || !$0.isUsed) }
    }

    package func owner(ofStep step: Step) -> Int {
        switch step {
        case .connect(let client), .execute(let client), .deliver(let client), .lose(let client, _), .catchUp(let client):
            client
        case .late(let session), .expire(let session): sessions[session].client
        }
    }

    package func isAlive(_ session: Int64) -> Bool { sessions.contains { $0.id == session } }

    func number(of step: Step) -> UInt64 {
        switch step {
        case .connect: 10
        case .execute: 11
        case .deliver: 12
        case .catchUp: 13
        case .lose(_, let surviving): 1_000 + UInt64(surviving)
        case .late(let session): UInt64(bitPattern: sessions[session].id) ^ 14 << 40
        case .expire(let session): UInt64(bitPattern: sessions[session].id) ^ 15 << 40
        }
    }

    // MARK: What the committed state is

    package func data(at path: String) -> [UInt8]? { leader.tree[path]?.data }
    package func stat(of path: String) -> Stat? { leader.tree[path]?.stat }
    package func children(of path: String) -> [String] { leader.tree[path]?.children ?? [] }
    package func sessionID(of client: Int) -> Int64 { clients[client].sessionID }

    /// What was committed since this was last emptied.
    package var committed: [Transaction] = []

    /// Changes the tree by an outsider's hand.
    package mutating func change(_ operation: CoordinationOperation) -> CoordinationReply {
        commit { $0.decide(operation, of: 0) }
    }

    // MARK: Steps

    /// Returns what the client's node is told at once.
    package mutating func perform(_ step: Step) -> [CoordinationEvent] {
        touch(owner(ofStep: step), number(of: step))
        switch step {
        case .connect(let client): return connect(client)
        case .execute(let client): return execute(client)
        case .deliver(let client): return deliver(client)
        case .lose(let client, let surviving): return lose(client, surviving: surviving)
        case .late(let index):
            let operation = sessions[index].late.removeFirst()
            let id = sessions[index].id
            _ = commit { $0.decide(operation, of: id) }
            return []
        case .expire(let index):
            closeSession(index)
            return []
        case .catchUp(let client):
            catchUp(client)
            return []
        }
    }

    /// A node's effect; returns what it is told at once.
    package mutating func perform(_ effect: CoordinationEffect, of client: Int) -> [CoordinationEvent] {
        touch(client, 3)
        switch effect {
        case .openSession(let token):
            abandonSession(of: client)
            let (applied, past, granted) = (clients[client].applied, clients[client].past, clients[client].sessionsGranted)
            clients[client] = Client(
                state: .connecting, token: token, applied: applied, past: past, sessionsGranted: granted)
            return []
        case .closeSession(let token):
            guard clients[client].token == token else { return [] }
            abandonSession(of: client)
            return finish(client, .closed)
        case .request(let token, let id, let operation):
            guard clients[client].token == token, clients[client].state == .connecting || clients[client].state == .connected
            else { return [CoordinationEvent(session: token, kind: .reply(id, .failed(.invalidState, operations: [])))] }
            clients[client].requests.append(Request(id: id, operation: operation))
            return []
        }
    }

    /// The client's process is gone; its session is left to expire.
    package mutating func processEnded(_ client: Int, surviving: Int) {
        touch(client, 4 + UInt64(surviving))
        leaveBehind(client, surviving: surviving)
        abandonSession(of: client)
        let (applied, past, granted) = (clients[client].applied, clients[client].past, clients[client].sessionsGranted)
        clients[client] = Client(applied: applied, past: past, sessionsGranted: granted)
    }

    mutating func abandonSession(of client: Int) {
        for index in sessions.indices where sessions[index].client == client { sessions[index].isUsed = false }
    }

    mutating func connect(_ client: Int) -> [CoordinationEvent] {
        if clients[client].sessionID == 0 {
            clients[client].sessionsGranted += 1
            let id = Int64(client + 1) << 16 | clients[client].sessionsGranted
            sessions.append(Session(id: id, client: client))
            sessions.sort { $0.id < $1.id }
            clients[client].sessionID = id
            clients[client].knowsSession = false
        } else if !isAlive(clients[client].sessionID) {
            return finish(client, .expired)
        } else if tree(of: client).zxid < clients[client].lastZxid {
            catchUp(client)
        }
        clients[client].state = .connected
        send(.connected(sessionID: clients[client].sessionID, timeout: .seconds(4)), to: client)
        setWatchesAgain(client)
        return []
    }

    /// `DataTree.setWatches`, as `ZooKeeperModel` does it.
    mutating func setWatchesAgain(_ client: Int) {
        let tree = tree(of: client)
        let seen = clients[client].lastZxid
        clients[client].server = WatchTable()
        for watch in clients[client].watches {
            let node = tree[watch.path]
            let event: WatchKind? =
                switch watch.kind {
                case .data: node.map { $0.mzxid > seen ? .dataChanged : nil } ?? .deleted
                case .existence: node == nil ? nil : .created
                case .children: node.map { $0.pzxid > seen ? .childrenChanged : nil } ?? .deleted
                }
            if let event {
                send(.watchFired(path: watch.path, event), to: client)
            } else {
                arm(watch.path, isChildren: watch.kind == .children, client)
            }
        }
    }

    mutating func arm(_ path: String, isChildren: Bool, _ client: Int) {
        let watcher = WatchTable.Watcher(handle: client, connection: 0)
        if isChildren {
            clients[client].server.watchChildren(path, watcher)
        } else {
            clients[client].server.watchData(path, watcher)
        }
    }

    mutating func execute(_ client: Int) -> [CoordinationEvent] {
        let request = clients[client].requests[0]
        let reply: CoordinationReply
        if request.operation.isRead, isAlive(clients[client].sessionID) || clients[client].past != nil {
            reply = read(request.operation, client)
        } else {
            guard let session = sessions.firstIndex(where: { $0.id == clients[client].sessionID }) else {
                return lose(client, surviving: 0)
            }
            // Requests of an earlier connection come first, or never.
            sessions[session].late.removeAll()
            if request.operation.isWrite {
                let id = sessions[session].id
                reply = commit { $0.decide(request.operation, of: id) }
            } else {
                reply = .synced
            }
            catchUp(client)
        }
        clients[client].requests.removeFirst()
        clients[client].answering.append(request.id)
        send(.reply(request.id, reply), to: client, answering: request.operation)
        var told: [CoordinationEvent] = []
        while answersAtOnce, !clients[client].packets.isEmpty { told += deliver(client) }
        return told
    }

    mutating func read(_ operation: CoordinationOperation, _ client: Int) -> CoordinationReply {
        let tree = tree(of: client)
        switch operation {
        case .get(let path, let watch):
            guard let node = tree[path] else { return .failed(.noNode, operations: []) }
            if watch { arm(path, isChildren: false, client) }
            return .data(node.data, node.stat)
        case .exists(let path, let watch):
            if watch { arm(path, isChildren: false, client) }
            return .existence(tree[path]?.stat)
        case .children(let path, let watch):
            guard let node = tree[path] else { return .failed(.noNode, operations: []) }
            if watch { arm(path, isChildren: true, client) }
            return .children(node.children, node.stat)
        case .create, .delete, .set, .multi, .sync: preconditionFailure("not a read")
        }
    }

    mutating func deliver(_ client: Int) -> [CoordinationEvent] {
        let packet = clients[client].packets.removeFirst()
        if case .connected = packet.event { clients[client].knowsSession = true }
        if let operation = packet.answered {
            clients[client].answering.removeFirst()
            clients[client].lastZxid = max(clients[client].lastZxid, packet.zxid)
            if case .reply(_, let reply) = packet.event { rememberWatch(client, operation, reply) }
        } else if case .watchFired(let path, let kind) = packet.event {
            clients[client].watches.removeAll { watch in
                guard watch.path == path else { return false }
                switch kind {
                case .created, .dataChanged: return watch.kind != .children
                case .deleted: return true
                case .childrenChanged: return watch.kind == .children
                }
            }
        }
        return [told(packet.event, client)]
    }

    mutating func rememberWatch(_ client: Int, _ operation: CoordinationOperation, _ reply: CoordinationReply) {
        var watch: RegisteredWatch?
        if case .get(let path, watch: true) = operation, case .data = reply {
            watch = RegisteredWatch(path: path, kind: .data)
        } else if case .exists(let path, watch: true) = operation, case .existence(let stat) = reply {
            watch = RegisteredWatch(path: path, kind: stat == nil ? .existence : .data)
        } else if case .children(let path, watch: true) = operation, case .children = reply {
            watch = RegisteredWatch(path: path, kind: .children)
        }
        if let watch, !clients[client].watches.contains(watch) { clients[client].watches.append(watch) }
    }

    // MARK: Breaking

    mutating func lose(_ client: Int, surviving: Int) -> [CoordinationEvent] {
        leaveBehind(client, surviving: surviving)
        clients[client].packets.removeAll()
        clients[client].server = WatchTable()
        clients[client].state = .connecting
        // Granted, and the client does not know: nobody uses that session.
        if !clients[client].knowsSession {
            abandonSession(of: client)
            clients[client].sessionID = 0
        }
        return [told(.disconnected, client)] + failRequests(of: client, .connectionLoss)
    }

    mutating func leaveBehind(_ client: Int, surviving: Int) {
        guard let session = sessions.firstIndex(where: { $0.id == clients[client].sessionID }) else { return }
        let writes = clients[client].requests.map(\.operation).filter(\.isWrite)
        sessions[session].late += writes.prefix(surviving)
    }

    mutating func finish(_ client: Int, _ word: CoordinationEvent.Kind) -> [CoordinationEvent] {
        clients[client].state = .over
        clients[client].packets.removeAll()
        clients[client].watches.removeAll()
        clients[client].server = WatchTable()
        return [told(word, client)] + failRequests(of: client, word == .expired ? .sessionExpired : .closing)
    }

    mutating func failRequests(of client: Int, _ error: CoordinationError) -> [CoordinationEvent] {
        let failed = clients[client].answering + clients[client].requests.map(\.id)
        clients[client].answering.removeAll()
        clients[client].requests.removeAll()
        return failed.map { told(.reply($0, .failed(error, operations: [])), client) }
    }

    func told(_ event: CoordinationEvent.Kind, _ client: Int) -> CoordinationEvent {
        CoordinationEvent(session: clients[client].token, kind: event)
    }

    mutating func send(_ event: CoordinationEvent.Kind, to client: Int, answering: CoordinationOperation? = nil) {
        append(Packet(event: event, zxid: tree(of: client).zxid, answered: answering), client)
    }

    mutating func append(_ packet: Packet, _ client: Int) {
        clients[client].packets.append(packet)
        var digest = Fingerprint()
        digest.fold(packet.event)
        digest.fold(UInt64(bitPattern: packet.zxid))
        touch(client, digest.value)
    }
}
