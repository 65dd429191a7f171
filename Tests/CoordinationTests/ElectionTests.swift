import Coordination
import Machine
import Testing
import Wire

@Suite("Election")
struct ElectionTests {
    var bench = Bench.connected(7)
    var election = Election(owner: 1, timer: TimerID(purpose: 1), random: SeededRandom(seed: 1))
    let address = Address(host: "s", port: 1)

    private mutating func step(_ kind: CoordinationEvent.Kind) -> Election.Outcome? {
        election.step(bench.happened(kind), session: bench.session, at: bench.now, into: &bench.sink)
    }

    @discardableResult
    private mutating func answer(
        _ reply: CoordinationReply, _ location: SourceLocation = #_sourceLocation
    ) throws
        -> Election.Outcome?
    {
        let request = try bench.request(location)
        return step(.reply(request.id, reply))
    }

    private mutating func pausePasses() throws {
        let timer = try bench.lastTimer()
        election.timerFired(timer, session: bench.session, at: bench.now, into: &bench.sink)
    }

    /// Takes the lock; the next request looks for a master.
    private mutating func takeLock() throws {
        election.begin(address: address, number: 3, session: bench.session, at: bench.now, into: &bench.sink)
        let create = try bench.request()
        guard case .create(let path, _, .ephemeralSequential) = create.operation else {
            Issue.record("\(create.operation)")
            return
        }
        _ = step(.reply(create.id, .created(path: path + "0000000000")))
        try answer(.children([path.dropFirst("/server/lock/".count) + "0000000000"], Stat()))
    }

    private func record(_ epoch: Int32) -> MasterRecord { MasterRecord(address: address, number: 3, epoch: epoch) }

    private mutating func reachWrite() throws -> Bench.Request {
        try takeLock()
        try answer(noNode)
        try answer(.data(bytes("5"), Stat(version: 5)))
        let write = try bench.request()
        guard case .multi(let operations) = write.operation, operations.count == 3, case .check(_, -1) = operations[0] else {
            Issue.record("\(write.operation)")
            return write
        }
        #expect(operations[1] == .set(path: "/server/epoch", data: bytes("6"), version: 5))
        #expect(operations[2] == .create(path: "/server/0", data: record(6).bytes, mode: .ephemeral))
        return write
    }

    @Test mutating func theEpochAndTheMasterMoveTogether() throws {
        let write = try reachWrite()
        #expect(
            step(.reply(write.id, .multi([.checked, .set(Stat(version: 6)), .created(path: "/server/0")])))
                == .elected(epoch: 6))
        #expect(!election.isRunning)
    }

    @Test mutating func whoFindsAMasterStepsBack() throws {
        try takeLock()
        #expect(try answer(.data(record(2).bytes, Stat(ephemeralOwner: 99))) == .otherMaster)
        guard case .delete = try bench.request().operation else {
            Issue.record("the lock is not released")
            return
        }
    }

    @Test mutating func anUnknownOutcomeIsFoundOutByLooking() throws {
        let write = try reachWrite()
        #expect(step(.reply(write.id, lost)) == nil)
        try pausePasses()
        try answer(.synced)
        #expect(try answer(.data(record(6).bytes, Stat(ephemeralOwner: 7))) == .elected(epoch: 6))
    }

    @Test mutating func aTransactionThatIsAppliedLateCountsOnce() throws {
        let write = try reachWrite()
        #expect(step(.reply(write.id, lost)) == nil)
        try pausePasses()
        try answer(.synced)
        try answer(noNode)
        try answer(.data(bytes("5"), Stat(version: 5)))
        // Now the first one is applied, and the second fails.
        try answer(.failed(.badVersion, operations: [nil, .badVersion, .runtimeInconsistency]))
        try pausePasses()
        try answer(.synced)
        #expect(try answer(.data(record(6).bytes, Stat(ephemeralOwner: 7))) == .elected(epoch: 6))
    }

    /// The node of this server's own dying session is somebody else's.
    @Test mutating func theNodeOfAnEarlierSessionIsNotOurs() throws {
        let write = try reachWrite()
        #expect(step(.reply(write.id, lost)) == nil)
        for event in bench.expire() {
            _ = election.step(event, session: bench.session, at: bench.now, into: &bench.sink)
        }
        #expect(!election.isRunning)
        _ = bench.requests()
        try takeLock()
        #expect(try answer(.data(record(6).bytes, Stat(ephemeralOwner: 7))) == .otherMaster)
    }
}
