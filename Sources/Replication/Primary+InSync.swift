import Coordination
import Machine
import Storage
import Wire

// The in-sync set: shrunk by a member that is gone or silent, grown by a learner that has caught up. One change at a time,
// each in force only when ZooKeeper has taken it.

extension Primary {
    mutating func adjustInSyncSet(commit: UInt64, end: UInt64, now: Instant, into effects: inout Sink) {
        if case .adopting = office { return }
        for index in peers.keys.indices where peers.values[index].isJoining {
            // A joiner that has gone silent must not hold up commits; but one whose growth may be in force does count.
            guard !canJoin(peers.values[index], now: now), !writer.mayBeInForce.contains(peers.values[index].member) else {
                continue
            }
            effects.reached(.joinerFellSilent)
            peers.update(at: index) { $0.isJoining = false }
        }
        guard !writer.isBusy else { return }
        var isAnyLost = false
        for index in writer.config.inSync.indices where isLost(writer.config.inSync[index], now: now) { isAnyLost = true }
        if isAnyLost {
            let lost = writer.config.inSync.filter { isLost($0, now: now) }
            if waitsForDoubtful(besides: lost, now: now) { return effects.reached(.shrinkWaitedForDoubtful) }
            if waitsToBeDeposed(instead: lost, now: now, into: &effects) { return }
            return shrink(away: lost, now: now, into: &effects)
        }
        shortSince = nil
        guard office == .serving, handover == nil else { return }
        grow(commit: commit, end: end, now: now, into: &effects)
    }

    // MARK: minsync

    /// Standbys that are cut off together fall silent together, but not at the same instant. Shrinking the first away at once
    /// would hide that the set is about to go below minsync, and after it the rest is too few to replace this primary. So where
    /// minsync hangs on members that have just missed a heartbeat, too, it is first seen whether these come back.
    private func waitsForDoubtful(besides lost: [MemberID], now: Instant) -> Bool {
        let inSync = writer.config.inSync
        guard options.minSync > 1, inSync.count - lost.count >= options.minSync else { return false }
        let doubtful = inSync.count { !lost.contains($0) && isDoubtful($0, now: now) }
        return inSync.count - lost.count - doubtful < options.minSync && livingOthers >= options.minSync
    }

    /// How many other members of the in-sync set are registered: they could do without this primary.
    private var livingOthers: Int { writer.config.inSync.count { $0 != me && registered.contains($0.number) } }

    private func isDoubtful(_ member: MemberID, now: Instant) -> Bool {
        guard member != me, let index = peers.index(of: member.number), peers.values[index].member == member else {
            return false
        }
        return hearing.isDoubtful(since: peers.values[index].heardAt, now: now)
    }

    /// A primary that would have to shrink below minsync could commit nothing afterwards. Where enough others live to do without
    /// it, which they and the master tell each other, it is deposed: so it answers the master's probe, for as long as the
    /// replication timeout. After that nobody does, and a smaller set at least brings the lease back.
    private mutating func waitsToBeDeposed(instead lost: [MemberID], now: Instant, into effects: inout Sink) -> Bool {
        let inSync = writer.config.inSync
        guard inSync.count >= options.minSync, inSync.count - lost.count < options.minSync, livingOthers >= options.minSync
        else {
            shortSince = nil
            return false
        }
        if shortSince == nil {
            shortSince = now
            effects.log(
                .warning, "without these members the in-sync set is below minsync: the others may replace this primary",
                [
                    LogField("group", group), LogField("term", term), LogField("members", "\(lost.map(\.number))"),
                    LogField("minsync", options.minSync),
                ])
        }
        return shortSince.map { now - $0 <= options.replicationTimeout } ?? false
    }

    /// How many living standbys that do not hear this primary are a reason to replace it; 0: none are.
    public var yieldsTo: UInt64 { shortSince == nil ? 0 : UInt64(options.minSync) }

    /// Whether a member of the in-sync set can stay no longer.
    @inline(__always) private func isLost(_ member: MemberID, now: Instant) -> Bool {
        guard member != me else { return false }
        guard registered.contains(member.number) else { return true }
        guard let index = indexOfPeer(member) else { return hearing.isOverdue(since: began, now: now) }
        return peers.values[index].isAlien || isSilent(peers.values[index], now: now)
    }

    @inline(__always) private func isSilent(_ peer: PeerProgress, now: Instant) -> Bool {
        hearing.isOverdue(since: min(peer.heardAt, peer.movedAt), now: now)
            || (peer.hasAnswered && hearing.isSilent(since: peer.heardAt, now: now))
    }

    /// A store outside the set costs nothing while nobody waits for it: no witness is asked for.
    @inline(__always) private func canJoin(_ peer: PeerProgress, now: Instant) -> Bool {
        !hearing.isQuiet(since: peer.heardAt, now: now)
            && !hearing.isOverdue(since: min(peer.heardAt, peer.movedAt), now: now)
    }

    /// The other members of the in-sync set, as far as they are known, and joiners: those that commits wait for.
    private func awaited(_ isAwaited: (PeerProgress) -> Bool) -> Bool {
        peers.values.contains { peer in
            !peer.isAlien && (peer.isJoining || writer.config.inSync.contains(peer.member)) && isAwaited(peer)
        }
    }

    /// When the first of the stores that commits wait for will have been silent for too long, if nothing is heard of it; nil where
    /// there is none, or not yet anything to hear.
    public func nextSilence(now: Instant) -> Instant? {
        if case .adopting = office { return nil }
        if handover?.isSilent == true { return nil }
        var first: Instant?
        _ = awaited { peer in
            let end = hearing.silence(since: peer.heardAt)
            first = min(first ?? end, end)
            return false
        }
        return first
    }

    /// Another node says that it hears this one.
    public mutating func witnessed(at now: Instant) { hearing.answered(at: now) }

    /// Whether a store that commits wait for was not heard of late, and nobody else either: it may be this node that is cut off.
    public func needsWitness(now: Instant) -> Bool {
        awaited { hearing.needsWitness(since: $0.heardAt, now: now) }
    }

    /// Whether another in-sync member has been heard of late: one that can succeed.
    public func hasLivingStandby(at now: Instant) -> Bool {
        writer.config.inSync.contains { member in
            guard member != me, let index = indexOfPeer(member) else { return false }
            return !peers.values[index].isAlien && now - peers.values[index].heardAt <= options.replicationTimeout / 2
        }
    }

    private func reasonOfLoss(_ member: MemberID, now: Instant) -> String {
        guard registered.contains(member.number) else { return "registration gone" }
        guard let peer = peers[member.number], peer.member == member else { return "never seen" }
        if peer.isAlien { return "holds another history" }
        if hearing.isSilent(since: peer.heardAt, now: now) || peer.heardAt <= peer.movedAt {
            return "not heard for \((now - peer.heardAt).milliseconds) ms"
        }
        return "acked nothing new for \((now - peer.movedAt).milliseconds) ms"
    }

    private mutating func shrink(away lost: [MemberID], now: Instant, into effects: inout Sink) {
        var next = writer.config
        next.inSync.removeAll { lost.contains($0) }
        for member in lost {
            effects.reached(registered.contains(member.number) ? .memberShrunkForSilence : .memberShrunkForItsEnd)
        }
        effects.log(
            .warning, "shrinking the in-sync set",
            [
                LogField("group", group), LogField("term", term), LogField("away", "\(lost.map(\.number))"),
                LogField("reason", lost.map { reasonOfLoss($0, now: now) }.joined(separator: ", ")),
            ]
        )
        writer.write(next, mustBeRegistered: nil, into: &effects)
    }

    private mutating func grow(commit: UInt64, end: UInt64, now: Instant, into effects: inout Sink) {
        if let refusedAt, now - refusedAt < options.replicationTimeout { return }
        for index in peers.keys.indices {
            // Nearly always all of them are in it.
            guard peers.values[index].isMatched, !peers.values[index].isAlien, !peers.values[index].isCopying,
                !writer.config.inSync.contains(peers.values[index].member)
            else { continue }
            let peer = peers.values[index]
            let others = writer.config.inSync.filter { $0.store != peer.member.store }
            guard canJoin(peer, now: now), others.count < GroupConfig.mostInSync else { continue }
            // Level is also who has been sent all that there was when messages last left: under load the last entries are
            // always under way.
            let isLevel = peer.acked + options.joinDistance >= end || (peer.next > sentEnd && peer.reading == nil)
            if !peer.isJoining, peer.acked > 0, isLevel { peers.update(at: index) { $0.isJoining = true } }
            // Commits wait for it by now: what it has acked at least up to the commit mark it will not fall behind.
            guard peers.values[index].isJoining, peer.acked >= commit else { continue }
            var next = writer.config
            // Another life of the same store has no place beside it.
            next.inSync = others + [peer.member]
            effects.reached(others.count < writer.config.inSync.count ? .lifeReplacedInGrowth : .learnerGrown)
            effects.log(
                .notice, "growing the in-sync set",
                [
                    LogField("group", group), LogField("term", term), LogField("by", peer.member.number),
                    LogField("acked", peer.acked),
                ]
            )
            return writer.write(next, mustBeRegistered: peer.member.number, into: &effects)
        }
    }

    mutating func conclude(_ outcome: ConfigWriter.Outcome, now: Instant, into effects: inout Sink) -> Verdict? {
        switch outcome {
        case .deposed(let reason):
            return .deposed(reason)
        case .handedOver(let heir):
            effects.reached(.handedOver)
            return .handedOver(to: heir)
        case .refused:
            refusedAt = now
            handoverRefused(now: now, into: &effects)
            for index in peers.keys.indices { peers.update(at: index) { $0.isJoining = false } }
            return nil
        case .decided(let config, let version):
            // Config still names this primary: whatever was tried of a handover did not come to be, and cannot any more.
            handoverRefused(now: now, into: &effects)
            for index in peers.keys.indices {
                peers.update(at: index) { if config.inSync.contains($0.member) { $0.isJoining = false } }
            }
            shareNames()
            effects.log(
                .notice, "in-sync set is in force",
                [
                    LogField("group", group), LogField("term", term), LogField("insync", "\(config.inSync.map(\.number))"),
                    LogField("version", version),
                ]
            )
            return nil
        }
    }
}
