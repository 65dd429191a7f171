import Machine
import Testing

@testable import Simulation

@Suite struct ProcessTests {
    @Test func aLifeBeginsWithStartedAndBatchesEnd() {
        let world = ProbeWorld.make(1)
        #expect(world.probe(0).events == [.started])
        #expect(world.probe(0).batches == 1)
    }

    @Test func timersFireAtTheirTimeOnTheNodesClockAndNotAfterCancelling() {
        var world = ProbeWorld.make(1) { $0.timerLateness = Spread(.zero) }
        let start = world.localTime(of: 0)
        let late = TimerID(purpose: 1)
        let moved = TimerID(purpose: 2)
        let cancelled = TimerID(purpose: 3)
        world.tell(
            0, .setTimer(late, at: start + .seconds(3)), .setTimer(moved, at: start + .seconds(1)),
            .setTimer(moved, at: start + .seconds(5)), .setTimer(cancelled, at: start + .seconds(2)), .cancelTimer(cancelled))
        world.run(for: .seconds(10))
        let fired = world.probe(0).seen.compactMap { seen -> (TimerID, Int64)? in
            guard case .timerFired(let id) = seen.event else { return nil }
            return (id, (seen.at - start).milliseconds)
        }
        #expect(fired.map(\.0) == [late, moved])
        #expect(fired[0].1 >= 3_000 && fired[0].1 < 3_020)
        #expect(fired[1].1 >= 5_000 && fired[1].1 < 5_020)
    }

    @Test func anEarlierTimerReplacesALaterOne() {
        var world = ProbeWorld.make(1)
        let start = world.localTime(of: 0)
        world.tell(
            0, .setTimer(TimerID(purpose: 1), at: start + .seconds(9)), .setTimer(TimerID(purpose: 1), at: start + .seconds(1)))
        world.run(for: .seconds(20))
        #expect(world.probe(0).events.filter { $0 == .timerFired(TimerID(purpose: 1)) }.count == 1)
    }

    /// A world is a value: a copy goes on like it, and one that is reseeded does not.
    @Test func aCopyGoesOnByItself() {
        var world = ProbeWorld.make(2)
        var copy = world
        var other = world
        other.reseed(7)
        func play(_ world: inout ProbeWorld) {
            for number in 0..<20 { world.tell(0, .send("\(number)", to: ProbeWorld.addresses(2)[1])) }
            world.run(for: .seconds(2))
        }
        play(&copy)
        #expect(world.probe(1).received.isEmpty)
        play(&world)
        play(&other)
        #expect(copy.trace.hash == world.trace.hash)
        #expect(other.trace.hash != world.trace.hash)
        #expect(other.probe(1).received.sorted() == world.probe(1).received.sorted())
    }

    @Test func aPausedProcessSeesEverythingAtOnceLater() {
        var world = ProbeWorld.make(2)
        world.pause(1, for: .seconds(5), midBatch: false)
        for number in 0..<5 { world.tell(0, .send("\(number)", to: ProbeWorld.addresses(2)[1])) }
        world.run(for: .seconds(4))
        #expect(world.probe(1).received.isEmpty)
        world.run(for: .seconds(2))
        #expect(world.probe(1).received.count == 5)
        let moments = world.probe(1).seen.dropFirst().map(\.at)
        #expect(Set(moments.map(\.nanoseconds)).count == 1)
        #expect(world.probe(1).batches == 2)
    }

    @Test func aPauseBetweenDecidingAndActingWithholdsTheEffects() {
        var world = ProbeWorld.make(2)
        world.pause(0, for: .seconds(5), midBatch: true)
        world.tell(0, .send("late", to: ProbeWorld.addresses(2)[1]))
        world.run(for: .seconds(4))
        #expect(world.probe(0).events.count == 2)
        #expect(world.probe(1).received.isEmpty)
        world.run(for: .seconds(3))
        #expect(world.probe(1).received == ["late"])
    }

    @Test func haltEndsALifeAndIsTold() {
        var world = ProbeWorld.make(1)
        world.tell(0, .halt(.broken("enough")), .log(LogLine(level: .error, event: "never performed")))
        var halts: [Halt] = []
        while let occurrence = world.advance(until: .zero + .seconds(5)) {
            if case .halted(0, let halt) = occurrence { halts.append(halt) }
        }
        #expect(halts == [.broken("enough")])
        #expect(!world.isUp(0))
        #expect(world.logCounts.isEmpty)
    }

    @Test func equalSeedsGiveEqualRunsAndCopiesGoOnAlike() {
        func run(_ seed: UInt64) -> ProbeWorld {
            var world = ProbeWorld.make(3, seed: seed) { $0.batchesAreRandom = true }
            for round in 0..<30 {
                world.tell(
                    round % 3, .send("\(round)", to: ProbeWorld.addresses(3)[(round + 1) % 3]),
                    .coordination(.openSession(session)))
                if round == 10 { world.crash(1, losingPower: true) }
                if round == 15 { world.start(1, Probe()) }
                if round == 20 { world.beginZooKeeperOutage() }
                world.run(for: .milliseconds(100))
            }
            return world
        }
        for seed in 1...10 as ClosedRange<UInt64> {
            var first = run(seed)
            var second = run(seed)
            #expect(first.trace.hash == second.trace.hash)
            second = first
            first.healZooKeeper()
            second.healZooKeeper()
            first.run(for: .seconds(10))
            second.run(for: .seconds(10))
            #expect(first.trace.hash == second.trace.hash)
            #expect(first.trace.length == second.trace.length)
        }
        #expect(run(1).trace.hash != run(2).trace.hash)
    }
}
