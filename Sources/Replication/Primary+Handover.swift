import Coordination
import Machine
import Storage
import Wire

/// # Handing over
///
/// A primary that is asked to stop, or to make way, gives its office to an in-sync store, so that nobody waits for promises to run
/// out or for its end to be noticed:
///
/// 1. It takes no more requests (who asks is told that nothing was done, and asks again), and lets those that it has taken
///    finish: everything in its log is committed, hence on every in-sync store.
/// 2. It falls silent: it serves no reads, and sends nothing. Only then it writes config with the next term: the heir as its
///    primary, and its own office as *released*.
/// 3. The heir, level already, need not wait for its promise to that office: the office was over before config said so. Promises to
///    others it keeps.
///
/// Until the write is decided the primary stays silent: it may be over without knowing. If config turns out not to have moved, it
/// serves again; but it may not count on acks of messages from before, because who acked them may have promised as the heir of
/// what was written, and been freed.
struct Handover: Hashable, Sendable {
    var heir: MemberID
    /// The primary is about to end, and leaves the in-sync set.
    var isLeaving: Bool
    var began: Instant
    /// Config is being written.
    var isSilent = false
}

extension Primary {
    /// Whether requests are to be refused because this primary is handing over.
    public var isHandingOver: Bool { handover != nil }

    /// Begins to hand over. Until ``isHandingOver`` is false again, or a verdict ends this primary, no entry may be appended.
    ///
    /// - Parameters:
    ///   - number: the store that shall succeed; nil: the in-sync one that has the most of the log.
    ///   - leaving: whether this store leaves the in-sync set.
    /// - Returns: why not, as a clause; nil where it has begun.
    public mutating func beginHandover(
        to number: UInt64?, leaving: Bool, now: Instant, into effects: inout Sink
    ) -> String? {
        guard office == .serving else { return "it is still taking office in term \(term)" }
        if let handover { return "it is handing over to \(handover.heir.number) already" }
        if let number {
            guard number != me.number else { return "number \(number) is the primary" }
            guard writer.config.inSync.contains(where: { $0.number == number }) else {
                let names = writer.config.inSync.filter { $0 != me }.map { String($0.number) }.joined(separator: ", ")
                return "number \(number) is not in-sync (in-sync standbys: \(names.isEmpty ? "none" : names))"
            }
        }
        let able = writer.config.inSync.filter { member in
            (number ?? member.number) == member.number && canSucceed(member, now: now)
        }
        guard let heir = able.max(by: { acked(of: $0) < acked(of: $1) }) else {
            return number.map { "number \($0) does not answer" } ?? "no in-sync standby answers"
        }
        handoverFailure = nil
        handover = Handover(heir: heir, isLeaving: leaving, began: now)
        effects.log(
            .notice, "handing over",
            [
                LogField("group", group), LogField("term", term), LogField("to", heir.number),
                LogField("leaving", leaving ? "yes" : "no"),
            ])
        return nil
    }

    /// Why the last handover came to nothing; nil where it did not, or is under way.
    public var failedHandover: String? { handover == nil ? handoverFailure : nil }

    private func acked(of member: MemberID) -> UInt64 { peers[member.number]?.acked ?? 0 }

    private func canSucceed(_ member: MemberID, now: Instant) -> Bool {
        guard member != me, registered.contains(member.number), let peer = peers[member.number], peer.member == member else {
            return false
        }
        return peer.isMatched && !peer.isAlien && now - peer.heardAt <= options.replicationTimeout
    }

    /// - Parameter isIdle: whether no request waits for its answer.
    mutating func advanceHandover(isLevel: Bool, isIdle: Bool, now: Instant, into effects: inout Sink) {
        guard let handover, !handover.isSilent else { return }
        if now - handover.began > options.replicationTimeout {
            return abandonHandover(
                "what was under way did not finish in \((now - handover.began).milliseconds) ms", into: &effects)
        }
        guard !writer.isBusy, isIdle, isLevel else { return }
        guard writer.config.inSync.contains(handover.heir), canSucceed(handover.heir, now: now) else {
            return abandonHandover("\(handover.heir.number) is not in-sync any more, or does not answer", into: &effects)
        }
        self.handover?.isSilent = true
        writer.handOver(to: handover.heir, leaving: handover.isLeaving, into: &effects)
    }

    private mutating func abandonHandover(_ reason: String, into effects: inout Sink) {
        handover = nil
        handoverFailure = reason
        effects.reached(.handoverAbandoned)
        effects.log(
            .warning, "not handing over after all",
            [LogField("group", group), LogField("term", term), LogField("reason", reason)])
    }

    /// It is decided that config has not moved to the heir.
    mutating func handoverRefused(now: Instant, into effects: inout Sink) {
        guard handover?.isSilent == true else { return }
        leaseFloor = now
        hearing.begin(at: now)
        for index in peers.keys.indices { peers.update(at: index) { $0.promisedFrom = nil } }
        abandonHandover("ZooKeeper refused it", into: &effects)
    }
}
