import Machine
import Replication
import Storage
import Testing
import Wire

@Suite("A standby that listens for its primary")
struct VigilTests {
    private static let primary = MemberID(store: StoreID("p"), number: 1)
    private static let next = MemberID(store: StoreID("q"), number: 2)
    private static let me = MemberID(store: StoreID("me"), number: 7)
    private static let timer = TimerID(purpose: 7)

    var disk = StoreInMemory()
    var follower = Follower(group: "g", me: me)
    var promise = Promise(start: .zero, lease: .zero)
    var vigil = Vigil(timer: timer, options: ReplicationOptions())
    var now = Instant.zero
    private var due: Instant?
    var canListen = true
    var canTell = true

    init() {
        // The term is adopted and durable before anything is measured.
        now = now + .seconds(1)
        _ = hear(from: Self.primary, term: 4)
        disk.sync()
        _ = hear(from: Self.primary, term: 4)
        vigil.keep(over: Self.primary, term: 4, now: now, into: &disk.sink)
        takeTimer()
    }

    private mutating func takeTimer() {
        disk.perform()
        for effect in disk.takeEffects() { if case .setTimer(Self.timer, let at) = effect { due = at } }
    }

    /// The primary's heartbeat, in a batch of its own.
    private mutating func hear(from: MemberID, term: UInt64) -> Follower.Verdict {
        let append = Append(
            group: "g", lineage: Lineage("l"), term: term, from: from, to: Self.me.number, previous: .zero, entries: [],
            commit: 0,
            sentAt: now.nanoseconds, lease: .milliseconds(400))
        let address = Address(host: "p", port: 1)
        defer {
            follower.batchEnded(store: &disk.store, promise: &promise, now: now, into: &disk.sink)
            disk.flush()
        }
        return follower.received(append, from: address, store: &disk.store, now: now, into: &disk.sink)
    }

    /// Time passes, the timer fires when it is due (or so much later); what is told, and when.
    private mutating func wait(_ length: Nanoseconds, late: Nanoseconds = .zero) -> [(after: Int64, silence: Int64)] {
        let start = now
        var told: [(after: Int64, silence: Int64)] = []
        while let due, due + late <= start + length {
            self.due = nil
            now = due + late
            vigil.timerFired()
            if let silent = vigil.batchEnded(
                follower, promise: promise, canListen: canListen, canTell: canTell, now: now, into: &disk.sink)
            {
                #expect(silent.primary == Self.primary && silent.term == 4)
                told.append(((now - start).milliseconds, silent.silence.milliseconds))
            }
            takeTimer()
        }
        now = start + length
        return told
    }

    @Test mutating func whoHearsThePrimaryTellsNothing() {
        for _ in 0..<50 {
            #expect(wait(.milliseconds(100)).isEmpty)
            _ = hear(from: Self.primary, term: 4)
        }
        #expect(wait(.milliseconds(399)).isEmpty)
    }

    @Test mutating func silenceIsToldAfterALeaseAndWithEveryHeartbeat() {
        #expect(wait(.milliseconds(250)).isEmpty)
        _ = hear(from: Self.primary, term: 4)
        let told = wait(.milliseconds(710))
        #expect(told.map(\.after) == [400, 500, 600, 700])
        #expect(told.map(\.silence) == [400, 500, 600, 700])
        _ = hear(from: Self.primary, term: 4)
        #expect(wait(.milliseconds(399)).isEmpty, "and no more once the primary is heard")
    }

    @Test mutating func aPrimaryThatIsNewInConfigHasALeaseToBeHeard() {
        _ = wait(.milliseconds(300))
        var other = self
        other.vigil.keep(over: Self.primary, term: 4, now: now, into: &other.disk.sink)
        other.takeTimer()
        #expect(other.wait(.milliseconds(110)).map(\.after) == [100], "the same one has not")
        vigil.keep(over: Self.next, term: 5, now: now, into: &disk.sink)
        takeTimer()
        #expect(wait(.milliseconds(399)).isEmpty)
    }

    @Test mutating func anotherPrimarysWordIsNotThisOnes() {
        vigil.keep(over: Self.primary, term: 4, now: now, into: &disk.sink)
        _ = wait(.milliseconds(100))
        #expect(hear(from: Self.next, term: 3) == .dropped)
        #expect(wait(.milliseconds(310)).map(\.after) == [300])
    }

    @Test mutating func aNewerTermSilencesIt() {
        #expect(hear(from: Self.next, term: 5) == .taken)
        #expect(wait(.seconds(3)).isEmpty, "somebody else leads, whatever config shows here")
    }

    @Test mutating func afterAnOwnPauseThePrimaryHasAnotherLease() {
        #expect(wait(.milliseconds(790), late: .milliseconds(60)).isEmpty)
        #expect(wait(.milliseconds(71)).map(\.silence) == [400], "from the end of the pause")
    }

    @Test mutating func aTimerThatIsLateAsUsualIsNoPause() {
        #expect(wait(.milliseconds(450), late: .milliseconds(50)).map(\.silence) == [450])
    }

    @Test mutating func whoCannotListenBlamesNobody() {
        canListen = false
        #expect(wait(.seconds(2)).isEmpty)
        canListen = true
        #expect(wait(.milliseconds(399)).isEmpty)
    }

    @Test mutating func whoCannotTellGoesOnMeasuring() {
        canTell = false
        #expect(wait(.milliseconds(950)).isEmpty)
        canTell = true
        #expect(wait(.milliseconds(60)).map(\.silence) == [1_000])
    }

    @Test mutating func aPromiseThatHasNotRunOutIsKept() {
        promise.give(to: .init(number: 1, term: 1), for: .milliseconds(700), now: now)
        #expect(wait(.milliseconds(710)).map(\.after) == [700])
    }

    @Test mutating func whoIsNoStandbyTellsNothing() {
        vigil.end()
        #expect(wait(.seconds(2)).isEmpty)
    }
}

@Suite("A disk that hangs")
struct DiskWatchTests {
    private func look(_ watch: inout DiskWatch, _ millis: Int64, durable: UInt64, written: UInt64) -> Int64 {
        watch.look(
            durable: durable, written: written, longestGap: .milliseconds(750), now: Instant(nanoseconds: millis * 1_000_000)
        ).milliseconds
    }

    @Test func countsFromTheLastThingThatItFinished() {
        var watch = DiskWatch()
        #expect(look(&watch, 100, durable: 3, written: 3) == 0)
        #expect(look(&watch, 200, durable: 3, written: 4) == 100)
        #expect(look(&watch, 300, durable: 3, written: 9) == 200)
        #expect(look(&watch, 400, durable: 4, written: 9) == 0, "slow is not hanging")
        #expect(look(&watch, 500, durable: 4, written: 9) == 100)
        #expect(look(&watch, 600, durable: 9, written: 9) == 0)
        #expect(look(&watch, 700, durable: 9, written: 9) == 0, "nor is having nothing to do")
    }

    @Test func aPauseOfTheNodeIsNotTheDisks() {
        var watch = DiskWatch()
        _ = look(&watch, 100, durable: 3, written: 3)
        _ = look(&watch, 200, durable: 3, written: 4)
        #expect(look(&watch, 5_000, durable: 3, written: 4) == 0)
        #expect(look(&watch, 5_100, durable: 3, written: 4) == 100)
    }
}
