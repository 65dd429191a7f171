import Machine
import Testing

@testable import Replication

@Suite("Whom a primary hears")
struct HearingTests {
    private static let start = Instant.zero + .seconds(10)
    private static let options = ReplicationOptions(
        replicationTimeout: .milliseconds(1500), silenceTimeout: .milliseconds(400))
    private var hearing = Hearing(options: options, now: start)

    private func at(_ milliseconds: Int64) -> Instant { HearingTests.start + .milliseconds(milliseconds) }

    /// Batches every 100 ms, as heartbeats make them.
    private mutating func live(from: Int64 = 100, through end: Int64) {
        for time in stride(from: from, through: end, by: 100) { _ = hearing.batchEnded(at: at(time)) }
    }

    @Test("A store is silent after the silence timeout, if another node has answered in its second half")
    mutating func witness() {
        live(through: 400)
        #expect(!hearing.isSilent(since: at(0), now: at(400)), "nobody answered: it may be this node that is cut off")
        hearing.answered(at: at(199))
        #expect(!hearing.isSilent(since: at(0), now: at(400)), "that was when the silence had hardly begun")
        hearing.answered(at: at(200))
        #expect(!hearing.isSilent(since: at(0), now: at(399)))
        #expect(hearing.isSilent(since: at(0), now: at(400)))
        #expect(!hearing.isSilent(since: at(1), now: at(400)))
    }

    @Test("An old answer says nothing of now")
    mutating func oldWitness() {
        live(through: 700)
        hearing.answered(at: at(250))
        #expect(hearing.isSilent(since: at(0), now: at(650)))
        #expect(!hearing.isSilent(since: at(0), now: at(651)))
    }

    @Test("Without a witness the replication timeout counts, and it counts for who answers but does not move")
    mutating func overdue() {
        live(through: 1500)
        #expect(!hearing.isOverdue(since: at(0), now: at(1500)))
        #expect(hearing.isOverdue(since: at(0), now: at(1501)))
    }

    @Test("A witness is looked for when half of the time is over, and again only when that long has passed")
    mutating func asking() {
        live(through: 200)
        #expect(!hearing.needsWitness(since: at(0), now: at(199)))
        #expect(hearing.needsWitness(since: at(0), now: at(200)))
        hearing.answered(at: at(210))
        #expect(!hearing.needsWitness(since: at(0), now: at(300)))
        #expect(hearing.needsWitness(since: at(0), now: at(410)))
    }

    @Test("Nobody is blamed for this node's own pauses; a short one forgives silence, a long one all")
    mutating func pauses() {
        live(through: 300)
        let wasAway = hearing.batchEnded(at: at(501))
        #expect(wasAway)
        hearing.answered(at: at(900))
        #expect(!hearing.isSilent(since: at(0), now: at(900)))
        #expect(hearing.isSilent(since: at(0), now: at(901)))
        #expect(hearing.isOverdue(since: at(0), now: at(1501)))
        _ = hearing.batchEnded(at: at(1252))
        #expect(!hearing.isOverdue(since: at(0), now: at(2752)))
        #expect(hearing.isOverdue(since: at(0), now: at(2753)))
    }

    @Test("The moment of silence is known beforehand")
    mutating func moment() {
        #expect(hearing.silence(since: at(30)) == at(430))
        hearing.begin(at: at(100))
        #expect(hearing.silence(since: at(30)) == at(500))
    }
}
