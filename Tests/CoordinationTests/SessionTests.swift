import Coordination
import Machine
import Testing
import Wire

@Suite("Session")
struct SessionTests {
    @Test func aSessionIsEstablishedLostAndRestored() {
        var bench = Bench()
        #expect(!bench.session.isConnected)
        let connected = bench.event(.connected(sessionID: 0x1A, timeout: .milliseconds(4000)))
        #expect(bench.session.step(connected, at: bench.now, into: &bench.sink) == .established)
        #expect(bench.session.sessionID == 0x1A && bench.session.timeout == .seconds(4))
        #expect(bench.session.step(bench.event(.disconnected), at: bench.now, into: &bench.sink) == .disconnected)
        #expect(!bench.session.isConnected)
        #expect(bench.session.step(connected, at: bench.now, into: &bench.sink) == .reconnected)
        _ = bench.requests()
        #expect(bench.lines == ["ZooKeeper session established", "ZooKeeper connection lost", "ZooKeeper connection restored"])
    }

    @Test func afterExpiryTheNextOneIsOpened() {
        var bench = Bench.connected()
        let old = bench.session.token
        #expect(bench.session.step(bench.event(.expired), at: bench.now, into: &bench.sink) == .expired)
        #expect(bench.session.token > old)
        #expect(bench.sink.items.contains(.coordination(.openSession(bench.session.token))))
        #expect(bench.session.sessionID == 0)
        let late = CoordinationEvent(session: old, kind: .connected(sessionID: 7, timeout: .seconds(4)))
        #expect(bench.session.step(late, at: bench.now, into: &bench.sink) == nil)
        #expect(!bench.session.isConnected)
    }

    /// However the adapter came by it: nodes of the first identity are not ours.
    @Test func anotherIdentityUnderTheSameTokenIsAnExpiry() {
        var bench = Bench.connected(7)
        _ = bench.session.step(bench.event(.disconnected), at: bench.now, into: &bench.sink)
        let other = bench.event(.connected(sessionID: 8, timeout: .seconds(4)))
        #expect(bench.session.step(other, at: bench.now, into: &bench.sink) == .expired)
    }

    @Test func anAbsentZooKeeperIsMentionedLessAndLessOften() throws {
        var bench = Bench()
        bench.session = Session(timer: TimerID(purpose: 100))
        bench.session.open(at: bench.now, into: &bench.sink)
        var times: [Int64] = []
        for _ in 0..<8 {
            let timer = try bench.lastTimer()
            times.append(bench.now.nanoseconds / 1_000_000_000)
            bench.session.timerFired(timer, at: bench.now, into: &bench.sink)
        }
        #expect(times == [2, 6, 14, 30, 60, 90, 120, 150])
        _ = bench.requests()
        #expect(Set(bench.lines) == ["ZooKeeper is not reachable, still trying"])
    }

    @Test func closingIsFinal() {
        var bench = Bench.connected()
        bench.session.close(into: &bench.sink)
        #expect(bench.sink.items.last == .coordination(.closeSession(bench.session.token)))
        #expect(bench.session.step(bench.event(.closed), at: bench.now, into: &bench.sink) == .closed)
        #expect(bench.session.isClosed)
        #expect(bench.session.step(bench.event(.expired), at: bench.now, into: &bench.sink) == nil)
    }

    @Test func closingWhatHasExpiredEndsToo() {
        var bench = Bench.connected()
        bench.session.close(into: &bench.sink)
        #expect(bench.session.step(bench.event(.expired), at: bench.now, into: &bench.sink) == .closed)
    }
}
