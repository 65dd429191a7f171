import Coordination
import Machine
import Testing
import Wire

@testable import Nodes

/// The master and a primary that its standbys do not hear.
@Suite("A master that is told of a silent primary")
struct ServerDetectionTests {
    private static func address(_ number: UInt64) -> Address { Address(host: "store\(number)", port: 1) }
    private static func member(_ number: UInt64) -> MemberID { MemberID(store: StoreID("store\(number)"), number: number) }
    private static let inSync = [member(1), member(2), member(3)]

    var bench = ServerBench()

    /// Group g: the primary is number 1, in term 4; 2 and 3 are in-sync, 5 is not.
    init() {
        bench.send(.started)
        let config = GroupConfig(lineage: Lineage("l"), term: 4, primary: Self.member(1), inSync: Self.inSync)
        bench.write("/data/g", [])
        bench.write("/data/g/primary", Array("1".utf8))
        bench.write("/data/g/config", config.bytes)
        for number in [1, 2, 3, 5] as [UInt64] { bench.writeMember("g", number, "store\(number)", at: Self.address(number)) }
        _ = bench.takeSent()
    }

    private func suspicion(by number: UInt64, term: UInt64 = 4, primary: UInt64 = 1) -> PeerMessage {
        .suspicion(
            Suspicion(
                group: "g", term: term, primary: Self.member(primary), by: Self.member(number), silence: .milliseconds(410)))
    }

    private mutating func suspect(by number: UInt64) {
        bench.send(.received(suspicion(by: number), from: Self.address(number)))
    }

    /// Who was probed since the last look, and under which identity.
    private mutating func takeProbes() -> (id: UInt64, to: [Address])? {
        let probes = bench.takeSent().compactMap { message, to -> (UInt64, Address)? in
            if case .probe(let id) = message { (id, to) } else { nil }
        }
        return probes.first.map { first in (first.0, probes.map(\.1)) }
    }

    private mutating func answer(
        _ id: UInt64, at number: UInt64, as other: UInt64? = nil, term: UInt64 = 0, away: Bool = false,
        yieldsTo: UInt64 = 0
    ) {
        let reply = ProbeReply(
            id: id, group: "g", member: Self.member(other ?? number), term: term, coordinated: !away, yieldsTo: yieldsTo)
        bench.send(.received(.probeReply(reply), from: Self.address(number)))
    }

    private var config: GroupConfig? { bench.data("/data/g/config").flatMap { GroupConfig($0) } }
    private func isReplaced(by number: UInt64) -> Bool {
        config?.primary == Self.member(number) && config?.term == 5 && bench.data("/data/g/1") == nil
    }
    private var isUnchanged: Bool { config?.term == 4 && config?.primary == Self.member(1) && bench.data("/data/g/1") != nil }

    @Test mutating func aPrimaryThatDoesNotAnswerIsReplacedInOneTransaction() throws {
        suspect(by: 2)
        let probes = try #require(takeProbes())
        #expect(probes.to == [Self.address(1), Self.address(2)], "the successor must be alive, too")
        answer(probes.id, at: 2)
        bench.pass(.milliseconds(399))
        #expect(isUnchanged)
        bench.pass(.milliseconds(1))
        #expect(isReplaced(by: 2))
        #expect(config?.inSync == [Self.member(2), Self.member(3)])
        #expect(bench.data("/data/g/primary") == Array("2".utf8))
        #expect(bench.lines.contains("deposing the primary"))
    }

    @Test mutating func aPrimaryThatAnswersStays() throws {
        for _ in 0..<3 {
            suspect(by: 2)
            let probes = try #require(takeProbes(), "each suspicion is looked into")
            answer(probes.id, at: 2)
            answer(probes.id, at: 1, term: 4)
            bench.pass(.milliseconds(500))
            #expect(isUnchanged)
        }
        #expect(bench.lines.filter { $0.contains("it stays") }.count == 1, "but told of once")
    }

    @Test mutating func oneProbeAtATime() throws {
        suspect(by: 2)
        #expect(takeProbes()?.to.count == 2)
        suspect(by: 2)
        #expect(takeProbes() == nil)
        suspect(by: 3)
        #expect(takeProbes()?.to == [Self.address(3)])
    }

    @Test mutating func aBrokenLinkIsAnAnswer() throws {
        suspect(by: 2)
        let probes = try #require(takeProbes())
        bench.send(.linkDown(Self.address(1)))
        #expect(isUnchanged, "nobody is known to be alive who could succeed")
        answer(probes.id, at: 2)
        #expect(isReplaced(by: 2))
    }

    @Test mutating func anotherLifeOrOneThatCannotLeadIsAsGoodAsGone() throws {
        let answers: [(inout Self, UInt64) -> Void] = [
            { $0.answer($1, at: 1, as: 9, term: 4) }, { $0.answer($1, at: 1, as: 0) }, { $0.answer($1, at: 1, term: 3) },
            { $0.answer($1, at: 1, term: 4, away: true) },
        ]
        for give in answers {
            self = Self()
            suspect(by: 3)
            let probes = try #require(takeProbes())
            answer(probes.id, at: 3)
            give(&self, probes.id)
            #expect(isReplaced(by: 3))
        }
    }

    @Test mutating func aPrimaryThatMakesWayForEnoughIsReplacedByNoFewer() throws {
        suspect(by: 2)
        let probes = try #require(takeProbes())
        answer(probes.id, at: 2)
        answer(probes.id, at: 1, term: 4, yieldsTo: 2)
        bench.pass(.milliseconds(10))
        #expect(isUnchanged, "one other is fewer than minsync")
        suspect(by: 3)
        answer(probes.id, at: 3)
        #expect(isReplaced(by: 2))
    }

    @Test mutating func theLowestOfThoseThatAnsweredSucceeds() throws {
        suspect(by: 3)
        let probes = try #require(takeProbes())
        suspect(by: 2)
        answer(probes.id, at: 3)
        answer(probes.id, at: 2)
        bench.pass(.milliseconds(400))
        #expect(isReplaced(by: 2))
        self = Self()
        suspect(by: 2)
        let others = try #require(takeProbes())
        suspect(by: 3)
        answer(others.id, at: 3)
        bench.pass(.milliseconds(400))
        #expect(isReplaced(by: 3))
        #expect(config?.inSync == [Self.member(2), Self.member(3)], "who is registered stays in-sync")
    }

    @Test mutating func whatDisagreesWithTheMastersViewStartsNothing() {
        for (message, sender) in [
            (suspicion(by: 2, term: 3), 2), (suspicion(by: 2, term: 5), 2), (suspicion(by: 2, primary: 3), 2),
            (suspicion(by: 5), 5), (suspicion(by: 2), 3), (suspicion(by: 1), 1), (suspicion(by: 7), 7),
        ] as [(PeerMessage, UInt64)] {
            bench.send(.received(message, from: Self.address(sender)))
            #expect(takeProbes() == nil, "\(message) from \(sender)")
        }
    }

    @Test mutating func aPrimaryWhoseRegistrationIsGoneIsReplacedAsUsual() throws {
        suspect(by: 3)
        let probes = try #require(takeProbes())
        answer(probes.id, at: 3)
        bench.delete("/data/g/1")
        #expect(isReplaced(by: 2), "the first that is registered")
        bench.pass(.seconds(1))
        #expect(config?.term == 5)
    }

    @Test mutating func aLateLookBlamesNobody() throws {
        suspect(by: 2)
        let probes = try #require(takeProbes())
        answer(probes.id, at: 2)
        // The master was paused; the primary's answer is behind the timer.
        bench.now = bench.now + .seconds(1)
        bench.pass(.zero)
        answer(probes.id, at: 1, term: 4)
        bench.pass(.seconds(1))
        #expect(isUnchanged)
    }

    @Test mutating func anAnswerAfterTheRoundIsOfNoUse() throws {
        suspect(by: 2)
        let probes = try #require(takeProbes())
        bench.pass(.seconds(1))
        answer(probes.id, at: 2)
        bench.pass(.seconds(1))
        #expect(isUnchanged)
    }

    /// A stopped process breaks no link; its clients must not wait for it longer than its group did.
    @Test func aWriteDoesNotWaitLongForAPrimaryThatWasReplaced() throws {
        var bench = ServerBench.serving(["g": Self.address(1)])
        bench.put("k", call: 1)
        #expect(bench.takeForward()?.to == Self.address(1))
        bench.writeMember("g", 2, "store2", at: Self.address(2))
        bench.writeConfig("g", term: 2, primary: "store2", 2)
        bench.pass(.milliseconds(190))
        #expect(bench.takeReplies().isEmpty)
        bench.pass(.milliseconds(30))
        #expect(bench.error(bench.takeReplies()[1])?.code == .aborted)
    }

    @Test mutating func whoeverIsNotMasterDoesNothing() {
        bench.delete("/server/0")
        bench.write("/server/0", MasterRecord(address: Address(host: "other", port: 1), number: 9, epoch: 9).bytes)
        _ = bench.takeSent()
        if bench.node.isMaster { return }
        suspect(by: 2)
        #expect(takeProbes() == nil)
    }
}
