import Machine
import Testing

@testable import Simulation

@Suite struct ClockTests {
    @Test(arguments: [-900_000, -24_000, -1, 0, 1, 333, 24_000, 200_000, 900_000] as [Int64])
    func aMomentIsTheFirstThatShowsTheReading(rate: Int64) {
        var random = SeededRandom(seed: 7)
        let clock = Clock(offset: 123_456_789, rate: rate)
        for _ in 0..<2_000 {
            let local = Instant(nanoseconds: 123_456_789 + Int64(random.below(200_000_000_000)))
            let moment = clock.moment(of: local)
            #expect(clock.reading(at: moment) >= local)
            #expect(clock.reading(at: moment - Nanoseconds(1)) < local)
        }
    }

    @Test func aFastClockGainsItsRate() {
        let clock = Clock(offset: 0, rate: 20_000)
        #expect(clock.reading(at: .zero + .seconds(100)) == .zero + .seconds(102))
    }

    @Test func theAgendaIsOrderedByTimeAndThenByPlan() {
        var agenda = Agenda<Int>()
        var random = SeededRandom(seed: 3)
        for number in 0..<500 { agenda.plan(number, at: Instant(nanoseconds: Int64(random.below(20)))) }
        var taken: [(Int, Instant)] = []
        while let next = agenda.takeNext(until: .never) { taken.append(next) }
        #expect(taken.count == 500)
        for (a, b) in zip(taken, taken.dropFirst()) { #expect(a.1 < b.1 || a.1 == b.1 && a.0 < b.0) }
    }

    @Test func whatIsPlannedInLanesComesInTheSameOrder() {
        var agenda = Agenda<Int>(lanes: 3)
        var random = SeededRandom(seed: 4)
        var standing: [(time: Int64, number: Int)] = []
        var isInLane = [false, false, false]
        var laneOf: [Int: Int] = [:]
        var now: Int64 = 0
        for number in 0..<2_000 {
            let time = now + Int64(random.below(20))
            let lane = random.below(6)
            if lane < 3, !isInLane[lane] {
                agenda.plan(number, at: Instant(nanoseconds: time), lane: lane)
                isInLane[lane] = true
                laneOf[number] = lane
            } else {
                agenda.plan(number, at: Instant(nanoseconds: time))
            }
            standing.append((time, number))
            guard random.below(2) == 0, let first = standing.min(by: { $0 < $1 }) else { continue }
            let next = agenda.takeNext(until: .never)
            #expect(next?.item == first.number && next?.time.nanoseconds == first.time)
            standing.removeAll { $0.number == first.number }
            if let lane = laneOf[first.number] { isInLane[lane] = false }
            now = first.time
        }
    }

    @Test func aLaneHoldsOneItemAndForgetsTheOneBefore() {
        var agenda = Agenda<Int>(lanes: 2)
        agenda.plan(1, at: Instant(nanoseconds: 5), lane: 0)
        agenda.plan(2, at: Instant(nanoseconds: 7), lane: 1)
        agenda.plan(3, at: Instant(nanoseconds: 9), lane: 0)
        let taken = (0..<3).map { _ in agenda.takeNext(until: Instant(nanoseconds: 8))?.item }
        #expect(taken == [2, nil, nil])
        #expect(agenda.takeNext(until: .never)?.item == 3)
    }
}
