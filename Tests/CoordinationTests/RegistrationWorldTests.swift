import Coordination
import Machine
import Testing
import Wire

/// A server that only registers, and registers again as a new life whenever its session is gone.
private struct Registrant: Part {
    var registration: Registration
    var lives: UInt64 = 0
    let name: String
    /// What every life was told, with the session that it was told in.
    var granted: [(number: UInt64, session: Int64)] = []

    init(_ index: Int, seed: UInt64) {
        name = "host\(index)"
        let random = SeededRandom(seed: seed &* 1000 &+ UInt64(index))
        registration = Registration(place: .group("g"), owner: 1, timer: TimerID(purpose: 2), random: random)
    }

    mutating func begin(_ session: Session, at now: Instant, into sink: inout Sink) {}

    mutating func step(
        _ event: CoordinationEvent, change: Session.Change?, _ session: Session, at now: Instant, into sink: inout Sink
    ) {
        switch change {
        case .established:
            lives += 1
            let content = ServerRegistration(address: Address(host: name, port: 1), guid: "\(name)-\(lives)")
            registration.begin(content: content.bytes, session: session, at: now, into: &sink)
        case .reconnected, .disconnected, .expired, .closed, nil: break
        }
        switch registration.step(event, session: session, at: now, into: &sink) {
        case .registered(let number): granted.append((number, session.sessionID))
        case .found, nil: break
        }
    }

    mutating func timerFired(_ timer: TimerID, _ session: Session, at now: Instant, into sink: inout Sink) {
        registration.timerFired(timer, session: session, at: now, into: &sink)
    }
}

@Suite("Registration, with every fault that ZooKeeper has")
struct RegistrationWorldTests {
    /// Numbers are given once, every life gets one, nobody holds two, and no lock is left behind.
    @Test(arguments: 0..<8)
    func everyLifeGetsANumberOfItsOwn(shard: UInt64) {
        for seed in shard * 15..<shard * 15 + 15 {
            let parts = (0..<3).map { Registrant($0, seed: seed) }
            var world = World(parts: parts, seed: seed)
            world.chaos(steps: 1500)
            let isSettled = world.calm { world in
                world.clients.allSatisfy { $0.part.registration.number != nil }
                    && world.ensemble.tree.children(Paths.dataLock).isEmpty
            }
            #expect(isSettled, "seed \(seed)")
            let granted = world.clients.flatMap(\.part.granted)
            #expect(Set(granted.map(\.number)).count == granted.count, "seed \(seed): a number was given twice")
            let tree = world.ensemble.tree
            var registered: [UInt64] = []
            for client in world.clients {
                guard let number = client.part.registration.number else { continue }
                registered.append(number)
                let owner = tree.stat(Paths.member(number, ofGroup: "g"))?.ephemeralOwner
                #expect(owner == client.ensembleSession, "seed \(seed): number \(number) is not its owner's")
            }
            let present = tree.children(Paths.group("g")).compactMap { UInt64($0) }.sorted()
            #expect(present == registered.sorted(), "seed \(seed): a registration that nobody holds")
        }
    }
}
