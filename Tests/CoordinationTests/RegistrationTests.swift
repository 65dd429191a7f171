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
        for path in ["/data", "/data/lock", "/data/g", "/data/g/top", "/data/g/primary", "/data/g/stores"] {
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

    // MARK: A store's nonce

    private static let store = StoreID("11111111-0000-4000-8000-000000000001")
    private static let address = Address(host: "d", port: 3)
    private static let old = LifeNonce("aaaaaaaa-0000-4000-8000-000000000001")!
    private static let new = LifeNonce("aaaaaaaa-0000-4000-8000-000000000002")!
    private static let path = "/data/g/stores/\(store)"

    /// What follows `lock, top, number` in the transaction.
    private mutating func beginAsStore(
        nonce: CoordinationReply, live: CoordinationReply, then: (inout RegistrationTests, Registration.Outcome?) throws -> Void
    ) throws {
        registration.begin(
            content: content, holder: Registration.Holder(store: Self.store, address: Self.address), session: bench.session,
            at: bench.now, into: &bench.sink)
        for path in ["/data", "/data/lock", "/data/g", "/data/g/top", "/data/g/primary", "/data/g/stores"] {
            try answer(.created(path: path))
        }
        try then(&self, try lookAtStore(nonce: nonce, live: live))
    }

    private mutating func lookAtStore(nonce: CoordinationReply, live: CoordinationReply) throws -> Registration.Outcome? {
        let first = try bench.request()
        #expect(first.operation == .get(path: Self.path, watch: false))
        #expect(step(.reply(first.id, nonce)) == nil)
        let second = try bench.request()
        #expect(second.operation == .get(path: Self.path + "/live", watch: false))
        return step(.reply(second.id, live))
    }

    /// Takes the lock and number 4; returns the operations on the store's nodes.
    private mutating func operationsOnStore() throws -> (id: CoordinationID, operations: [MultiOperation]) {
        try takeLock()
        try answer(.data(bytes("4"), Stat(version: 3)))
        let request = try bench.request()
        guard case .multi(let operations) = request.operation else { throw Unexpected("\(request.operation)") }
        return (request.id, Array(operations.dropFirst(3)))
    }

    private struct Unexpected: Error {
        init(_ text: String) { Issue.record("\(text)") }
    }

    private static let none = CoordinationReply.failed(.noNode, operations: [])
    private static let create = MultiOperation.create(path: path + "/live", data: bytes("d:3"), mode: .ephemeral)

    @Test mutating func aNewStoreLeavesItsNonce() throws {
        try beginAsStore(nonce: Self.none, live: Self.none) { test, outcome in
            #expect(outcome == .found(nil, elsewhere: nil))
            #expect(test.bench.requests().isEmpty, "the log comes first")
            test.registration.proceed(nonce: Self.new, session: test.bench.session, at: test.bench.now, into: &test.bench.sink)
            let (id, operations) = try test.operationsOnStore()
            #expect(operations == [.create(path: Self.path, data: bytes(Self.new.text), mode: .persistent), Self.create])
            #expect(test.step(.reply(id, .multi([]))) == .registered(number: 4))
        }
    }

    @Test mutating func aNonceIsReplacedAtTheVersionThatWasRead() throws {
        try beginAsStore(nonce: .data(bytes(Self.old.text), Stat(version: 6)), live: Self.none) { test, outcome in
            #expect(outcome == .found(Self.old, elsewhere: nil))
            test.registration.proceed(nonce: Self.new, session: test.bench.session, at: test.bench.now, into: &test.bench.sink)
            let (id, operations) = try test.operationsOnStore()
            #expect(operations == [.set(path: Self.path, data: bytes(Self.new.text), version: 6), Self.create])
            // Somebody else has registered as this store meanwhile: the log is asked again.
            let codes: [CoordinationError?] = [nil, nil, nil, .badVersion, .runtimeInconsistency]
            #expect(test.step(.reply(id, .failed(.badVersion, operations: codes))) == nil)
            try test.answer(.deleted)
            try test.pausePasses()
            let again = try test.lookAtStore(nonce: .data(bytes(Self.new.text), Stat(version: 7)), live: Self.none)
            #expect(again == .found(Self.new, elsewhere: nil))
        }
    }

    @Test mutating func anEarlierLifeOfThisPlaceIsReplaced() throws {
        let live = CoordinationReply.data(bytes("d:3"), Stat(ephemeralOwner: 6))
        try beginAsStore(nonce: .data(bytes(Self.old.text), Stat(version: 0)), live: live) { test, outcome in
            #expect(outcome == .found(Self.old, elsewhere: nil))
            test.registration.proceed(nonce: Self.new, session: test.bench.session, at: test.bench.now, into: &test.bench.sink)
            let (_, operations) = try test.operationsOnStore()
            #expect(operations.dropFirst() == [.delete(path: Self.path + "/live", version: -1), Self.create])
        }
    }

    @Test mutating func anotherHolderIsNamed() throws {
        let nonce = CoordinationReply.data(bytes(Self.old.text), Stat(version: 0))
        let live = CoordinationReply.data(bytes("e:3"), Stat(ephemeralOwner: 6))
        try beginAsStore(nonce: nonce, live: live) { test, outcome in
            #expect(outcome == .found(Self.old, elsewhere: "e:3"))
            test.registration.lookAgain(at: test.bench.now, into: &test.bench.sink)
            #expect(test.bench.requests().isEmpty)
            try test.pausePasses()
            #expect(try test.lookAtStore(nonce: nonce, live: Self.none) == .found(Self.old, elsewhere: nil))
        }
    }

    @Test mutating func whatIsNoNonceIsReportedAndWaitedFor() throws {
        registration.begin(
            content: content, holder: Registration.Holder(store: Self.store, address: Self.address), session: bench.session,
            at: bench.now, into: &bench.sink)
        for _ in 0..<6 { try answer(.created(path: "")) }
        #expect(try answer(.data(bytes("rubbish"), Stat())) == nil)
        try pausePasses()
        #expect(try bench.request().operation == .get(path: Self.path, watch: false))
    }

    /// In a session that is over nobody registers.
    @Test mutating func aNonceThatComesTooLateChangesNothing() throws {
        try beginAsStore(nonce: Self.none, live: Self.none) { test, _ in
            for event in test.bench.expire() {
                _ = test.registration.step(event, session: test.bench.session, at: test.bench.now, into: &test.bench.sink)
            }
            test.registration.proceed(nonce: Self.new, session: test.bench.session, at: test.bench.now, into: &test.bench.sink)
            #expect(test.bench.requests().isEmpty)
        }
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
