import CZooKeeperShims
import Machine

/// One life of a ZooKeeper client, from `openSession` until its handle is closed.
///
/// Three threads meet here. The node's own calls `request` and `close`. The C library's completion thread brings replies and
/// events, in the order of the server. And the session's own thread (`Session+Life.swift`) opens the handle, watches over it,
/// and in the end closes it: closing blocks for seconds, and inside one of the library's callbacks would not happen at all.
///
/// **Order.** Requests are answered in the order in which they were made, whoever answers: a server, or this class, which
/// refuses what no server would take. So all of them stand in one line, and an answer that is known early waits for its turn.
///
/// **Not connected.** A request that is made while no server is reached is held and sent when one is, or fails with
/// `connectionLoss` after a session timeout. (The C library would queue it, too; but preparing a transaction while it finds
/// out that the session has expired makes it free memory that is not its own. A session can only be found expired while
/// reconnecting, so nothing is handed over then.)
///
/// **Events** are delivered with the session locked, which keeps them in order; `deliver` only enqueues.
final class Session: Sendable {
    let token: SessionToken
    /// What the C library's callbacks know this session by.
    let key: UInt64
    let ensemble: ConnectString
    let timeout: Nanoseconds
    let deliver: @Sendable (CoordinationEvent) -> Void
    let log: @Sendable (LogLine) -> Void

    let state: Monitor<State>
    /// The C library's latest complaint. Apart from `state`, as the library may speak up while it holds locks of its own.
    let complaint = Monitor<String?>(nil)

    /// Requests that are waiting for an answer; beyond, a request is refused. Every request leaves a byte in the pipe that
    /// wakes the library's I/O thread, and when that 64 KiB pipe is full, the library drops the connection in disorder.
    static let pendingLimit = 10_000

    struct State {
        enum Phase {
            /// No server is reached, or there is no handle yet.
            case unconnected
            /// A server is reached, and the chroot is being looked at.
            case preparingChroot
            case connected
            /// The server has said that the session is over.
            case expired
        }
        var phase = Phase.unconnected
        var closeRequested = false
        /// Nothing of it is left in the C library, and its end was told. It may still be asked something before its token is
        /// forgotten.
        var isOver = false
        /// `closed` was delivered: once, however often a close is asked for.
        var closedTold = false
        /// The client of the C library; nil before it is opened, and from the moment it is being closed.
        var handle: OpaquePointer?
        /// The chroot is known to be there.
        var chrootReady: Bool
        var chroot = ChrootPreparation()
        var pending = PendingRequests()
        /// When a server was last known to be reached, or the session was opened.
        var lastReached: Nanoseconds
        /// What the resolver said, until the session's thread takes it.
        var resolved: Resolver.Answer?
    }

    init(
        token: SessionToken, key: UInt64, ensemble: ConnectString, timeout: Nanoseconds,
        deliver: @escaping @Sendable (CoordinationEvent) -> Void, log: @escaping @Sendable (LogLine) -> Void
    ) {
        self.token = token
        self.key = key
        self.ensemble = ensemble
        self.timeout = timeout
        self.deliver = deliver
        self.log = log
        state = Monitor(State(chrootReady: ensemble.chroot.isEmpty, lastReached: monotonicNow()))
    }

    // MARK: - From the node

    func request(_ id: CoordinationID, _ operation: CoordinationOperation) {
        state.withLock { state in
            let stage: Request.Stage =
                if state.isOver || state.phase == .expired {
                    .answered(.failed(.sessionExpired, operations: []))
                } else if state.closeRequested {
                    .answered(.failed(.closing, operations: []))
                } else if state.pending.count >= Self.pendingLimit {
                    .answered(.failed(.throttled, operations: []))
                } else if let fault = operation.fault(chroot: ensemble.chroot) {
                    .answered(.failed(fault, operations: []))
                } else {
                    .held(operation, since: monotonicNow())
                }
            state.pending.append(Request(id: id, stage: stage))
            advance(&state)
        }
    }

    func close() {
        state.withLock { state in
            state.closeRequested = true
            // Its thread, which says so otherwise, has looked for the last time.
            if state.isOver { tellClosed(&state) }
        }
    }

    // MARK: - From the C library

    func answered(_ serial: UInt64, _ raw: zks_reply) {
        state.withLock { state in
            if let step = ChrootPreparation.Step(serial: serial) {
                chrootAnswered(step, code: raw.code, &state)
            } else if case .sent(let shape) = state.pending[serial]?.stage {
                state.pending.answer(serial, CoordinationReply(raw, to: shape, chroot: ensemble.chroot))
                advance(&state)
            }
        }
    }

    func watchFired(_ kind: WatchKind, path: String) {
        state.withLock { state in
            guard !state.closeRequested, state.phase != .expired else { return }
            emit(.watchFired(path: path.removingChroot(ensemble.chroot), kind))
        }
    }

    func reached() {
        state.withLock { state in
            guard state.phase == .unconnected else { return }
            state.lastReached = monotonicNow()
            if state.chrootReady { becomeConnected(&state) } else { prepareChroot(&state) }
        }
    }

    func lost() {
        state.withLock { state in
            guard state.phase == .connected || state.phase == .preparingChroot else { return }
            let wasConnected = state.phase == .connected
            state.phase = .unconnected
            state.lastReached = monotonicNow()
            if wasConnected, !state.closeRequested {
                emit(.disconnected)
                log(
                    .warning, "lost the connection to ZooKeeper",
                    [LogField("ensemble", ensemble.text), LogField("cause", cause)])
            }
        }
    }

    func complained(_ line: String) {
        // After each round of attempts; what each of them met is more to the point.
        if line.hasPrefix("Delaying connection") { return }
        let isNew = complaint.withLock { complaint in
            defer { complaint = line }
            return complaint != line
        }
        if isNew { log(.debug, "the ZooKeeper client says", [LogField("line", line)]) }
    }

    func expired() {
        state.withLock { state in
            guard state.phase != .expired else { return }
            state.phase = .expired
            guard !state.closeRequested else { return }
            answerAll(.sessionExpired, &state)
            emit(.expired)
        }
    }

    // MARK: - Under the lock

    /// Sends what was held, if a server is reached, and lets out every answer whose turn has come.
    func advance(_ state: inout State) {
        while let serial = state.pending.firstHeld, let handle = state.handle, state.phase == .connected,
            zks_current_state(handle) == ZKS_CONNECTED
        {
            guard case .held(let operation, _) = state.pending[serial]?.stage else { break }
            switch operation.send(to: handle, chroot: ensemble.chroot, request: Callbacks.request(key, serial)) {
            case .success(let shape): state.pending.sent(serial, shape)
            case .failure(let failure):
                state.pending.answer(serial, .failed(CoordinationError(answer: failure.code), operations: []))
            }
        }
        while let (id, reply) = state.pending.popAnswered() { emit(.reply(id, reply)) }
    }

    /// Answers every request that has no answer yet.
    func answerAll(_ error: CoordinationError, _ state: inout State) {
        state.pending.answerAll(.failed(error, operations: []))
        advance(&state)
    }

    /// Says that the session is closed, as was asked for.
    func tellClosed(_ state: inout State) {
        guard !state.closedTold else { return }
        state.closedTold = true
        emit(.closed)
    }

    func becomeConnected(_ state: inout State) {
        guard let handle = state.handle else { return }
        state.phase = .connected
        guard !state.closeRequested else { return }
        let identity = zks_session_id(handle)
        let negotiated = Nanoseconds.milliseconds(Int64(zks_timeout_ms(handle)))
        emit(.connected(sessionID: identity, timeout: negotiated))
        log(
            .info, "connected to ZooKeeper",
            [
                LogField("server", connectedServer(handle)),
                LogField("session", "0x" + String(UInt64(bitPattern: identity), radix: 16)),
                LogField("timeout", "\(negotiated.milliseconds) ms"),
            ])
        advance(&state)
    }

    func emit(_ kind: CoordinationEvent.Kind) { deliver(CoordinationEvent(session: token, kind: kind)) }

    func log(_ level: LogLevel, _ event: String, _ fields: [LogField]) {
        log(LogLine(level: level, event: event, fields: fields))
    }

    var cause: String { complaint.withLock { $0 } ?? "no server answered" }

    private func connectedServer(_ handle: OpaquePointer) -> String {
        var host = [CChar](repeating: 0, count: 64)
        var port: UInt16 = 0
        guard zks_connected_server(handle, &host, Int32(host.count), &port) != 0 else { return "?" }
        return Address(host: host.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }, port: port).description
    }
}

extension CoordinationError {
    /// ZTHROTTLEDOP: not executed at all.
    static let throttled = CoordinationError.other(-127)
}
