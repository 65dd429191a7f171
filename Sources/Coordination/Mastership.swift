import Machine
import Wire

/// # The master's work
///
/// From the election until the session ends or another server is elected. It watches every group (`GroupView`), decides
/// what each needs (`GroupPlan`), and does it in transactions:
///
/// - Every one begins with a check of `/server/epoch` at the version of this mastership. If that fails, another server was
///   elected: this mastership is over (`deposed`), and nothing of the transaction was done.
/// - The replacement of a primary proves that the old one's registration is gone *at the moment of the transaction*, by
///   creating and deleting its node; and checks that the new one's is there.
/// - A primary that is registered and was found to be gone (`Suspicions`) loses its registration in the transaction that replaces
///   it (`depose`).
/// - Configurations change at the version that was read, the ring likewise.
///
/// One transaction per group is under way at a time, and one that touches the ring. After each, whatever became of it,
/// the group is read again before anything else is decided. So an unknown outcome needs no memory: what comes of it shows
/// as a new version, and a transaction that comes late fails at the version or the epoch.
public struct Mastership: Hashable, Sendable {
    /// A transaction that is under way.
    struct Transaction: Hashable {
        var id: CoordinationID
        var touchesRing: Bool
        /// To log when it is done.
        var member: MemberID
        var term: UInt64
        var isBootstrap: Bool
        var isDeposition = false
        /// Of an operator's recovery: by what it is known, and what is answered once it is done.
        var recovery: (id: UInt64, answer: Recovered)?

        static func == (a: Transaction, b: Transaction) -> Bool { a.id == b.id }
        func hash(into hasher: inout Hasher) { hasher.combine(id) }
    }

    private struct Pause: Hashable {
        var until: Instant
        var next: Nanoseconds
    }

    private static let firstPause = Nanoseconds.milliseconds(20)
    private static let longestPause = Nanoseconds.seconds(2)

    /// The version of `/server/epoch` that this mastership stands on.
    public let epoch: Int32
    private let virtualNodes: Int
    private let timer: TimerID
    var port: CoordinationPort
    var random: SeededRandom
    var transactions = SortedMap<String, Transaction>()
    /// Outcomes of recoveries that were not taken yet, and reads of `top` for those that have just been asked for.
    var recoveries: [RecoveryOutcome] = []
    var censuses = SortedMap<UInt64, CoordinationID>()
    var counted: [Census] = []
    private var pauses = SortedMap<String, Pause>()
    private var timerDue: Instant?
    /// What was last logged of each group, so that a change is logged once.
    private var problems = SortedMap<String, String>()
    private var absent = SortedMap<String, [MemberID]>()
    private var suspicions: Suspicions

    /// True once a write failed because another server had been elected. Then nothing more is done.
    public private(set) var isDeposed = false
    /// The same, of a mastership in its place: to ask for a property of an optional copies the whole of it.
    public mutating func wasDeposed() -> Bool { isDeposed }

    /// - Parameters:
    ///   - epoch: as the election gave it.
    ///   - port: of this part of the node; hand the port of one mastership on to the next, so that no late reply is
    ///     taken for another's.
    ///   - timer: with the instance after it this mastership's alone.
    ///   - virtualNodes: with which groups enter the ring.
    ///   - probePatience: how long a primary that its standbys do not hear may take to answer a probe.
    public init(
        epoch: Int32, port: CoordinationPort, session: Session, timer: TimerID, virtualNodes: Int,
        probePatience: Nanoseconds = .milliseconds(400), random: SeededRandom
    ) {
        self.epoch = epoch
        self.port = port
        self.port.session = session.token
        self.timer = timer
        self.virtualNodes = virtualNodes
        self.random = random
        suspicions = Suspicions(
            patience: probePatience, timer: TimerID(purpose: timer.purpose, instance: timer.instance + 1),
            random: self.random.fork())
    }

    /// The port, for the next mastership.
    public var usedPort: CoordinationPort { port }

    /// Looks at every group and does what is needed. To be called after views changed, and after a timer or a reply of this
    /// mastership.
    public mutating func review(
        _ groups: SortedMap<String, GroupView>, ring: RingView, session: Session, at now: Instant, into sink: inout Sink
    ) {
        guard !isDeposed, session.isConnected, session.token == port.session else { return }
        suspicions.expire(at: now, into: &sink)
        for index in groups.keys.indices where groups.values[index].isCurrent(session) {
            let name = groups.keys[index]
            report(name, groups.values[index], into: &sink)
            guard !transactions.contains(name), pauses[name].map({ $0.until <= now }) ?? true else { continue }
            let finding = suspicions.finding(name)
            if groups.values[index].isPrimaryRegistered, finding == nil { continue }
            let view = groups.values[index]
            carryOut(GroupPlan(view, gone: finding), for: view, ring: ring, session: session, into: &sink)
        }
        setTimer(at: now, into: &sink)
        forget(allBut: groups)
    }

    private mutating func forget(allBut groups: SortedMap<String, GroupView>) {
        for name in problems.keys where !groups.contains(name) { problems[name] = nil }
        for name in pauses.keys where !groups.contains(name) { pauses[name] = nil }
        for name in absent.keys where !groups.contains(name) { absent[name] = nil }
        suspicions.forget(allBut: groups)
    }

    /// Offers an event. The groups and the ring that a finished transaction touched are read again.
    public mutating func step(
        _ event: CoordinationEvent, groups: inout SortedMap<String, GroupView>, ring: inout RingView, session: Session,
        at now: Instant, into sink: inout Sink
    ) {
        guard case .reply(let id, let reply) = event.kind, !censusTaken(id, reply),
            let name = transactions.first(where: { $0.1.id == id })?.0, let transaction = transactions[name]
        else { return }
        transactions[name] = nil
        switch reply {
        case .multi:
            pauses[name] = nil
            announce(transaction, group: name, into: &sink)
            if transaction.isBootstrap {
                sink.reached(transaction.touchesRing ? .groupFormed : .groupFormedPending)
            }
            if transaction.isDeposition { sink.reached(.primaryDeposed) }
            if let recovery = transaction.recovery {
                sink.reached(.groupRecovered)
                recoveries.append(RecoveryOutcome(id: recovery.id, reply: .recovered(recovery.answer)))
            }
        case .failed(let error, let operations):
            if let recovery = transaction.recovery { recoveryFailed(recovery.id, error, group: name) }
            if !error.isOutcomeUnknown, let first = operations.first, first == .badVersion || first == .noNode {
                isDeposed = true
                sink.log(.warning, "no longer master: another server was elected", [LogField("epoch", epoch)])
                return
            }
            if error.isOutcomeUnknown { sink.reached(.masterWriteUnknown) }
            sink.log(
                .info, "a change of the group did not go through, looking again",
                [LogField("group", name), LogField("error", "\(error)")]
            )
            pause(name, at: now)
        case .created, .deleted, .set, .data, .existence, .children, .synced:
            if let recovery = transaction.recovery { recoveryFailed(recovery.id, .connectionLoss, group: name) }
            pause(name, at: now)
        }
        groups.update(name) { $0.refresh(session: session, at: now, into: &sink) }
        if transaction.touchesRing { ring.refresh(session: session, at: now, into: &sink) }
    }

    /// Whether the timer was this machine's: then `review` is due.
    public func timerFired(_ timer: TimerID) -> Bool { timer == self.timer }

    private mutating func pause(_ name: String, at now: Instant) {
        let next = pauses[name]?.next ?? Self.firstPause
        let jitter = Nanoseconds(Int64(random.next(upperBound: UInt64(next.count))))
        pauses[name] = Pause(until: now + next + jitter, next: min(next * 2, Self.longestPause))
    }

    /// One timer for the pause that ends first.
    private mutating func setTimer(at now: Instant, into sink: inout Sink) {
        if pauses.isEmpty, timerDue == nil { return }
        let due = pauses.values.map(\.until).filter { $0 > now }.min()
        if let due, due != timerDue { sink.append(.setTimer(timer, at: due)) }
        timerDue = due
    }
}

// MARK: - Primaries that are not heard

extension Mastership {
    /// A standby says that it does not hear its primary. `isLinkUp`: whether messages are known to travel to an address.
    public mutating func suspected(
        _ suspicion: Suspicion, from sender: Address, groups: SortedMap<String, GroupView>, isLinkUp: (Address) -> Bool,
        at now: Instant, into sink: inout Sink
    ) {
        guard !isDeposed, let index = groups.index(of: suspicion.group), transactions[suspicion.group] == nil else { return }
        suspicions.suspected(
            suspicion, from: sender, view: groups.values[index], isLinkUp: isLinkUp, at: now, into: &sink)
    }

    /// Somebody answered a probe; `review` is due.
    public mutating func answered(_ reply: ProbeReply, from sender: Address, into sink: inout Sink) {
        suspicions.answered(reply, from: sender, into: &sink)
    }

    /// Messages to this address were lost; `review` is due.
    public mutating func linkDown(_ address: Address, into sink: inout Sink) { suspicions.linkDown(address, into: &sink) }
}

// MARK: - Transactions

extension Mastership {
    private mutating func carryOut(
        _ plan: GroupPlan, for view: GroupView, ring: RingView, session: Session, into sink: inout Sink
    ) {
        switch plan {
        case .settled, .stuck: break
        case .bootstrap(let member, let isImported):
            guard ring.isCurrent(session), !transactions.contains(where: { $0.1.touchesRing }) else { return }
            guard ring.record != nil || !ring.exists else { return }
            bootstrap(view.group, member, isImported: isImported, ring: ring, into: &sink)
        case .replace(let old, let new, let inSync):
            guard let config = view.config else { return }
            sink.reached(config.inSync.contains(new) ? .standbyPromoted : .laterLifePromoted)
            let next = config.next(primary: new, inSync: inSync)
            replace(view.group, old: old, next: next, new: new, version: view.configVersion, into: &sink)
        case .depose(let old, let new, let inSync):
            guard let config = view.config, let finding = suspicions.finding(view.group) else { return }
            let next = config.next(primary: new, inSync: inSync)
            sink.log(
                .warning, "deposing the primary",
                [
                    LogField("group", view.group), LogField("primary", old), LogField("term", config.term),
                    LogField("reason", finding.reason), LogField("successor", new),
                ])
            depose(view.group, old: old, next: next, new: new, version: view.configVersion, into: &sink)
            suspicions.forget(view.group)
        }
    }

    private mutating func bootstrap(
        _ group: String, _ member: MemberID, isImported: Bool, ring: RingView, into sink: inout Sink
    ) {
        let config = GroupConfig(lineage: Lineage(random.uuid()), term: 1, primary: member, inSync: [member])
        var operations: [MultiOperation] = [
            .check(path: Paths.serverEpoch, version: epoch),
            .check(path: Paths.member(member.number, ofGroup: group), version: -1),
            .create(path: Paths.config(ofGroup: group), data: config.bytes, mode: .persistent),
            .set(path: Paths.primary(ofGroup: group), data: config.primaryBytes, version: -1),
        ]
        let entry = entryToRing(of: group, isImported: isImported, ring)
        if let entry { operations.append(entry) }
        send(operations, group, member, term: 1, touchesRing: entry != nil, isBootstrap: true, into: &sink)
    }

    /// How the ring changes when the group gets its first primary; nil where the group stays outside, pending.
    ///
    /// An empty group may enter as long as the ring is open. One that brings keys may only be the first, and closes it.
    private func entryToRing(of group: String, isImported: Bool, _ ring: RingView) -> MultiOperation? {
        let record = ring.record ?? RingRecord(version: 0, sealed: false, groups: [])
        guard !record.sealed, !record.contains(group), record.groups.count < RingRecord.mostGroups else { return nil }
        guard !isImported || record.groups.isEmpty else { return nil }
        let next = record.adding(group, virtualNodes: virtualNodes, sealed: isImported)
        if ring.exists { return .set(path: Paths.ring, data: next.bytes, version: ring.version) }
        return .create(path: Paths.ring, data: next.bytes, mode: .persistent)
    }

    private mutating func replace(
        _ group: String, old: MemberID?, next: GroupConfig, new: MemberID, version: Int32, into sink: inout Sink
    ) {
        // Fails where the node exists when the transaction is applied, whatever was read before: the proof of absence.
        let path = old.map { Paths.member($0.number, ofGroup: group) }
        let proof = path.map { [MultiOperation.create(path: $0, data: [], mode: .persistent), .delete(path: $0, version: -1)] }
        succeed(group, after: proof ?? [], next: next, new: new, version: version, isDeposition: false, into: &sink)
    }

    /// Replaces a primary whose session lives, and ends its registration in the same transaction; that it is there is part of
    /// it. Where it is not, the ordinary replacement is right.
    ///
    /// Why this is safe even if the old primary lives, serves, and hears of it late:
    /// - *It cannot change config any more.* Its writes check its registration and the version, both of which are gone.
    /// - *It commits nothing that is lost.* A commit needs an ack of every in-sync member, of the successor too. What the
    ///   successor acked is in its log when it takes office; once it has adopted the new term it acks nothing of the old.
    /// - *It answers no read after the successor may have changed anything.* It answers on leases of all in-sync members. The
    ///   successor is one of them, by the very version of config that the transaction replaces: a set without it would have
    ///   made another version. Its lease counted from the sending of what the successor then acked, less the drift allowance;
    ///   the successor serves only after the promise of its last ack has run out (`Primary.Office.waitingForPromises`), by
    ///   its own clock, whatever made it suspect.
    ///
    /// No session, no probe and no suspicion is part of that argument. They decide when it is worth it.
    private mutating func depose(
        _ group: String, old: MemberID, next: GroupConfig, new: MemberID, version: Int32, into sink: inout Sink
    ) {
        precondition(!next.inSync.contains(old), "who is deposed is not in-sync")
        let end = MultiOperation.delete(path: Paths.member(old.number, ofGroup: group), version: -1)
        succeed(group, after: [end], next: next, new: new, version: version, isDeposition: true, into: &sink)
    }

    /// The new primary is registered, config names it at the version that was read, and so does `primary`.
    private mutating func succeed(
        _ group: String, after endOfTheOld: [MultiOperation], next: GroupConfig, new: MemberID, version: Int32,
        isDeposition: Bool, into sink: inout Sink
    ) {
        precondition(version >= 0, "a configuration that was read has a version, and -1 would match any")
        precondition(!next.inSync.isEmpty && next.inSync.contains(new), "the in-sync set is never written without the primary")
        var operations: [MultiOperation] = [.check(path: Paths.serverEpoch, version: epoch)]
        operations += endOfTheOld
        operations += [
            .check(path: Paths.member(new.number, ofGroup: group), version: -1),
            .set(path: Paths.config(ofGroup: group), data: next.bytes, version: version),
            .set(path: Paths.primary(ofGroup: group), data: next.primaryBytes, version: -1),
        ]
        send(
            operations, group, new, term: next.term, touchesRing: false, isBootstrap: false, isDeposition: isDeposition,
            into: &sink)
    }

    mutating func send(
        _ operations: [MultiOperation], _ group: String, _ member: MemberID, term: UInt64, touchesRing: Bool,
        isBootstrap: Bool, isDeposition: Bool = false, recovery: (id: UInt64, answer: Recovered)? = nil,
        into sink: inout Sink
    ) {
        let id = port.request(.multi(operations), into: &sink)
        transactions[group] = Transaction(
            id: id, touchesRing: touchesRing, member: member, term: term, isBootstrap: isBootstrap, isDeposition: isDeposition,
            recovery: recovery)
    }
}

// MARK: - What people hear

extension Mastership {
    private func announce(_ transaction: Transaction, group: String, into sink: inout Sink) {
        let event = transaction.isBootstrap ? "group formed" : "primary replaced"
        let fields = [
            LogField("group", group), LogField("primary", transaction.member), LogField("term", transaction.term),
            LogField("inRing", transaction.isBootstrap ? (transaction.touchesRing ? "entered" : "pending") : "unchanged"),
        ]
        sink.log(.notice, event, fields)
    }

    /// Logs what changed: a group that is stuck or is so no longer, and in-sync stores that went.
    private mutating func report(_ name: String, _ view: GroupView, into sink: inout Sink) {
        let problem = view.isPrimaryRegistered ? nil : GroupPlan(view).problem
        if problem != problems[name] {
            sink.reached(problem == nil ? .groupWentOn : .groupWasStuck)
            if let problem {
                sink.log(.error, "group has no primary", [LogField("group", name), LogField("problem", problem)])
            } else {
                sink.log(.notice, "group can go on", [LogField("group", name)])
            }
            problems[name] = problem
        }
        let gone = (view.config?.inSync ?? []).filter { !view.isRegistered($0.number) && $0 != view.config?.primary }
        for member in gone where absent[name]?.contains(member) != true {
            sink.log(.warning, "in-sync standby is gone", [LogField("group", name), LogField("member", member)])
        }
        if !gone.isEmpty || absent.contains(name) { absent[name] = gone.isEmpty ? nil : gone }
    }
}
