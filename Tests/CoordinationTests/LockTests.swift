import Coordination
import Machine
import Testing
import Wire

@Suite("Lock")
struct LockTests {
    var bench = Bench.connected()
    var lock = Lock(parent: "/server/lock", owner: 1, timer: TimerID(purpose: 1), random: SeededRandom(seed: 1))

    private mutating func acquire() { lock.acquire(session: bench.session, at: bench.now, into: &bench.sink) }

    private mutating func step(_ kind: CoordinationEvent.Kind) -> Bool {
        lock.step(bench.happened(kind), session: bench.session, at: bench.now, into: &bench.sink)
    }

    private mutating func answer(_ request: Bench.Request, _ reply: CoordinationReply) -> Bool {
        step(.reply(request.id, reply))
    }

    private mutating func pausePasses() throws {
        let timer = try bench.lastTimer()
        #expect(!lock.timerFired(timer, session: bench.session, at: bench.now, into: &bench.sink))
    }

    /// Answers the create; returns the child's name without sequence.
    private mutating func created(_ sequence: String) throws -> String {
        let create = try bench.request()
        guard case .create(let path, _, .ephemeralSequential) = create.operation else {
            throw Unexpected(operation: create.operation)
        }
        #expect(path.hasPrefix("/server/lock/") && path.hasSuffix("-lock-"))
        #expect(!answer(create, .created(path: path + sequence)))
        return String(path.dropFirst("/server/lock/".count))
    }

    private struct Unexpected: Error { var operation: CoordinationOperation }

    @Test mutating func theLowestChildHasTheLock() throws {
        acquire()
        let prefix = try created("0000000003")
        let list = try bench.request()
        #expect(list.operation == .children(path: "/server/lock", watch: false))
        #expect(answer(list, .children(["x-lock-0000000004", prefix + "0000000003", "stranger"], Stat())))
        #expect(lock.heldPath == "/server/lock/\(prefix)0000000003")

        lock.release(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(lock.heldPath == nil)
        #expect(try bench.request().operation == .delete(path: "/server/lock/\(prefix)0000000003", version: -1))
    }

    @Test mutating func theOthersWatchOnlyTheirPredecessor() throws {
        acquire()
        let prefix = try created("0000000005")
        let queue = ["a-lock-0000000002", "b-lock-0000000004", prefix + "0000000005"]
        #expect(!answer(try bench.request(), .children(queue, Stat())))
        let inspect = try bench.request()
        #expect(inspect.operation == .exists(path: "/server/lock/b-lock-0000000004", watch: true))
        #expect(!answer(inspect, .existence(Stat())))
        #expect(bench.requests().isEmpty)

        #expect(!step(.watchFired(path: "/server/lock/b-lock-0000000004", .deleted)))
        #expect(!answer(try bench.request(), .children([queue[0], queue[2]], Stat())))
        let next = try bench.request()
        #expect(next.operation == .exists(path: "/server/lock/a-lock-0000000002", watch: true))
        // Gone before it could be watched: looked at again at once.
        #expect(!answer(next, .existence(nil)))
        #expect(answer(try bench.request(), .children([queue[2]], Stat())))
    }

    @Test mutating func anUnknownCreateIsFoundByItsGUID() throws {
        acquire()
        let create = try bench.request()
        guard case .create(let path, _, _) = create.operation else { return }
        #expect(!answer(create, lost))
        try pausePasses()
        let sync = try bench.request()
        #expect(sync.operation == .sync(path: "/server/lock"))
        #expect(!answer(sync, .synced))
        let name = path.dropFirst("/server/lock/".count) + "0000000009"
        #expect(answer(try bench.request(), .children([String(name)], Stat())))
        #expect(lock.heldPath == path + "0000000009")
    }

    @Test mutating func aCreateThatIsAppliedLateIsDeleted() throws {
        acquire()
        let create = try bench.request()
        guard case .create(let path, _, _) = create.operation else { return }
        let prefix = path.dropFirst("/server/lock/".count)
        #expect(!answer(create, lost))
        try pausePasses()
        #expect(!answer(try bench.request(), .synced))
        #expect(!answer(try bench.request(), .children([], Stat())))
        _ = try created("0000000001")
        #expect(answer(try bench.request(), .children([prefix + "0000000001"], Stat())))
        lock.release(session: bench.session, at: bench.now, into: &bench.sink)
        #expect(!answer(try bench.request(), .deleted))
        // The first create is still unaccounted for: it is looked for until it turns up.
        for _ in 0..<3 {
            try pausePasses()
            #expect(!answer(try bench.request(), .synced))
            #expect(!answer(try bench.request(), .children([], Stat())))
        }
        try pausePasses()
        #expect(!answer(try bench.request(), .synced))
        #expect(!answer(try bench.request(), .children([prefix + "0000000002"], Stat())))
        let delete = try bench.request()
        #expect(delete.operation == .delete(path: "/server/lock/\(prefix)0000000002", version: -1))
        bench.effects = []
        #expect(!answer(delete, .deleted))
        #expect(bench.requests().isEmpty && bench.effects.isEmpty)
    }

    @Test mutating func afterExpiryNothingIsHeld() throws {
        acquire()
        let prefix = try created("0000000000")
        #expect(answer(try bench.request(), .children([prefix + "0000000000"], Stat())))
        for event in bench.expire() {
            #expect(!lock.step(event, session: bench.session, at: bench.now, into: &bench.sink))
        }
        #expect(lock.heldPath == nil)
        _ = bench.requests()
        acquire()
        #expect(try created("0000000001") != prefix)
    }

    /// Somebody deleted the parent, as happened to others.
    @Test mutating func aMissingParentIsMadeAgain() throws {
        acquire()
        #expect(!answer(try bench.request(), noNode))
        let create = try bench.request()
        #expect(create.operation == .create(path: "/server/lock", data: [], mode: .persistent))
        #expect(!answer(create, .created(path: "/server/lock")))
        _ = try created("0000000000")
    }
}
