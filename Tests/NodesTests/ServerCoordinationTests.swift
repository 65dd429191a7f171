import Coordination
import Machine
import Testing
import Wire

@testable import Nodes

@Suite("A server in its cluster")
struct ServerCoordinationTests {
    private static let primary = Address(host: "primary", port: 2)

    @Test func theFirstServerRegistersAndIsMaster() {
        var bench = ServerBench()
        bench.send(.started)
        #expect(bench.node.number == 1)
        #expect(bench.data("/server/top") == Array("2".utf8))
        #expect(bench.data("/server/1").flatMap { ServerRegistration($0) }?.address == ServerBench.address)
        let master = bench.data("/server/0").flatMap { MasterRecord($0) }
        #expect(master == MasterRecord(address: ServerBench.address, number: 1, epoch: 1))
        #expect(bench.node.mastership?.epoch == 1)
    }

    @Test func aServerSucceedsAMasterThatIsGone() {
        var bench = ServerBench.serving(["g": Self.primary])
        #expect(bench.node.number == 1 && bench.node.mastership == nil)
        bench.delete("/server/0")
        #expect(bench.isOurs("/server/0"))
        #expect(bench.node.mastership != nil)
    }

    @Test func theMasterGivesAGroupItsPrimaryAndItsPlaceInTheRing() throws {
        var bench = ServerBench()
        bench.send(.started)
        bench.writeMember("g", 1, "s", at: Self.primary)
        let config = try #require(bench.data("/data/g/config").flatMap { GroupConfig($0) })
        #expect(config.term == 1 && config.primary == MemberID(store: StoreID("s"), number: 1))
        #expect(bench.data("/data/g/primary") == Array("1".utf8))
        #expect(bench.data("/ring").flatMap { RingRecord($0) }?.contains("g") == true)
        bench.put("k", call: 1)
        #expect(bench.takeForward()?.to == Self.primary)
    }

    @Test func anExpiredSessionEndsTheMastershipAndTheLifeButNotTheService() {
        var bench = ServerBench()
        bench.send(.started)
        bench.writeMember("g", 1, "s", at: Self.primary)
        bench.isZooKeeperThere = false
        bench.expireSession()
        #expect(bench.node.mastership == nil && bench.node.number == nil)
        bench.put("k", call: 1)
        #expect(bench.takeForward()?.to == Self.primary, "the last routes known go on serving")
    }

    @Test func theNextSessionIsANewLife() {
        var bench = ServerBench()
        bench.send(.started)
        bench.expireSession()
        #expect(bench.node.number == 2)
        #expect(bench.data("/server/0").flatMap { MasterRecord($0) }?.epoch == 2)
        #expect(bench.isOurs("/server/0") && bench.isOurs("/server/2"))
    }

    @Test func aRegistrationThatSomebodyDeletedIsTakenAnew() {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.delete("/server/1")
        #expect(bench.node.number == 2)
    }

    @Test func aRegistrationThatSomebodyDeletedBeforeItWasReadIsTakenAnew() {
        var bench = ServerBench()
        bench.doomed = "/server/1"
        bench.send(.started)
        #expect(bench.node.number == 2)
        #expect(bench.isOurs("/server/2"))
    }

    // MARK: Status

    private func replica(_ role: ReplicaStatus.Role) -> ReplicaStatus {
        ReplicaStatus(
            group: "g", member: MemberID(store: StoreID("store-g"), number: 1), role: role, term: 1,
            last: Position(term: 1, seq: 5), commit: 5, keys: 3, leased: true, coordinated: true)
    }

    private func status(_ bench: inout ServerBench) throws -> ClusterStatus {
        let reply = bench.takeReplies().first?.value
        guard case .status(let status)? = reply else { throw NoStatus(reply: reply) }
        return status
    }

    private struct NoStatus: Error { var reply: ClientReply? }

    @Test func statusIsWhatZooKeeperShowsAndWhatNodesSay() throws {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.send(.requested(.status, call: CallID(1)))
        let sent = bench.takeSent()
        let query = try #require(sent.first)
        guard case .statusQuery(let id) = query.message else {
            Issue.record("\(query.message)")
            return
        }
        #expect(bench.takeReplies().isEmpty)
        bench.send(.received(.statusReply(id: id, replica(.primary)), from: Self.primary))
        let status = try status(&bench)
        #expect(status.coordinated && status.master?.number == 1 && status.servers.map(\.number) == [1])
        let group = try #require(status.groups.first)
        #expect(group.state == .serving && group.shareMillionths == 1_000_000 && group.problem.isEmpty)
        #expect(group.members.first?.replica?.commit == 5 && group.members.first?.isPrimary == true)
        #expect(status.ring.sealed && status.ring.tokens.count == 2)
    }

    @Test func statusDoesNotWaitForTheSilentOrTheGone() throws {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.send(.requested(.status, call: CallID(1)))
        bench.send(.requested(.status, call: CallID(2)))
        bench.pass(.milliseconds(510))
        let replies = bench.takeReplies()
        #expect(replies.count == 2)
        guard case .status(let status)? = replies[1] else {
            Issue.record("no status")
            return
        }
        #expect(status.groups.first?.state == .electing && status.groups.first?.members.first?.replica == nil)

        bench.send(.requested(.status, call: CallID(3)))
        bench.send(.linkDown(Self.primary))
        #expect(bench.takeReplies().count == 1)
    }

    @Test func statusNamesWhatIsWrong() throws {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.delete("/data/g/1")
        bench.writeMember("h", 1, "new", at: Self.primary)
        bench.writeConfig("h", term: 1, primary: "new", 1)
        bench.send(.requested(.status, call: CallID(1)))
        let id = bench.takeSent().compactMap { sent -> UInt64? in
            if case .statusQuery(let id) = sent.message { id } else { nil }
        }
        bench.send(.received(.statusReply(id: try #require(id.first), replica(.primary)), from: Self.primary))
        let status = try status(&bench)
        #expect(status.groups.map(\.state) == [.noPrimary, .pending])
        #expect(status.groups[0].problem.hasPrefix("no in-sync store is alive"))
        #expect(status.groups[0].members.first?.address == nil)
        #expect(status.groups[1].shareMillionths == 0)
    }

    // MARK: Shutdown

    @Test func aShutdownLetsRequestsFinishAndGivesEverythingBack() throws {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.put("k", call: 1)
        let forward = try bench.forward()
        bench.send(.shutdownRequested)
        #expect(bench.halt == nil)
        bench.put("k", call: 2)
        #expect(bench.error(bench.takeReplies()[2])?.code == .unavailable)
        bench.send(.received(.forwardReply(id: forward.id, .put), from: Self.primary))
        #expect(bench.takeReplies() == [1: .put])
        #expect(bench.halt == .finished)
    }

    @Test func aRegistrationThatIsDeletedDuringAShutdownIsNotTakenAnew() {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.put("k", call: 1)
        bench.send(.shutdownRequested)
        bench.delete("/server/1")
        bench.put("k", call: 2)
        #expect(bench.halt == nil && bench.node.number == 1)
        #expect(!bench.lines.contains { $0.contains("registering anew") }, "\(bench.lines)")
    }

    @Test func aShutdownDoesNotWaitForEver() {
        var bench = ServerBench.serving(["g": Self.primary])
        bench.put("k", call: 1)
        bench.send(.shutdownRequested)
        bench.pass(.milliseconds(2100))
        #expect(bench.error(bench.takeReplies()[1])?.code == .aborted)
        #expect(bench.halt == .finished)
        bench.put("k", call: 2)
        #expect(bench.takeReplies().isEmpty, "nothing comes after the halt")
    }

    @Test func anIdleServerEndsAtOnce() {
        var bench = ServerBench()
        bench.isZooKeeperThere = false
        bench.send(.started)
        bench.send(.shutdownRequested)
        #expect(bench.halt == .finished)
    }
}
