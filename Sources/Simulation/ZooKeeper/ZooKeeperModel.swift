import Machine

// Fault model, in short; each part opens with its own.
//
// - `Leader`, `DataTree`: one history of transactions, decided one after the other.
// - `ZooKeeperModel+Leadership`: who leads. Leaders crash, are cut off, are replaced, and lead on for a while without knowing;
//   what was being decided at that moment survives or vanishes.
// - `ZooKeeperModel+Servers`: each server applies the history at its own pace, and answers reads from what it has.
// - `ZooKeeperModel+Sessions`: the leader ends sessions that it has not heard of for too long. Nobody tells the client.
// - `ZooKeeperModel+Connections`: connections break; what was asked then was never sent, or executed, or still will be.
// - `ZooKeeperModel+Watches`: they fire once, from the connected server, and are set again by comparing zxids.
// - `ZooKeeperModel+Library`: the client library and the adapter, between which and the ensemble all this happens.
// - `ZooKeeperModel+Faults`: what is done to an ensemble from outside.
//
// Not modelled: ACLs (all nodes are open to the world; those that ZooKeeper makes for itself are not touched), quotas,
// reconfiguration, read-only mode, container nodes and time to live, persistent watches.

/// A ZooKeeper ensemble with the client libraries of all processes. `Tests/ConformanceTests` plays the same scripts on it and
/// on a real one.
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
        /// From the loss of a leader, once it is noticed, to the next one; and from a server's return until it serves.
        public var electing = Spread(least: .milliseconds(20), usual: .milliseconds(500), worst: .seconds(3), tailPer1024: 50)
        /// How long a leader that crashes by itself is down.
        public var restarting = Spread(least: .milliseconds(200), usual: .seconds(3), worst: .seconds(15), tailPer1024: 100)
        /// The largest request that a server accepts, in bytes (`jute.maxbuffer`).
        public var largestRequest = 1_048_575

        public init() {}

        /// What the ensemble makes of `requestedTimeout`.
        public var grantedTimeout: Nanoseconds { min(max(requestedTimeout, tick * 2), tick * 20) }
        /// How long a cut-off server goes on serving, at least a good part of it.
        var syncLimit: Nanoseconds { tick * 5 }
    }

    let options: Options
    @usableFromInline var leader = Leader()
    var servers: [Server]
    /// The server that leads; nil while there is none, and nothing is decided. It may be cut off, and nobody knows yet.
    @usableFromInline var leaderServer: Int?
    /// Counts leaders; a server that served under an earlier one must join anew.
    var elections: UInt32 = 1
    var electionPlanned = false
    /// What the last leader was deciding when it was lost.
    var inDoubt: [Proposal] = []
    var sessions: [Session] = []
    var handles: [Handle] = []
    /// The handles of each process's current life.
    @usableFromInline var handlesOfProcess: [[Int]]
    var isPaused: [Bool]
    /// How often each process is cut off from each server.
    var cuts: [[Int]]
    /// Whether each process's connection breaks around one of its next writes.
    var writeTraps: [Bool]
    /// An outage from outside: no leader can be elected.
    @usableFromInline var isOut = false
    var random: SeededRandom
    @usableFromInline var plans: [(ZooKeeperHappening, Instant)] = []
    /// What clients hear now: the world takes both after everything that it asks of the ensemble.
    @usableFromInline var deliveries = Queue<(process: Int, CoordinationEvent)>()
    public internal(set) var counters = Counters()

    init(processes: Int, options: Options, random: SeededRandom) {
        self.options = options
        self.random = random
        servers = Array(repeating: Server(), count: options.servers)
        handlesOfProcess = Array(repeating: [], count: processes)
        writeTraps = Array(repeating: false, count: processes)
        isPaused = Array(repeating: false, count: processes)
        cuts = Array(repeating: Array(repeating: 0, count: options.servers), count: processes)
        leaderServer = self.random.below(options.servers)
    }

    // MARK: The world's side

    mutating func plan(_ happening: ZooKeeperHappening, at time: Instant) { plans.append((happening, time)) }

    mutating func tell(process: Int, _ event: CoordinationEvent) { deliveries.append((process, event)) }

    mutating func tell(_ handle: Int, _ event: CoordinationEvent.Kind) {
        guard handles[handle].isAlive else { return }
        tell(process: handles[handle].process, CoordinationEvent(session: handles[handle].token, kind: event))
    }

    @usableFromInline mutating func happened(_ happening: ZooKeeperHappening, at now: Instant) {
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
            if isCurrent(handle, connection), handles[Int(handle)].isStalled { lose(Int(handle), at: now) }
        case .heldTooLong(let handle): giveUpHeld(Int(handle), at: now)
        case .closeGivenUp(let handle, let connection):
            if isCurrent(handle, connection), handles[Int(handle)].state == .connected { giveUpClosing(Int(handle), at: now) }
        case .expiry(let session, let watch): expire(Int(session), watch, at: now)
        case .lateRequest(let session): executeLate(Int(session), at: now)
        case .catchUp(let server):
            servers[Int(server)].catchUpPlanned = false
            if reachesLeader(Int(server)) { catchUp(Int(server), at: now) }
        case .syncLimit(let server, let isolation): isolationGrewLong(Int(server), isolation, at: now)
        case .leaderMissed(let server, let isolation): leaderMissed(Int(server), isolation, at: now)
        case .election:
            electionPlanned = false
            elect(at: now)
        case .join(let server, let change): joined(Int(server), change, at: now)
        case .restart(let server, let change):
            if servers[Int(server)].changes == change { setDown(Int(server), false, at: now) }
        }
    }

    private func isCurrent(_ handle: Int32, _ connection: UInt32) -> Bool {
        handles[Int(handle)].connection == connection && handles[Int(handle)].isAlive
    }

    // MARK: Asking, for oracles

    /// The committed state: a znode's data, whatever any server shows.
    public func committedData(at path: String) -> [UInt8]? { leader.tree[path]?.data }
    public func committedChildren(of path: String) -> [String]? { leader.tree[path]?.children }
    /// How many transactions were committed.
    public var committedCount: Int { leader.historyEnd }
    /// So many of the newest transactions are never forgotten.
    public static let rememberedTransactions = 256
    /// A committed transaction, counted from 0; nil where it is forgotten.
    public func transaction(_ index: Int) -> Transaction? {
        index >= leader.historyStart && index < leader.historyEnd ? leader.transaction(index) : nil
    }
}

/// What of ZooKeeper is on the world's agenda.
@usableFromInline enum ZooKeeperHappening: Sendable {
    case attempt(handle: Int32, connection: UInt32)
    case execution(handle: Int32, connection: UInt32)
    case delivery(handle: Int32, connection: UInt32)
    /// The client has heard nothing for too long.
    case silence(handle: Int32, connection: UInt32)
    /// A request has waited for a connection for too long.
    case heldTooLong(handle: Int32)
    /// A close was not answered for too long.
    case closeGivenUp(handle: Int32, connection: UInt32)
    case expiry(session: Int32, watch: UInt32)
    case lateRequest(session: Int32)
    case catchUp(server: Int32)
    /// A cut-off server stops serving.
    case syncLimit(server: Int32, isolation: UInt32)
    /// The others notice that the leader is cut off.
    case leaderMissed(server: Int32, isolation: UInt32)
    case election
    /// A server that is back has found the leader.
    case join(server: Int32, change: UInt32)
    /// A crashed server comes back by itself.
    case restart(server: Int32, change: UInt32)
}
