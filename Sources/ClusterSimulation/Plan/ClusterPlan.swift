import Machine
import Nodes
import Replication
import Simulation
import Storage
import Wire

/// What is demanded of a run.
public enum RunMode: String, CaseIterable, Hashable, Sendable, Codable {
    /// Faults hit no more copies of a group than the design tolerates; afterwards everything must come right.
    case liveness
    /// Faults are unrestricted, damage to every copy included; only safety is judged.
    case safety
}

/// How plans are drawn.
public enum Profile: String, CaseIterable, Hashable, Sendable, Codable {
    /// Every seed draws its own cluster, options, load and faults.
    case swarm
    /// The yardstick: 3 servers, 2 groups of 3 stores, 4 clients, 500 operations, 30 s of faults of the seed's own selection.
    case standard
    /// Small, quick clusters under many faults: short stories.
    case small
}

/// What a seed expands to: the cluster, its options, the load, and which faults happen how often.
public struct ClusterPlan: Sendable {
    public var mode = RunMode.liveness
    public var servers = 3
    /// Stores of each group; the group's name is its index in `groupNames`.
    public var stores = [3, 3]
    public var clients = 4
    /// Processes that are never started, as if they had never been installed: how a schedule has fewer nodes without new
    /// names for the others.
    public var absent: [Int] = []
    /// How long faults go on; then everything is healed and has to come right.
    public var faultTime = Nanoseconds.seconds(30)
    public var mix = FaultMix(shares: [])
    /// Data nodes that first start late: they join a group that has data.
    public var latecomers = 0

    // Load.
    public var keysPerClient = 3
    /// Keys that every client writes, beside those of its own.
    public var sharedKeys = 0
    /// Which percentage of operations is on them.
    public var sharedPercent: UInt64 = 0
    public var readPercent: UInt64 = 50
    public var deletePercent: UInt64 = 20
    /// Which percentage of reads may be stale; half of them demand at least what their client has seen.
    public var stalePercent: UInt64 = 0
    /// Which percentage of the other reads trusts no clock.
    public var confirmedPercent: UInt64 = 0
    /// Clocks run far beyond the drift bound and jump ahead. Then all reads that must be linearizable are confirmed ones, and nothing
    /// that rests on leases is judged.
    public var wildClocks = false
    public var padding = 20
    /// How many operations all clients together begin while faults go on, about; less where many wait long.
    public var operations = 500
    /// How long clients wait for an answer, at most.
    public var patience = Nanoseconds.seconds(5)
    /// How often the operator asks for another primary while faults go on, about.
    public var transfers = 0
    /// Whether the operator lets a group go on whose in-sync stores are all lost.
    public var recovers = false
    /// Whether the operator changes settings of data nodes between their lives: each life then draws its lease, and whether it
    /// keeps a weaker sync policy.
    public var changesSettings = false
    /// In which percentage of calls a client calls a data node directly.
    public var directPercent: UInt64 = 20
    /// Which percentage of mutations are those of a client session: their clients repeat them until they know what became of them.
    public var sessionPercent: UInt64 = 0

    /// How many clients, the first ones, are on the client library: it decides whom they ask, and repeats for them.
    public var libraryClients = 0

    // The world and the nodes.
    public var world = usualWorld
    public var data = DataOptions(limits: ClusterPlan.limits)
    public var server = ServerOptions(limits: ClusterPlan.limits)

    /// Low, so that requests beyond them are cheap.
    private static let limits = Limits(keyBytes: 64, valueBytes: 8_000)

    /// A store cannot tell damage to what no later record vouches for from a write that a crash tore, and rolls it back (repair
    /// from replicas, which can, is not there yet).
    private static let usualWorld: ClusterWorld.Options = {
        var options = ClusterWorld.Options()
        options.disk.damageLimit = DamageLimit("what a log vouches for") { _, bytes in LogImage.vouched(bytes) }
        return options
    }()

    public static let groupNames = ["alpha", "beta", "gamma", "delta"]

    public init() {}

    public var processes: Int { servers + stores.reduce(0, +) }

    /// Between a client's operations, on average.
    var thinkTime: Nanoseconds { faultTime * Int64(clients) / Int64(max(1, operations)) }

    /// Whether everything can come right: there is a server, and a group, and every group that there is has stores enough to commit
    /// what it is told.
    var isFair: Bool {
        var first = servers
        let present = stores.map { count in
            defer { first += count }
            return (first..<first + count).count { !absent.contains($0) }
        }
        let groupsAreFair = present.allSatisfy { $0 == 0 || $0 >= data.replication.minSync }
        return groupsAreFair && present.contains { $0 > 0 } && (0..<servers).contains { !absent.contains($0) }
    }

    /// Whether clients whose operations all wait may be told that there are too many of them.
    func hasFewerPlacesThanClients(forReads: Bool) -> Bool {
        server.pendingRequests < clients || (forReads ? data.pendingReads : data.pendingWrites) < clients
    }

    /// How long after the healing everything must have come right, at most: sessions expire, elections, catching up.
    public var recoveryTime: Nanoseconds { .seconds(60) + world.zooKeeper.tick * 20 }

    public init(_ profile: Profile, mode: RunMode?, drawnFrom random: inout SeededRandom) {
        switch profile {
        case .swarm: self.init(swarm: &random)
        case .standard: self.init(standard: &random)
        case .small: self.init(small: &random)
        }
        // Always drawn, so that a mode that is asked for changes nothing else.
        let damages = mix.shares.contains { $0.kind.isDamage }
        let drawn = random.chance(1, in: damages ? 3 : 8) ? RunMode.safety : .liveness
        self.mode = mode ?? drawn
        transfers = [0, 0, 2, 8][random.below(4)]
        world.clients = clients
        drawReads(&random)
        changesSettings = random.chance(1, in: 4)
        // More than a group has could commit nothing.
        let drawnMinSync = random.chance(1, in: 3) ? 2 : 1
        data.replication.minSync = min(drawnMinSync, stores.min() ?? 1)
        // In liveness mode somebody must accept the loss of what crashes take from a group that does not sync.
        recovers = random.chance(2, in: 3)
        let sync: [SyncPolicy] = [.always, .always, .none, .interval(.milliseconds(30)), .interval(.seconds(1))]
        let drawnSync = sync[random.below(sync.count)]
        if self.mode == .safety || recovers { data.storage.sync = drawnSync }
        let drawnLibraries = [0, 0, (clients + 1) / 2, clients][random.below(4)]
        if profile == .swarm { libraryClients = drawnLibraries }
        // What is overwritten and deleted in a run is little: a store that is behind must be sent a copy soon, or never.
        data.replication.tailBytes = [500, 4_000, 8 << 20][random.below(3)]
        data.replication.pieceBytes = [100, 100, 1 << 20][random.below(3)]
        data.replication.windowPieces = [1, 4, 64][random.below(3)]
    }

    private mutating func drawReads(_ random: inout SeededRandom) {
        stalePercent = [0, 15, 40][random.below(3)]
        confirmedPercent = [0, 20, 60][random.below(3)]
        wildClocks = random.chance(1, in: 8)
        guard wildClocks else { return }
        // All are wrong about the time, or some against others that are right.
        if random.chance(1, in: 2) { world.clockDrift = Clock.mostDrift }
        world.faultyClockDrift = Clock.mostDrift
        // Whoever is wrong about the time may still be asked.
        directPercent = max(directPercent, 80)
        // What a clock shows matters where one hears nothing else, and while somebody else can take office.
        if random.chance(1, in: 2) { mix.shares = [] }
        for kind in [FaultKind.clockStep, .clockRate, .slowPath] {
            let interval = Nanoseconds.milliseconds([500, 2_000, 8_000][random.below(3)])
            mix.shares.append(FaultMix.Share(kind: kind, interval: interval))
        }
        mix.shares.append(FaultMix.Share(kind: .hostCut, interval: .milliseconds([2_000, 5_000][random.below(2)])))
        // What is old shows where something new was written since.
        guard random.chance(1, in: 2) else { return }
        (sharedKeys, sharedPercent) = (1, 80)
    }

    private init(standard random: inout SeededRandom) {
        sharedKeys = 4
        sharedPercent = 30
        mix = FaultMix.draw(&random)
        sessionPercent = 80
        data.sessions.idleTime = .seconds(3)
    }

    private init(small random: inout SeededRandom) {
        servers = 1 + random.below(2)
        stores = [1 + random.below(3)]
        clients = 2
        faultTime = .seconds(5)
        operations = 60
        sharedKeys = 2
        sharedPercent = 50
        mix = FaultMix.draw(&random)
        sessionPercent = 80
        data.sessions.idleTime = .seconds(1)
        world.zooKeeper.tick = .milliseconds(500)
        world.zooKeeper.requestedTimeout = .milliseconds(1_000)
    }

    private init(swarm random: inout SeededRandom) {
        func pick<Choice>(_ choices: [Choice]) -> Choice { choices[random.below(choices.count)] }
        servers = pick([1, 2, 3, 3])
        let groups = pick([1, 1, 2])
        stores = (0..<groups).map { _ in pick([1, 2, 2, 3, 3, 3, 5]) }
        clients = pick([1, 3, 6, 12])
        faultTime = .seconds(pick([3, 10, 20, 40]))
        mix = FaultMix.draw(&random)
        latecomers = pick([0, 0, 1, 2])

        keysPerClient = pick([1, 2, 5, 20])
        sharedKeys = pick([0, 1, 2, 10])
        sharedPercent = sharedKeys == 0 ? 0 : pick([20, 60])
        readPercent = pick([20, 50, 80])
        deletePercent = pick([0, 20, 50])
        padding = pick([0, 10, 100, 5_000])
        operations = pick([50, 200, 500, 1_500])
        patience = pick([.milliseconds(300), .seconds(2), .seconds(6)])
        directPercent = pick([0, 20, 60])

        world.clockDrift = pick([0, 1_000, 24_000])
        world.batchesAreRandom = random.chance(2, in: 3)
        if random.chance(1, in: 3) { world.reaction = Spread(.zero) }
        if random.chance(1, in: 3) {
            world.timerLateness = Spread(least: .zero, usual: .milliseconds(5), worst: .milliseconds(300), tailPer1024: 20)
        }
        // Small enough to overflow while a path is cut, large enough for everything that all clients have under way.
        if random.chance(1, in: 4) { world.network.capacity = 48 }
        world.network.latency = pick([
            Spread(least: .microseconds(30), usual: .microseconds(150), worst: .milliseconds(2), tailPer1024: 5),
            world.network.latency,
            Spread(least: .microseconds(100), usual: .milliseconds(15), worst: .milliseconds(300), tailPer1024: 20),
        ])
        world.zooKeeper.servers = pick([1, 3, 3, 5])
        world.zooKeeper.tick = pick([.milliseconds(200), .milliseconds(500), .milliseconds(2_000)])
        world.zooKeeper.requestedTimeout = pick([.milliseconds(1_000), .milliseconds(4_000)])
        if random.chance(1, in: 4) {
            world.zooKeeper.lag = Spread(
                least: .milliseconds(1), usual: .milliseconds(300), worst: .seconds(5), tailPer1024: 100)
        }
        world.disk.pageBytes = pick([512, 4_096])
        if random.chance(1, in: 4) {
            world.disk.syncTime = Spread(
                least: .milliseconds(1), usual: .milliseconds(20), worst: .milliseconds(400), tailPer1024: 30)
        }

        // Small, so that their limits are met, but not so small that a learner could never catch up with the load.
        data.replication.windowBytes = pick([6_000 + 8 * padding, 8 << 20])
        data.replication.appendBytes = pick([500 + 2 * padding, 1 << 20])
        data.replication.learnerWindowBytes = data.replication.appendBytes
        data.replication.joinDistance = pick([1, 16, 256])
        data.storage.chunkBytes = pick([512 + padding, 4_096, 1 << 20])
        data.storage.cachedEntryBytes = pick([400, 1 << 20])

        // Bounds that are met when something hangs and clients give up and ask again, not by clients that are served. (Reads
        // wait for a lost lease only.)
        if random.chance(1, in: 4) {
            data.pendingWrites = clients
            data.pendingReads = max(1, clients / 2)
        }
        if random.chance(1, in: 4) { server.pendingRequests = max(1, clients - 1) }
        if random.chance(1, in: 3) {
            data.drainTime = .milliseconds(50)
            server.drainTime = .milliseconds(50)
        }
        sessionPercent = pick([0, 60, 90, 100])
        data.sessions.idleTime = pick([.milliseconds(400), .seconds(3), .seconds(300)])
        data.sessions.evictionTime = pick([.milliseconds(50), .seconds(1)])
        // A session that is forgotten while its first mutation is on its way is of no use to anybody, ever.
        let longestWay = world.network.latency.worst * 8 + world.disk.syncTime.worst * 2
        if world.network.latency.worst >= .milliseconds(100) || world.disk.syncTime.worst >= .milliseconds(100) {
            data.sessions.idleTime = max(data.sessions.idleTime, longestWay)
            data.sessions.evictionTime = max(data.sessions.evictionTime, longestWay)
        }
        // Every client has one session in each group, and those that it has forgotten go when they are idle.
        data.sessions.mostSessions = pick([clients, 10_000])
        data.sessions.mostResults = pick([2, 8, 1_024])
    }
}
