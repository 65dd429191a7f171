import Machine
import Wire

/// Keeps the names of a znode's children current. The rules are those of `DataView`.
struct ChildrenView: Hashable, Sendable {
    private enum Question: Hashable {
        case nothing, sync, list, exists
    }

    let path: String
    private var conversation: Conversation
    private var asked = Question.nothing
    private var needsSync = true
    private var isStale = true
    private var seemsMissing = false
    private var stat: Stat?

    /// In order; nil until they were read, empty where the node itself is missing.
    private(set) var names: [String]?
    /// Counts how often the node was found to be another than before (deleted, and perhaps created again): what was
    /// known of its children is void.
    private(set) var incarnation = 0

    init(path: String, owner: UInt32, lane: UInt8 = 0, timer: TimerID, random: SeededRandom) {
        self.path = path
        conversation = Conversation(owner: owner, lane: lane, timer: timer, random: random)
    }

    func isCurrent(_ session: Session) -> Bool { session.isConnected && !isStale && !needsSync && !conversation.isAsking }

    mutating func refresh(_ session: Session, into sink: inout Sink) {
        _ = conversation.adopt(session)
        needsSync = true
        isStale = true
        conversation.endPause()
        advance(session, into: &sink)
    }

    /// A child turned out to be gone: the names are not current.
    mutating func foundStale(_ session: Session, into sink: inout Sink) {
        isStale = true
        advance(session, into: &sink)
    }

    /// True where `names` or `incarnation` changed.
    mutating func step(_ event: CoordinationEvent, _ session: Session, at now: Instant, into sink: inout Sink) -> Bool {
        var isChanged = false
        switch conversation.hear(event, session) {
        case .sessionReplaced, .connected:
            needsSync = true
            isStale = true
        case .watchFired(let path): if path == self.path { isStale = true }
        case .reply(let reply): isChanged = received(reply, at: now, into: &sink)
        case .nothing: return false
        }
        advance(session, into: &sink)
        return isChanged
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
        isStale = false
        asked = seemsMissing ? .exists : .list
        conversation.ask(seemsMissing ? .exists(path: path, watch: true) : .children(path: path, watch: true), into: &sink)
    }

    private mutating func received(_ reply: CoordinationReply, at now: Instant, into sink: inout Sink) -> Bool {
        let question = asked
        asked = .nothing
        switch (question, reply) {
        case (.sync, .synced):
            needsSync = false
        case (.sync, .failed(let error, _)) where !error.isOutcomeUnknown:
            needsSync = false
        case (.list, .children(let names, let stat)):
            return take(names, stat, at: now, into: &sink)
        case (.list, .failed(.noNode, _)):
            seemsMissing = true
            isStale = true
        case (.exists, .existence(nil)):
            seemsMissing = false
            conversation.succeeded()
            return takeMissing()
        case (.exists, .existence):
            seemsMissing = false
            isStale = true
        case (.nothing, _), (.sync, _), (.list, _), (.exists, _):
            isStale = true
            conversation.pause(at: now, into: &sink)
        }
        return false
    }

    private mutating func take(_ names: [String], _ stat: Stat, at now: Instant, into sink: inout Sink) -> Bool {
        if let known = self.stat, (stat.czxid, stat.pzxid, stat.cversion) < (known.czxid, known.pzxid, known.cversion) {
            // A server that lags behind one that we saw before.
            needsSync = true
            isStale = true
            conversation.pause(at: now, into: &sink)
            return false
        }
        let isAnotherNode = self.stat.map { $0.czxid != stat.czxid } ?? false
        if isAnotherNode { incarnation += 1 }
        self.stat = stat
        conversation.succeeded()
        let sorted = names.sorted()
        defer { self.names = sorted }
        return isAnotherNode || sorted != self.names
    }

    private mutating func takeMissing() -> Bool {
        if stat != nil { incarnation += 1 }
        defer {
            stat = nil
            names = []
        }
        return stat != nil || names != []
    }
}
