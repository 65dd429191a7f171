import Machine
import Testing

@testable import Simulation

@Suite struct NetworkTests {
    let a = ProbeWorld.addresses(3)[0]
    let b = ProbeWorld.addresses(3)[1]

    @Test func messagesArriveOnceAndInOrder() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = ProbeWorld.make(2, seed: seed)
            for number in 0..<50 { world.tell(0, .send("\(number)", to: b)) }
            world.run(for: .seconds(2))
            // The calls that made them be sent can overtake one another; one sender's order is the order of its sends.
            let sent = world.probe(0).events.compactMap { event -> String? in
                guard case .requested(let command, _) = event, case .send(let message, _)? = command.effects.first else {
                    return nil
                }
                return message
            }
            #expect(world.probe(1).received == sent)
            #expect(sent.count == 50)
        }
    }

    @Test func aCutHoldsMessagesBackAndItsEndLetsThemThrough() {
        var world = ProbeWorld.make(2) { $0.network.givingUp = Spread(.seconds(60)) }
        world.tell(0, .send("before", to: b))
        world.run(for: .seconds(1))
        world.cutPath(from: 0, to: 1)
        world.tell(0, .send("during", to: b))
        world.run(for: .seconds(5))
        #expect(world.probe(1).received == ["before"])
        world.mendPath(from: 0, to: 1)
        world.run(for: .seconds(1))
        #expect(world.probe(1).received == ["before", "during"])
        #expect(!world.probe(0).events.contains(.linkDown(b)))
    }

    @Test func aLongCutBreaksTheConnectionAndTheSenderHears() {
        var world = ProbeWorld.make(2)
        world.tell(0, .send("before", to: b))
        world.run(for: .seconds(1))
        world.cutPath(from: 0, to: 1)
        world.tell(0, .send("lost", to: b))
        world.run(for: .seconds(20))
        #expect(world.probe(0).events.contains(.linkDown(b)))
        world.mendPath(from: 0, to: 1)
        world.tell(0, .send("after", to: b))
        world.run(for: .seconds(2))
        #expect(world.probe(1).received == ["before", "after"])
    }

    @Test func oneWayCutsStopOnlyOneWay() {
        var world = ProbeWorld.make(2) { $0.network.givingUp = Spread(.seconds(60)) }
        world.tell(0, .send("hello", to: b))
        world.tell(1, .send("hello", to: a))
        world.run(for: .seconds(1))
        world.cutPath(from: 1, to: 0)
        world.tell(0, .send("there", to: b))
        world.tell(1, .send("back", to: a))
        world.run(for: .seconds(5))
        #expect(world.probe(1).received == ["hello", "there"])
        #expect(world.probe(0).received == ["hello"])
    }

    @Test func sendingToADownProcessIsRefused() {
        var world = ProbeWorld.make(2)
        world.crash(1, losingPower: false)
        world.tell(0, .send("anybody?", to: b))
        world.run(for: .seconds(1))
        #expect(world.probe(0).events.contains(.linkDown(b)))
        #expect(world.counters[.connectionRefused] == 1)
    }

    @Test func aDyingReceiverBreaksTheLinkAndTheNextSendOpensIt() {
        var world = ProbeWorld.make(2)
        world.tell(0, .send("1", to: b))
        world.run(for: .seconds(1))
        world.crash(1, losingPower: false)
        world.run(for: .seconds(3))
        world.start(1, Probe())
        world.tell(0, .send("2", to: b))
        world.run(for: .seconds(2))
        #expect(world.probe(1).received == ["2"])
        let ups = world.probe(0).events.filter { $0 == .linkUp(b) }
        #expect(ups.count == 2)
        #expect(world.probe(0).events.contains(.linkDown(b)))
    }

    @Test func aResetLosesASuffix() {
        for seed in 1...50 as ClosedRange<UInt64> {
            var world = ProbeWorld.make(2, seed: seed) { $0.network.latency = Spread(.milliseconds(50)) }
            world.tell(0, .send("open", to: b))
            world.run(for: .seconds(1))
            for number in 0..<5 { world.tell(0, .send("\(number)", to: b)) }
            world.run(for: .milliseconds(60))
            world.resetConnection(from: 0, to: 1)
            world.run(for: .seconds(3))
            let received = world.probe(1).received
            #expect(received == Array(["open", "0", "1", "2", "3", "4"].prefix(received.count)))
        }
    }

    @Test func callsToADeadProcessAreRefusedAndOpenOnesBreak() {
        var world = ProbeWorld.make(2)
        world.pause(0, for: .seconds(5), midBatch: false)
        let open = world.call(Probe.Command(effects: []), from: 0, to: 0)
        world.run(for: .seconds(1))
        world.crash(0, losingPower: false)
        let late = world.call(Probe.Command(effects: []), from: 0, to: 0)
        var outcomes: [CallID: String] = [:]
        while let occurrence = world.advance(until: .zero + .seconds(20)) {
            guard case .answered(let call, let outcome) = occurrence else { continue }
            switch outcome {
            case .reply: outcomes[call] = "reply"
            case .refused: outcomes[call] = "refused"
            case .broken: outcomes[call] = "broken"
            }
        }
        #expect(outcomes == [open: "broken", late: "refused"])
    }
}
