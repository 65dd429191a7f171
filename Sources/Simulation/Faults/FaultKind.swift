/// Everything that goes wrong on purpose. What each does is in the fault models of the world's parts.
public enum FaultKind: Int, CaseIterable, Hashable, Sendable {
    // Processes.
    case kill, powerLoss, bulkPowerLoss, shutdown, rollingRestart, pause, pauseMidBatch, slowProcess, clockRate
    // Network.
    case isolation, partition, oneWayCut, partialCut, clientCut, reset, slowPath
    // ZooKeeper.
    case zooKeeperOutage, zooKeeperFailover, zooKeeperCut, zooKeeperReset, zooKeeperServerIsolated, zooKeeperServerDown
    case zooKeeperServerSlow, sessionExpiry, nodeDeletion
    // Disks.
    case diskStall, slowDisk, diskFull, syncFailure, appendFailure, diskLoss
    // Damage to what a disk holds.
    case bitRot, sectorLoss, misdirectedWrites
    // Clocks that no drift bound holds for.
    case clockStep
    // A disk of before.
    case oldImage
    // Others and ZooKeeper at once.
    case hostCut

    public var name: String { "\(self)" }

    public init?(name: String) {
        guard let kind = FaultKind.allCases.first(where: { $0.name == name }) else { return nil }
        self = kind
    }

    /// It takes away what a disk held, for good: more than a design without repair can make up for.
    public var isDamage: Bool { self == .bitRot || self == .sectorLoss || self == .misdirectedWrites }

    /// It takes away what one disk held: a group makes it good from its other stores.
    public var exchangesDisks: Bool { self == .diskLoss || self == .oldImage }

    /// It makes clocks do what no lease survives: only for runs in which nothing trusts them.
    public var breaksClocks: Bool { self == .clockStep }

    /// It ends lives; whoever drives the world starts the processes again when it ends.
    public var isCrash: Bool {
        switch self {
        case .kill, .powerLoss, .bulkPowerLoss, .diskLoss, .oldImage: true
        case .shutdown, .rollingRestart, .pause, .pauseMidBatch, .slowProcess, .clockRate, .isolation, .partition, .oneWayCut,
            .partialCut, .clientCut, .hostCut,
            .reset, .slowPath, .zooKeeperOutage, .zooKeeperFailover, .zooKeeperCut, .zooKeeperReset,
            .zooKeeperServerIsolated, .zooKeeperServerDown, .zooKeeperServerSlow, .sessionExpiry, .nodeDeletion, .bitRot,
            .sectorLoss, .misdirectedWrites, .clockStep, .diskStall, .slowDisk, .diskFull, .syncFailure, .appendFailure:
            false
        }
    }
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
