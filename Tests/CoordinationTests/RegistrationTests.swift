import Coordination
import Machine
import Testing
import Wire

@Suite("Registration")
struct RegistrationTests {
    var bench = Bench.connected(7)
    var registration = Registration(
        place: .group("g"), owner: 1, timer: TimerID(purpose: 1), random: SeededRandom(seed: 1))
    let content = bytes("store")

    private mutating func step(_ kind: CoordinationEvent.Kind) -> Registration.Outcome? {
        registration.step(bench.happened(kind), session: bench.session, at: bench.now, into: &bench.sink)
    }

    @discardableResult
    private mutating func answer(
        _ reply: CoordinationReply, _ location: SourceLocation = #_sourceLocation
    ) throws
        -> Registration.Outcome?
    {
        let request = try bench.request(location)
        return step(.reply(request.id, reply))
    }

    private mutating func pausePasses() throws {
        let timer = try bench.lastTimer()
        registration.timerFired(timer, session: bench.session, at: bench.now, into: &bench.sink)
    }

    /// Prepares the parents and takes the lock; the next request reads `top`.
    private mutating func begin() throws {
        registration.begin(content: content, session: bench.session, at: bench.now, into: &bench.sink)
        for path in ["/data", "/data/lock", "/data/g", "/data/g/top", "/data/g/primary"] {
            let request = try bench.request()
            guard case .create(path, _, .persistent) = request.operation else {
                Issue.record("\(request.operation) instead of \(path)")
                return
            }
            _ = step(.reply(request.id, path == "/data" ? .failed(.nodeExists, operations: []) : .created(path: path)))
        }
        try takeLock()
    }

    private mutating func takeLock(_ sequence: String = "0000000000") throws {
        let create = try bench.request()
        guard case .create(let path, _, .ephemeralSequential) = create.operation else {
            Issue.record("\(create.operation)")
            return
        }
        _ = step(.reply(create.id, .created(path: path + sequence)))
        try answer(.children([path.dropFirst("/data/lock/".count) + sequence], Stat()))
    }

    /// The transaction that registers `number`, and its lock node.
    private mutating func transaction(_ number: UInt64, topVersion: Int32) throws -> Bench.Request {
        let request = try bench.request()
        guard case .multi(let operations) = request.operation, operations.count == 3, case .check(_, -1) = operations[0] else {
            Issue.record("\(request.operation)")
            return request
        }
        #expect(operations[1] == .set(path: "/data/g/top", data: bytes("\(number + 1)"), version: topVersion))
        #expect(operations[2] == .create(path: "/data/g/\(number)", data: content, mode: .ephemeral))
        return request
    }

    @Test mutating func aLifeTakesTheNextNumber() throws {
        try begin()
        try answer(.data(bytes("4"), Stat(version: 3)))
        let write = try transaction(4, topVersion: 3)
        let outcome = step(.reply(write.id, .multi([.checked, .set(Stat(version: 4)), .created(path: "/data/g/4")])))
        #expect(outcome == .registered(number: 4))
        #expect(registration.number == 4)
        guard case .delete = try bench.request().operation else {
            Issue.record("the lock is not released")
            return
        }
    }

    @Test mutating func anUnknownOutcomeIsRepeatedWhileTopHasNotMoved() throws {
        try begin()
        try answer(.data(bytes("4"), Stat(version: 3)))
        let first = try transaction(4, topVersion: 3)
        #expect(step(.reply(first.id, lost)) == nil)
        try pausePasses()
        try answer(.synced)
        try answer(.data(bytes("4"), Stat(version: 3)))
        let second = try transaction(4, topVersion: 3)
        #expect(second.operation == first.operation)
        // The first one was applied late, so the second fails; the node tells.
        let refusal = CoordinationReply.failed(.badVersion, operations: [nil, .badVersion, .runtimeInconsistency])
        #expect(step(.reply(second.id, refusal)) == nil)
        try pausePasses()
        #expect(try answer(.data(content, Stat(ephemeralOwner: 7))) == .registered(number: 4))
    }

    @Test mutating func anUnknownOutcomeIsDecidedByTopAndTheNode() throws {
        try begin()
        try answer(.data(bytes("4"), Stat(version: 3)))
        try answer(lost)
        try pausePasses()
        try answer(.synced)
        try answer(.data(bytes("5"), Stat(version: 4)))
        let look = try bench.request()
        #expect(look.operation == .get(path: "/data/g/4", watch: false))
        #expect(step(.reply(look.id, .data(content, Stat(ephemeralOwner: 7)))) == .registered(number: 4))
    }

    /// The node of this process's own earlier session holds the right content, and is another life's all the same.
    @Test mutating func aNodeOfAnEarlierSessionIsNotOurs() throws {
        try begin()
        try answer(.data(bytes("4"), Stat(version: 3)))
        try answer(lost)
        try pausePasses()
        try answer(.synced)
        try answer(.data(bytes("5"), Stat(version: 4)))
        #expect(try answer(.data(content, Stat(ephemeralOwner: 6))) == nil)
        try answer(.data(bytes("5"), Stat(version: 4)))
        _ = try transaction(5, topVersion: 4)
    }

    @Test mutating func aNumberThatIsTakenIsPassedBy() throws {
        try begin()
        try answer(.data(bytes("1"), Stat(version: 0)))
        let write = try transaction(1, topVersion: 0)
        _ = step(.reply(write.id, .failed(.nodeExists, operations: [nil, nil, .nodeExists])))
        try pausePasses()
        try answer(.data(bytes("1"), Stat(version: 0)))
        _ = try transaction(2, topVersion: 0)
    }

    @Test mutating func aLostLockIsTakenAgain() throws {
        try begin()
        try answer(.data(bytes("1"), Stat(version: 0)))
        let write = try transaction(1, topVersion: 0)
        _ = step(.reply(write.id, .failed(.noNode, operations: [.noNode, .runtimeInconsistency, .runtimeInconsistency])))
        let sync = try bench.request()
        #expect(sync.operation == .sync(path: "/data/lock"))
        _ = step(.reply(sync.id, .synced))
        try takeLock("0000000001")
        try pausePasses()
        #expect(try bench.request().operation == .get(path: "/data/g/top", watch: false))
    }

    /// In every state, expiry makes everything void, and the next life registers from the start.
    @Test(arguments: 0..<12)
    mutating func expiryStartsOver(after replies: Int) throws {
        registration.begin(content: content, session: bench.session, at: bench.now, into: &bench.sink)
        var child = ""
        for _ in 0..<replies {
            guard let request = bench.requests().first else { break }
            let reply: CoordinationReply
            switch request.operation {
            case .create(let path, _, let mode):
                if mode.isSequential { child = path.dropFirst("/data/lock/".count) + "0000000000" }
                reply = .created(path: mode.isSequential ? path + "0000000000" : path)
            case .children: reply = .children([child], Stat())
            case .get: reply = .data(bytes("1"), Stat())
            case .multi: reply = .multi([.checked, .set(Stat()), .created(path: "/data/g/1")])
            case .delete: reply = .deleted
            case .set, .exists, .sync: reply = .synced
            }
            _ = step(.reply(request.id, reply))
        }
        _ = bench.requests()
        for event in bench.expire() {
            let outcome = registration.step(event, session: bench.session, at: bench.now, into: &bench.sink)
            #expect(outcome == nil)
        }
        #expect(registration.number == nil)
        #expect(bench.requests().isEmpty)
        try begin()
        try answer(.data(bytes("9"), Stat(version: 8)))
        let write = try transaction(9, topVersion: 8)
        let done = CoordinationReply.multi([.checked, .set(Stat()), .created(path: "/data/g/9")])
        #expect(step(.reply(write.id, done)) == .registered(number: 9))
    }
}
