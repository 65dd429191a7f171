import Machine

/// Everything that goes wrong on purpose. What each does is in the fault models of the world's parts.
public enum FaultKind: Int, CaseIterable, Hashable, Sendable {
    // Processes.
    case kill, powerLoss, bulkPowerLoss, shutdown, pause, pauseMidBatch, slowProcess
    // Network.
    case isolation, partition, oneWayCut, partialCut, clientCut, reset, slowPath
    // ZooKeeper.
    case zooKeeperOutage, zooKeeperCut, zooKeeperServerIsolated, zooKeeperServerDown, sessionExpiry
    // Disks.
    case diskStall, slowDisk, diskFull, syncFailure, appendFailure
}

/// How often each kind happened in a run, or in many.
public struct FaultCounts: Hashable, Sendable, Codable {
    private var counts = Array(repeating: 0, count: FaultKind.allCases.count)

    public init() {}

    public mutating func add(_ kind: FaultKind) { counts[kind.rawValue] += 1 }
    public subscript(kind: FaultKind) -> Int { counts[kind.rawValue] }
    public var total: Int { counts.reduce(0, +) }

    public static func += (a: inout FaultCounts, b: FaultCounts) {
        for index in a.counts.indices { a.counts[index] += b.counts[index] }
    }
}

/// What ends a fault.
public enum Repair: Hashable, Sendable {
    /// A process starts again, if it is down.
    case restart(process: Int)
    case mend([Path])
    case usualSpeed([Path])
    case usualReaction(process: Int)
    case zooKeeperReached(process: Int, servers: [Int])
    case zooKeeperServerBack(server: Int)
    case zooKeeperServerUp(server: Int)
    case zooKeeperOutageOver
    case diskHealthy(process: Int)

    /// An ordered pair of endpoints.
    public struct Path: Hashable, Sendable {
        public var from: Int
        public var to: Int
    }
}

/// Which kinds of faults happen, and how often: a seed's own selection ("swarm testing": A. Groce et al., ISSTA 2012). Runs
/// with few kinds reach states that runs with all of them never calm down enough to reach.
public struct FaultMix: Hashable, Sendable {
    public struct Share: Hashable, Sendable {
        public var kind: FaultKind
        /// The mean time between two faults of this kind.
        public var interval: Nanoseconds
    }

    public var shares: [Share]

    public init(shares: [Share]) { self.shares = shares }

    /// A selection: each kind is in with the same chance, from calm to rough.
    public static func draw(_ random: inout SeededRandom) -> FaultMix {
        let roughness = UInt64(1 + random.below(4))
        let interval = Nanoseconds.milliseconds([700, 1_500, 3_000, 6_000][random.below(4)])
        var shares: [Share] = []
        for kind in FaultKind.allCases where random.chance(roughness, in: 6) {
            shares.append(Share(kind: kind, interval: interval * Int64(1 + random.below(4))))
        }
        return FaultMix(shares: shares)
    }
}
