import Machine
import Testing
import Wire

@testable import Nodes

@Suite("Which client sessions have been silent")
struct SessionKeeperTests {
    private static let sessions = (1...4).map { SessionID(opened: Position(term: 1, seq: UInt64($0))) }
    private let options = SessionOptions(idleTime: .seconds(16), evictionTime: .seconds(4))

    private func keeper() -> SessionKeeper { SessionKeeper(options: options, at: .zero) }

    private func at(_ seconds: Int64) -> Instant { .zero + .seconds(seconds) }

    /// Looks every second, as a primary would, and tells who is silent for too long at the end.
    private func expired(_ keeper: inout SessionKeeper, from start: Int64, to end: Int64) -> [SessionID] {
        for second in start..<end { _ = keeper.isTimeToLook(at: at(second)) }
        return keeper.isTimeToLook(at: at(end)) ? keeper.expired(of: Self.sessions, at: at(end)) : []
    }

    @Test func anOfficeBeginsWithAllOfThemFresh() {
        var keeper = keeper()
        #expect(expired(&keeper, from: 1, to: 16).isEmpty)
        #expect(expired(&keeper, from: 17, to: 18) == Self.sessions)
    }

    @Test func whoIsHeardStays() {
        var keeper = keeper()
        keeper.heard(Self.sessions[1], at: at(10))
        #expect(expired(&keeper, from: 1, to: 20) == [Self.sessions[0], Self.sessions[2], Self.sessions[3]])
    }

    @Test func whoIsBeingClosedIsNotClosedAgain() {
        var keeper = keeper()
        keeper.closed(Self.sessions[0], by: 9)
        #expect(keeper.closes(Self.sessions[0]) && keeper.closingCount == 1)
        #expect(expired(&keeper, from: 1, to: 20) == Array(Self.sessions[1...]))
        keeper.committed(through: 8)
        #expect(keeper.closingCount == 1)
        keeper.committed(through: 9)
        #expect(keeper.closingCount == 0 && !keeper.closes(Self.sessions[0]))
    }

    /// Nobody could be heard meanwhile.
    @Test func afterAPauseOfItsOwnNobodyIsBlamed() {
        var keeper = keeper()
        for second in [1, 100] as [Int64] {
            let isTime = keeper.isTimeToLook(at: at(second))
            #expect(isTime)
        }
        #expect(keeper.expired(of: Self.sessions, at: at(100)).isEmpty)
    }

    @Test func theLongestSilentMakesRoomIfItWasSilentForLong() {
        var keeper = keeper()
        for (index, session) in Self.sessions.enumerated() { keeper.heard(session, at: at(10 - Int64(index))) }
        #expect(keeper.evictable(of: Self.sessions, at: at(10)) == nil)
        #expect(keeper.evictable(of: Self.sessions, at: at(11)) == Self.sessions[3])
        keeper.closed(Self.sessions[3], by: 5)
        #expect(keeper.evictable(of: Self.sessions, at: at(11)) == nil)
        #expect(keeper.evictable(of: Self.sessions, at: at(12)) == Self.sessions[2])
    }
}

@Suite("Calls that wait at a primary")
struct PendingCallsTests {
    private static let identity = RequestIdentity(
        session: SessionID(opened: Position(term: 1, seq: 1)), sequence: 7, lowestOpen: 7)
    private static let position = GroupPosition(group: "g", lineage: Lineage("l"), seq: 5)

    private func write(_ seq: UInt64, _ call: UInt64, _ identity: RequestIdentity?) -> PendingCalls.Write {
        PendingCalls.Write(
            seq: seq, kind: .delete, bytes: 1, origin: .call(CallID(call)), mutation: identity.map { .init($0) })
    }

    private func answers(_ sink: inout Sink) -> [(UInt64, ClientReply)] {
        sink.drain().compactMap { effect in if case .reply(let reply, let call) = effect { (call.number, reply) } else { nil } }
    }

    @Test func whoRepeatsWaitsForTheSameEntry() {
        var pending = PendingCalls()
        var sink = Sink()
        let mutation = PendingCalls.Mutation(Self.identity)
        #expect(pending.join(mutation, .call(CallID(2)), atMost: 9) == .unknown)
        pending.add(write(5, 1, Self.identity))
        #expect(pending.join(mutation, .call(CallID(2)), atMost: 9) == .joined)
        #expect(pending.join(mutation, .call(CallID(1)), atMost: 9) == .joined, "it waits already")
        #expect(pending.callers == 2)
        pending.committed(5, existed: true, at: Self.position, into: &sink)
        let replies = answers(&sink)
        #expect(replies.map(\.0) == [1, 2])
        #expect(replies.allSatisfy { $0.1 == .done(.deleted(existed: true), at: Self.position) })
        #expect(pending.callers == 0 && pending.isEmpty)
        #expect(pending.join(mutation, .call(CallID(3)), atMost: 9) == .unknown)
    }

    @Test func theyAreBounded() {
        var pending = PendingCalls()
        pending.add(write(5, 1, Self.identity))
        #expect(pending.join(PendingCalls.Mutation(Self.identity), .call(CallID(2)), atMost: 1) == .atBound)
        #expect(pending.callers == 1)
    }

    @Test func allAreToldWhenThePrimaryIsOver() {
        var pending = PendingCalls()
        var sink = Sink()
        pending.add(write(5, 1, Self.identity))
        pending.add(write(6, 3, nil))
        _ = pending.join(PendingCalls.Mutation(Self.identity), .call(CallID(2)), atMost: 9)
        pending.failAll("over", into: &sink)
        #expect(answers(&sink).map(\.0) == [1, 2, 3])
        #expect(pending.isEmpty && pending.callers == 0 && pending.writeBytes == 0)
    }
}
