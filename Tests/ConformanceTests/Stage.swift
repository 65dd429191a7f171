import Machine

/// Where a script is played: a real ZooKeeper behind the adapter, or the model. Sessions are numbered; each has one token.
protocol Stage {
    /// What the adapter asks for, and what is granted.
    static var timeout: Nanoseconds { get }

    mutating func perform(_ effect: CoordinationEffect, of session: Int)
    /// Everything that was said about a session so far, in order.
    func heard(by session: Int) -> [CoordinationEvent.Kind]
    /// Waits until that looks as it should.
    mutating func wait(for what: String, of session: Int, until condition: ([CoordinationEvent.Kind]) -> Bool) throws
    /// Breaks a session's connection, now and until further notice; or lets it connect again, where there are several servers
    /// to another one, which knows by then what all know.
    mutating func setCut(_ session: Int, _ isCut: Bool)
    mutating func failOver()
    mutating func pass(_ time: Nanoseconds)
}

struct NotHeard: Error, CustomStringConvertible {
    var description: String
}

/// Plays a script, and writes down what its sessions hear.
///
/// What makes a step's end certain: behind the requests of a step each connected session sends one more, and another one when
/// those are answered: an ensemble answers in order, and tells of a change before it answers whoever asks later. The end of a session is certain when an
/// ephemeral node of its own is seen to be gone, by a session outside the script (number 0).
struct Play<Place: Stage> {
    var stage: Place
    let root: String
    private var script: ZooKeeperScript
    private var transcript: Transcript
    private var serials: UInt64 = 0
    /// The sessions that are connected.
    private var connected: [Int] = []
    private var cut: [Int] = []
    private var seen: [Int: Int] = [:]

    /// Requests that are no part of the script.
    private static var ours: UInt32 { 1 }

    init(_ script: ZooKeeperScript, on stage: Place, root: String) {
        self.script = script
        self.stage = stage
        self.root = root
        transcript = Transcript(root: root)
    }

    /// - Throws: `NotHeard` where something does not come within the time.
    mutating func run() throws -> Transcript {
        stage.perform(.openSession(SessionToken(0)), of: 0)
        try stage.wait(for: "a connection", of: 0) { $0.contains(where: \.isConnected) }
        guard case .created = try control(.create(path: root, data: [], mode: .persistent)) else {
            throw NotHeard(description: "the root \(root) of a script is there already")
        }
        for (index, step) in script.steps.enumerated() {
            try play(step.below(root))
            try settle()
            write("\(index)", step)
        }
        return transcript
    }

    /// Ends all sessions that are still open.
    mutating func finish() {
        for session in connected + cut + [0] { stage.perform(.closeSession(SessionToken(UInt64(session))), of: session) }
    }

    private mutating func play(_ step: ZooKeeperScript.Step) throws {
        switch step {
        case .open(let session):
            stage.perform(.openSession(SessionToken(UInt64(session))), of: session)
            try stage.wait(for: "a connection", of: session) { $0.contains(where: \.isConnected) }
            connected.append(session)
            let marker = CoordinationOperation.create(path: self.marker(session), data: [], mode: .ephemeral)
            guard case .created = try reply(to: ask(session, marker, Self.ours), of: session) else {
                throw NotHeard(description: "session \(session) cannot be marked")
            }
        case .ask(let session, let operations):
            for operation in operations { ask(session, operation) }
        case .close(let session, let before, let after):
            for operation in before { ask(session, operation) }
            stage.perform(.closeSession(SessionToken(UInt64(session))), of: session)
            let wasCut = cut.contains(session)
            leave(session)
            try stage.wait(for: "the end", of: session) { $0.contains(.closed) }
            if !wasCut { try waitUntilGone(session) }
            let late = after.map { ask(session, $0) }
            for id in late { _ = try reply(to: id, of: session) }
        case .cut(let session):
            stage.setCut(session, true)
            leave(session)
            cut.append(session)
            try stage.wait(for: "the loss of the connection", of: session) { $0.last { $0.isAboutConnection } == .disconnected }
        case .restore(let session):
            stage.setCut(session, false)
            leave(session)
            connected.append(session)
            try stage.wait(for: "a connection", of: session) { $0.last { $0.isAboutConnection }?.isConnected ?? false }
        case .expire(let session):
            stage.setCut(session, true)
            leave(session)
            try waitUntilGone(session)
            stage.setCut(session, false)
            try stage.wait(for: "the news of the expiry", of: session) { $0.contains(.expired) }
        case .failOver:
            let losses = (connected + [0]).map { session in (session, stage.heard(by: session).count { $0 == .disconnected }) }
            stage.failOver()
            for (session, count) in losses {
                try stage.wait(for: "a connection", of: session) { heard in
                    heard.count { $0 == .disconnected } > count && heard.last { $0.isAboutConnection }?.isConnected ?? false
                }
            }
        }
    }

    private mutating func leave(_ session: Int) {
        connected.removeAll { $0 == session }
        cut.removeAll { $0 == session }
    }

    private func marker(_ session: Int) -> String { "\(root).\(session)" }

    private mutating func waitUntilGone(_ session: Int) throws {
        for _ in 0..<2_000 {
            if try control(.exists(path: marker(session), watch: false)) == .existence(nil) { return }
            stage.pass(.milliseconds(10))
        }
        throw NotHeard(description: "session \(session) does not end")
    }

    private mutating func control(_ operation: CoordinationOperation) throws -> CoordinationReply {
        try reply(to: ask(0, operation, Self.ours), of: 0)
    }

    @discardableResult
    private mutating func ask(_ session: Int, _ operation: CoordinationOperation, _ owner: UInt32 = 0) -> CoordinationID {
        serials += 1
        let id = CoordinationID(owner: owner, serial: serials)
        stage.perform(.request(SessionToken(UInt64(session)), id, operation), of: session)
        return id
    }

    private mutating func reply(to id: CoordinationID, of session: Int) throws -> CoordinationReply {
        var found: CoordinationReply?
        try stage.wait(for: "the answer to request \(id.serial)", of: session) { heard in
            // The newest is asked for most of the time.
            guard case .reply(_, let reply)? = heard.last(where: { $0.answers(id) }) else { return false }
            found = reply
            return true
        }
        return found ?? .synced
    }

    /// Waits until everything is done that was asked for, and then until everybody has heard of it.
    private mutating func settle() throws {
        for _ in 0..<2 {
            let barriers = connected.map { ($0, ask($0, .sync(path: root), Self.ours)) }
            for (session, id) in barriers { _ = try reply(to: id, of: session) }
        }
    }

    private mutating func write(_ label: String, _ step: ZooKeeperScript.Step) {
        var heard: [(session: Int, kinds: [CoordinationEvent.Kind])] = []
        for session in stride(from: 1, through: script.sessions, by: 1) {
            let all = stage.heard(by: session)
            let fresh = all[(seen[session] ?? 0)...].filter { kind in
                switch kind {
                case .reply(let id, _): id.owner != Self.ours
                // Silent from the moment of the close, which may come before the change or after it.
                case .watchFired: !step.closes(session)
                case .connected, .disconnected, .expired, .closed: true
                }
            }
            seen[session] = all.count
            heard.append((session, fresh))
        }
        transcript.write(label, step, heard)
    }
}

extension CoordinationEvent.Kind {
    var isConnected: Bool { if case .connected = self { true } else { false } }

    var isAboutConnection: Bool {
        switch self {
        case .connected, .disconnected, .expired, .closed: true
        case .reply, .watchFired: false
        }
    }

    func answers(_ id: CoordinationID) -> Bool { if case .reply(id, _) = self { true } else { false } }
}
