import Machine
import Wire

/// One part's conversation with ZooKeeper: one question at a time, on the current session, with pauses after failures.
///
/// Every machine of this module is built on it, and all work alike: their fields say *what is known and what is wanted*,
/// and `advance` asks the next question that this leads to, if nothing is being asked. An event only changes what is
/// known. So there is no state that a lost connection could strand: whatever happened, the next `advance` asks on.
struct Conversation: Hashable, Sendable {
    /// What an event meant for the conversation.
    enum Hearing {
        /// Another session than the last time: what was asked is void, and so is what was known through it.
        case sessionReplaced
        /// The session reached a server (again): watch events may have been missed.
        case connected
        /// The answer to what was asked.
        case reply(CoordinationReply)
        case watchFired(path: String)
        /// Somebody else's.
        case nothing
    }

    static let firstPause = Nanoseconds.milliseconds(20)
    static let longestPause = Nanoseconds.seconds(2)

    private var port: CoordinationPort
    private var outstanding: CoordinationID?
    private let timer: TimerID
    private var random: SeededRandom
    private var nextPause = Self.firstPause
    private(set) var isPaused = false

    /// `lane` keeps the conversations of one owner apart. Timers have the purpose of `timer`, and its instance times 256 plus
    /// the lane.
    init(owner: UInt32, lane: UInt8 = 0, timer: TimerID, random: SeededRandom) {
        port = CoordinationPort(owner: owner, lane: lane)
        self.timer = TimerID(purpose: timer.purpose, instance: timer.instance << 8 | UInt64(lane))
        self.random = random
    }

    var isAsking: Bool { outstanding != nil }

    func canAsk(_ session: Session) -> Bool { session.isConnected && session.token == port.session && !isAsking && !isPaused }

    /// Puts a question; its answer is what `hear` returns as `reply`.
    mutating func ask(_ operation: CoordinationOperation, into sink: inout Sink) {
        precondition(outstanding == nil, "one question at a time")
        outstanding = port.request(operation, into: &sink)
    }

    mutating func hear(_ event: CoordinationEvent, _ session: Session) -> Hearing {
        if adopt(session) { return .sessionReplaced }
        switch event.kind {
        case .reply(let id, _):
            // Nearly always it is another's: the reply is copied out only where it is not.
            guard id == outstanding, case .reply(_, let reply) = event.kind else { return .nothing }
            outstanding = nil
            return .reply(reply)
        case .connected:
            guard event.session == session.token else { return .nothing }
            resume()
            return .connected
        case .watchFired(let path, _): return .watchFired(path: path)
        case .disconnected, .expired, .closed: return .nothing
        }
    }

    /// Goes over to the current session; true where it is another one than before.
    mutating func adopt(_ session: Session) -> Bool {
        guard port.session != session.token else { return false }
        port.session = session.token
        outstanding = nil
        resume()
        return true
    }

    /// The answer to what was asked is of no interest any more.
    mutating func abandon() { outstanding = nil }

    /// Asks nothing for a while: longer each time, with jitter, until something succeeds.
    mutating func pause(at now: Instant, into sink: inout Sink) {
        let jitter = Int64(random.next(upperBound: UInt64(nextPause.count)))
        pause(for: nextPause + Nanoseconds(jitter), at: now, into: &sink)
        nextPause = min(nextPause * 2, Self.longestPause)
    }

    mutating func pause(for length: Nanoseconds, at now: Instant, into sink: inout Sink) {
        isPaused = true
        sink.append(.setTimer(timer, at: now + length))
    }

    /// Whether this timer ended the pause.
    mutating func timerFired(_ timer: TimerID) -> Bool {
        guard timer == self.timer, isPaused else { return false }
        isPaused = false
        return true
    }

    /// There is something better to ask than what the pause was for.
    mutating func endPause() { isPaused = false }

    /// What was asked for worked: the next pause is short again.
    mutating func succeeded() { nextPause = Self.firstPause }

    private mutating func resume() {
        isPaused = false
        nextPause = Self.firstPause
    }
}
