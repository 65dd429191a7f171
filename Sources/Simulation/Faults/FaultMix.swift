import Machine

/// Which kinds of faults happen, and how often: a seed's own selection ("swarm testing": A. Groce et al., ISSTA 2012). Runs
/// with few kinds reach states that runs with all of them never calm down enough to reach.
public struct FaultMix: Hashable, Sendable {
    public struct Share: Hashable, Sendable {
        public var kind: FaultKind
        /// The mean time between two faults of this kind.
        public var interval: Nanoseconds

        public init(kind: FaultKind, interval: Nanoseconds) {
            self.kind = kind
            self.interval = interval
        }
    }

    public var shares: [Share]

    public init(shares: [Share]) { self.shares = shares }

    /// Kinds that make each other worse. Where every kind has the same chance, two that matter to one corner of a protocol
    /// rarely meet while it is there.
    private static let corners: [[FaultKind]] = [
        // What is asked of ZooKeeper and never answered, by sessions that come and go.
        [.zooKeeperReset, .zooKeeperReset, .nodeDeletion, .kill, .sessionExpiry],
        [.zooKeeperReset, .zooKeeperReset, .zooKeeperFailover, .zooKeeperServerSlow, .shutdown, .isolation],
        // One primary after the other, with entries under way.
        [.isolation, .pause, .partialCut, .reset, .kill, .zooKeeperCut],
        // Primaries that nobody can tell of their successors, and what was said to them before.
        [.hostCut, .hostCut, .slowPath, .clockRate, .pause, .kill],
        [.zooKeeperReset, .zooKeeperReset, .zooKeeperReset, .sessionExpiry, .shutdown],
        [.nodeDeletion, .nodeDeletion, .zooKeeperServerSlow, .kill, .sessionExpiry],
        [.nodeDeletion, .nodeDeletion, .pauseMidBatch, .oneWayCut, .slowPath],
        // Logs that are torn, rewritten, and torn again.
        [.powerLoss, .bulkPowerLoss, .slowDisk, .syncFailure, .appendFailure, .isolation],
        [.kill, .shutdown, .diskStall, .diskFull, .diskLoss, .partialCut],
        [.oldImage, .oldImage, .kill, .shutdown, .bulkPowerLoss, .sessionExpiry],
        [.misdirectedWrites, .misdirectedWrites, .powerLoss, .bulkPowerLoss],
        [.misdirectedWrites, .bitRot, .sectorLoss, .powerLoss, .kill],
    ]

    /// A selection: mostly each kind is in with the same chance, from calm to rough.
    public static func draw(_ random: inout SeededRandom) -> FaultMix {
        if random.chance(2, in: 5) {
            let interval = Nanoseconds.milliseconds([400, 1_000, 2_500][random.below(3)])
            let kinds = corners[random.below(corners.count)]
            return FaultMix(shares: kinds.map { Share(kind: $0, interval: interval * Int64(1 + random.below(3))) })
        }
        let roughness = UInt64(1 + random.below(4))
        let interval = Nanoseconds.milliseconds([700, 1_500, 3_000, 6_000][random.below(4)])
        var shares: [Share] = []
        for kind in FaultKind.allCases where !kind.breaksClocks && random.chance(roughness, in: 6) {
            shares.append(Share(kind: kind, interval: interval * Int64(1 + random.below(4))))
        }
        return FaultMix(shares: shares)
    }
}
