import Machine

/// Noteworthy things that the models do by themselves. A healthy sweep reaches each of them.
public enum Mark: Int, CaseIterable, Hashable, Sendable {
    case messageInBackOff, linkOverflow, connectionRefused, connectionGivenUp
    case halt
    case powerLossKeptNothing, powerLossKeptPrefix, powerLossKeptSubset, powerLossToreWrite, powerLossGrewWithoutContent
    case powerLossDroppedDirectoryChange, processDiedWithUnsyncedBytes, appendLeftPart
    case syncFailed, appendFailed, noSpace
    case bitsRotted, sectorsLost, writeMisdirected, misdirectedWriteShown, cacheLetGoOfDamage
    case readMetBadSector, readReturnedDamage, diskLost, diskRestored
    case connectionBrokeAroundWrite, sessionExpired, orphanSession, replyLost, requestLost, appliedAfterConnectionLoss
    case zooKeeperReadWasStale
    case reconnectRefusedByLaggingServer, watchFiredOnReconnect, expiryLearnedOnReconnect, servedByIsolatedServer
    case zooKeeperLeaderElected, syncAnsweredByLoneLeader, proposalSurvivedLeader, proposalLostWithLeader, heldRequestGivenUp
}

/// How often each mark of the models was reached.
public struct Counters: Hashable, Sendable, Codable {
    private var counts = Array(repeating: 0, count: Mark.allCases.count)

    /// A bit for each mark that was reached, by its number.
    public private(set) var reached: UInt64 = 0

    public init() { precondition(Mark.allCases.count <= 64, "a bit for each mark") }

    public mutating func add(_ mark: Mark, _ times: Int = 1) {
        counts[mark.rawValue] += times
        if times > 0 { reached |= 1 << UInt64(mark.rawValue) }
    }
    public subscript(mark: Mark) -> Int { counts[mark.rawValue] }

    public static func += (a: inout Counters, b: Counters) {
        for index in a.counts.indices { a.counts[index] += b.counts[index] }
        a.reached |= b.reached
    }
}

/// In how many batches the machines reached each of their marks.
public struct SometimesCounts: Hashable, Sendable, Codable {
    private var counts = Array(repeating: 0, count: Sometimes.allCases.count)

    public init() {}

    public mutating func add(_ reached: SometimesSet) {
        reached.forEach { counts[Int($0.rawValue)] += 1 }
    }

    public subscript(mark: Sometimes) -> Int { counts[Int(mark.rawValue)] }

    public static func += (a: inout SometimesCounts, b: SometimesCounts) {
        for index in a.counts.indices { a.counts[index] += b.counts[index] }
    }
}
