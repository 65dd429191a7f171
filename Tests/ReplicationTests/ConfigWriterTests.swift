import Coordination
import Machine
import Replication
import Testing
import Wire

@Suite("Changing the group's config")
struct ConfigWriterTests {
    let me = MemberID(store: StoreID("a"), number: 1)
    let other = MemberID(store: StoreID("b"), number: 2)

    var alone: GroupConfig { GroupConfig(lineage: Lineage("l"), term: 3, primary: me, inSync: [me]) }
    var both: GroupConfig { GroupConfig(lineage: Lineage("l"), term: 3, primary: me, inSync: [me, other]) }

    private func writer(_ config: GroupConfig, version: Int32 = 7) -> ConfigWriter {
        ConfigWriter(
            group: "g", me: me, config: config, version: version,
            port: CoordinationPort(owner: 4, session: SessionToken(1))
        )
    }

    private func requests(_ sink: inout Sink) -> [(CoordinationID, CoordinationOperation)] {
        sink.drain().compactMap { effect in
            guard case .coordination(.request(_, let id, let operation)) = effect else { return nil }
            return (id, operation)
        }
    }

    private func lost(_ operations: Int = 0) -> CoordinationReply { .failed(.connectionLoss, operations: []) }

    @Test func growthIsInForceWhenZooKeeperHasTakenIt() throws {
        var writer = writer(alone)
        var sink = Sink()
        writer.write(both, mustBeRegistered: 2, into: &sink)
        #expect(writer.mayBeInForce == [me, other])
        let (id, operation) = try #require(requests(&sink).first)
        #expect(
            operation
                == .multi([
                    .check(path: "/data/g/1", version: -1), .check(path: "/data/g/2", version: -1),
                    .set(path: "/data/g/config", data: both.bytes, version: 7),
                ])
        )
        let outcome = writer.replied(id, .multi([.checked, .checked, .set(Stat(version: 8))]), into: &sink)
        #expect(outcome == .decided(both, version: 8))
        #expect(!writer.isBusy)
    }

    @Test func anUnknownShrinkKeepsTheShrunkMemberCounting() throws {
        var writer = writer(both)
        var sink = Sink()
        writer.write(alone, mustBeRegistered: nil, into: &sink)
        let (id, _) = try #require(requests(&sink).first)
        #expect(writer.replied(id, lost(), into: &sink) == nil)
        #expect(writer.isBusy)
        #expect(writer.mayBeInForce.contains(other))
    }

    @Test func anUnknownWriteIsReadAndRepeatedUntilTheVersionMoves() throws {
        var writer = writer(alone)
        var sink = Sink()
        writer.write(both, mustBeRegistered: 2, into: &sink)
        let (first, _) = try #require(requests(&sink).first)
        _ = writer.replied(first, lost(), into: &sink)
        #expect(requests(&sink).isEmpty, "without a connection there is nothing to ask")
        writer.reconnected(into: &sink)
        let reads = requests(&sink)
        #expect(reads.map(\.1) == [.sync(path: "/data/g/config"), .get(path: "/data/g/config", watch: false)])
        // The version has not moved: nothing is decided, whatever the content.
        #expect(writer.replied(reads[1].0, .data(alone.bytes, Stat(version: 7)), into: &sink) == nil)
        let (second, operation) = try #require(requests(&sink).first)
        guard case .multi(let operations) = operation else { return #expect(Bool(false)) }
        #expect(operations.last == .set(path: "/data/g/config", data: both.bytes, version: 7))
        // The first attempt was applied after all.
        #expect(writer.replied(second, .failed(.badVersion, operations: [nil, nil, .badVersion]), into: &sink) == nil)
        let again = requests(&sink)
        #expect(writer.replied(again[1].0, .data(both.bytes, Stat(version: 8)), into: &sink) == .decided(both, version: 8))
    }

    @Test func aRefusedRepeatDoesNotDecideTheAttemptBefore() throws {
        var writer = writer(alone)
        var sink = Sink()
        writer.write(both, mustBeRegistered: 2, into: &sink)
        let (first, _) = try #require(requests(&sink).first)
        _ = writer.replied(first, lost(), into: &sink)
        writer.reconnected(into: &sink)
        let reads = requests(&sink)
        _ = writer.replied(reads[1].0, .data(alone.bytes, Stat(version: 7)), into: &sink)
        let (second, _) = try #require(requests(&sink).first)
        // The learner's registration is gone by now; but the first attempt may still be applied.
        #expect(
            writer.replied(second, .failed(.noNode, operations: [nil, .noNode, .runtimeInconsistency]), into: &sink) == nil)
        #expect(writer.mayBeInForce.contains(other))
        let (third, operation) = try #require(requests(&sink).first)
        guard case .multi(let operations) = operation else { return #expect(Bool(false)) }
        #expect(
            operations == [.check(path: "/data/g/1", version: -1), .set(path: "/data/g/config", data: alone.bytes, version: 7)])
        #expect(writer.replied(third, .multi([.checked, .set(Stat(version: 8))]), into: &sink) == .decided(alone, version: 8))
        #expect(writer.mayBeInForce == [me])
    }

    @Test func aFirstRefusalDecides() throws {
        var writer = writer(alone)
        var sink = Sink()
        writer.write(both, mustBeRegistered: 2, into: &sink)
        let (id, _) = try #require(requests(&sink).first)
        #expect(
            writer.replied(id, .failed(.noNode, operations: [nil, .noNode, .runtimeInconsistency]), into: &sink) == .refused)
        #expect(writer.mayBeInForce == [me])
    }

    @Test func aPrimaryWhoseRegistrationIsGoneIsOver() throws {
        var writer = writer(both)
        var sink = Sink()
        writer.write(alone, mustBeRegistered: nil, into: &sink)
        let (id, _) = try #require(requests(&sink).first)
        let outcome = writer.replied(id, .failed(.noNode, operations: [.noNode, .runtimeInconsistency]), into: &sink)
        guard case .deposed = outcome else { return #expect(Bool(false), "\(String(describing: outcome))") }
    }

    @Test func anotherPrimaryInConfigIsTheEnd() throws {
        var writer = writer(both)
        var sink = Sink()
        let next = GroupConfig(lineage: Lineage("l"), term: 4, primary: other, inSync: [other])
        guard case .deposed = writer.observed(next, version: 9, into: &sink) else { return #expect(Bool(false)) }
        #expect(writer.observed(both, version: 6, into: &sink) == nil, "the past says nothing")
    }
}
