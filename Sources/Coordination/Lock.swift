import Machine
import Wire

/// # A lock on ZooKeeper
///
/// The recipe of the ZooKeeper documentation: everyone who wants the lock creates an ephemeral-sequential child of the
/// lock's parent, the lowest has it, and each of the others watches only its predecessor, so that a release wakes one
/// waiter and not the herd.
///
/// **What it promises.** Not mutual exclusion: the session may be gone before its owner hears. A holder acts only in
/// transactions that check the existence of `heldPath`; then what it does is done under the lock or not at all, and
/// what was sent under the lock and delayed fails once the lock was given up.
///
/// **Creates with unknown outcome.** The child's name carries a GUID of this session, `<guid>-lock-<sequence>`. After an
/// unknown create the children are listed (after a sync), and a child with the GUID is ours. If there is none the create
/// may still be applied later; so it is remembered as unaccounted for, another is made, and the children are looked
/// through again, also long after the release, until every create is accounted for or the session ends. What turns up
/// is deleted: a late child would otherwise block everybody for as long as the session lives.
public struct Lock: Hashable, Sendable {
    /// What is being asked.
    private enum Question: Hashable {
        case nothing
        case sync
        case list
        case create
        case createParent
        case inspect(predecessor: String)
        case delete(String)
    }

    private static let firstSearch = Nanoseconds.seconds(1)
    private static let slowestSearch = Nanoseconds.seconds(30)

    private let parent: String
    private var conversation: Conversation
    private var random: SeededRandom
    private var asked = Question.nothing

    /// Marks the children of this session; minted with the first one.
    private var guid: String?
    private var isWanted = false
    /// Our children that are known, lowest sequence first; more than one only after creates with unknown outcome.
    private var own: [String] = []
    /// Creates with unknown outcome whose child has not turned up.
    private var unaccounted = 0
    private var needsSync = false
    private var needsList = false
    private var needsParent = false
    private var predecessor: String?
    private var isWaiting = false
    private var nextSearch = Self.firstSearch
    private var lastProblem: CoordinationError?

    /// The lock node, for the checks of transactions; nil while the lock is not held.
    public private(set) var heldPath: String?

    /// - Parameters:
    ///   - parent: path of the node whose children queue up.
    ///   - lane: keeps this lock's requests apart from others of the same owner.
    ///   - timer: paces retries; see `Registration`.
    public init(parent: String, owner: UInt32, lane: UInt8 = 0, timer: TimerID, random: SeededRandom) {
        self.parent = parent
        var random = random
        conversation = Conversation(owner: owner, lane: lane, timer: timer, random: random.fork())
        self.random = random
    }

    /// Queues up for the lock; `step` says when it is held.
    public mutating func acquire(session: Session, at now: Instant, into sink: inout Sink) {
        if conversation.adopt(session) { forget() }
        guard !isWanted else { return }
        isWanted = true
        needsList = true
        conversation.endPause()
        _ = advance(session, at: now, into: &sink)
    }

    /// Gives the lock up, or the place in the queue.
    public mutating func release(session: Session, at now: Instant, into sink: inout Sink) {
        guard isWanted else { return }
        isWanted = false
        heldPath = nil
        isWaiting = false
        predecessor = nil
        nextSearch = Self.firstSearch
        conversation.endPause()
        _ = advance(session, at: now, into: &sink)
    }

    /// The lock node turned out to be gone: queue up again.
    public mutating func lost(session: Session, at now: Instant, into sink: inout Sink) {
        guard isWanted, heldPath != nil else { return }
        heldPath = nil
        own.removeAll()
        needsSync = true
        needsList = true
        _ = advance(session, at: now, into: &sink)
    }

    /// True at the step in which the lock became held.
    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        switch conversation.hear(event, session) {
        case .sessionReplaced: forget()
        case .connected: if isWanted, heldPath == nil { needsList = true }
        case .watchFired(let path):
            if let predecessor, path == parent + "/" + predecessor {
                sink.reached(.lockPredecessorWent)
                needsList = true
            }
        case .reply(let reply): received(reply, at: now, into: &sink)
        case .nothing: break
        }
        return advance(session, at: now, into: &sink)
    }

    public mutating func timerFired(
        _ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        guard conversation.timerFired(timer) else { return false }
        return advance(session, at: now, into: &sink)
    }

    /// The session is gone, and every child with it: whoever wants the lock asks anew.
    private mutating func forget() {
        guid = nil
        isWanted = false
        own.removeAll()
        unaccounted = 0
        needsSync = false
        needsList = false
        needsParent = false
        predecessor = nil
        isWaiting = false
        heldPath = nil
        asked = .nothing
    }
}

// MARK: - What to ask next

extension Lock {
    private mutating func advance(_ session: Session, at now: Instant, into sink: inout Sink) -> Bool {
        guard conversation.canAsk(session), let question = nextQuestion() else { return false }
        switch question {
        case .nothing:
            return becomeHolder()
        case .sync: conversation.ask(.sync(path: parent), into: &sink)
        case .list:
            needsList = false
            conversation.ask(.children(path: parent, watch: false), into: &sink)
        case .create:
            let guid = self.guid ?? random.uuid()
            self.guid = guid
            let path = "\(parent)/\(guid)-lock-"
            conversation.ask(.create(path: path, data: [], mode: .ephemeralSequential), into: &sink)
        case .createParent: conversation.ask(.create(path: parent, data: [], mode: .persistent), into: &sink)
        case .inspect(let predecessor):
            conversation.ask(.exists(path: parent + "/" + predecessor, watch: true), into: &sink)
        case .delete(let child): conversation.ask(.delete(path: parent + "/" + child, version: -1), into: &sink)
        }
        asked = question
        return false
    }

    /// nil: nothing to do but wait; `.nothing`: the lock is ours.
    @inline(__always)
    private func nextQuestion() -> Question? {
        if needsParent { return .createParent }
        if needsSync { return .sync }
        guard isWanted else {
            if let child = own.first { return .delete(child) }
            return needsList ? .list : nil
        }
        if needsList && (!own.isEmpty || unaccounted > 0) { return .list }
        guard own.count <= 1 else { return .delete(own[1]) }
        if own.isEmpty { return .create }
        if heldPath != nil || isWaiting { return nil }
        if let predecessor { return .inspect(predecessor: predecessor) }
        return .nothing
    }

    private mutating func becomeHolder() -> Bool {
        heldPath = parent + "/" + own[0]
        return true
    }
}

// MARK: - What was answered

extension Lock {
    private mutating func received(_ reply: CoordinationReply, at now: Instant, into sink: inout Sink) {
        let question = asked
        asked = .nothing
        switch (question, reply) {
        case (.sync, .synced):
            needsSync = false
        case (.sync, .failed(let error, _)) where !error.isOutcomeUnknown:
            needsSync = false
        case (.create, .created(let path)):
            noteChild(path)
            needsList = true
            conversation.succeeded()
        case (.createParent, .created), (.createParent, .failed(.nodeExists, _)):
            needsParent = false
        case (.list, .children(let names, _)):
            sawChildren(names, into: &sink)
            conversation.succeeded()
        case (.inspect, .existence(let stat)):
            if stat == nil {
                sink.reached(.lockPredecessorGone)
                needsList = true
            } else {
                isWaiting = true
            }
        case (.delete(let child), .deleted), (.delete(let child), .failed(.noNode, _)):
            own.removeAll { $0 == child }
        case (.create, .failed(let error, _)) where error.isOutcomeUnknown:
            sink.reached(.lockCreateUnknown)
            unaccounted += 1
            needsSync = true
            needsList = true
            conversation.pause(at: now, into: &sink)
        case (.create, .failed(.noNode, _)), (.list, .failed(.noNode, _)):
            // Somebody deleted the lock's parent, and every child with it.
            needsParent = true
            own.removeAll()
        case (.nothing, _), (.sync, _), (.list, _), (.create, _), (.createParent, _), (.inspect, _), (.delete, _):
            if question == .list { needsList = true }
            report(reply, into: &sink)
            conversation.pause(at: now, into: &sink)
        }
        searchLater(at: now, into: &sink)
    }

    private mutating func noteChild(_ path: String) {
        guard path.hasPrefix(parent + "/") else { return }
        own.append(String(path.dropFirst(parent.count + 1)))
    }

    /// Finds our children and who is before us.
    private mutating func sawChildren(_ names: [String], into sink: inout Sink) {
        let before = own
        let queue = names.compactMap(Ticket.init).sorted()
        own = guid.map { guid in queue.filter { $0.guid == guid }.map(\.name) } ?? []
        let turnedUp = own.count { !before.contains($0) }
        if turnedUp > 0, unaccounted > 0 { sink.reached(.lockNodeFound) }
        unaccounted = max(0, unaccounted - turnedUp)
        isWaiting = false
        predecessor = nil
        if let first = own.first, let place = queue.firstIndex(where: { $0.name == first }), place > 0 {
            predecessor = queue[place - 1].name
        }
    }

    /// A create that may still be applied is looked for again after a while.
    private mutating func searchLater(at now: Instant, into sink: inout Sink) {
        guard !isWanted, own.isEmpty, unaccounted > 0, !needsList, !conversation.isPaused else { return }
        needsSync = true
        needsList = true
        conversation.pause(for: nextSearch, at: now, into: &sink)
        nextSearch = min(nextSearch * 2, Self.slowestSearch)
    }

    private mutating func report(_ reply: CoordinationReply, into sink: inout Sink) {
        guard case .failed(let error, _) = reply, !error.isOutcomeUnknown, error != lastProblem else { return }
        lastProblem = error
        sink.log(.error, "cannot take the ZooKeeper lock", [LogField("path", parent), LogField("error", "\(error)")])
    }
}

/// A child of a lock's parent: its place in the queue.
private struct Ticket: Comparable {
    let name: String
    let guid: Substring
    let sequence: UInt64

    /// nil for a name that is not `<guid>-lock-<10 digits>`; such a child queues for nothing.
    init?(_ name: String) {
        // By bytes: to look at characters means to look for those that consist of several.
        let bytes = name.utf8
        let digits = bytes.suffix(10)
        let before = bytes.dropLast(10)
        guard digits.count == 10, digits.allSatisfy({ (48...57).contains($0) }), before.suffix(6).elementsEqual("-lock-".utf8)
        else { return nil }
        self.name = name
        guid = Substring(before.dropLast(6))
        sequence = digits.reduce(0) { $0 * 10 + UInt64($1 - 48) }
    }

    static func < (a: Ticket, b: Ticket) -> Bool { (a.sequence, a.name) < (b.sequence, b.name) }
}
