import Machine
import Synchronization
import TestSupport
import ZooKeeperAdapter

/// A coordinator with one session at a time, and all that it has reported, in order.
final class Client: Sendable {
    let coordinator: ZooKeeperCoordinator
    private let inbox: Inbox
    private let lastToken = Mutex<UInt64>(0)
    private let lastSerial = Mutex<UInt64>(0)

    private final class Inbox: Sendable {
        let events = Mutex<[CoordinationEvent]>([])
        let lines = Mutex<[LogLine]>([])
    }

    init(_ connectString: String, timeout: Nanoseconds = .seconds(4)) {
        let inbox = Inbox()
        self.inbox = inbox
        coordinator = ZooKeeperCoordinator(
            connectString: connectString, sessionTimeout: timeout,
            deliver: { event in inbox.events.withLock { $0.append(event) } },
            log: { line in inbox.lines.withLock { $0.append(line) } })
    }

    deinit { coordinator.shutDown() }

    /// A client whose first session is connected.
    static func connected(_ connectString: String, timeout: Nanoseconds = .seconds(4)) async throws -> Client {
        let client = Client(connectString, timeout: timeout)
        client.openSession()
        _ = try await client.waitForConnection()
        return client
    }

    // MARK: - Doing

    var token: SessionToken { SessionToken(lastToken.withLock { $0 }) }

    func openSession() {
        let number = lastToken.withLock { number in
            number += 1
            return number
        }
        coordinator.perform(.openSession(SessionToken(number)))
    }

    func closeSession() async throws {
        coordinator.perform(.closeSession(token))
        try await wait(for: "closed") { $0.contains(.closed) }
    }

    @discardableResult func send(_ operation: CoordinationOperation) -> CoordinationID {
        let id = CoordinationID(
            owner: 7,
            serial: lastSerial.withLock { serial in
                serial += 1
                return serial
            })
        coordinator.perform(.request(token, id, operation))
        return id
    }

    func ask(_ operation: CoordinationOperation) async throws -> CoordinationReply {
        try await reply(to: send(operation))
    }

    func create(_ path: String, _ data: String = "", _ mode: CreateMode = .persistent) async throws {
        let reply = try await ask(.create(path: path, data: Array(data.utf8), mode: mode))
        guard case .created = reply else { throw Unexpected(description: "create \(path): \(reply)") }
    }

    func exists(_ path: String) async throws -> Bool {
        switch try await ask(.exists(path: path, watch: false)) {
        case .existence(let stat): stat != nil
        case let reply: throw Unexpected(description: "exists \(path): \(reply)")
        }
    }

    // MARK: - Seeing

    /// Everything about the current session so far.
    var kinds: [CoordinationEvent.Kind] {
        let token = token
        return inbox.events.withLock { $0.filter { $0.session == token }.map(\.kind) }
    }

    var watchEvents: [CoordinationEvent.Kind] {
        kinds.filter { if case .watchFired = $0 { true } else { false } }
    }

    var logLines: [LogLine] { inbox.lines.withLock { $0 } }

    func reply(to id: CoordinationID) async throws -> CoordinationReply {
        try await eventuallyValue("a reply to request \(id.serial)") { self.replies(to: id).first }
    }

    func replies(to id: CoordinationID) -> [CoordinationReply] {
        kinds.compactMap { if case .reply(id, let reply) = $0 { reply } else { nil } }
    }

    func wait(for what: String, _ condition: ([CoordinationEvent.Kind]) -> Bool) async throws {
        do {
            try await eventually(what) { condition(self.kinds) }
        } catch let error as TimedOut {
            throw TimedOut(description: "\(error.description); seen: \(kinds); logged: \(logLines.suffix(20).map { "\($0)" })")
        }
    }

    /// Waits until the session was reported connected `times` times, and returns its identity.
    func waitForConnection(times: Int = 1) async throws -> Int64 {
        try await wait(for: "connected") { $0.count(where: { if case .connected = $0 { true } else { false } }) >= times }
        return sessionID!
    }

    var sessionID: Int64? {
        kinds.compactMap { if case .connected(let id, _) = $0 { id } else { nil } }.last
    }
}

struct Unexpected: Error, CustomStringConvertible {
    let description: String
}

/// One ZooKeeper for all tests that do not break it.
enum SharedServer {
    private static let ensemble = Task { try await ZooKeeperEnsemble.start() }

    /// A connect string with a chroot of its own.
    static func connectString() async throws -> String {
        let number = next.withLock { number in
            number += 1
            return number
        }
        return try await ensemble.value.connectString + "/test/\(number)"
    }

    private static let next = Mutex(0)
}
