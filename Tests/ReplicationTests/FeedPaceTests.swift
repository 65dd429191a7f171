import Machine
import Testing

@testable import Replication

/// A learner is fed in small pieces, and in larger ones only where it would never catch up.
@Suite("How fast a learner is fed")
struct FeedPaceTests {
    static let range = 1_000...16_000
    var now = Instant.zero + .seconds(5)
    var pace = FeedPace(window: 1_000, size: 1_000_000, now: .zero + .seconds(5))
    var acked: Int64 = 0
    var size: Int64 = 1_000_000

    private mutating func pass(fed: Int64, written: Int64) {
        now = now + FeedPace.interval
        acked += fed
        size += written
        _ = pace.look(fed: acked, size: size, range: Self.range, now: now)
    }

    @Test mutating func whileItComesCloserItsPiecesStaySmall() {
        for _ in 0..<100 { pass(fed: 200, written: 100) }
        #expect(pace.window == 1_000)
        for _ in 0..<100 { pass(fed: 5, written: 0) }
        #expect(pace.window == 1_000, "nobody else wants anything: it has all the time")
    }

    @Test mutating func whereItFallsBehindItsPiecesGrowUpToThoseOfAMember() {
        pass(fed: 150, written: 100)
        #expect(pace.window == 2_000)
        for _ in 0..<100 { pass(fed: 0, written: 100) }
        #expect(pace.window == 16_000)
    }

    @Test mutating func whenTheLoadIsOverTheyBecomeSmallAgain() {
        for _ in 0..<100 { pass(fed: 0, written: 100) }
        pass(fed: 900, written: 100)
        #expect(pace.window == 8_000)
        for _ in 0..<100 { pass(fed: 300, written: 100) }
        #expect(pace.window == 8_000, "fast enough, but not by far")
        for _ in 0..<100 { pass(fed: 10, written: 0) }
        #expect(pace.window == 1_000)
    }

    @Test mutating func itIsLookedAtFromTimeToTimeOnly() {
        for _ in 0..<100 {
            now = now + .milliseconds(5)
            size += 100
            let hasGrown = pace.look(fed: acked, size: size, range: Self.range, now: now)
            #expect(hasGrown == (pace.window > 1_000))
            if hasGrown { return }
        }
        Issue.record("it never grew, though nothing was fed")
    }
}
