import Coordination
import Machine
import Testing
import Wire

@testable import Nodes

@Suite("A server and stale reads")
struct StaleReadTests {
    private static let primary = Address(host: "primary", port: 2)
    private static let standbys = [Address(host: "standby", port: 3), Address(host: "another", port: 4)]
    private var bench = ServerBench.serving(["g": primary])

    init() {
        for (index, standby) in Self.standbys.enumerated() {
            bench.writeMember("g", UInt64(index + 2), "store\(index)", at: standby)
        }
    }

    private mutating func read(call: UInt64, atLeast: GroupPosition? = nil) {
        let request = KeyRequest.get(key: Array("k".utf8), mode: .stale(atLeast: atLeast))
        bench.send(.requested(.key(request, patience: nil), call: CallID(call)))
    }

    /// The first only opens the links.
    private mutating func openLinks() throws {
        read(call: 100)
        let forward = try bench.forward()
        bench.send(answer(forward, .value([0])))
        _ = bench.takeReplies()
    }

    private func answer(_ forward: (id: UInt64, to: Address), _ reply: ClientReply) -> AviaryEvent {
        .received(.forwardReply(id: forward.id, reply), from: forward.to)
    }

    private func refusal(_ code: ClientError.Code, _ message: String = "because") -> ClientReply {
        .failed(ClientError(code, message))
    }

    @Test mutating func staleReadsGoRoundTheReplicasThatAreNotThePrimary() throws {
        try openLinks()
        var asked: [Address] = []
        for call in 1...4 {
            read(call: UInt64(call))
            asked.append(try bench.forward().to)
        }
        #expect(Set(asked) == Set(Self.standbys))
        #expect(asked[0] != asked[1] && asked[0] == asked[2])
    }

    @Test mutating func whoRefusesIsPassedOverAndThePrimaryIsTheLast() throws {
        try openLinks()
        read(call: 1)
        let first = try bench.forward()
        bench.send(answer(first, refusal(.unavailable)))
        let second = try bench.forward()
        #expect(Set([first.to, second.to]) == Set(Self.standbys))
        bench.send(answer(second, refusal(.failedPrecondition)))
        let third = try bench.forward()
        #expect(third.to == Self.primary)
        bench.send(answer(third, .value([7])))
        #expect(bench.takeReplies() == [1: .value([7])])
    }

    @Test mutating func whenAllRefuseTheLastOneSaysWhy() throws {
        try openLinks()
        read(call: 1)
        for _ in 0..<3 { bench.send(answer(try bench.forward(), refusal(.failedPrecondition, "another history"))) }
        #expect(bench.takeReplies().isEmpty, "it waits a little, and all are asked again")
        for _ in 0..<40 {
            bench.pass(.milliseconds(50))
            while let forward = bench.takeForward() {
                bench.send(answer(forward, refusal(.failedPrecondition, "another history")))
            }
        }
        let error = bench.error(bench.takeReplies()[1])
        #expect(error?.code == .failedPrecondition && error?.message == "another history")
    }

    @Test mutating func whatNoReplicaCanMakeRightIsToldAtOnce() throws {
        try openLinks()
        read(call: 1)
        bench.send(answer(try bench.forward(), refusal(.invalidArgument)))
        #expect(bench.error(bench.takeReplies()[1])?.code == .invalidArgument)
    }

    @Test mutating func aGroupWithoutPrimaryIsReadAllTheSame() throws {
        try openLinks()
        bench.delete("/data/g/1")
        read(call: 1)
        let forward = try bench.forward()
        #expect(Self.standbys.contains(forward.to))
        bench.send(answer(forward, .value(nil)))
        #expect(bench.takeReplies() == [1: .value(nil)])
    }

    @Test mutating func aBrokenLinkAndASilentReplicaArePassedOver() throws {
        try openLinks()
        read(call: 1)
        let first = try bench.forward()
        bench.areLinksOpening = false
        bench.send(.linkDown(first.to))
        let second = try bench.forward()
        #expect(second.to != first.to && second.to != Self.primary)
        bench.pass(.milliseconds(600))
        #expect(try bench.forward().to == Self.primary)
    }

    @Test mutating func withoutALinkNothingIsRead() throws {
        bench.areLinksOpening = false
        read(call: 1)
        bench.pass(.seconds(2))
        let error = bench.error(bench.takeReplies()[1])
        #expect(error?.code == .unavailable && error?.message.hasSuffix("nothing was read") == true)
    }
}

@Suite("Stale reads that wait for their position")
struct WaitingStaleReadTests {
    private func read(_ number: UInt64, seq: UInt64, until: Int64) -> StaleReads.Read {
        StaleReads.Read(
            key: [1], seq: seq, until: .zero + .milliseconds(until), origin: .call(CallID(number)))
    }

    @Test func eachIsAnsweredOnceItsPositionIsReached() {
        var reads = StaleReads()
        for (number, seq) in [(1, 5), (2, 3), (3, 9)] as [(UInt64, UInt64)] { reads.add(read(number, seq: seq, until: 10)) }
        #expect(reads.takeReached(2).isEmpty)
        #expect(reads.takeReached(5).map(\.seq) == [5, 3])
        #expect(reads.takeReached(8).isEmpty)
        #expect(reads.takeReached(9).map(\.seq) == [9])
        #expect(reads.count == 0)
    }

    @Test func whoHasWaitedLongEnoughGoes() {
        var reads = StaleReads()
        reads.add(read(1, seq: 5, until: 10))
        reads.add(read(2, seq: 5, until: 20))
        #expect(reads.takeDue(at: .zero + .milliseconds(10)).map(\.origin) == [.call(CallID(1))])
        #expect(reads.due == .zero + .milliseconds(20))
        #expect(reads.takeReached(5).count == 1)
    }
}
