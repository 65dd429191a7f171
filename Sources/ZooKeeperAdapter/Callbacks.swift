import CZooKeeperShims
import Machine
import Synchronization

/// Where the C library's callbacks find the session that they are about.
///
/// A callback carries an integer. A session's is its key; a request's is the key in the upper 24 bits and the serial number in the
/// lower 40. One that is not found here is of a session that has ended, and is dropped.
enum Callbacks {
    private struct Table {
        var sessions: [UInt64: Session] = [:]
        var lastKey: UInt64 = 0
    }
    private static let table = Mutex(Table())

    /// Makes a session under a key of its own and enters it.
    static func enter(_ make: (_ key: UInt64) -> Session) -> Session {
        install
        return table.withLock { table in
            table.lastKey += 1
            precondition(table.lastKey < 1 << 24, "out of session keys")
            let session = make(table.lastKey)
            table.sessions[session.key] = session
            return session
        }
    }

    static func leave(_ session: Session) { table.withLock { _ = $0.sessions.removeValue(forKey: session.key) } }

    static func request(_ key: UInt64, _ serial: UInt64) -> UInt64 { key << 40 | serial }

    fileprivate static func session(_ key: UInt64) -> Session? { table.withLock { $0.sessions[key] } }

    private static let install: Void = zks_install(zks_callbacks(event: received, reply: answered, log: complained))
}

// File-scope functions: a closure passed to C takes on the isolation of where it is written.

private func received(key: UInt64, event: zks_event, state: zks_state, path: UnsafePointer<CChar>?) {
    guard let session = Callbacks.session(key) else { return }
    let path = path.map { String(cString: $0) } ?? ""
    switch event {
    case ZKS_CREATED: session.watchFired(.created, path: path)
    case ZKS_DELETED: session.watchFired(.deleted, path: path)
    case ZKS_DATA_CHANGED: session.watchFired(.dataChanged, path: path)
    case ZKS_CHILDREN_CHANGED: session.watchFired(.childrenChanged, path: path)
    case ZKS_SESSION:
        switch state {
        case ZKS_CONNECTED: session.reached()
        case ZKS_CONNECTING: session.lost()
        // Without credentials there is no authentication to fail; if one does, the session is of no use.
        case ZKS_EXPIRED, ZKS_AUTH_FAILED: session.expired()
        case _: break
        }
    case _: break
    }
}

private func answered(request: UInt64, reply: UnsafePointer<zks_reply>?) {
    guard let reply, let session = Callbacks.session(request >> 40) else { return }
    session.answered(request & (1 << 40 - 1), reply.pointee)
}

private func complained(key: UInt64, line: UnsafePointer<CChar>?) {
    guard let line, let session = Callbacks.session(key) else { return }
    session.complained(String(cString: line))
}
