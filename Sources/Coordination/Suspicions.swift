import Machine
import Wire

/// # Whether a primary that its standbys do not hear is gone
///
/// A master's part of detection: ZooKeeper would tell of a dead primary only when its session expires.
///
/// A standby's suspicion that agrees with what the master sees of the group begins a *round*. The primary is probed, and so is
/// every standby that suspects it: who is to succeed must be alive itself. The primary counts as gone where
///
/// - its link breaks, or it does not answer within the patience,
/// - another life answers at its address,
/// - it answers that it cannot lead: it is not primary of that term, or it has no ZooKeeper to shrink its in-sync set with,
/// - it answers that it would have to go on with fewer than minsync, and so many standbys that do not hear it live.
///
/// Otherwise it stays, and shrinks away the standby that cannot hear it. What is found here is a reason to act, never a proof;
/// why a primary that lives after all does no harm is said at `Mastership.depose`.
///
/// Bounded: one round per group, in it one place per in-sync member, and an end after twice the patience, whatever came of it.
/// The next suspicion, a heartbeat later, begins another.
public struct Suspicions: Hashable, Sendable {
    /// A primary that counts as gone.
    public struct Finding: Hashable, Sendable {
        public var primary: MemberID
        public var term: UInt64
        /// Standbys that suspect it and have answered a probe since.
        public var heirs: [MemberID]
        /// For the operator.
        public var reason: String
    }

    private enum Verdict: Hashable {
        case linkBroke
        case silent
        case anotherLife(MemberID)
        case cannotLead(String)
        /// It makes way for so many.
        case yields(UInt64)
    }

    private struct Standby: Hashable {
        var member: MemberID
        var address: Address
        var hasAnswered = false
    }

    private struct Round: Hashable {
        var id: UInt64
        var primary: MemberID
        var address: Address
        var term: UInt64
        var began: Instant
        /// How long the first standby that suspects it had not heard it.
        var silence: Nanoseconds
        var standbys: [Standby] = []
        /// nil while the primary may still answer.
        var verdict: Verdict?
    }

    private let patience: Nanoseconds
    private let timer: TimerID
    private var nextID: UInt64
    private var rounds = SortedMap<String, Round>()
    private var timerDue: Instant?
    /// The term in which each group's primary was last found alive, so that this is logged once.
    private var refuted = SortedMap<String, UInt64>()

    /// - Parameters:
    ///   - patience: how long a primary may take to answer a probe.
    ///   - timer: this machine's alone.
    ///   - random: where the identities of probes begin: an answer to an earlier master at this address is none to this.
    init(patience: Nanoseconds, timer: TimerID, random: SeededRandom) {
        var random = random
        self.patience = patience
        self.timer = timer
        nextID = random.next()
    }

    /// A standby does not hear its primary. `isLinkUp`: whether messages are known to travel to an address.
    mutating func suspected(
        _ suspicion: Suspicion, from sender: Address, view: GroupView, isLinkUp: (Address) -> Bool, at now: Instant,
        into sink: inout Sink
    ) {
        guard let config = view.config, config.term == suspicion.term, config.primary == suspicion.primary,
            suspicion.by != suspicion.primary, config.inSync.contains(suspicion.by),
            let primary = view.members[suspicion.primary.number], let standby = view.members[suspicion.by.number],
            standby.store == suspicion.by.store, standby.address == sender
        else { return }
        var round =
            rounds[suspicion.group].flatMap { $0.primary == suspicion.primary && $0.term == suspicion.term ? $0 : nil }
            ?? begin(suspicion, at: primary.address, isLinkUp: isLinkUp, now: now, into: &sink)
        if !round.standbys.contains(where: { $0.member == suspicion.by }) {
            round.standbys.append(Standby(member: suspicion.by, address: sender))
            sink.append(.send(.probe(id: round.id), to: sender))
        }
        rounds[suspicion.group] = round
        setTimer(into: &sink)
    }

    private mutating func begin(
        _ suspicion: Suspicion, at address: Address, isLinkUp: (Address) -> Bool, now: Instant, into sink: inout Sink
    ) -> Round {
        nextID &+= 1
        // A link that has just failed may drop what is sent for a while; one that is made anew is refused at once where nobody
        // is there.
        if !isLinkUp(address) { sink.append(.closeLink(address)) }
        sink.append(.send(.probe(id: nextID), to: address))
        return Round(
            id: nextID, primary: suspicion.primary, address: address, term: suspicion.term, began: now,
            silence: suspicion.silence)
    }

    /// Somebody answered a probe.
    mutating func answered(_ reply: ProbeReply, from sender: Address, into sink: inout Sink) {
        guard let (group, round) = rounds.first(where: { $0.1.id == reply.id }) else { return }
        guard sender == round.address else {
            rounds.update(group) { round in
                for index in round.standbys.indices where round.standbys[index].address == sender {
                    round.standbys[index].hasAnswered = reply.group == group && round.standbys[index].member == reply.member
                }
            }
            return
        }
        guard reply.group == group, reply.member == round.primary else {
            return conclude(group, .anotherLife(reply.member), into: &sink)
        }
        guard reply.term >= round.term else { return conclude(group, .cannotLead("it leads no such term"), into: &sink) }
        guard reply.coordinated else { return conclude(group, .cannotLead("it has no ZooKeeper"), into: &sink) }
        guard reply.yieldsTo == 0 else { return conclude(group, .yields(reply.yieldsTo), into: &sink) }
        rounds[group] = nil
        sink.reached(.suspicionRefuted)
        guard refuted[group] != round.term else { return }
        refuted[group] = round.term
        sink.log(
            .warning, "primary is not heard by a standby, but answers: it stays",
            [
                LogField("group", group), LogField("primary", round.primary), LogField("term", round.term),
                LogField("unheardBy", "\(round.standbys.map(\.member.number))"),
            ])
    }

    /// Messages to this address were lost.
    mutating func linkDown(_ address: Address, into sink: inout Sink) {
        for (group, round) in rounds {
            if round.address == address { conclude(group, .linkBroke, into: &sink) }
            rounds.update(group) { $0.standbys.removeAll { $0.address == address } }
        }
    }

    /// The first verdict of a round counts.
    private mutating func conclude(_ group: String, _ verdict: Verdict, into sink: inout Sink) {
        guard rounds[group]?.verdict == nil else { return }
        rounds.update(group) { $0.verdict = verdict }
        switch verdict {
        case .linkBroke: sink.reached(.probeLinkBroke)
        case .silent: sink.reached(.probeUnanswered)
        case .anotherLife: sink.reached(.probeAnsweredByAnotherLife)
        case .cannotLead: sink.reached(.probeAnsweredOutOfOffice)
        // Two of three links must be cut for that, for long: no short sweep gets there.
        case .yields: break
        }
    }

    /// Ends what has taken its time.
    mutating func expire(at now: Instant, into sink: inout Sink) {
        guard !rounds.isEmpty else { return }
        for (group, round) in rounds {
            let deadline = round.began + patience
            if round.verdict == nil, now >= deadline {
                // Very late: then this master itself may have been paused, with the answer still on its way in.
                if now < deadline + patience / 2 { conclude(group, .silent, into: &sink) } else { rounds[group] = nil }
            } else if now >= deadline + patience {
                rounds[group] = nil
            }
        }
        setTimer(into: &sink)
    }

    /// What was found out about a group, once there is somebody to succeed.
    func finding(_ group: String) -> Finding? {
        guard let index = rounds.index(of: group), let verdict = rounds.values[index].verdict else { return nil }
        let round = rounds.values[index]
        let heirs = round.standbys.filter(\.hasAnswered).map(\.member)
        guard !heirs.isEmpty else { return nil }
        if case .yields(let needed) = verdict, UInt64(heirs.count) < needed { return nil }
        let unheard = "unheard by \(round.standbys.map(\.member.number)) for \(round.silence.milliseconds) ms"
        return Finding(primary: round.primary, term: round.term, heirs: heirs, reason: "\(unheard); \(text(verdict))")
    }

    private func text(_ verdict: Verdict) -> String {
        switch verdict {
        case .linkBroke: "its link broke"
        case .silent: "no answer to a probe in \(patience.milliseconds) ms"
        case .anotherLife(let other): "\(other.number == 0 ? "an unregistered life" : "\(other)") answers in its place"
        case .cannotLead(let why): "it answers, but \(why)"
        case .yields(let needed): "it answers, but without them it would have fewer in-sync stores than minsync (\(needed))"
        }
    }

    /// Something is being done about the group.
    mutating func forget(_ group: String) { rounds[group] = nil }

    /// Groups that are gone need no memory.
    mutating func forget(allBut groups: SortedMap<String, GroupView>) {
        for group in rounds.keys where !groups.contains(group) { rounds[group] = nil }
        for group in refuted.keys where !groups.contains(group) { refuted[group] = nil }
    }

    /// One timer for the round that has something to end first.
    private mutating func setTimer(into sink: inout Sink) {
        let due = rounds.values.map { $0.verdict == nil ? $0.began + patience : $0.began + patience * 2 }.min()
        if let due, due != timerDue { sink.append(.setTimer(timer, at: due)) }
        timerDue = due
    }
}
