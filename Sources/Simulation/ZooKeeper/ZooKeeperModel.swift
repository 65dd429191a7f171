import Machine

// Fault model. An ensemble keeps one history of transactions; a leader decides it, and every server applies it at its own
// pace (`Server.tree` is the state after a prefix).
//
// Sessions. Only the leader expires them, in buckets: in (timeout, timeout + tick] after it last heard of them. It hears of a
// session while its client runs, is connected, and its server reaches the leader. A client learns of its expiry when it
// reaches a server again. Closing the handle without a connection leaves the session to expire. An ensemble that comes back
// gives every session its full timeout again. A session can be granted and the answer lost: an orphan.
//
// Connection loss. A client that loses its server, or hears nothing for two thirds of the timeout, gets `disconnected` and
// `connectionLoss` for every request it waits for. The truth behind that is one of three: never sent; executed, with the
// answer lost; or still on its way, and executed a little later: also after the client has reconnected and read the old
// state, but before the next write or sync of the same session.
//
// Reads are served by the connected server from its own, maybe older, state. A server that is behind what the client has
// seen refuses it, so reads never go back within one session; a new session may see the past.
//
// Watches are kept by the connected server, fire once, and reach the client before any answer that shows the change. While
// disconnected nothing is told; after a reconnection the client sets its watches again, and those fire at once whose node
// differs by zxid: deleted and created again looks like changed, created and deleted again is missed.
//
// An isolated server goes on answering reads and pings until its sync limit, while the leader expires its clients' sessions;
// its clients' writes wait. Servers crash; the leader's crash, or an outage, drops every connection.
// Not modelled: ACLs, quotas, reconfiguration, a deposed leader that answers `sync`.

/// A ZooKeeper ensemble with the client libraries of all processes. Conformance with the real one: docs/simulation.md.
public struct ZooKeeperModel: Sendable {
    public struct Options: Hashable, Sendable {
        public var servers = 3
        public var tick = Nanoseconds.milliseconds(2_000)
        /// What each client asks for; granted within 2 to 20 ticks.
        public var requestedTimeout = Nanoseconds.milliseconds(4_000)
        public var latency = Spread(
            least: .microseconds(100), usual: .milliseconds(1), worst: .milliseconds(40), tailPer1024: 10)
        /// From a write's arrival to its commit.
        public var commitTime = Spread(
            least: .microseconds(300), usual: .milliseconds(4), worst: .milliseconds(150), tailPer1024: 10)
        /// How far the servers that a client is not connected to lag behind.
        public var lag = Spread(least: .microseconds(100), usual: .milliseconds(5), worst: .seconds(2), tailPer1024: 30)
        public var reconnecting = Spread(
            least: .milliseconds(1), usual: .milliseconds(50), worst: .seconds(1), tailPer1024: 200)
        /// How long after a lost connection its requests may still be executed.
        public var lateness = Spread(least: .microseconds(100), usual: .milliseconds(20), worst: .seconds(2), tailPer1024: 200)
        /// The largest request that a server accepts, in bytes (`jute.maxbuffer`).
        public var largestRequest = 1_048_575

        public init() {}

        /// What the ensemble makes of `requestedTimeout`.
        public var grantedTimeout: Nanoseconds { min(max(requestedTimeout, tick * 2), tick * 20) }
        /// How long a cut-off server goes on serving.
        var syncLimit: Nanoseconds { tick * 5 }
    }

    struct Server: Sendable {
        var tree = DataTree()
        /// How many transactions it has applied.
        var applied = 0
        var watches = WatchTable()
        var isDown = false
        var isIsolated = false
        var isolations: UInt32 = 0
        var catchUpPlanned = false
    }

    let options: Options
    var leader = Leader()
    var servers: [Server]
    var sessions: [Session] = []
    var handles: [Handle] = []
    /// The handles of each process's current life.
    var handlesOfProcess: [[Int]]
    var isPaused: [Bool]
    /// Which servers each process is cut off from.
    var cuts: [[Bool]]
    var isOut = false
    var random: SeededRandom
    private var plans: [(ZooKeeperHappening, Instant)] = []
    private var deliveries: [(process: Int, CoordinationEvent)] = []
    public internal(set) var counters = Counters()

    init(processes: Int, options: Options, random: SeededRandom) {
        self.options = options
        self.random = random
        servers = Array(repeating: Server(), count: options.servers)
        handlesOfProcess = Array(repeating: [], count: processes)
        isPaused = Array(repeating: false, count: processes)
        cuts = Array(repeating: Array(repeating: false, count: options.servers), count: processes)
    }

    // MARK: The world's side

    mutating func takePlans() -> [(ZooKeeperHappening, Instant)] {
        defer { plans.removeAll(keepingCapacity: true) }
        return plans
    }

    mutating func takeDeliveries() -> [(process: Int, CoordinationEvent)] {
        defer { deliveries.removeAll(keepingCapacity: true) }
        return deliveries
    }

    mutating func plan(_ happening: ZooKeeperHappening, at time: Instant) { plans.append((happening, time)) }

    mutating func tell(_ handle: Int, _ event: CoordinationEvent.Kind) {
        guard handles[handle].isAlive else { return }
        deliveries.append((handles[handle].process, CoordinationEvent(session: handles[handle].token, kind: event)))
    }

    mutating func perform(_ effect: CoordinationEffect, of process: Int, at now: Instant) {
        switch effect {
        case .openSession(let token):
            let handle = handles.count
            handles.append(Handle(process: process, token: token))
            handlesOfProcess[process].append(handle)
            planAttempt(handle, at: now)
        case .closeSession(let token):
            guard let handle = handle(of: process, token), !handles[handle].wantsToClose else { return }
            handles[handle].wantsToClose = true
            switch handles[handle].state {
            case .connected: enqueue(.close, handle, at: now)
            case .connecting, .over:
                // Without a connection the library only forgets the handle: the session is left to expire.
                finish(handle, .closed, at: now)
            }
        case .request(let token, let id, let operation):
            guard let handle = handle(of: process, token) else { return }
            if handles[handle].state == .over || handles[handle].wantsToClose {
                tell(handle, .reply(id, .failed(.invalidState, operations: [])))
            } else {
                enqueue(.operation(id, operation), handle, at: now)
            }
        }
    }

    mutating func happened(_ happening: ZooKeeperHappening, at now: Instant) {
        switch happening {
        case .attempt(let handle, let connection):
            if isCurrent(handle, connection), handles[Int(handle)].state == .connecting { attempt(Int(handle), at: now) }
        case .execution(let handle, let connection):
            if isCurrent(handle, connection) {
                handles[Int(handle)].executionPlanned = false
                executeNext(Int(handle), at: now)
            }
        case .delivery(let handle, let connection):
            if isCurrent(handle, connection) {
                handles[Int(handle)].deliveryPlanned = false
                deliverNext(Int(handle), at: now)
            }
        case .silence(let handle, let connection):
            if isCurrent(handle, connection), handles[Int(handle)].isStalled { clientSideSilence(Int(handle), at: now) }
        case .expiry(let session, let watch): expire(Int(session), watch, at: now)
        case .lateRequest(let session): executeLate(Int(session), at: now)
        case .catchUp(let server):
            servers[Int(server)].catchUpPlanned = false
            if !servers[Int(server)].isDown && !servers[Int(server)].isIsolated { catchUp(Int(server), at: now) }
        case .syncLimit(let server, let isolation):
            let index = Int(server)
            if servers[index].isIsolated && servers[index].isolations == isolation { dropConnections(of: index, at: now) }
        }
    }

    private func isCurrent(_ handle: Int32, _ connection: UInt32) -> Bool {
        handles[Int(handle)].connection == connection && handles[Int(handle)].isAlive
    }

    private func handle(of process: Int, _ token: SessionToken) -> Int? {
        handlesOfProcess[process].last { handles[$0].token == token }
    }

    /// The life of a process ends: its connections close, its sessions are left to expire.
    mutating func processEnded(_ process: Int, at now: Instant) {
        for handle in handlesOfProcess[process] {
            leaveRequestsBehind(handle, at: now)
            handles[handle].isAlive = false
            handles[handle].state = .over
            handles[handle].connection += 1
            updateHearing(ofHandle: handle, at: now)
            handles[handle].requests.removeAll()
            handles[handle].packets.removeAll()
            handles[handle].watches.removeAll()
        }
        handlesOfProcess[process].removeAll()
        isPaused[process] = false
    }

    mutating func setPaused(_ process: Int, _ paused: Bool, at now: Instant) {
        isPaused[process] = paused
        for handle in handlesOfProcess[process] {
            updateHearing(ofHandle: handle, at: now)
            if !paused, handles[handle].state == .connecting { planAttempt(handle, at: now) }
        }
    }

    // MARK: Asking, for oracles

    /// The committed state: a znode's data, whatever any server shows.
    public func committedData(at path: String) -> [UInt8]? { leader.tree[path]?.data }
    public func committedChildren(of path: String) -> [String]? { leader.tree[path]?.children }
    /// How many transactions were committed.
    public var committedCount: Int { leader.historyEnd }
    /// A committed transaction, if it is not forgotten yet.
    public func transaction(_ index: Int) -> Transaction? {
        index >= leader.historyStart && index < leader.historyEnd ? leader.transaction(index) : nil
    }
}
