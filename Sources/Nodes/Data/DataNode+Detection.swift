import Coordination
import Machine
import Replication
import Wire

// How a group finds out soon that its primary is gone: a standby that does not hear it tells the master (`Vigil`), the master asks
// (`probe`), and a primary whose disk hangs gives up by itself (`DiskWatch`). And how a primary finds out soon that a standby is:
// `Hearing`.

extension DataNode {
    /// Config shows this life as something else than the primary.
    mutating func keepVigil(_ config: GroupConfig, as me: MemberID, now: Instant, into effects: inout Sink) {
        guard let primary = config.primary, config.inSync.contains(me) else { return vigil.end() }
        vigil.keep(over: primary, term: config.term, now: now, into: &effects)
    }

    /// The vigil's timer fired. A standby that ZooKeeper does not reach keeps silent: it could not take office; and so does one
    /// that is told already that the primary's registration is gone: the master is, too.
    mutating func tellOfSilence(now: Instant, into effects: inout Sink) {
        guard phase == .running, let number, let follower else { return }
        let isPrimaryRegistered = view.config?.primary.map { view.isRegistered($0.number) } ?? false
        let silent = vigil.batchEnded(
            follower, promise: promise, canListen: !store.isRewriting,
            canTell: isPrimaryRegistered && session.isConnected && view.isCurrent(session), now: now, into: &effects)
        guard let silent, let master = master.record else { return }
        effects.reached(.suspicionSent)
        let suspicion = Suspicion(
            group: group, term: silent.term, primary: silent.primary, by: MemberID(store: store.store, number: number),
            silence: silent.silence)
        effects.append(.send(.suspicion(suspicion), to: master.address))
    }

    /// Says who is there. The answer comes from here, and from nothing faster, so that a node that hangs gives none.
    func probeReply(_ id: UInt64) -> ProbeReply {
        ProbeReply(
            id: id, group: group, member: MemberID(store: store.store, number: number ?? 0), term: primary?.term ?? 0,
            coordinated: session.isConnected, yieldsTo: primary?.yieldsTo ?? 0)
    }

    /// With every heartbeat. A primary that does not hear a standby asks the master whether anybody hears it, and looks again at the
    /// very moment at which the standby may be left behind.
    mutating func listenForStandbys(now: Instant, into effects: inout Sink) {
        guard let silence = primary?.nextSilence(now: now) else { return }
        if silence < now + options.replication.heartbeat {
            effects.append(.setTimer(Timer.silence, at: max(silence, now)))
        }
        guard primary?.needsWitness(now: now) == true, let master = master.record else { return }
        effects.reached(.witnessAsked)
        // One number for a while: an answer that takes longer than a heartbeat is one, too.
        if now - pingedAt > options.replication.silenceTimeout {
            ping = random.next()
            pingedAt = now
        }
        effects.append(.send(.ping(id: ping), to: master.address))
    }

    mutating func pongReceived(_ id: UInt64, now: Instant, into effects: inout Sink) {
        guard id == ping, primary != nil else { return }
        effects.reached(.witnessHeard)
        primary?.witnessed(at: now)
    }

    /// A primary whose disk finishes nothing commits nothing, and would go on for ever: its heartbeats leave without the disk.
    /// Where a standby can succeed, it gives up its registration; the master replaces it, and it comes again as a new life.
    mutating func resignIfDiskHangs(now: Instant, into effects: inout Sink) {
        guard phase == .running, primary != nil else { return }
        let timeout = options.replication.replicationTimeout
        let hanging = diskWatch.look(
            durable: store.settledMark, written: store.writeMark, longestGap: timeout / 2, now: now)
        guard hanging > timeout, session.isConnected, view.isCurrent(session), primary?.hasLivingStandby(at: now) == true else {
            return
        }
        effects.reached(.resignedForHungDisk)
        stepDown("its disk has finished nothing for \(hanging.milliseconds) ms", now: now, into: &effects)
        resignIfStuck(now: now, into: &effects)
    }
}
