import Machine
import Wire

/// # Election of the master
///
/// A server that sees no `/server/0` takes the server lock, looks again, and in one transaction checks its lock node,
/// moves `/server/epoch` on from the version read, and creates `/server/0`. The version that `/server/epoch` got is the
/// master's fencing token: each of its later writes checks it, so a deposed master's writes fail. (The pattern of
/// Kafka's controller: the leader's node and the epoch move together.)
///
/// Whatever became of the transaction, the answer is found by looking again: `/server/0` is ours if its owner is this
/// session. A transaction that is applied late fails, because the epoch has moved on or the lock was given up.
public struct Election: Hashable, Sendable {
    public enum Outcome: Hashable, Sendable {
        /// This server is master, and writes under this version of `/server/epoch`.
        case elected(epoch: Int32)
        /// There is a master, and it is not this session's.
        case otherMaster
    }

    private enum State: Hashable {
        case idle
        case locking
        /// After a transaction that failed or whose outcome is unknown.
        case syncing
        case looking
        case readingEpoch
        case writing(epoch: Int32)
    }

    private var conversation: Conversation
    private var lock: Lock
    private var state = State.idle
    private var address = Address(host: "0.0.0.0", port: 0)
    private var number: UInt64 = 0

    /// `timer` paces retries, as that of a `Registration` does.
    public init(owner: UInt32, timer: TimerID, random: SeededRandom) {
        var random = random
        conversation = Conversation(owner: owner, lane: 0, timer: timer, random: random.fork())
        lock = Lock(parent: Paths.serverLock, owner: owner, lane: 1, timer: timer, random: random.fork())
    }

    /// Whether an election is under way.
    public var isRunning: Bool { state != .idle }

    /// Stands for election, under the number of this server's registration in this session.
    public mutating func begin(
        address: Address, number: UInt64, session: Session, at now: Instant, into sink: inout Sink
    ) {
        if conversation.adopt(session) { state = .idle }
        guard state == .idle else { return }
        self.address = address
        self.number = number
        state = .locking
        advance(session, at: now, into: &sink)
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

    private mutating func lockStepped(_ acquired: Bool, _ session: Session, at now: Instant, into sink: inout Sink) {
        if acquired, state == .locking { state = .looking }
        advance(session, at: now, into: &sink)
    }

    private mutating func advance(_ session: Session, at now: Instant, into sink: inout Sink) {
        guard conversation.canAsk(session) else { return }
        switch state {
        case .idle: break
        case .locking: lock.acquire(session: session, at: now, into: &sink)
        case .syncing: conversation.ask(.sync(path: Paths.master), into: &sink)
        case .looking: conversation.ask(.get(path: Paths.master, watch: false), into: &sink)
        case .readingEpoch: conversation.ask(.get(path: Paths.serverEpoch, watch: false), into: &sink)
        case .writing(let epoch): write(epoch: epoch, session, at: now, into: &sink)
        }
    }

    private mutating func write(epoch: Int32, _ session: Session, at now: Instant, into sink: inout Sink) {
        guard let held = lock.heldPath else {
            state = .locking
            lock.acquire(session: session, at: now, into: &sink)
            return
        }
        let record = MasterRecord(address: address, number: number, epoch: epoch)
        conversation.ask(
            .multi([
                .check(path: held, version: -1),
                .set(path: Paths.serverEpoch, data: Array(String(epoch).utf8), version: epoch - 1),
                .create(path: Paths.master, data: record.bytes, mode: .ephemeral),
            ]),
            into: &sink
        )
    }

    private mutating func received(
        _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome? {
        switch state {
        case .idle, .locking: break
        case .syncing:
            switch reply {
            case .synced: state = .looking
            case .failed(let error, _) where !error.isOutcomeUnknown: state = .looking
            case .failed, .created, .deleted, .set, .data, .existence, .children, .multi:
                conversation.pause(at: now, into: &sink)
            }
        case .looking: return looked(reply, session, at: now, into: &sink)
        case .readingEpoch:
            switch reply {
            case .data(_, let stat) where (0..<Int32.max).contains(stat.version): state = .writing(epoch: stat.version + 1)
            case .data, .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
                if case .failed(.noNode, _) = reply {
                    // Not created anew: its version would begin again, and a master of old times be taken for one of now.
                    sink.log(.error, "no master can be elected: the epoch is missing", [LogField("path", Paths.serverEpoch)])
                }
                state = .syncing
                conversation.pause(at: now, into: &sink)
            }
        case .writing(let epoch):
            switch reply {
            case .multi: return conclude(.elected(epoch: epoch), session, at: now, into: &sink)
            case .failed(_, let operations):
                if operations.first == .noNode { lock.lost(session: session, at: now, into: &sink) }
                state = .syncing
                conversation.pause(at: now, into: &sink)
            case .created, .deleted, .set, .data, .existence, .children, .synced:
                state = .syncing
                conversation.pause(at: now, into: &sink)
            }
        }
        return nil
    }

    private mutating func looked(
        _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome? {
        switch reply {
        case .data(let bytes, let stat):
            guard stat.ephemeralOwner == session.sessionID, let record = MasterRecord(bytes) else {
                sink.reached(.electionLost)
                return conclude(.otherMaster, session, at: now, into: &sink)
            }
            sink.reached(.electionFoundWon)
            return conclude(.elected(epoch: record.epoch), session, at: now, into: &sink)
        case .failed(.noNode, _):
            state = lock.heldPath == nil ? .locking : .readingEpoch
        case .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
        }
        return nil
    }

    private mutating func conclude(
        _ outcome: Outcome, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome {
        state = .idle
        conversation.succeeded()
        lock.release(session: session, at: now, into: &sink)
        return outcome
    }
}
