import Machine
import Synchronization

/// The coordination neighbour in production: ZooKeeper sessions through the C client `libzookeeper_mt`.
///
/// What it adds to the C client:
/// - It keeps trying where no server can be reached or resolved, and says so in the log every few seconds.
/// - Names are resolved outside the client's I/O loop, again and again while no server is reached.
/// - A chroot that does not exist is created before the session is reported as connected.
/// - Requests are answered in order and exactly once, those that the client drops when it closes included.
/// - Whatever breaks a connection is `connectionLoss`.
/// - Requests beyond a server's size limit, or with a malformed path, fail alone, not with the whole connection.
///
/// All nodes are created open to the world.
public final class ZooKeeperCoordinator: Sendable {
    private let ensemble: ConnectString
    private let sessionTimeout: Nanoseconds
    private let deliver: @Sendable (CoordinationEvent) -> Void
    private let log: @Sendable (LogLine) -> Void
    private let sessions = Monitor<[SessionToken: Session]>([:])

    /// Checks a connect string: `host:port,host:port/chroot`, where the port may be left out (2181) and an IPv6 address
    /// stands in brackets. Names are not resolved.
    ///
    /// - Throws: `ConnectStringError`, one clear line.
    public static func validate(connectString: String) throws { _ = try ConnectString(connectString) }

    /// - Parameters:
    ///   - connectString: one that `validate` accepts.
    ///   - sessionTimeout: asked for; the servers clamp it to 2 to 20 of their ticks, and `connected` tells the outcome. Half a
    ///     second at least, as the C client gives up an attempt to connect after a share of it.
    ///   - deliver: called on several threads, for one session in order; must only enqueue: it may not call back.
    ///   - log: likewise.
    public init(
        connectString: String, sessionTimeout: Nanoseconds, deliver: @escaping @Sendable (CoordinationEvent) -> Void,
        log: @escaping @Sendable (LogLine) -> Void
    ) {
        do {
            ensemble = try ConnectString(connectString)
        } catch {
            preconditionFailure("\(error)")
        }
        self.sessionTimeout = max(sessionTimeout, .milliseconds(500))
        self.deliver = deliver
        self.log = log
    }

    /// Never blocks. `closeSession` is always answered by `closed`, also where the session has expired or never was. Where no
    /// server is reached at that time, the ephemeral nodes vanish only when the session expires.
    public func perform(_ effect: CoordinationEffect) {
        switch effect {
        case .openSession(let token): open(token)
        case .closeSession(let token):
            if let session = session(token) {
                session.close()
            } else {
                deliver(CoordinationEvent(session: token, kind: .closed))
            }
        case .request(let token, let id, let operation):
            if let session = session(token) {
                session.request(id, operation)
            } else {
                deliver(CoordinationEvent(session: token, kind: .reply(id, .failed(.sessionExpired, operations: []))))
            }
        }
    }

    /// Closes all sessions and waits until they are closed: seconds at most, however ZooKeeper is.
    public func shutDown() {
        sessions.withLock { $0.values.forEach { $0.close() } }
        // The C client gives a server up to 4.5 seconds to answer.
        _ = sessions.wait(atMost: .seconds(7)) { $0.isEmpty ? true : nil }
    }

    deinit { sessions.withLock { $0.values.forEach { $0.close() } } }

    private func session(_ token: SessionToken) -> Session? { sessions.withLock { $0[token] } }

    private func open(_ token: SessionToken) {
        let session = sessions.withLock { sessions -> Session? in
            guard sessions[token] == nil else { return nil }
            let session = Callbacks.enter { key in
                Session(token: token, key: key, ensemble: ensemble, timeout: sessionTimeout, deliver: deliver, log: log)
            }
            sessions[token] = session
            return session
        }
        session?.start { [weak self] in
            guard let session else { return }
            Callbacks.leave(session)
            self?.sessions.withLock { _ = $0.removeValue(forKey: token) }
        }
    }
}
