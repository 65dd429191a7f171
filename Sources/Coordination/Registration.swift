import Machine
import Wire

/// # Registration: a life takes its number
///
/// A number is one life of a process. It is taken under the lock of the place: read `top`, then in one transaction check
/// the own lock node, set `top` to the next number at the version read, and create the ephemeral number node.
///
/// **When the outcome is unknown** the transaction may have been applied, may be applied later, or never. It named a
/// version of `top`; only a version above that decides. So: sync, read `top` again. Still the version that was named:
/// send the same transaction again, of which at most one can succeed. A higher one: read the number node. It is ours if
/// its owner is *this* session and it holds what we wrote, GUID included. A node of an earlier session of this process
/// is not ours, whatever it holds: it is a dying session's.
///
/// **A store** also says which one it is: `Registration+Store`.
///
/// **When the session expires** all of this is void, and the node begins again as a new life, with a new number.
public struct Registration: Hashable, Sendable {
    /// Where to register.
    public enum Place: Hashable, Sendable {
        case server
        /// As a store of this group.
        case group(String)
    }

    public enum Outcome: Hashable, Sendable {
        /// This is the nonce that ZooKeeper has of the store, nil where it knows no such store; and `elsewhere` another process holds the
        /// store. Registration waits: for `proceed`, for `lookAgain`, or, where the log does not hold the nonce, for `reset`.
        case found(LifeNonce?, elsewhere: String?)
        /// This life is registered under the number, in the session that was current at this step.
        case registered(number: UInt64)
    }

    /// A transaction that was sent: it creates `number` and moves `top` beyond `topVersion`.
    struct Attempt: Hashable {
        var number: UInt64
        var topVersion: Int32
    }

    enum State: Hashable {
        case idle
        /// Creating the persistent nodes, from this one on.
        case preparing(next: Int)
        /// Of a store: what does ZooKeeper know of it, and who holds it?
        case lookingAtStore
        case lookingAtHolder(Known)
        /// The owner looks into its log, and writes to it.
        case awaitingNonce(Known, replacesHolder: Bool)
        case locking
        /// After an attempt whose outcome is unknown.
        case syncing(undecided: Attempt)
        case readingTop(undecided: Attempt?)
        /// `isRepeat`: an equal transaction was sent before, with unknown outcome.
        case writing(Attempt, isRepeat: Bool)
        /// The version of `top` has moved on: is the number node ours?
        case looking(Attempt)
        case registered(number: UInt64)
    }

    let place: Place
    var conversation: Conversation
    private var lock: Lock
    var state = State.idle
    private var content: [UInt8] = []
    var holder: Holder?
    var change: StoreChange?
    /// The highest number whose node was in the way.
    private var taken: UInt64 = 0
    private var lastProblem = ""

    /// `timer` paces retries. The timers that are set have its purpose, and instances from 256 times its own on, so a
    /// machine has the purpose to itself, or shares it with machines of other instances.
    public init(place: Place, owner: UInt32, timer: TimerID, random: SeededRandom) {
        self.place = place
        var random = random
        conversation = Conversation(owner: owner, lane: 0, timer: timer, random: random.fork())
        lock = Lock(parent: place.lock, owner: owner, lane: 1, timer: timer, random: random.fork())
    }

    /// The number of this life; nil until it is registered, and again when the session is gone.
    public var number: UInt64? {
        switch state {
        case .registered(let number): number
        case .idle, .preparing, .lookingAtStore, .lookingAtHolder, .awaitingNonce, .locking, .syncing, .readingTop, .writing,
            .looking:
            nil
        }
    }

    /// Registers a new life, at once or as soon as ZooKeeper is there. While a registration of this session is under way
    /// it goes on, with the content that it began with.
    ///
    /// `content` is what the number node will hold; it carries a GUID that was never used before. With a `holder`, its store's nonce is
    /// asked for and replaced (`Outcome.found`).
    ///
    /// - Returns: whether this began a registration.
    @discardableResult
    public mutating func begin(
        content: [UInt8], holder: Holder? = nil, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        if conversation.adopt(session) { state = .idle }
        switch state {
        case .idle, .registered: break
        case .preparing, .lookingAtStore, .lookingAtHolder, .awaitingNonce, .locking, .syncing, .readingTop, .writing, .looking:
            return false
        }
        self.content = content
        self.holder = holder
        change = nil
        taken = 0
        state = .preparing(next: 0)
        advance(session, at: now, into: &sink)
        return true
    }

    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome? {
        var outcome: Outcome?
        switch conversation.hear(event, session) {
        case .sessionReplaced: state = .idle
        case .reply(let reply): outcome = received(reply, session, at: now, into: &sink)
        case .connected, .watchFired, .nothing: break
        }
        let acquired = lock.step(event, session: session, at: now, into: &sink)
        lockStepped(acquired, session, at: now, into: &sink)
        return outcome
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        _ = conversation.timerFired(timer)
        let acquired = lock.timerFired(timer, session: session, at: now, into: &sink)
        lockStepped(acquired, session, at: now, into: &sink)
    }

    /// Gives up what is under way. What was registered, or still will be by what was sent, stays until the session ends.
    public mutating func reset(session: Session, at now: Instant, into sink: inout Sink) {
        state = .idle
        conversation.abandon()
        lock.release(session: session, at: now, into: &sink)
    }

    private mutating func lockStepped(_ acquired: Bool, _ session: Session, at now: Instant, into sink: inout Sink) {
        if acquired, state == .locking { state = .readingTop(undecided: nil) }
        advance(session, at: now, into: &sink)
    }
}

// MARK: - What to ask next

extension Registration {
    mutating func advance(_ session: Session, at now: Instant, into sink: inout Sink) {
        guard conversation.canAsk(session) else { return }
        switch state {
        case .idle, .registered, .awaitingNonce: break
        case .lookingAtStore:
            guard let store = storePath else { return }
            conversation.ask(.get(path: store, watch: false), into: &sink)
        case .lookingAtHolder:
            guard let live = livePath else { return }
            conversation.ask(.get(path: live, watch: false), into: &sink)
        case .preparing(let next):
            guard let node = place.parent(next) else { return }
            conversation.ask(.create(path: node.path, data: Array(node.data.utf8), mode: .persistent), into: &sink)
        case .locking:
            lock.acquire(session: session, at: now, into: &sink)
        case .syncing: conversation.ask(.sync(path: place.top), into: &sink)
        case .readingTop: conversation.ask(.get(path: place.top, watch: false), into: &sink)
        case .writing(let attempt, _): write(attempt, session, at: now, into: &sink)
        case .looking(let attempt): conversation.ask(.get(path: place.node(attempt.number), watch: false), into: &sink)
        }
    }

    private mutating func write(_ attempt: Attempt, _ session: Session, at now: Instant, into sink: inout Sink) {
        guard let held = lock.heldPath else {
            state = .locking
            lock.acquire(session: session, at: now, into: &sink)
            return
        }
        conversation.ask(
            .multi(
                [
                    .check(path: held, version: -1),
                    .set(path: place.top, data: (attempt.number + 1).znode, version: attempt.topVersion),
                    .create(path: place.node(attempt.number), data: content, mode: .ephemeral),
                ] + storeOperations),
            into: &sink
        )
    }

}

// MARK: - What was answered

extension Registration {
    private mutating func received(
        _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome? {
        switch state {
        case .idle, .registered, .locking, .awaitingNonce: break
        case .lookingAtStore: lookedAtStore(reply, at: now, into: &sink)
        case .lookingAtHolder(let known): return lookedAtHolder(known, reply, session, at: now, into: &sink)
        case .preparing(let next): prepared(next, reply, session, at: now, into: &sink)
        case .syncing(let attempt): synced(attempt, reply, at: now, into: &sink)
        case .readingTop(let undecided): readTop(undecided, reply, at: now, into: &sink)
        case .writing(let attempt, let isRepeat):
            return wrote(attempt, isRepeat, reply, session, at: now, into: &sink)
        case .looking(let attempt): return looked(attempt, reply, session, at: now, into: &sink)
        }
        return nil
    }

    private mutating func prepared(
        _ next: Int, _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) {
        switch reply {
        case .created, .failed(.nodeExists, _):
            if place.parent(next + 1) != nil {
                state = .preparing(next: next + 1)
            } else {
                startOver(session, at: now, into: &sink)
            }
        case .failed(let error, _) where !error.isOutcomeUnknown:
            // NONODE means that somebody deletes what we create, or that the chroot of the connect string is not there.
            report("cannot create \(place.parent(next)?.path ?? "a node") in ZooKeeper: \(error)", into: &sink)
            state = .preparing(next: 0)
            conversation.pause(at: now, into: &sink)
        case .failed, .deleted, .set, .data, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
        }
    }

    private mutating func synced(_ attempt: Attempt, _ reply: CoordinationReply, at now: Instant, into sink: inout Sink) {
        switch reply {
        case .synced: state = .readingTop(undecided: attempt)
        case .failed(let error, _) where !error.isOutcomeUnknown: state = .readingTop(undecided: attempt)
        case .failed, .created, .deleted, .set, .data, .existence, .children, .multi:
            conversation.pause(at: now, into: &sink)
        }
    }

    private mutating func readTop(
        _ undecided: Attempt?, _ reply: CoordinationReply, at now: Instant, into sink: inout Sink
    ) {
        switch reply {
        case .data(let bytes, let stat):
            if let undecided, stat.version != undecided.topVersion {
                state = stat.version > undecided.topVersion ? .looking(undecided) : .syncing(undecided: undecided)
                if stat.version < undecided.topVersion { conversation.pause(at: now, into: &sink) }
                return
            }
            if let undecided {
                sink.reached(.registrationRepeated)
                state = .writing(undecided, isRepeat: true)
                return
            }
            guard let top = UInt64(znode: bytes), top > 0, max(top, taken) < UInt64.max - 1 else {
                report("\(place.top) in ZooKeeper does not hold a number", into: &sink)
                conversation.pause(at: now, into: &sink)
                return
            }
            // A number whose node is there although `top` says that it is free: somebody reset `top`. Go beyond it.
            state = .writing(Attempt(number: max(top, taken + 1), topVersion: stat.version), isRepeat: false)
        case .failed(.noNode, _):
            state = undecided.map { .looking($0) } ?? .preparing(next: 0)
            conversation.pause(at: now, into: &sink)
        case .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
        }
    }

    private mutating func wrote(
        _ attempt: Attempt, _ isRepeat: Bool, _ reply: CoordinationReply, _ session: Session, at now: Instant,
        into sink: inout Sink
    ) -> Outcome? {
        switch reply {
        case .multi: return registered(attempt.number, session, at: now, into: &sink)
        case .failed(let error, _) where error.isOutcomeUnknown:
            sink.reached(.registrationUnknown)
            state = .syncing(undecided: attempt)
            conversation.pause(at: now, into: &sink)
        case .failed(_, let operations):
            if operations.first == .noNode { lock.lost(session: session, at: now, into: &sink) }
            if operations.count > 2, operations[2] == .nodeExists { taken = max(taken, attempt.number) }
            if operations.count > 3, operations[3] == .noNode, change?.known.version == nil {
                // Somebody deletes the parents, too.
                report("\(storePath.map { "the parent of \($0)" } ?? "a node") is gone", into: &sink)
                lock.release(session: session, at: now, into: &sink)
                state = isRepeat ? .looking(attempt) : .preparing(next: 0)
                conversation.pause(at: now, into: &sink)
                return nil
            }
            // An earlier equal transaction may be the reason why this one failed.
            if isRepeat { state = .looking(attempt) } else { startOver(session, at: now, into: &sink) }
            conversation.pause(at: now, into: &sink)
        case .created, .deleted, .set, .data, .existence, .children, .synced:
            state = .syncing(undecided: attempt)
            conversation.pause(at: now, into: &sink)
        }
        return nil
    }

    private mutating func looked(
        _ attempt: Attempt, _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome? {
        switch reply {
        case .data(let bytes, let stat):
            if stat.ephemeralOwner == session.sessionID, bytes == content {
                sink.reached(.registrationFound)
                return registered(attempt.number, session, at: now, into: &sink)
            }
            startOver(session, at: now, into: &sink)
        case .failed(.noNode, _): startOver(session, at: now, into: &sink)
        case .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
        }
        return nil
    }

    /// What a store leaves in ZooKeeper may have changed as well.
    private mutating func startOver(_ session: Session, at now: Instant, into sink: inout Sink) {
        if holder != nil {
            lock.release(session: session, at: now, into: &sink)
            state = .lookingAtStore
        } else {
            state = lock.heldPath == nil ? .locking : .readingTop(undecided: nil)
        }
    }

    private mutating func registered(
        _ number: UInt64, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome {
        state = .registered(number: number)
        lastProblem = ""
        conversation.succeeded()
        lock.release(session: session, at: now, into: &sink)
        return .registered(number: number)
    }

    mutating func report(_ problem: String, into sink: inout Sink) {
        guard problem != lastProblem else { return }
        lastProblem = problem
        sink.log(.error, "cannot register in ZooKeeper, still trying", [LogField("problem", problem)])
    }
}

// MARK: - The two places

extension Registration.Place {
    fileprivate var lock: String {
        switch self {
        case .server: Paths.serverLock
        case .group: Paths.dataLock
        }
    }

    fileprivate var top: String {
        switch self {
        case .server: Paths.serverTop
        case .group(let group): Paths.top(ofGroup: group)
        }
    }

    fileprivate func node(_ number: UInt64) -> String {
        switch self {
        case .server: Paths.server(number)
        case .group(let group): Paths.member(number, ofGroup: group)
        }
    }

    /// The persistent nodes that must be there, one by one, parents first; nil after the last. Creating them again is harmless.
    fileprivate func parent(_ index: Int) -> (path: String, data: String)? {
        switch (self, index) {
        case (.server, 0): (Paths.server, "")
        case (.server, 1): (Paths.serverLock, "")
        case (.server, 2): (Paths.serverTop, "1")
        case (.server, 3): (Paths.serverEpoch, "0")
        case (.server, 4), (.group, 0): (Paths.data, "")
        case (.server, 5), (.group, 1): (Paths.dataLock, "")
        case (.group(let group), 2): (Paths.group(group), "")
        case (.group(let group), 3): (Paths.top(ofGroup: group), "1")
        case (.group(let group), 4): (Paths.primary(ofGroup: group), "")
        case (.group(let group), 5): (Paths.stores(ofGroup: group), "")
        case (.server, _), (.group, _): nil
        }
    }
}
