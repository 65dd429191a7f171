/// Noteworthy things that the models do by themselves. A healthy sweep reaches each of them.
public enum Mark: Int, CaseIterable, Hashable, Sendable {
    case messageInBackOff, linkOverflow, connectionRefused, connectionGivenUp
    case halt
    case powerLossKeptNothing, powerLossKeptPrefix, powerLossKeptSubset, powerLossToreWrite, powerLossGrewWithoutContent
    case powerLossDroppedDirectoryChange, processDiedWithUnsyncedBytes, appendLeftPart
    case syncFailed, appendFailed, noSpace
    case bitsRotted, sectorsLost, writeMisdirected, misdirectedWriteShown, cacheLetGoOfDamage
    case readMetBadSector, readReturnedDamage, diskLost, diskRestored
    case sessionExpired, orphanSession, replyLost, requestLost, appliedAfterConnectionLoss, zooKeeperReadWasStale
    case reconnectRefusedByLaggingServer, watchFiredOnReconnect, expiryLearnedOnReconnect, servedByIsolatedServer
    case zooKeeperLeaderElected, syncAnsweredByLoneLeader, proposalSurvivedLeader, proposalLostWithLeader, heldRequestGivenUp
}

/// How often each mark was reached.
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
