import Coordination
import Machine
import Testing
import Wire

@testable import Nodes

@Suite("A server and its requests")
struct ServerRequestTests {
    private static let primary = Address(host: "primary", port: 2)
    private static let second = Address(host: "second", port: 2)
    var bench = ServerBench.serving(["g": primary])

    private func reply(_ id: UInt64, _ reply: ClientReply, from address: Address = primary) -> AviaryEvent {
        .received(.forwardReply(id: id, reply), from: address)
    }

    private func refusal(_ code: ClientError.Code) -> ClientReply { .failed(ClientError(code, "because")) }

    @Test mutating func aRequestGoesToThePrimaryAndItsAnswerBack() throws {
        bench.put("k", call: 1)
        let forward = try bench.forward()
        #expect(forward.to == Self.primary)
        bench.send(reply(forward.id, .put))
        #expect(bench.takeReplies() == [1: .put])
        // A link may deliver twice; a call is answered once.
        bench.send(reply(forward.id, .put))
        bench.pass(.seconds(10))
        #expect(bench.takeReplies().isEmpty)
    }

    @Test mutating func keysGoToTheGroupThatOwnsThem() throws {
        bench = ServerBench.serving(["zdata1": Self.primary, "zdata2": Self.second])
        var destinations: Set<Address> = []
        for number in 0..<50 {
            bench.get("\(number * number * 7919)", call: UInt64(number))
            destinations.insert(try bench.forward().to)
        }
        #expect(destinations == [Self.primary, Self.second])
    }

    @Test mutating func whatIsOutsideTheLimitsIsRefusedAtOnce() throws {
        bench.get("", call: 1)
        bench.get(String(repeating: "k", count: 1025), call: 2)
        #expect(bench.takeForward() == nil)
        let replies = bench.takeReplies()
        #expect(bench.error(replies[1])?.code == .invalidArgument)
        #expect(bench.error(replies[2])?.message.contains("1024") == true)
    }

    @Test mutating func withoutGroupsNothingIsServed() {
        bench = ServerBench.serving([:])
        bench.put("k", call: 1)
        let error = bench.error(bench.takeReplies()[1])
        #expect(error?.code == .unavailable && error?.message == "no group serves keys yet; nothing was done")
    }

    @Test mutating func aGroupWithoutInSyncStoreSaysSo() {
        bench.delete("/data/g/1")
        bench.put("k", call: 1)
        let error = bench.error(bench.takeReplies()[1])
        #expect(error?.code == .unavailable)
        #expect(error?.message.hasPrefix("group g has no primary: no in-sync store is alive") == true)
        #expect(error?.message.hasSuffix("nothing was done") == true)
    }

    @Test mutating func beforeZooKeeperWasHeardRequestsWaitALittle() {
        bench = ServerBench()
        bench.isZooKeeperThere = false
        bench.send(.started)
        bench.put("k", call: 1)
        #expect(bench.takeReplies().isEmpty)
        bench.pass(.milliseconds(1100))
        #expect(bench.error(bench.takeReplies()[1])?.code == .unavailable)
    }

    // MARK: What may have happened

    @Test mutating func aMutationWhoseLinkBrokeMayHaveHappened() throws {
        bench.put("k", call: 1)
        let forward = try bench.forward()
        bench.send(.linkDown(Self.primary))
        let error = bench.error(bench.takeReplies()[1])
        #expect(error?.code == .aborted && error?.mayHaveHappened == true)
        bench.send(reply(forward.id, .put))
        bench.pass(.seconds(10))
        #expect(bench.takeForward() == nil, "a mutation is never sent twice")
        #expect(bench.takeReplies().isEmpty)
    }

    @Test mutating func aReadWhoseLinkBrokeIsTriedAgain() throws {
        bench.get("k", call: 1)
        #expect(bench.takeForward() != nil)
        bench.send(.linkDown(Self.primary))
        #expect(bench.takeReplies().isEmpty)
        bench.pass(.milliseconds(60))
        let again = try bench.forward()
        bench.send(reply(again.id, .value([7])))
        #expect(bench.takeReplies() == [1: .value([7])])
    }

    @Test mutating func aReadWhoseLinkStaysBrokenIsUnavailable() throws {
        bench.get("k", call: 1)
        for _ in 0..<30 {
            bench.send(.linkDown(Self.primary))
            bench.pass(.milliseconds(60))
        }
        #expect(bench.error(bench.takeReplies()[1])?.code == .unavailable)
    }

    @Test mutating func whatIsNotAnsweredInTimeMayHaveHappened() {
        bench.put("k", call: 1, patience: .milliseconds(300))
        bench.get("k", call: 2)
        bench.pass(.milliseconds(250))
        #expect(bench.takeReplies().isEmpty)
        bench.pass(.milliseconds(60))
        let first = bench.takeReplies()
        #expect(bench.error(first[1])?.code == .deadlineExceeded && first.count == 1)
        bench.pass(.seconds(5))
        #expect(bench.error(bench.takeReplies()[2])?.code == .unavailable)
    }

    /// The old primary is silent; the new one is asked for what can be asked twice.
    @Test mutating func whatWasSentToAReplacedPrimary() throws {
        bench.put("k", call: 1)
        bench.get("k", call: 2)
        _ = bench.takeSent()
        bench.delete("/data/g/1")
        bench.writeMember("g", 2, "other", at: Self.second)
        bench.writeConfig("g", term: 2, primary: "other", 2)
        let again = try bench.forward()
        #expect(again.to == Self.second)
        bench.send(reply(again.id, .value(nil), from: Self.second))
        #expect(bench.takeReplies() == [2: .value(nil)])
        bench.pass(.milliseconds(1100))
        #expect(bench.error(bench.takeReplies()[1])?.code == .aborted)
    }

    // MARK: What certainly did not happen

    /// What is sent into a link that is not there is lost without a word; so no mutation is.
    @Test mutating func withoutALinkNothingIsSent() throws {
        bench.areLinksOpening = false
        bench.put("k", call: 1)
        #expect(bench.takeForward() == nil)
        bench.pass(.milliseconds(200))
        bench.send(.linkUp(Self.primary))
        let forward = try bench.forward()
        bench.send(reply(forward.id, .put))
        #expect(bench.takeReplies() == [1: .put])

        bench.send(.linkDown(Self.primary))
        bench.put("k", call: 2)
        bench.pass(.milliseconds(1100))
        let error = bench.error(bench.takeReplies()[2])
        #expect(error?.code == .unavailable && error?.message.hasSuffix("nothing was done") == true)
        let sent = bench.takeSent()
        #expect(!sent.isEmpty && sent.count < 30, "the link is tried now and then")
        bench.put("k", call: 3)
        guard case .statusQuery(let probe)? = bench.takeSent().last?.message else {
            Issue.record("the link is not tried")
            return
        }
        bench.send(.received(.statusReply(id: probe &- 1, replica), from: Self.primary))
        #expect(bench.takeForward() == nil, "what was sent on the link before says nothing about it")
        bench.send(.received(.statusReply(id: probe, replica), from: Self.primary))
        #expect(try bench.forward().to == Self.primary, "an answer is as good as a report")
    }

    private var replica: ReplicaStatus {
        ReplicaStatus(
            group: "g", member: MemberID(store: StoreID("s"), number: 1), role: .primary, term: 1, last: .zero, commit: 0,
            keys: 0,
            leased: true, coordinated: true)
    }

    @Test mutating func aRefusedRequestFollowsThePrimary() throws {
        bench.put("k", call: 1)
        let first = try bench.forward()
        bench.send(reply(first.id, refusal(.failedPrecondition)))
        #expect(bench.takeReplies().isEmpty)
        bench.writeMember("g", 2, "other", at: Self.second)
        bench.writeConfig("g", term: 2, primary: "other", 2)
        let next = try bench.forward()
        #expect(next.to == Self.second)
        // The first one's late word does not count any more.
        bench.send(reply(next.id, .put, from: Self.primary))
        #expect(bench.takeReplies().isEmpty)
        bench.send(reply(next.id, .put, from: Self.second))
        #expect(bench.takeReplies() == [1: .put])
    }

    @Test mutating func aPrimaryThatTakesOfficeIsAskedAgain() throws {
        bench.put("k", call: 1)
        for _ in 0..<3 {
            let forward = try bench.forward()
            bench.send(reply(forward.id, refusal(.unavailable)))
            bench.pass(.milliseconds(60))
        }
        let last = try bench.forward()
        bench.send(reply(last.id, .put))
        #expect(bench.takeReplies() == [1: .put])
    }

    @Test mutating func butNotForEver() throws {
        bench.put("k", call: 1)
        for _ in 0..<40 {
            guard let forward = bench.takeForward() else { break }
            bench.send(reply(forward.id, refusal(.failedPrecondition)))
            bench.pass(.milliseconds(60))
        }
        let error = bench.error(bench.takeReplies()[1])
        #expect(error?.code == .unavailable && error?.message == "because")
        #expect(bench.now < .zero + .milliseconds(1200))
    }

    @Test mutating func otherFailuresGoToTheClientAsTheyAre() throws {
        for (call, code) in [ClientError.Code.aborted, .resourceExhausted, .dataLoss].enumerated() {
            bench.put("k", call: UInt64(call))
            let forward = try bench.forward()
            bench.send(reply(forward.id, refusal(code)))
            #expect(bench.takeReplies() == [UInt64(call): refusal(code)])
        }
    }

    // MARK: Bounds

    @Test mutating func oneRequestTooManyIsRefused() {
        bench = ServerBench.serving(["g": Self.primary], options: ServerOptions(pendingRequests: 2))
        for call in 1...3 { bench.put("k", call: UInt64(call)) }
        let replies = bench.takeReplies()
        #expect(replies.count == 1 && bench.error(replies[3])?.code == .resourceExhausted)
    }

    @Test mutating func bytesUnderWayAreBoundedToo() {
        let value = [UInt8](repeating: 7, count: 1000)
        bench = ServerBench.serving(["g": Self.primary], options: ServerOptions(pendingRequestBytes: 2500))
        for call in 1...3 {
            let put = ClientRequest.key(.put(key: [UInt8(call)], value: value), patience: nil)
            bench.send(.requested(put, call: CallID(UInt64(call))))
        }
        let replies = bench.takeReplies()
        #expect(replies.count == 1 && bench.error(replies[3])?.code == .resourceExhausted)
        bench.send(.cancelled(call: CallID(1)))
        bench.send(.requested(.key(.put(key: [4], value: value), patience: nil), call: CallID(4)))
        #expect(bench.takeReplies().isEmpty, "there is room again")
    }

    @Test mutating func aCallThatIsGoneIsForgotten() throws {
        bench.put("k", call: 1)
        let forward = try bench.forward()
        bench.send(.cancelled(call: CallID(1)))
        bench.send(reply(forward.id, .put))
        bench.pass(.seconds(10))
        #expect(bench.takeReplies().isEmpty)
        #expect(bench.node.requests.isEmpty)
    }

    /// An answer to an earlier life of this address must find nobody.
    @Test func twoLivesNumberTheirForwardsApart() throws {
        var lives = [ServerBench(seed: 1), ServerBench(seed: 2)]
        var identities: [UInt64] = []
        for index in lives.indices {
            lives[index].write("/ring", RingRecord(version: 1, sealed: true, groups: [.init(name: "g")]).bytes)
            lives[index].writeMember("g", 1, "s", at: Self.primary)
            lives[index].writeConfig("g", term: 1, primary: "s", 1)
            lives[index].send(.started)
            lives[index].put("k", call: 1)
            identities.append(try lives[index].forward().id)
        }
        #expect(identities[0] != identities[1])
    }
}
