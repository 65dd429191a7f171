import Machine
import Wire

/// Keeps one znode's content current, also while there is no such node.
///
/// The watch is armed by the read, and what counts is what was read, never what the event said. After a (re)connection
/// it syncs first: a new session may be served by a server that lags behind what the old one saw. Content that is older
/// than what is known, by zxid, is not taken.
struct DataView: Hashable, Sendable {
    enum Value: Hashable {
        /// Not read yet.
        case unknown
        case missing
        case present([UInt8], Stat)
    }

    private enum Question: Hashable {
        case nothing, sync, get, exists
    }

    let path: String
    private var conversation: Conversation
    private var asked = Question.nothing
    private var needsSync = true
    private var isStale = true
    /// The read said that there is no node, but left no watch: `exists` leaves one.
    private var seemsMissing = false

    private(set) var value = Value.unknown

    init(path: String, owner: UInt32, lane: UInt8 = 0, timer: TimerID, random: SeededRandom) {
        self.path = path
        conversation = Conversation(owner: owner, lane: lane, timer: timer, random: random)
    }

    /// Whether nothing newer is known to be there.
    func isCurrent(_ session: Session) -> Bool { session.isConnected && !isStale && !needsSync && !conversation.isAsking }

    /// Reads again, and not what the connected server knew before the ensemble's leader committed what it has by now.
    mutating func refresh(_ session: Session, into sink: inout Sink) {
        _ = conversation.adopt(session)
        needsSync = true
        isStale = true
        conversation.endPause()
        advance(session, into: &sink)
    }

    /// True where `value` changed.
    mutating func step(_ event: CoordinationEvent, _ session: Session, at now: Instant, into sink: inout Sink) -> Bool {
        let before = value
        switch conversation.hear(event, session) {
        case .sessionReplaced, .connected:
            needsSync = true
            isStale = true
        case .watchFired(let path): if path == self.path { isStale = true }
        case .reply(let reply): received(reply, at: now, into: &sink)
        case .nothing: return false
        }
        advance(session, into: &sink)
        return value != before
    }

    mutating func timerFired(_ timer: TimerID, _ session: Session, into sink: inout Sink) {
        if conversation.timerFired(timer) { advance(session, into: &sink) }
    }

    private mutating func advance(_ session: Session, into sink: inout Sink) {
        guard isStale, conversation.canAsk(session) else { return }
        if needsSync {
            asked = .sync
            conversation.ask(.sync(path: path), into: &sink)
            return
        }
        // Not stale from the question on: a change that comes before the answer makes it stale again.
        isStale = false
        asked = seemsMissing ? .exists : .get
        conversation.ask(seemsMissing ? .exists(path: path, watch: true) : .get(path: path, watch: true), into: &sink)
    }

    private mutating func received(_ reply: CoordinationReply, at now: Instant, into sink: inout Sink) {
        let question = asked
        asked = .nothing
        switch (question, reply) {
        case (.sync, .synced):
            needsSync = false
        case (.sync, .failed(let error, _)) where !error.isOutcomeUnknown:
            needsSync = false
        case (.get, .data(let bytes, let stat)):
            take(bytes, stat, at: now, into: &sink)
        case (.get, .failed(.noNode, _)):
            seemsMissing = true
            isStale = true
        case (.exists, .existence(nil)):
            seemsMissing = false
            value = .missing
            conversation.succeeded()
        case (.exists, .existence):
            seemsMissing = false
            isStale = true
        case (.nothing, _), (.sync, _), (.get, _), (.exists, _):
            isStale = true
            conversation.pause(at: now, into: &sink)
        }
    }

    private mutating func take(_ bytes: [UInt8], _ stat: Stat, at now: Instant, into sink: inout Sink) {
        if case .present(_, let known) = value, (stat.mzxid, stat.version) < (known.mzxid, known.version) {
            // A server that lags behind one that we saw before.
            needsSync = true
            isStale = true
            conversation.pause(at: now, into: &sink)
            return
        }
        value = .present(bytes, stat)
        conversation.succeeded()
    }
}
