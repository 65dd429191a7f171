import Coordination
import Machine
import Testing
import Wire

/// Every machine of the module, offered anything in any order: none may trap, and equal runs must be equal.
@Suite("Any event in any state")
struct TotalityTests {
    private struct Everything: Equatable {
        var session = Session(timer: TimerID(purpose: 50))
        var registration = Registration(place: .server, owner: 1, timer: TimerID(purpose: 1), random: SeededRandom(seed: 1))
        var election = Election(owner: 2, timer: TimerID(purpose: 2), random: SeededRandom(seed: 2))
        var ring = RingView(owner: 3, timer: TimerID(purpose: 3), random: SeededRandom(seed: 3))
        var master = MasterView(owner: 4, timer: TimerID(purpose: 4), random: SeededRandom(seed: 4))
        var catalog = CatalogView(owner: 5, timer: TimerID(purpose: 5), random: SeededRandom(seed: 5))
        var servers = ServersView(owner: 6, timer: TimerID(purpose: 6), random: SeededRandom(seed: 6))
        var groups = SortedMap<String, GroupView>()
        var mastership: Mastership
        var sink = Sink()

        init() {
            groups["g"] = GroupView(group: "g", owner: 7, timer: TimerID(purpose: 7), random: SeededRandom(seed: 7))
            mastership = Mastership(
                epoch: 3, port: CoordinationPort(owner: 8), session: session, timer: TimerID(purpose: 8), virtualNodes: 2,
                random: SeededRandom(seed: 8))
        }

        mutating func step(_ event: CoordinationEvent, at now: Instant) {
            _ = session.step(event, at: now, into: &sink)
            _ = registration.step(event, session: session, at: now, into: &sink)
            _ = election.step(event, session: session, at: now, into: &sink)
            _ = ring.step(event, session: session, at: now, into: &sink)
            _ = master.step(event, session: session, at: now, into: &sink)
            _ = catalog.step(event, session: session, at: now, into: &sink)
            _ = servers.step(event, session: session, at: now, into: &sink)
            let session = session
            var sink = Sink()
            groups.update("g") { _ = $0.step(event, session: session, at: now, into: &sink) }
            mastership.step(event, groups: &groups, ring: &ring, session: session, at: now, into: &sink)
            mastership.review(groups, ring: ring, session: session, at: now, into: &sink)
            for effect in sink.drain() { self.sink.append(effect) }
        }

        mutating func command(_ number: UInt64, at now: Instant) {
            switch number {
            case 0: session.open(at: now, into: &sink)
            case 1: registration.begin(content: [1], session: session, at: now, into: &sink)
            case 2: registration.reset(session: session, at: now, into: &sink)
            case 3:
                let address = Address(host: "h", port: 1)
                election.begin(address: address, number: 1, session: session, at: now, into: &sink)
            case 4: ring.refresh(session: session, at: now, into: &sink)
            case 5:
                mastership = Mastership(
                    epoch: 3, port: mastership.usedPort, session: session, timer: TimerID(purpose: 8), virtualNodes: 2,
                    random: SeededRandom(seed: number))
            default: master.refresh(session: session, at: now, into: &sink)
            }
        }

        mutating func fire(_ timer: TimerID, at now: Instant) {
            session.timerFired(timer, at: now, into: &sink)
            registration.timerFired(timer, session: session, at: now, into: &sink)
            election.timerFired(timer, session: session, at: now, into: &sink)
            ring.timerFired(timer, session: session, at: now, into: &sink)
            master.timerFired(timer, session: session, at: now, into: &sink)
            catalog.timerFired(timer, session: session, at: now, into: &sink)
            servers.timerFired(timer, session: session, at: now, into: &sink)
            let session = session
            var sink = Sink()
            groups.update("g") { $0.timerFired(timer, session: session, at: now, into: &sink) }
            for effect in sink.drain() { self.sink.append(effect) }
        }
    }

    private static let contents = [
        bytes("1"), bytes("5"), bytes(""), StoreRegistration.test("a").bytes, StoreRegistration.test("b", lineage: "l").bytes,
        GroupConfig(lineage: Lineage("l"), term: 1, primary: member("a/1"), inSync: [member("a/1"), member("b/2")]).bytes,
        MasterRecord(address: Address(host: "h", port: 1), number: 1, epoch: 2).bytes,
        RingRecord(version: 1, sealed: false, groups: []).bytes,
    ]
    private static let errors: [CoordinationError] = [
        .connectionLoss, .noNode, .nodeExists, .badVersion, .sessionExpired, .noAuth, .notEmpty, .other(-77),
        .runtimeInconsistency,
    ]
    private static let paths = ["/server", "/server/0", "/data", "/data/g", "/data/g/config", "/ring", "/server/lock"]

    private static func stat(_ random: inout SeededRandom) -> Stat {
        Stat(
            czxid: Int64(random.next(upperBound: UInt64(3))), mzxid: Int64(random.next(upperBound: UInt64(9))),
            pzxid: Int64(random.next(upperBound: UInt64(9))), version: Int32(random.next(upperBound: UInt64(6))) - 1,
            ephemeralOwner: Int64(random.next(upperBound: UInt64(9))))
    }

    /// A reply, right for the operation or not.
    private static func reply(to operation: CoordinationOperation, _ random: inout SeededRandom) -> CoordinationReply {
        let stat = stat(&random)
        if random.chance(1, in: 4) {
            let error = errors.randomElement(using: &random) ?? .noNode
            var operations: [CoordinationError?] = []
            if case .multi(let all) = operation {
                let at = Int(random.next(upperBound: UInt64(all.count + 1)))
                operations = all.indices.map { $0 < at ? nil : ($0 == at ? error : .runtimeInconsistency) }
            }
            return .failed(error, operations: operations)
        }
        if random.chance(1, in: 12) {
            return [.deleted, .synced, .multi([]), .set(stat)].randomElement(using: &random) ?? .deleted
        }
        switch operation {
        case .create(let path, _, let mode): return .created(path: mode.isSequential ? path + "0000000001" : path)
        case .delete: return .deleted
        case .set: return .set(stat)
        case .get: return .data(contents.randomElement(using: &random) ?? [], stat)
        case .exists: return .existence(random.chance(1, in: 2) ? stat : nil)
        case .children:
            let names = ["1", "2", "top", "config", "g", "lock", "x-lock-0000000001", "99999999999999999999", ""]
            return .children(names.filter { _ in random.chance(1, in: 2) }, stat)
        case .sync: return .synced
        case .multi(let operations): return .multi(operations.map { _ in .checked })
        }
    }

    private func run(_ seed: UInt64, steps: Int) -> [AviaryEffect] {
        var random = SeededRandom(seed: seed)
        var all = Everything()
        var requests: [(SessionToken, CoordinationID, CoordinationOperation)] = []
        var timers: [TimerID] = []
        var effects: [AviaryEffect] = []
        var now = Instant.zero
        for _ in 0..<steps {
            now = now + .milliseconds(Int64(random.next(upperBound: UInt64(50))))
            let token = random.chance(9, in: 10) ? all.session.token : SessionToken(random.next(upperBound: UInt64(4)))
            switch random.next(upperBound: UInt64(20)) {
            case 0: all.command(random.next(upperBound: UInt64(7)), at: now)
            case 1:
                let id = Int64(random.next(upperBound: UInt64(9)))
                all.step(CoordinationEvent(session: token, kind: .connected(sessionID: id, timeout: .seconds(4))), at: now)
            case 2: all.step(CoordinationEvent(session: token, kind: .disconnected), at: now)
            case 3: if random.chance(1, in: 5) { all.step(CoordinationEvent(session: token, kind: .expired), at: now) }
            case 4...6:
                let path = Self.paths.randomElement(using: &random) ?? "/"
                all.step(CoordinationEvent(session: token, kind: .watchFired(path: path, .childrenChanged)), at: now)
            case 7...8: if let timer = timers.randomElement(using: &random) { all.fire(timer, at: now) }
            case 9:
                let id = CoordinationID(
                    owner: UInt32(random.next(upperBound: UInt64(9))), serial: random.next(upperBound: UInt64(99)))
                all.step(CoordinationEvent(session: token, kind: .reply(id, .synced)), at: now)
            default:
                guard !requests.isEmpty else { continue }
                let at = Int(random.next(upperBound: UInt64(requests.count)))
                let (session, id, operation) = random.chance(9, in: 10) ? requests.remove(at: at) : requests[at]
                let reply = Self.reply(to: operation, &random)
                all.step(CoordinationEvent(session: session, kind: .reply(id, reply)), at: now)
            }
            for effect in all.sink.drain() {
                if case .coordination(.request(let session, let id, let operation)) = effect {
                    requests.append((session, id, operation))
                }
                if case .setTimer(let timer, _) = effect, !timers.contains(timer) { timers.append(timer) }
                effects.append(effect)
            }
        }
        return effects
    }

    @Test(arguments: 0..<10)
    func noneTrapsAndEqualRunsAreEqual(shard: UInt64) {
        for seed in shard * 5..<shard * 5 + 5 {
            let effects = run(seed, steps: 3000)
            #expect(effects.count > 100, "seed \(seed)")
            #expect(effects == run(seed, steps: 3000), "seed \(seed)")
        }
    }
}
