import Coordination
import Machine
import Replication
import Storage
import Wire

/// # A data node
///
/// One store of one group, in one process. It opens its log, registers in `/data/[group]`, and does what the group's config
/// in ZooKeeper says of its present life (store/number): serve as primary, or follow the primary's appends as a standby
/// or a learner. It never makes itself anything; a restarted node is nothing until it is chosen again.
///
/// The life of a node:
///
///     opening ── the store opened ──► running ── shutdownRequested ──► draining ── nothing in flight ──► closing ──► ended
///        │                              │ ▲
///        │ refused: halt(.refused)      │ │ session expired, or registration gone: steps down, registers as a new life
///        ▼                              ▼ │
///      ended ◄── a failed sync ───── (unregistered)
///
/// Requests are taken one by one, and let go per batch: one log write and one sync, one append to each store, one look at
/// the lease for all reads, one round for all that trust no clock. A read never waits for a sync.
///
/// `DataNode+Roles` says who it is, `DataNode+Requests` what it answers, `DataNode+ConfirmedReads` and `DataNode+StaleReads` the other
/// modes of reads, `DataNode+Lifecycle` how it begins and ends.
public struct DataNode: Node {
    enum Phase: Hashable, Sendable {
        case unstarted, opening, running, draining, closing, ended
    }

    /// Which part of the node asked ZooKeeper.
    enum Owner {
        static let registration: UInt32 = 1
        static let view: UInt32 = 2
        static let ring: UInt32 = 3
        static let config: UInt32 = 4
        static let gate: UInt32 = 5
        static let master: UInt32 = 6
    }

    enum Timer {
        static let session = TimerID(purpose: 1)
        // These pace retries; the timers that they set carry instances of their own.
        static let registration = TimerID(purpose: 2, instance: 1)
        static let view = TimerID(purpose: 2, instance: 2)
        static let ring = TimerID(purpose: 2, instance: 3)
        static let master = TimerID(purpose: 2, instance: 4)
        static let heartbeat = TimerID(purpose: 3)
        static let promise = TimerID(purpose: 4)
        static let drain = TimerID(purpose: 5)
        static let resignation = TimerID(purpose: 6)
        static let vigil = TimerID(purpose: 7)
        static let silence = TimerID(purpose: 8)
        static let stale = TimerID(purpose: 9)
        static let sync = TimerID(purpose: 10)
    }

    let group: String
    let address: Address
    let options: DataOptions
    var random: SeededRandom
    var phase = Phase.unstarted

    var store: LogStore
    var session: Session
    var registration: Registration
    var view: GroupView
    var ringView: RingView
    /// Whom to tell that the primary is not heard.
    var master: MasterView

    /// The number of this life; nil while it is not registered.
    var number: UInt64?
    /// Whether the view has shown this life's registration: from then on its absence means that it is gone. (Before, only a view
    /// that is current tells; somebody may delete the node before this life has heard that it is registered.)
    var wasSeen = false
    /// What tells this life's registration from every other.
    var guid = ""
    /// The nonce with which this life registers, and the store's mark from which on it is durable.
    var nonce: (text: LifeNonce, mark: UInt64)?
    /// The store is found to be a copy of another's or an old image of its own, and becomes another.
    var becomesAnother = false
    /// Terms up to this one are over for this life, whatever config still shows.
    var endedTerm: UInt64 = 0
    var startedAt = Instant.zero
    /// Under a policy that syncs at intervals: whether the next sync is planned.
    var isSyncTimerSet = false
    /// What this store has promised to primaries; set when the life begins.
    var promise = Promise(start: .zero, lease: .zero)
    /// Takes appends; there while the life is registered.
    var follower: Follower?
    /// There while config names this life as primary.
    var primary: Primary?
    /// There is work for it while this life is an in-sync standby.
    var vigil: Vigil
    /// Looked at while this life is primary.
    var diskWatch = DiskWatch()
    var roleTeller = RoleTeller()
    /// The last question to the master whether anybody hears this primary.
    var ping: UInt64 = 0
    /// When that question was asked first.
    var pingedAt = Instant.zero
    /// Whether this life was ever primary.
    var hasLed = false
    /// Whether the life before this one was primary, and its registration vanished while it lived.
    var leaderVanished = false
    /// Between two primaries, the way to ZooKeeper for config writes.
    var configPort = CoordinationPort(owner: Owner.config)

    /// What requests for another primary were answered last: whoever asks the wrong node asks it again and again.
    var redirect: Redirect?

    struct Redirect: Sendable {
        var address: Address
        var reason: String
    }

    /// The operator who waits for what comes of a handover.
    var transferOrigin: Origin?
    var gate: RingGate
    var pending = PendingCalls()
    /// Stale reads that wait for their position.
    var stale = StaleReads()
    /// There while this life is a primary in office, as soon as it has to do with sessions.
    var keeper: SessionKeeper?

    public init(group: String, address: Address, options: DataOptions = .init(), random: SeededRandom) {
        self.group = group
        self.address = address
        self.options = options
        self.random = random
        store = LogStore(options: options.storage, random: self.random.fork())
        session = Session(timer: Timer.session)
        registration = Registration(
            place: .group(group), owner: Owner.registration, timer: Timer.registration, random: self.random.fork()
        )
        view = GroupView(group: group, owner: Owner.view, timer: Timer.view, random: self.random.fork())
        ringView = RingView(owner: Owner.ring, timer: Timer.ring, random: self.random.fork())
        gate = RingGate(group: group, owner: Owner.gate)
        master = MasterView(owner: Owner.master, timer: Timer.master, random: self.random.fork())
        vigil = Vigil(timer: Timer.vigil, options: options.replication)
    }

    public mutating func step(_ event: AviaryEvent, at now: Instant, into effects: inout Sink) {
        guard phase != .ended else { return }
        switch event {
        case .started: start(now: now, into: &effects)
        case .disk(let completion): completed(completion, now: now, into: &effects)
        case .coordination(let event): coordinated(event, now: now, into: &effects)
        case .received(let message, let sender): received(message, from: sender, now: now, into: &effects)
        case .linkUp: break
        case .linkDown(let peer): primary?.linkDown(peer)
        case .requested(let request, let call): requested(request, call: call, now: now, into: &effects)
        case .cancelled: break  // The entry may be in logs already; its answer is dropped by the driver.
        case .timerFired(let timer): fired(timer, now: now, into: &effects)
        case .shutdownRequested: shutdownRequested(now: now, into: &effects)
        case .batchEnded: batchEnded(now: now, into: &effects)
        }
    }

    private mutating func received(_ message: PeerMessage, from sender: Address, now: Instant, into effects: inout Sink) {
        switch message {
        case .append(let append): appendReceived(append, from: sender, now: now, into: &effects)
        case .appendReply(let reply):
            if let verdict = primary?.replied(reply, store: &store, now: now, into: &effects) {
                conclude(verdict, now: now, into: &effects)
            }
        case .copyPiece(let piece): pieceReceived(piece, from: sender, now: now, into: &effects)
        case .forward(let id, let request):
            take(request, origin: .forwarded(id: id, by: sender), now: now, into: &effects)
        case .transfer(let id, let request):
            transferRequested(request, origin: .forwarded(id: id, by: sender), now: now, into: &effects)
        case .recover(let id, _): refuseRecovery(.forwarded(id: id, by: sender), into: &effects)
        case .statusQuery(let id): effects.append(.send(.statusReply(id: id, status(at: now)), to: sender))
        case .probe(let id): effects.append(.send(.probeReply(probeReply(id)), to: sender))
        case .pong(let id): pongReceived(id, now: now, into: &effects)
        case .forwardReply, .statusReply, .suspicion, .probeReply, .ping: break  // For servers.
        }
    }

    private mutating func fired(_ timer: TimerID, now: Instant, into effects: inout Sink) {
        switch timer {
        case Timer.heartbeat:
            guard primary != nil else { return }
            primary?.heartbeat()
            if session.isConnected { primary?.reconnected(into: &effects) }
            gate.tick()
            expireSessions(now: now, into: &effects)
            pending.failReads(before: now - options.readPatience, group: group, into: &effects)
            gate.failAll(
                before: now - options.readPatience, "group \(group): the ring could not be sealed in time", into: &effects)
            effects.append(.setTimer(Timer.heartbeat, at: now + options.replication.heartbeat))
            listenForStandbys(now: now, into: &effects)
            if primary?.isServing == true {
                roleTeller.looked(primary?.missingLease(at: now), group: group, term: store.adoptedTerm, into: &effects)
            }
            resignIfDiskHangs(now: now, into: &effects)
        case Timer.vigil: vigil.timerFired()
        case Timer.promise, Timer.silence: break  // The batch's end looks at the promise, and at who is silent.
        case Timer.resignation: resignIfStuck(now: now, into: &effects)
        case Timer.stale: stalePatienceEnded(now: now, into: &effects)
        case Timer.sync:
            isSyncTimerSet = false
            if store.isOpen { store.demandSync() }
        case Timer.drain: drainEnded(now: now, into: &effects)
        case Timer.session: session.timerFired(timer, at: now, into: &effects)
        default: coordinationTimerFired(timer, now: now, into: &effects)
        }
    }

    /// Lets go of what the batch gathered. Messages of the primary leave before the log's own write begins: its sync and
    /// those of the standbys run side by side.
    private mutating func batchEnded(now: Instant, into effects: inout Sink) {
        beginRound(into: &effects)
        if let applied = primary?.batchEnded(
            store: &store, promise: promise, isIdle: pending.isEmpty, now: now, into: &effects)
        {
            for entry in applied {
                pending.committed(entry.seq, existed: entry.existed, at: position(entry.seq), into: &effects)
            }
            keeper?.committed(through: store.commit)
            if let wakeUp = primary?.wakeUp(promise: promise) { effects.append(.setTimer(Timer.promise, at: wakeUp)) }
            proveRing(now: now, into: &effects)
            if !pending.reads.isEmpty, primary?.holdsLease(at: now) == true {
                if let first = pending.reads.first, first.arrived < now { effects.reached(.readAnsweredAfterLeaseReturned) }
                pending.answerReads(at: position(store.commit), into: &effects) { store.value(of: $0) }
            }
            if !pending.reads.isEmpty { effects.reached(.readMissedLease) }
            answerConfirmed(into: &effects)
        } else {
            follower?.batchEnded(store: &store, promise: &promise, now: now, into: &effects)
            if vigil.hasRung { tellOfSilence(now: now, into: &effects) }
        }
        if nonce != nil { proceedWithNonce(now: now, into: &effects) }
        answerStale(into: &effects)
        concludeTransfer(into: &effects)
        if phase == .draining, pending.isEmpty, primary?.isHandingOver != true { drainEnded(now: now, into: &effects) }
        if store.isOpen {
            store.flush(into: &effects)
            if case .interval(let length) = options.storage.sync, store.hasUnsynced, !isSyncTimerSet {
                isSyncTimerSet = true
                effects.append(.setTimer(Timer.sync, at: now + length))
            }
        }
    }

    /// What the committed state is, through an entry.
    func position(_ seq: UInt64) -> GroupPosition {
        GroupPosition(group: group, lineage: store.lineage ?? Lineage(""), seq: seq)
    }

    // MARK: What others can see

    /// What this node knows of itself.
    public func status(at now: Instant) -> ReplicaStatus {
        ReplicaStatus(
            group: group, member: MemberID(store: store.store, number: number ?? 0), role: role, term: store.adoptedTerm,
            last: store.last, commit: store.commit, keys: UInt64(store.keyCount), leased: primary?.leaseHolds(at: now) ?? false,
            coordinated: session.isConnected
        )
    }

    private var role: ReplicaStatus.Role {
        guard let number, store.isOpen else { return .starting }
        if let primary { return primary.isServing ? .primary : .takingOffice }
        let me = MemberID(store: store.store, number: number)
        return view.config?.inSync.contains(me) == true ? .standby : .learner
    }

    /// What there is to judge about a node after every batch.
    public struct Facts: Hashable, Sendable {
        /// Whether the store is open: what it holds has been recovered.
        public var isOpen: Bool
        /// Whether the node would answer a linearizable read right now.
        public var isServing: Bool
        public var term: UInt64
        /// Entries before this one were copied, and those of them that were superseded are not in its log.
        public var oldest: UInt64
        /// The end of its log.
        public var last: UInt64
        public var commit: UInt64
        /// Whether the store has everything that it ever acknowledged.
        public var isWhole: Bool
    }

    /// `mutating` although it changes nothing: so the node is looked at in its place, and not copied first.
    public mutating func facts(at now: Instant) -> Facts {
        Facts(
            isOpen: store.isOpen, isServing: primary != nil && primary!.holdsLease(at: now), term: store.adoptedTerm,
            oldest: store.oldest, last: store.last.seq, commit: store.commit, isWhole: store.isWhole)
    }

    /// `isPrimary`, likewise of a node in its place.
    public mutating func holdsPrimacy() -> Bool { primary != nil }

    /// Whether this node would answer a linearizable read right now.
    public func isServing(at now: Instant) -> Bool { primary?.leaseHolds(at: now) ?? false }

    /// Whether it takes itself for its group's primary, in office or on the way there.
    public var isPrimary: Bool { primary != nil }

    /// The committed value of a key as far as this store knows; for tests and tools, not for clients.
    public func value(of key: [UInt8]) -> [UInt8]? { store.value(of: key) }

    /// Which store this is, and the history that it belongs to; for tests and tools.
    public var holding: (store: StoreID, lineage: Lineage?, isWhole: Bool) { (store.store, store.lineage, store.isWhole) }

    /// What the committed state remembers of client sessions; for tests and tools.
    public var sessions: SessionTable { store.sessions }

    /// An entry of the log, if it is in memory; for tests and tools.
    public func entryInMemory(at seq: UInt64) -> Entry? { store.entryInMemory(at: seq) }

    /// Whether the store is open: what it holds has been recovered.
    public var isOpen: Bool { store.isOpen }
}
