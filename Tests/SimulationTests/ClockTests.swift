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
}
