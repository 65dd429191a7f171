import Coordination
import Machine
import Placement
import Testing
import Wire

@testable import Nodes

/// One server on the workbench, with a ZooKeeper that answers at once and hands that play clients and data nodes.
struct ServerBench {
    private struct Znode {
        var data: [UInt8]
        var version: Int32 = 0
        var mzxid: Int64
        var owner: Int64 = 0
    }

    static let address = Address(host: "server", port: 1)

    var node: ServerNode
    var now = Instant.zero
    var isZooKeeperThere = true
    /// Whether links open; those that are open stay so.
    var areLinksOpening = true
    /// A node that somebody deletes as soon as it is made.
    var doomed = ""
    private var openLinks: Set<Address> = []
    private var znodes: [String: Znode] = [:]
    private var zxid: Int64 = 1
    private var sequence = 0
    private var sessionID: Int64 = 100
    private var token = SessionToken(0)
    private var timers: [TimerID: Instant] = [:]

    private(set) var replies: [(call: UInt64, reply: ClientReply)] = []
    private(set) var sent: [(message: PeerMessage, to: Address)] = []
    private(set) var lines: [String] = []
    private(set) var halt: Halt?

    init(options: ServerOptions = .init(), seed: UInt64 = 1) {
        node = ServerNode(address: Self.address, options: options, random: SeededRandom(seed: seed))
    }

    /// A started server in a cluster with these primaries, one store a group, all of them in the ring.
    static func serving(_ groups: [String: Address], options: ServerOptions = .init()) -> ServerBench {
        var bench = ServerBench(options: options)
        bench.write("/server/0", MasterRecord(address: Address(host: "other", port: 1), number: 1, epoch: 1).bytes)
        for (name, address) in groups {
            bench.writeMember(name, 1, "store-\(name)", at: address)
            bench.writeConfig(name, term: 1, primary: "store-\(name)", 1)
        }
        let ring = RingRecord(
            version: 1, sealed: true, groups: groups.keys.sorted().map { Ring.Group(name: $0, virtualNodes: 2) })
        bench.write("/ring", ring.bytes)
        bench.send(.started)
        return bench
    }

    // MARK: Events

    /// One batch.
    mutating func send(_ events: AviaryEvent...) { send(events) }

    mutating func send(_ events: [AviaryEvent]) {
        var queue = [events]
        while !queue.isEmpty {
            var sink = Sink()
            for event in queue.removeFirst() + [.batchEnded] {
                if case .linkDown(let peer) = event { openLinks.remove(peer) }
                node.step(event, at: now, into: &sink)
            }
            for effect in sink.drain() {
                let answers = perform(effect)
                if !answers.isEmpty { queue.append(answers.map { .coordination(CoordinationEvent(session: token, kind: $0)) }) }
                if case .send(_, let peer) = effect, areLinksOpening, openLinks.insert(peer).inserted {
                    queue.append([.linkUp(peer)])
                }
            }
        }
    }

    mutating func put(_ key: String, call: UInt64, patience: Nanoseconds? = nil) {
        send(.requested(.key(.put(key: Array(key.utf8), value: [1]), patience: patience), call: CallID(call)))
    }

    mutating func get(_ key: String, call: UInt64) {
        send(.requested(.key(.get(key: Array(key.utf8)), patience: nil), call: CallID(call)))
    }

    /// Time passes, and every timer that is due fires.
    mutating func pass(_ length: Nanoseconds) {
        let end = now + length
        while let next = timers.filter({ $0.value <= end }).min(by: { ($0.value, $0.key) < ($1.value, $1.key) }) {
            timers[next.key] = nil
            now = max(now, next.value)
            send(.timerFired(next.key))
        }
        now = end
    }

    mutating func expireSession() {
        // Nobody tells the session that it is over before it asks.
        zxid += 1
        for (path, znode) in znodes where znode.owner == sessionID { znodes[path] = nil }
        send(.coordination(CoordinationEvent(session: token, kind: .expired)))
    }

    // MARK: What came of it

    mutating func takeReplies() -> [UInt64: ClientReply] {
        defer { replies = [] }
        return Dictionary(uniqueKeysWithValues: replies.map { ($0.call, $0.reply) })
    }

    mutating func takeSent() -> [(message: PeerMessage, to: Address)] {
        defer { sent = [] }
        return sent
    }

    /// The identity and destination of the one forward since the last look.
    mutating func takeForward() -> (id: UInt64, to: Address)? {
        let forwards = takeSent().compactMap { message, to -> (UInt64, Address)? in
            if case .forward(let id, _) = message { (id, to) } else { nil }
        }
        return forwards.count == 1 ? forwards[0] : nil
    }

    /// As `takeForward`, where there must be one.
    mutating func forward(_ location: SourceLocation = #_sourceLocation) throws -> (id: UInt64, to: Address) {
        let forward = takeForward()
        return try #require(forward, "one forward expected", sourceLocation: location)
    }

    func error(_ reply: ClientReply?) -> ClientError? { if case .failed(let error)? = reply { error } else { nil } }

    // MARK: ZooKeeper

    func data(_ path: String) -> [UInt8]? { znodes[path]?.data }

    func isOurs(_ path: String) -> Bool { znodes[path]?.owner == sessionID }

    mutating func write(_ path: String, _ data: [UInt8]) {
        zxid += 1
        znodes[path] = Znode(
            data: data, version: (znodes[path]?.version ?? -1) + 1, mzxid: zxid, owner: znodes[path]?.owner ?? 0)
        changed(path)
    }

    mutating func delete(_ path: String) {
        zxid += 1
        znodes[path] = nil
        changed(path)
    }

    mutating func writeMember(_ group: String, _ number: UInt64, _ store: String, at address: Address) {
        if znodes["/data/\(group)"] == nil { write("/data/\(group)", []) }
        if znodes["/data/\(group)/primary"] == nil { write("/data/\(group)/primary", []) }
        let registration = StoreRegistration(
            address: address, store: StoreID(store), whole: true, lineage: nil, last: .zero, keys: false, guid: "g")
        write(Paths.member(number, ofGroup: group), registration.bytes)
    }

    mutating func writeConfig(_ group: String, term: UInt64, primary store: String, _ number: UInt64) {
        let primary = MemberID(store: StoreID(store), number: number)
        let config = GroupConfig(lineage: Lineage("l"), term: term, primary: primary, inSync: [primary])
        write(Paths.config(ofGroup: group), config.bytes)
    }

    private func parent(_ path: String) -> String { String(path[..<path.lastIndex(of: "/")!]) }

    /// Fires every watch that there may be; one too many does no harm.
    private mutating func changed(_ path: String) {
        guard token.number > 0, isZooKeeperThere else { return }
        let events: [CoordinationEvent.Kind] = [
            .watchFired(path: path, .dataChanged), .watchFired(path: parent(path), .childrenChanged),
        ]
        send(events.map { .coordination(CoordinationEvent(session: token, kind: $0)) })
    }

    private func stat(_ path: String) -> Stat? {
        znodes[path].map { Stat(mzxid: $0.mzxid, version: $0.version, ephemeralOwner: $0.owner) }
    }

    /// Performs an effect; returns what ZooKeeper answers.
    private mutating func perform(_ effect: AviaryEffect) -> [CoordinationEvent.Kind] {
        switch effect {
        case .coordination(.openSession(let token)):
            self.token = token
            sessionID += 1
            return isZooKeeperThere ? [.connected(sessionID: sessionID, timeout: .seconds(4))] : []
        case .coordination(.closeSession): return [.closed]
        case .coordination(.request(let token, let id, let operation)):
            guard token == self.token else { return [] }
            let before = zxid
            let reply = answer(operation)
            if znodes[doomed] != nil {
                zxid += 1
                znodes[doomed] = nil
            }
            let fired: [CoordinationEvent.Kind] =
                zxid == before
                ? []
                : touched(operation).flatMap {
                    [.watchFired(path: $0, .dataChanged), .watchFired(path: parent($0), .childrenChanged)]
                }
            return fired + [.reply(id, reply)]
        case .send(let message, let to): sent.append((message, to))
        case .reply(let reply, let call): replies.append((call.number, reply))
        case .setTimer(let timer, let at): timers[timer] = at
        case .cancelTimer(let timer): timers[timer] = nil
        case .log(let line): lines.append(line.event)
        case .halt(let halt): self.halt = halt
        case .closeLink, .disk: break
        }
        return []
    }

    private func touched(_ operation: CoordinationOperation) -> [String] {
        switch operation {
        case .create(let path, _, _), .delete(let path, _), .set(let path, _, _): [path]
        case .multi(let operations):
            operations.map { operation in
                switch operation {
                case .check(let path, _), .create(let path, _, _), .delete(let path, _), .set(let path, _, _): path
                }
            }
        case .get, .exists, .children, .sync: []
        }
    }

    private mutating func answer(_ operation: CoordinationOperation) -> CoordinationReply {
        switch operation {
        case .sync: return .synced
        case .get(let path, _):
            guard let znode = znodes[path], let stat = stat(path) else { return .failed(.noNode, operations: []) }
            return .data(znode.data, stat)
        case .exists(let path, _): return .existence(stat(path))
        case .children(let path, _):
            let names = znodes.keys.filter { parent($0) == path }.map { String($0.dropFirst(path.count + 1)) }
            return .children(names, Stat(pzxid: zxid))
        case .create(let path, let data, let mode): return single(.create(path: path, data: data, mode: mode))
        case .delete(let path, let version): return single(.delete(path: path, version: version))
        case .set(let path, let data, let version): return single(.set(path: path, data: data, version: version))
        case .multi(let operations): return all(operations)
        }
    }

    private mutating func single(_ operation: MultiOperation) -> CoordinationReply {
        switch all([operation]) {
        case .multi(let results):
            switch results[0] {
            case .created(let path): return .created(path: path)
            case .deleted, .checked: return .deleted
            case .set(let stat): return .set(stat)
            }
        case .failed(let error, _): return .failed(error, operations: [])
        case .created, .deleted, .set, .data, .existence, .children, .synced: return .synced
        }
    }

    private mutating func all(_ operations: [MultiOperation]) -> CoordinationReply {
        let before = znodes
        zxid += 1
        var results: [MultiResult] = []
        for operation in operations {
            switch apply(operation) {
            case .success(let result): results.append(result)
            case .failure(let refusal):
                znodes = before
                let codes: [CoordinationError?] = results.map { _ in nil } + [refusal.error]
                let rest = Array(repeating: CoordinationError.runtimeInconsistency, count: operations.count - codes.count)
                return .failed(refusal.error, operations: codes + rest)
            }
        }
        return .multi(results)
    }

    private struct Refusal: Error { var error: CoordinationError }

    private mutating func apply(_ operation: MultiOperation) -> Result<MultiResult, Refusal> {
        switch operation {
        case .check(let path, let version):
            guard let znode = znodes[path] else { return .failure(Refusal(error: .noNode)) }
            return version == -1 || version == znode.version ? .success(.checked) : .failure(Refusal(error: .badVersion))
        case .create(let wanted, let data, let mode):
            sequence += 1
            let digits = String(sequence)
            let path = mode.isSequential ? wanted + String(repeating: "0", count: 10 - digits.count) + digits : wanted
            guard znodes[path] == nil else { return .failure(Refusal(error: .nodeExists)) }
            znodes[path] = Znode(data: data, mzxid: zxid, owner: mode.isEphemeral ? sessionID : 0)
            return .success(.created(path: path))
        case .delete(let path, _):
            guard znodes.removeValue(forKey: path) != nil else { return .failure(Refusal(error: .noNode)) }
            return .success(.deleted)
        case .set(let path, let data, let version):
            guard let znode = znodes[path] else { return .failure(Refusal(error: .noNode)) }
            guard version == -1 || version == znode.version else { return .failure(Refusal(error: .badVersion)) }
            znodes[path] = Znode(data: data, version: znode.version + 1, mzxid: zxid, owner: znode.owner)
            return .success(.set(stat(path) ?? Stat()))
        }
    }
}

// Answers as a node gives them, where a test does not care from which state.
extension ClientReply {
    static var anyPosition: GroupPosition { GroupPosition(group: "birds", lineage: Lineage("l"), seq: 7) }
    static var put: ClientReply { .done(.put, at: anyPosition) }
    static func value(_ value: [UInt8]?) -> ClientReply { .done(.value(value), at: anyPosition) }
    static func deleted(existed: Bool) -> ClientReply { .done(.deleted(existed: existed), at: anyPosition) }
}
