import Machine
import Wire

/// # The node's ZooKeeper session
///
/// One per node. It keeps a session open for as long as the node lives: when one expires it opens the next, under a new
/// token. It is the only part that hears of the connection; the others ask it.
///
/// The rules that the rest of the node builds on:
/// - A session is not a lease. The ensemble may have expired it long before the node hears, so *nothing* is safe because
///   `isConnected` says so; writes are safe because they check what they assume in their own transaction.
/// - Everything known through an expired session is void: locks, registrations, mastership. The machines notice by
///   themselves that `token` is not the one they worked under (see `Conversation`).
/// - While ZooKeeper is away the node goes on with what it last knew, and says so in its log: soon, then ever less often.
public struct Session: Hashable, Sendable {
    private enum Phase: Hashable {
        case unopened
        /// Never reached a server under this token.
        case connecting
        case connected
        case disconnected
        case closing
        case closed
    }

    /// What an event meant for the session.
    public enum Change: Hashable, Sendable {
        /// A new session; nothing of an earlier one holds.
        case established
        /// The same session again. Watch events may have been missed: read again.
        case reconnected
        /// No server is reached. The session may live on.
        case disconnected
        /// The session is over, and another is being opened.
        case expired
        /// The session was closed as asked.
        case closed
    }

    private static let firstReminder = Nanoseconds.seconds(2)
    private static let slowestReminder = Nanoseconds.seconds(30)

    private var phase = Phase.unopened
    private let timer: TimerID
    private var away: Away?

    private struct Away: Hashable {
        var since: Instant
        var nextReminder: Nanoseconds
    }

    /// The life that requests go out on.
    public private(set) var token = SessionToken(0)
    /// What `Stat.ephemeralOwner` shows for nodes of this session; 0 until it is established.
    public private(set) var sessionID: Int64 = 0
    /// As negotiated; zero until the first session is established.
    public private(set) var timeout = Nanoseconds.zero

    /// `timer` is this machine's alone.
    public init(timer: TimerID) { self.timer = timer }

    /// Whether a server was reached when last heard. A hint, never a proof.
    public var isConnected: Bool { phase == .connected }
    public var isClosed: Bool { phase == .closed }

    /// Opens the first session.
    public mutating func open(at now: Instant, into sink: inout Sink) {
        guard phase == .unopened else { return }
        openNext(at: now, into: &sink)
    }

    /// Ends the session, and with it every ephemeral node of this life. `closed` follows.
    public mutating func close(into sink: inout Sink) {
        switch phase {
        case .unopened: phase = .closed
        case .closing, .closed: break
        case .connecting, .connected, .disconnected:
            phase = .closing
            stopReminding(into: &sink)
            sink.append(.coordination(.closeSession(token)))
        }
    }

    public mutating func step(_ event: CoordinationEvent, at now: Instant, into sink: inout Sink) -> Change? {
        guard event.session == token else { return nil }
        switch event.kind {
        case .connected(let id, let timeout): return connected(id, timeout, at: now, into: &sink)
        case .disconnected: return disconnected(at: now, into: &sink)
        case .expired: return expired(at: now, into: &sink)
        case .closed: return closed(at: now, into: &sink)
        case .reply, .watchFired: return nil
        }
    }

    /// Reminds the operator that ZooKeeper is away.
    public mutating func timerFired(_ timer: TimerID, at now: Instant, into sink: inout Sink) {
        guard timer == self.timer, var away else { return }
        sink.log(
            .warning, "ZooKeeper is not reachable, still trying", [LogField("seconds", (now - away.since).milliseconds / 1000)])
        away.nextReminder = min(away.nextReminder * 2, Self.slowestReminder)
        sink.append(.setTimer(timer, at: now + away.nextReminder))
        self.away = away
    }

    private mutating func connected(
        _ id: Int64, _ timeout: Nanoseconds, at now: Instant, into sink: inout Sink
    ) -> Change? {
        switch phase {
        case .unopened, .closing, .closed, .connected: return nil
        case .connecting, .disconnected: break
        }
        if sessionID != 0, sessionID != id {
            // Another session under a token that had one: whatever it is, it does not own our nodes.
            sink.append(.coordination(.closeSession(token)))
            return expired(at: now, into: &sink)
        }
        let isNew = sessionID == 0
        phase = .connected
        sessionID = id
        self.timeout = timeout
        stopReminding(into: &sink)
        let fields = [
            LogField("session", "0x" + String(UInt64(bitPattern: id), radix: 16)),
            LogField("timeoutMillis", timeout.milliseconds),
        ]
        sink.log(.info, isNew ? "ZooKeeper session established" : "ZooKeeper connection restored", fields)
        if !isNew { sink.reached(.sessionOutlivedConnection) }
        return isNew ? .established : .reconnected
    }

    private mutating func disconnected(at now: Instant, into sink: inout Sink) -> Change? {
        switch phase {
        case .unopened, .connecting, .disconnected, .closing, .closed: return nil
        case .connected: break
        }
        phase = .disconnected
        sink.log(.warning, "ZooKeeper connection lost")
        startReminding(at: now, into: &sink)
        return .disconnected
    }

    private mutating func expired(at now: Instant, into sink: inout Sink) -> Change? {
        switch phase {
        case .unopened, .closed: return nil
        case .closing:
            phase = .closed
            return .closed
        case .connecting, .connected, .disconnected: break
        }
        sink.log(
            .warning, "ZooKeeper session expired",
            [LogField("session", "0x" + String(UInt64(bitPattern: sessionID), radix: 16))])
        openNext(at: now, into: &sink)
        sink.reached(.sessionReplaced)
        return .expired
    }

    private mutating func closed(at now: Instant, into sink: inout Sink) -> Change? {
        switch phase {
        case .unopened, .closed: return nil
        case .closing:
            phase = .closed
            return .closed
        case .connecting, .connected, .disconnected: return expired(at: now, into: &sink)
        }
    }

    private mutating func openNext(at now: Instant, into sink: inout Sink) {
        token = SessionToken(token.number + 1)
        sessionID = 0
        phase = .connecting
        sink.append(.coordination(.openSession(token)))
        startReminding(at: now, into: &sink)
    }

    private mutating func startReminding(at now: Instant, into sink: inout Sink) {
        away = Away(since: away?.since ?? now, nextReminder: Self.firstReminder)
        sink.append(.setTimer(timer, at: now + Self.firstReminder))
    }

    private mutating func stopReminding(into sink: inout Sink) {
        guard away != nil else { return }
        away = nil
        sink.append(.cancelTimer(timer))
    }
}
