import Coordination
import Machine
import Storage
import Wire

/// # The sending side of replication
///
/// The primary of one term: it orders writes, brings them to every other registered store of its group, commits what is
/// durable on itself *and on every store that counts*, holds the leases that cover reads, and keeps the in-sync set in
/// ZooKeeper true by shrinking and growing it.
///
/// It counts as in-sync: every member of any config that may be in force (`ConfigWriter.mayBeInForce`), and a learner that
/// is joining. So nothing is acknowledged that a possible successor lacks.
///
/// Taking office: the term is made durable, an entry of the new term is appended, every in-sync store is brought to it (one
/// that does not answer is shrunk away), every promise that this store has ever given runs out; only then it serves. No
/// growth before.
///
/// Sources: Viewstamped Replication Revisited (B. Liskov, J. Cowling, 2012) and Raft (D. Ongaro, 2014) for terms and the log;
/// Kafka's in-sync replicas for the set that a coordination service holds; PacificA (W. Lin et al., 2008) for the division of
/// work between config service and group, and for leases from secondaries.
///
/// This file holds state and transitions; what is sent is in `Primary+Sending`, the config in `Primary+InSync`, reads that trust
/// no clock in `Primary+Confirming`, copies for those whom the log does not help in `Primary+Copying`.
public struct Primary: Sendable {
    public enum Office: Hashable, Sendable {
        /// The term is not yet durable up to this write mark.
        case adopting(mark: UInt64)
        /// Waiting until every in-sync store has the term's first entry.
        case levelling(first: UInt64)
        /// Level; waiting for this store's own promises to run out.
        case waitingForPromises
        case serving
    }

    public enum Verdict: Equatable {
        /// This primary is over: one line that says why.
        case deposed(String)
        /// It is over by its own will.
        case handedOver(to: MemberID)
    }

    let group: String
    let me: MemberID
    let options: ReplicationOptions
    public let term: UInt64
    let lineage: Lineage
    public internal(set) var office: Office
    /// Every other registered store, by its number.
    var peers = SortedMap<UInt64, PeerProgress>()
    /// All registered numbers of the group.
    var registered: [UInt64] = []
    var writer: ConfigWriter
    /// When this primary began: members that were never heard are given the replication timeout from here.
    let began: Instant
    /// Who was to be heard when.
    var hearing: Hearing
    /// The first entry of this term; 0 while there is none.
    var firstOfTerm: UInt64 = 0
    /// Since when it would have to shrink the in-sync set below minsync, and waits to be deposed instead.
    var shortSince: Instant?
    /// The end of the log when messages last left.
    var sentEnd: UInt64 = 0
    /// When ZooKeeper last refused a config change for good: the next waits a little.
    var refusedAt: Instant?
    /// Counts the rounds of confirmed reads that were begun.
    public internal(set) var round: UInt64 = 0
    /// Whether the heartbeat of this tick is still to be sent.
    var heartbeatDue = true
    /// There while this primary hands over.
    var handover: Handover?
    /// Why the last handover came to nothing.
    var handoverFailure: String?
    /// Acks of messages that left before this promise nothing: a handover was tried in between.
    var leaseFloor: Instant
    /// Copies that were begun.
    var copies: UInt64 = 0
    /// The office that ended for this one to begin, where it was handed over.
    let released: GroupConfig.Office?

    /// Begins a term. Precondition: `config` names `me` as primary, and the store is open and not rewriting.
    public init(
        group: String, me: MemberID, config: GroupConfig, version: Int32, options: ReplicationOptions,
        port: CoordinationPort, store: inout LogStore, now: Instant
    ) {
        precondition(config.primary == me && config.term > 0 && store.isOpen && !store.isRewriting)
        precondition(store.adoptedTerm <= config.term, "a term is not gone back to")
        self.group = group
        self.me = me
        self.options = options
        term = config.term
        lineage = config.lineage
        writer = ConfigWriter(group: group, me: me, config: config, version: version, port: port)
        began = now
        leaseFloor = now
        released = config.released
        hearing = Hearing(options: options, now: now)
        if store.lineage == nil { store.set(lineage: config.lineage) }
        if store.adoptedTerm < config.term { store.adopt(term: config.term) }
        office = .adopting(mark: store.demandSync())
        shareNames()
    }

    /// For the next term's config writer.
    public var port: CoordinationPort { writer.port }
    public var config: GroupConfig { writer.config }
    public var configVersion: Int32 { writer.configVersion }
    @inlinable public var isServing: Bool { office == .serving }

    // MARK: Events

    // The store is only looked at; it is `inout` so that it is not copied for that.

    /// The group's registrations are now these `numbers`; `members` says what is known of them.
    public mutating func registered(
        _ numbers: [UInt64], _ members: SortedMap<UInt64, StoreRegistration>, store: inout LogStore, now: Instant
    ) {
        registered = numbers
        for number in peers.keys where !numbers.contains(number) { peers[number] = nil }
        for (number, registration) in members where number != me.number && peers[number] == nil {
            let member = MemberID(store: registration.store, number: number)
            // A store of the same identity is a copy of this disk's file, or a life that has not ended: not a replica.
            if member.store == me.store { continue }
            peers[number] = PeerProgress(
                member: member, address: registration.address, next: store.last.seq + 1,
                pace: FeedPace(window: options.learnerWindowBytes, size: store.size, now: now), now: now)
        }
        shareNames()
    }

    /// The members of the config are looked for at the end of every batch: texts of one origin are seen to be equal without being
    /// read.
    mutating func shareNames() {
        writer.shareName(me)
        for index in peers.keys.indices { writer.shareName(peers.values[index].member) }
    }

    public mutating func replied(
        _ reply: AppendReply, store: inout LogStore, now: Instant, into effects: inout Sink
    ) -> Verdict? {
        guard reply.group == group, indexOfPeer(reply.from) != nil else { return nil }
        hearing.answered(at: now)
        switch reply.outcome {
        case .accepted:
            guard reply.term == term, reply.verified <= store.last.seq, reply.echo <= now.nanoseconds, reply.round <= round
            else { return nil }
            let sentAt = Instant(nanoseconds: reply.echo)
            let isPromise = sentAt >= leaseFloor
            let wasMatched = peers[reply.from.number]?.isMatched
            peers.update(reply.from.number) {
                $0.accepted(
                    verified: reply.verified, sentAt: sentAt, isPromise: isPromise, round: reply.round, now: now)
            }
            if wasMatched == false { isMatched(reply.from, store: store, now: now, into: &effects) }
        case .olderTerm:
            guard reply.term > term else { return nil }
            effects.reached(.deposedByHigherTerm)
            return .deposed("\(reply.from) has heard of term \(reply.term)")
        case .mismatch(let last, let runs):
            guard reply.term == term else { return nil }
            peers.update(reply.from.number) { $0.isHeard(at: now) }
            // While a copy is sent no append is: this is an answer to one from before.
            guard peers[reply.from.number]?.copy == nil else { return nil }
            let common = CommonPoint.of(own: store.runs, other: runs)
            if common.seq == 0 { effects.reached(.nothingInCommon) }
            if common.seq > 0, common.seq < last.seq { effects.reached(.commonPointBelowEnd) }
            guard feeds(reply.from, from: common, store: store, now: now, into: &effects) else { return nil }
            peers.update(reply.from.number) {
                $0.isMatched = true
                $0.common = max($0.common, common.seq)
                $0.rewind(to: common.seq)
            }
        case .busy:
            guard reply.term == term else { return nil }
            peers.update(reply.from.number) { $0.isHeard(at: now) }
            effects.reached(.peerWasBusy)
            guard peers[reply.from.number]?.copy == nil else { return nil }
            peers.update(reply.from.number) { $0.becameBusy(end: store.last.seq) }
        case .copying(let copy, let received, let written):
            guard reply.term == term, reply.echo <= now.nanoseconds else { return nil }
            peers.update(reply.from.number) { $0.isHeard(at: now) }
            let answer = CopyProgress.Answer(
                copy: copy, received: received, written: written, echo: Instant(nanoseconds: reply.echo))
            copyAnswered(answer, by: reply.from.number, store: store, now: now, into: &effects)
        case .otherLineage(let other):
            let toldBefore = peers.update(reply.from.number) { peer in
                defer { peer.isAlien = true }
                return peer.isAlien
            }
            guard toldBefore == false else { return nil }
            effects.log(
                .error, "store holds another history and cannot join; set its log aside to let it start empty",
                [
                    LogField("group", group), LogField("member", reply.from),
                    LogField("lineage", other.text.isEmpty ? "none (imported data)" : other.text),
                    LogField("expected", lineage),
                ]
            )
        }
        return nil
    }

    /// Messages to that address were lost.
    public mutating func linkDown(_ address: Address) {
        for index in peers.keys.indices {
            peers.update(at: index) { if $0.address == address { $0.linkWentDown() } }
        }
    }

    public mutating func entriesRead(
        ticket: UInt64, _ entries: [Entry], store: inout LogStore, now: Instant, into effects: inout Sink
    ) {
        for index in peers.keys.indices where peers.values[index].reading == ticket {
            peers.update(at: index) { $0.reading = nil }
            guard let first = entries.first, first.position.seq == peers.values[index].next else {
                continue
            }
            effects.reached(.learnerFedFromFile)
            send(entries, toPeerAt: index, store: &store, now: now, into: &effects)
        }
    }

    /// Time for a heartbeat; also looks for stores that have gone silent.
    public mutating func heartbeat() { heartbeatDue = true }

    /// A watch showed the group's config.
    public mutating func observed(
        _ config: GroupConfig, version: Int32, now: Instant, into effects: inout Sink
    ) -> Verdict? {
        guard let outcome = writer.observed(config, version: version, into: &effects) else { return nil }
        return conclude(outcome, now: now, into: &effects)
    }

    /// The session is connected (again): a config write that waits for that goes on.
    public mutating func reconnected(into effects: inout Sink) { writer.reconnected(into: &effects) }

    public mutating func coordinated(
        _ id: CoordinationID, _ reply: CoordinationReply, now: Instant, into effects: inout Sink
    ) -> Verdict? {
        guard let outcome = writer.replied(id, reply, into: &effects) else { return nil }
        return conclude(outcome, now: now, into: &effects)
    }

    // MARK: The end of a batch

    /// Lets go of what the batch gathered: commits, office, config changes, messages.
    ///
    /// - Parameter isIdle: whether no request waits for its answer.
    /// - Returns: what the newly committed entries did, in order.
    public mutating func batchEnded(
        store: inout LogStore, promise: Promise, isIdle: Bool, now: Instant, into effects: inout Sink
    ) -> [LogStore.Applied] {
        if hearing.batchEnded(at: now) { effects.reached(.peersForgivenAfterPause) }
        enterOffice(store: &store, promise: promise, now: now, into: &effects)
        let applied = advanceCommit(store: &store, into: &effects)
        enterOffice(store: &store, promise: promise, now: now, into: &effects)
        if handover != nil {
            advanceHandover(isLevel: store.commit == store.last.seq, isIdle: isIdle, now: now, into: &effects)
        }
        adjustInSyncSet(commit: store.commit, end: store.last.seq, now: now, into: &effects)
        sendAll(store: &store, now: now, into: &effects)
        return applied
    }

    private mutating func enterOffice(store: inout LogStore, promise: Promise, now: Instant, into effects: inout Sink) {
        if case .adopting(let mark) = office, store.durableMark >= mark {
            let first = store.last.seq + 1
            store.append(Entry(position: Position(term: term, seq: first), operation: .beginTerm))
            firstOfTerm = first
            office = .levelling(first: first)
            // Until now nobody was asked anything.
            hearing.begin(at: now)
        }
        if case .levelling(let first) = office, store.commit >= first { office = .waitingForPromises }
        if office == .waitingForPromises, !promise.hasRunOut(at: now, released: released) { effects.reached(.promiseWaitedOut) }
        if office == .waitingForPromises, promise.hasRunOut(at: now, released: released) {
            office = .serving
            if !promise.hasRunOut(at: now) { effects.reached(.releasedPromiseSkipped) }
            effects.log(
                .notice, "serving as primary",
                [
                    LogField("group", group), LogField("term", term), LogField("number", me.number),
                    LogField("insync", "\(config.inSync.map(\.number))"), LogField("position", store.last),
                ]
            )
        }
    }

    /// The instant at which waiting for promises may end; nil where nothing is waited for.
    public func wakeUp(promise: Promise) -> Instant? {
        office == .waitingForPromises ? promise.end(released: released) : nil
    }

    /// Committed is what is durable here and on every store that counts: on every member of any config that may be in force, and
    /// on a joiner; and on as many as minsync says. Inherited entries are committed by the first entry
    /// of this term, not before: until then an ack of this term may still be missing.
    private mutating func advanceCommit(store: inout LogStore, into effects: inout Sink) -> [LogStore.Applied] {
        let first: UInt64
        switch office {
        case .adopting: return []
        case .levelling(let seq): first = seq
        case .waitingForPromises, .serving: first = 0
        }
        let counting = writer.mayBeInForce
        var mark = store.durable
        for place in counting.indices where counting[place] != me {
            guard let index = indexOfPeer(counting[place]) else { return [] }
            mark = min(mark, peers.values[index].acked)
        }
        for index in peers.keys.indices where peers.values[index].isJoining { mark = min(mark, peers.values[index].acked) }
        // What is inherited is committed with the first entry of the term, however few have it: it may have been acknowledged.
        if options.minSync > 1, mark > firstOfTerm, writer.fewestInForce < options.minSync {
            effects.reached(.commitWaitedForMinSync)
            mark = firstOfTerm
        }
        guard mark > store.commit, mark >= first else { return [] }
        if first > store.commit + 1 { effects.reached(.inheritedEntriesCommitted) }
        if writer.isUndecided { effects.reached(.committedUnderUndecidedConfig) }
        return store.commit(through: mark)
    }

    // MARK: Reads

    /// Whether a linearizable read may be answered at `now`: every other store that counts has promised, at or after some
    /// instant by this clock, not to serve as primary for a lease from there.
    @inline(__always) public func leaseHolds(at now: Instant) -> Bool {
        guard office == .serving, handover == nil || !handover!.isSilent else { return false }
        let counting = writer.mayBeInForce
        for place in counting.indices where counting[place] != me {
            guard hasPromised(counting[place], at: now) else { return false }
        }
        for index in peers.keys.indices where peers.values[index].isJoining {
            guard hasPromised(peers.values[index].member, at: now) else { return false }
        }
        return true
    }

    /// `leaseHolds`, of a primary in its place: asked through an optional that only reads, the whole of it would be copied.
    public mutating func holdsLease(at now: Instant) -> Bool { leaseHolds(at: now) }

    /// Why no lease holds, as a clause; nil where it does.
    public mutating func missingLease(at now: Instant) -> String? {
        guard !leaseHolds(at: now) else { return nil }
        if handover?.isSilent == true { return "handing over" }
        let joining = peers.values.filter(\.isJoining).map(\.member)
        let missing = (writer.mayBeInForce + joining).filter { $0 != me && !hasPromised($0, at: now) }
        return missing.map { member in
            guard let peer = peers[member.number], peer.member == member else { return "number \(member.number) is not known" }
            return "number \(member.number) was not heard for \((now - peer.heardAt).milliseconds) ms"
        }.joined(separator: ", ")
    }

    @inline(__always) private func hasPromised(_ member: MemberID, at now: Instant) -> Bool {
        guard let index = indexOfPeer(member), let from = peers.values[index].promisedFrom
        else { return false }
        return now < from + options.safeLease
    }

    /// Where a member is among the peers; nil where it is not there, or is this store.
    @inline(__always) func indexOfPeer(_ member: MemberID) -> Int? {
        guard let index = peers.index(of: member.number), peers.values[index].member == member else { return nil }
        return index
    }
}
