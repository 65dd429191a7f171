import Machine
import Testing

@testable import Runtime

@Suite struct TimerQueueTests {
    func at(_ time: Int64) -> Instant { Instant(nanoseconds: time) }
    func timer(_ n: Int) -> TimerID { TimerID(purpose: 1, instance: UInt64(n)) }

    @Test func `Equal deadlines fire in the order of setting`() {
        var timers = TimerQueue()
        for n in [3, 1, 2] { timers.set(timer(n), at: at(10)) }
        #expect(timers.popDue(at: at(9)) == nil)
        #expect((0..<3).map { _ in timers.popDue(at: at(10)) } == [timer(3), timer(1), timer(2)])
        #expect(timers.popDue(at: at(100)) == nil)
    }

    @Test func `Timers set again and again leave no garbage behind`() {
        var timers = TimerQueue()
        for round in 0..<100_000 { timers.set(timer(round % 3), at: at(Int64(round))) }
        #expect(timers.count == 3)
        #expect(timers.nextDeadline == at(99_997))
        for n in 0..<3 { timers.cancel(timer(n)) }
        #expect(timers.nextDeadline == nil)
    }

    @Test func `It behaves like a sorted list of the timers that are set`() {
        var random = SeededRandom(seed: 7)
        var timers = TimerQueue()
        var model: [(id: TimerID, deadline: Instant)] = []
        var now: Int64 = 0
        for _ in 0..<20_000 {
            let id = timer(Int.random(in: 0..<20, using: &random))
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let deadline = at(now + Int64.random(in: 0..<50, using: &random))
                timers.set(id, at: deadline)
                model.removeAll { $0.id == id }
                model.append((id, deadline))
            case 2:
                timers.cancel(id)
                model.removeAll { $0.id == id }
            default:
                now += Int64.random(in: 0..<10, using: &random)
                while let fired = timers.popDue(at: at(now)) {
                    let position = try! #require(model.firstIndex { $0.id == fired })
                    #expect(model.allSatisfy { model[position].deadline <= $0.deadline })
                    #expect(model[position].deadline <= at(now))
                    model.remove(at: position)
                }
                #expect(model.allSatisfy { $0.deadline > at(now) })
            }
            #expect(timers.count == model.count)
            #expect(timers.nextDeadline == model.map(\.deadline).min())
        }
    }
}
