import Machine
import Testing

@testable import Runtime

/// The promises of a driver (Machine.swift), kept by the loop.
@Suite(.timeLimit(.minutes(1))) struct EventLoopTests {
    let mailbox = makeMailbox()
    let neighbours = ToyNeighbours()
    let diary = Diary()

    /// Lives a toy node's life on this thread.
    @discardableResult
    func live(
        patience: Nanoseconds = .seconds(60), clock: @escaping () -> Instant = MonotonicClock.now,
        script: @escaping @Sendable (NodeEvent<String, String>, Instant, inout Effects<String, String>) -> Void
    ) -> Halt {
        var loop = EventLoop(
            node: ToyNode(diary: diary, script: script), mailbox: mailbox, neighbours: neighbours, shutdownPatience: patience,
            clock: clock)
        return loop.run()
    }

    @Test func `A life begins with started, alone in its batch, and ends with halt`() {
        let reason = live { event, _, effects in
            if case .started = event { effects.append(.halt(.finished)) }
        }
        #expect(reason == .finished)
        #expect(diary.events == [.started, .batchEnded])
    }

    @Test func `What waits is one batch, in order, at one instant, closed by one batchEnded`() {
        for i in 0..<100 { #expect(mailbox.post(request: "r\(i)", call: CallID(UInt64(i)))) }
        mailbox.post(.shutdownRequested)
        live { event, _, effects in
            if case .shutdownRequested = event { effects.append(.halt(.finished)) }
        }
        let second = diary.batches[1]
        #expect(second.count == 101)
        #expect(second.first == .requested("r0", call: CallID(0)))
        #expect(second[99] == .requested("r99", call: CallID(99)))
        #expect(Set(diary.steps.dropFirst(2).map(\.now)).count == 1)
    }

    @Test func `A batch has a bound; the rest comes in the next`() {
        let limit = EventLoop<ToyNode, ToyNeighbours>.batchLimit
        for i in 0..<(limit + 10) { mailbox.post(.cancelled(call: CallID(UInt64(i)))) }
        mailbox.post(.shutdownRequested)
        live { event, _, effects in
            if case .shutdownRequested = event { effects.append(.halt(.finished)) }
        }
        #expect(diary.batches.map(\.count) == [1, limit, 11])
        #expect(diary.batches[2].first == .cancelled(call: CallID(UInt64(limit))))
    }

    @Test func `Now is sampled after the last event of the batch was taken`() {
        // While the clock is read, another event arrives: it must not be in the batch that is stepped at that reading.
        let mailbox = mailbox
        let clock = ToyClock()
        mailbox.post(.cancelled(call: CallID(1)))
        var readings = 0
        var loop = EventLoop(
            node: ToyNode(diary: diary) { event, _, effects in
                if case .cancelled(CallID(2)) = event { effects.append(.halt(.finished)) }
            }, mailbox: mailbox, neighbours: neighbours, shutdownPatience: .seconds(60),
            clock: {
                readings += 1
                if readings == 2 { mailbox.post(.cancelled(call: CallID(2))) }
                clock.set(clock.now() + .seconds(1))
                return clock.now()
            })
        _ = loop.run()
        #expect(diary.batches == [[.started], [.cancelled(call: CallID(1))], [.cancelled(call: CallID(2))]])
        let times = diary.steps.map(\.now)
        #expect(times == times.sorted())
        #expect(times[3] < times[5])
    }

    @Test func `Timers fire once, not early, in the order of their times; a replaced or cancelled one does not fire`() {
        let a = TimerID(purpose: 1)
        let b = TimerID(purpose: 2)
        let c = TimerID(purpose: 3)
        let d = TimerID(purpose: 4)
        live { event, now, effects in
            switch event {
            case .started:
                effects.append(.setTimer(a, at: now + .milliseconds(30)))
                effects.append(.setTimer(b, at: now + .milliseconds(1)))
                effects.append(.setTimer(b, at: now + .milliseconds(15)))
                effects.append(.setTimer(c, at: now + .milliseconds(2)))
                effects.append(.cancelTimer(c))
                effects.append(.setTimer(d, at: now - .seconds(1)))
            case .timerFired(a): effects.append(.halt(.finished))
            case .coordination, .received, .linkUp, .linkDown, .requested, .cancelled, .disk, .timerFired, .shutdownRequested,
                .batchEnded:
                break
            }
        }
        let fired = diary.steps.filter { if case .timerFired = $0.event { true } else { false } }
        #expect(fired.map(\.event) == [.timerFired(d), .timerFired(b), .timerFired(a)])
        let start = diary.steps[0].now
        #expect(fired[1].now >= start + .milliseconds(15))
        #expect(fired[2].now >= start + .milliseconds(30))
    }

    @Test func `Effects of a batch leave gathered per neighbour, in order within each, and none after the halt`() {
        let x = Address(host: "x", port: 1)
        let y = Address(host: "y", port: 2)
        let reads = (0..<2).map { DiskRequest(id: DiskID($0), operation: .list) }
        live { event, _, effects in
            guard case .started = event else { return }
            effects.append(.send("1", to: x))
            effects.append(.reply("r1", to: CallID(1)))
            effects.append(.disk(reads[0]))
            effects.append(.send("2", to: y))
            effects.append(.send("3", to: x))
            effects.append(.coordination(.openSession(SessionToken(7))))
            effects.append(.disk(reads[1]))
            effects.append(.reply("r2", to: CallID(2)))
            effects.append(.halt(.broken("enough")))
            effects.append(.send("never", to: y))
        }
        #expect(
            neighbours.calls == [
                .coordination(.openSession(SessionToken(7))),
                .disk(reads),
                .send(["1", "3"], to: x),
                .send(["2"], to: y),
                .reply(["r1", "r2"], to: [CallID(1), CallID(2)]),
            ])
    }

    @Test func `What was sent before a link is closed still goes out before it`() {
        let x = Address(host: "x", port: 1)
        live { event, _, effects in
            guard case .started = event else { return }
            effects.append(.send("farewell", to: x))
            effects.append(.closeLink(x))
            effects.append(.send("again", to: x))
            effects.append(.halt(.finished))
        }
        #expect(neighbours.calls == [.send(["farewell"], to: x), .closeLink(x), .send(["again"], to: x)])
    }

    @Test(arguments: [Halt.finished, .refused("no such group"), .broken("sync failed")])
    func `The reason of the halt is handed on`(reason: Halt) {
        #expect(live { _, _, effects in effects.append(.halt(reason)) } == reason)
    }

    @Test func `A node that does not finish after shutdownRequested is ended when the patience has passed`() {
        mailbox.post(.shutdownRequested)
        #expect(live(patience: .milliseconds(20)) { _, _, _ in } == .finished)
        let asked = diary.steps.first { $0.event == .shutdownRequested }!.now
        #expect(diary.steps.last!.now >= asked + .milliseconds(20))
        #expect(neighbours.calls == [.log("the node did not finish in time; ending it")])
    }

    @Test func `A loop that waits is woken by a post from another thread`() {
        let mailbox = mailbox
        live { event, _, effects in
            switch event {
            case .started: startThread(name: "poster") { mailbox.post(.linkUp(Address(host: "x", port: 1))) }
            case .linkUp: effects.append(.halt(.finished))
            case .coordination, .received, .linkDown, .requested, .cancelled, .disk, .timerFired, .shutdownRequested,
                .batchEnded:
                break
            }
        }
        #expect(diary.events.contains(.linkUp(Address(host: "x", port: 1))))
    }

    @Test func `Nothing is lost or reordered when several threads post at once`() {
        let mailbox = mailbox
        let each = 20_000
        for thread in 0..<3 {
            startThread(name: "poster") {
                for i in 0..<each { mailbox.post(.cancelled(call: CallID(UInt64(thread * each + i)))) }
                mailbox.post(.linkUp(Address(host: "done", port: UInt16(thread + 1))))
            }
        }
        let finished = ToyClock()  // counts the threads that are done, as nanoseconds
        live { event, _, effects in
            guard case .linkUp = event else { return }
            finished.set(finished.now() + Nanoseconds(1))
            if finished.now() == Instant(nanoseconds: 3) { effects.append(.halt(.finished)) }
        }
        var next = [0, each, 2 * each]
        for case .cancelled(let call) in diary.events {
            let thread = Int(call.number) / each
            #expect(Int(call.number) == next[thread])
            next[thread] += 1
        }
        #expect(next == [each, 2 * each, 3 * each])
    }
}
