import Machine
import Wire

/// What a numbered registration node holds.
@usableFromInline protocol RegistrationContent: Hashable, Sendable {
    init?(_ bytes: [UInt8])
}

extension ServerRegistration: RegistrationContent {}
extension StoreRegistration: RegistrationContent {}

/// Keeps the lives that are registered under a znode current: the numbers by watching the children, and of each number,
/// once, what it holds: nobody writes to a number node after its creation, and no number is given twice.
@usableFromInline struct RegistryView<Content: RegistrationContent>: Hashable, Sendable {
    private(set) var children: ChildrenView
    private var conversation: Conversation
    /// The number whose node is being read.
    private var reading: UInt64?
    private var incarnation = 0

    /// The numbers that are there, in order, read or not.
    private(set) var registered: [UInt64] = []
    /// What the registered numbers hold.
    @usableFromInline private(set) var members = SortedMap<UInt64, Content>()
    /// Registered numbers that hold something else.
    private(set) var malformed: [UInt64] = []

    /// Uses the two lanes from `lane` on.
    init(path: String, owner: UInt32, lane: UInt8 = 0, timer: TimerID, random: SeededRandom) {
        var random = random
        children = ChildrenView(path: path, owner: owner, lane: lane, timer: timer, random: random.fork())
        conversation = Conversation(owner: owner, lane: lane + 1, timer: timer, random: random.fork())
    }

    /// Whether all that was there when last asked is read.
    var isLoaded: Bool { children.names != nil && nextUnread == nil }

    func isCurrent(_ session: Session) -> Bool { children.isCurrent(session) && isLoaded }

    func isRegistered(_ number: UInt64) -> Bool { registered.contains(number) }

    mutating func refresh(_ session: Session, into sink: inout Sink) {
        _ = conversation.adopt(session)
        conversation.endPause()
        children.refresh(session, into: &sink)
        readNext(session, into: &sink)
    }

    /// True where something that this view shows changed.
    mutating func step(_ event: CoordinationEvent, _ session: Session, at now: Instant, into sink: inout Sink) -> Bool {
        var isChanged = false
        if children.step(event, session, at: now, into: &sink) { isChanged = takeChildren() }
        switch conversation.hear(event, session) {
        case .sessionReplaced: reading = nil
        case .reply(let reply): isChanged = received(reply, session, at: now, into: &sink) || isChanged
        case .connected, .watchFired, .nothing: break
        }
        readNext(session, into: &sink)
        return isChanged
    }

    mutating func timerFired(_ timer: TimerID, _ session: Session, into sink: inout Sink) {
        children.timerFired(timer, session, into: &sink)
        if conversation.timerFired(timer) { readNext(session, into: &sink) }
    }

    @inline(__always)
    private var nextUnread: UInt64? {
        for number in registered where !members.contains(number) && !malformed.contains(number) { return number }
        return nil
    }

    private mutating func takeChildren() -> Bool {
        let numbers = (children.names ?? []).compactMap { UInt64(decimal: $0) }.filter { $0 > 0 }.sorted()
        var isChanged = numbers != registered
        registered = numbers
        if incarnation != children.incarnation {
            // The parent was deleted and created again: the same numbers may be other lives, and the answer to a read
            // that is under way may be of a life before.
            incarnation = children.incarnation
            members.removeAll()
            malformed.removeAll()
            reading = nil
            isChanged = true
        }
        for number in members.keys where !numbers.contains(number) { members[number] = nil }
        malformed.removeAll { !numbers.contains($0) }
        return isChanged
    }

    private mutating func readNext(_ session: Session, into sink: inout Sink) {
        guard conversation.canAsk(session), let number = nextUnread else { return }
        reading = number
        conversation.ask(.get(path: "\(children.path)/\(number)", watch: false), into: &sink)
    }

    private mutating func received(
        _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        guard let number = reading else { return false }
        reading = nil
        switch reply {
        case .data(let bytes, _):
            guard registered.contains(number) else { return false }
            if let content = Content(bytes) { members[number] = content } else { malformed.append(number) }
            conversation.succeeded()
            return true
        case .failed(.noNode, _):
            sink.reached(.registrationGoneWhenRead)
            children.foundStale(session, into: &sink)
            conversation.pause(at: now, into: &sink)
        case .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
        }
        return false
    }
}
