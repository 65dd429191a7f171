import Client
import Machine
import Testing
import Wire

@Suite struct ClientMachineTests {
    private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    @Test("A first put fetches the routes, opens a session in the owner's group, and goes with its identity")
    func putHasAnIdentity() {
        var bench = ClientBench()
        let id = bench.begin(.put(key: bytes("k"), value: [1]))
        guard case .routes? = bench.open.last?.request else {
            Issue.record("routes come first")
            return
        }
        bench.answer(.routes(ClientBench.routes))
        #expect(bench.lastRequest == .openSession(key: bytes("k")))
        bench.done(.opened(ClientBench.session))
        let identity = RequestIdentity(group: "birds", session: ClientBench.session, sequence: 1, lowestOpen: 1)
        #expect(bench.lastRequest == .put(key: bytes("k"), value: [1], identity: identity))
        bench.done(.put)
        #expect(bench.outcomes[id] == .done(.put, at: ClientBench.position()))
    }

    @Test("Mutations are numbered, and say from which on answers are still waited for")
    func windowMoves() {
        var bench = ClientBench()
        _ = bench.beginPut("a")
        _ = bench.beginPut("b")
        _ = bench.beginPut("c")
        #expect(bench.open.count == 3)
        #expect(bench.lastRequest?.identity?.sequence == 3 && bench.lastRequest?.identity?.lowestOpen == 1)
        bench.done(.put)
        bench.done(.put)
        _ = bench.beginPut("d")
        #expect(bench.lastRequest?.identity?.sequence == 4 && bench.lastRequest?.identity?.lowestOpen == 3)
    }

    @Test("A mutation whose connection broke is sent again, under the same identity, to another server")
    func brokenIsRepeated() {
        var bench = ClientBench()
        let id = bench.beginPut()
        let first = bench.open[0]
        bench.end(.broken("reset"))
        #expect(bench.open.count == 1)
        #expect(bench.open[0].to != first.to)
        #expect(bench.lastRequest?.identity?.sequence == 1)
        bench.done(.put)
        #expect(bench.outcomes[id] == .done(.put, at: ClientBench.position()))
    }

    @Test("Without identities a broken mutation is of unknown outcome at once, and a refused one is tried again")
    func withoutIdentities() {
        var bench = ClientBench(ClientOptions(exactlyOnce: false))
        let broken = bench.begin(.put(key: bytes("k"), value: [1]))
        #expect(bench.lastRequest == .put(key: bytes("k"), value: [1]))
        bench.end(.broken("reset"))
        guard case .unknown? = bench.outcomes[broken] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        let refused = bench.begin(.delete(key: bytes("k")))
        bench.fail(.unavailable)
        bench.waitForAttempt()
        bench.done(.deleted(existed: true))
        #expect(bench.outcomes[refused] == .done(.deleted(existed: true), at: ClientBench.position()))
    }

    @Test("What no attempt can have done is certainly not done, however long it was tried")
    func certainlyNot() {
        var bench = ClientBench()
        let id = bench.beginPut(timeout: .seconds(3))
        for _ in 0..<1_000 where bench.outcomes[id] == nil {
            if bench.open.isEmpty {
                bench.wait { !$0.open.isEmpty || $0.outcomes[id] != nil }
            } else {
                bench.fail(.unavailable)
            }
        }
        guard case .notDone(let error)? = bench.outcomes[id] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(error.code == .unavailable)
        #expect(error.message == "not answered in time; nothing was done; the last failure: why")
        #expect(bench.now - .zero <= .seconds(3))
    }

    @Test("One attempt in doubt leaves the operation in doubt, whatever later ones are refused for")
    func doubtStays() {
        var bench = ClientBench()
        let id = bench.beginPut(timeout: .seconds(1))
        bench.fail(.aborted)
        for _ in 0..<1_000 where bench.outcomes[id] == nil {
            if bench.open.isEmpty {
                bench.wait { !$0.open.isEmpty || $0.outcomes[id] != nil }
            } else {
                bench.fail(.unavailable)
            }
        }
        guard case .unknown(let error)? = bench.outcomes[id] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(error.code == .deadlineExceeded)
    }

    @Test("A mutation that waits for its answer at the deadline is of unknown outcome, a read is not done")
    func deadline() {
        var bench = ClientBench()
        let put = bench.beginPut(timeout: .milliseconds(500))
        let get = bench.begin(.get(key: bytes("k")), timeout: .milliseconds(500))
        bench.wait { $0.outcomes.count == 2 }
        guard case .unknown? = bench.outcomes[put], case .notDone? = bench.outcomes[get] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(bench.open.isEmpty, "what nobody waits for is abandoned")
    }

    @Test("An attempt that is not answered in time is abandoned, and another server asked")
    func slowServer() {
        var bench = ClientBench()
        let id = bench.begin(.get(key: bytes("k")))
        let slow = bench.open[0]
        bench.wait { $0.open.first?.id != slow.id }
        #expect(bench.now == Instant.zero + ClientOptions().attemptTimeout)
        #expect(bench.open.count == 1 && bench.open[0].to != slow.to)
        bench.done(.value([7]))
        #expect(bench.outcomes[id] == .done(.value([7]), at: ClientBench.position()))
        _ = bench.begin(.get(key: bytes("k")))
        #expect(bench.open[0].to != slow.to, "the slow one is left alone")
    }

    @Test("A node that names the right one is believed, but not for ever")
    func redirections() {
        var bench = ClientBench()
        let id = bench.begin(.get(key: bytes("k")))
        let right = Address(host: "right", port: 2)
        bench.fail(.failedPrecondition, redirect: right)
        #expect(bench.open[0].to == right)
        for _ in 0..<3 { bench.fail(.failedPrecondition, redirect: right) }
        #expect(bench.open.count == 1)
        bench.fail(.failedPrecondition, redirect: right)
        #expect(bench.open.isEmpty, "after that many it pauses")
        bench.waitForAttempt()
        #expect(ClientBench.servers.contains(bench.open[0].to))
        bench.done(.value(nil))
        #expect(bench.outcomes[id] != nil)
    }

    @Test("A session that the group forgot: who was never in doubt gets a new one, who was is told the truth")
    func forgottenSession() {
        var bench = ClientBench()
        let sure = bench.beginPut("a")
        let doubted = bench.beginPut("b")
        bench.fail(.notFound)
        #expect(bench.lastRequest == .openSession(key: bytes("a")), "a new session is opened")
        // The second attempt is the oldest now.
        bench.end(.broken("reset"))
        let repeated = bench.open.first {
            if case .key(.put(let key, _, _), _) = $0.request { key == bytes("b") } else { false }
        }
        guard case .key(let request, _)? = repeated?.request else {
            Issue.record("\(bench.open)")
            return
        }
        #expect(request.identity?.session == ClientBench.session, "under its own identity")
        let other = SessionID(opened: Position(term: 1, seq: 50))
        bench.done(.opened(other))
        bench.fail(.notFound)
        guard case .unknown(let error)? = bench.outcomes[doubted] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(error.code == .notFound)
        #expect(bench.lastRequest?.identity == RequestIdentity(group: "birds", session: other, sequence: 1, lowestOpen: 1))
        bench.done(.put)
        #expect(bench.outcomes[sure] == .done(.put, at: ClientBench.position()))
    }

    @Test("A session opened in another group than the routes said: the routes are asked again")
    func movedKey() {
        var bench = ClientBench()
        let id = bench.begin(.put(key: bytes("k"), value: [1]))
        bench.answer(.routes(ClientBench.routes))
        bench.answer(.done(.opened(ClientBench.session), at: ClientBench.position(group: "fish")))
        bench.waitForAttempt()
        guard case .routes? = bench.open.last?.request else {
            Issue.record("\(bench.open)")
            return
        }
        let tokens = [RingToken(token: 7, group: "fish")]
        bench.answer(.routes(Routes(ring: RingStatus(version: 2, sealed: true, tokens: tokens), groups: [])))
        bench.answer(.done(.opened(ClientBench.session), at: ClientBench.position(group: "fish")))
        bench.done(.put)
        #expect(bench.outcomes[id] != nil)
    }

    @Test("No more mutations of a session are open than the window allows; the others wait their turn")
    func windowIsBounded() {
        var bench = ClientBench(ClientOptions(sessionWindow: 2))
        _ = bench.beginPut("a")
        _ = bench.beginPut("b")
        _ = bench.beginPut("c")
        #expect(bench.open.count == 2)
        // The second is answered first: the window still begins at the first.
        let second = bench.open[1]
        bench.step(.ended(second.id, .reply(.done(.put, at: ClientBench.position()))))
        #expect(!bench.open.contains { $0.id.number > second.id.number })
        bench.done(.put)
        #expect(bench.lastRequest?.identity?.sequence == 3)
    }

    @Test("Beyond the bound on operations a new one is refused")
    func operationsAreBounded() {
        var bench = ClientBench(ClientOptions(operations: 2))
        _ = bench.begin(.get(key: bytes("a")))
        _ = bench.begin(.get(key: bytes("b")))
        let third = bench.begin(.get(key: bytes("c")))
        guard case .notDone(let error)? = bench.outcomes[third] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(error.code == .resourceExhausted)
        #expect(error.message == "2 operations are under way, which is the limit of this client; nothing was done")
    }

    @Test("Pauses double, up to a bound, and half of each is drawn")
    func backOff() {
        var bench = ClientBench(servers: [ClientBench.servers[0]])
        _ = bench.begin(.get(key: bytes("k")), timeout: .seconds(60))
        var pauses: [Nanoseconds] = []
        for _ in 0..<12 {
            let before = bench.now
            bench.fail(.unavailable)
            bench.waitForAttempt()
            pauses.append(bench.now - before)
        }
        for (index, pause) in pauses.enumerated() {
            let full = min(Nanoseconds.milliseconds(10) * Int64(1 << index), .seconds(1))
            #expect(pause >= full / 2 && pause <= full, "pause \(index)")
        }
    }

    @Test("Reads say what they may miss; a monotonic one asks for what this client has seen of the group")
    func consistency() {
        var bench = ClientBench()
        _ = bench.beginPut()
        bench.done(.put, seq: 40)
        _ = bench.begin(.get(key: bytes("k"), .monotonic))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .stale(atLeast: ClientBench.position(40))))
        bench.done(.value(nil), seq: 43)
        _ = bench.begin(.get(key: bytes("k"), .monotonic))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .stale(atLeast: ClientBench.position(43))))
        bench.done(.value(nil), seq: 43)
        _ = bench.begin(.get(key: bytes("k"), .confirmed))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .confirmed))
        bench.done(.value(nil))
        _ = bench.begin(.get(key: bytes("k"), .stale()))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .stale(atLeast: nil)))
    }

    @Test("Directly: the primary is asked itself, and any server where that does not answer")
    func direct() {
        var bench = ClientBench(ClientOptions(direct: true))
        let id = bench.beginPut()
        #expect(bench.open[0].to == Address(host: "primary", port: 1))
        bench.end(.unreachable("refused"))
        #expect(ClientBench.servers.contains(bench.open[0].to))
        bench.done(.put)
        #expect(bench.outcomes[id] != nil)
    }

    @Test("Directly, by routes that have become old: a server is asked meanwhile, and the new ones are gone by")
    func oldRoutes() {
        var bench = ClientBench(ClientOptions(exactlyOnce: false, direct: true))
        let first = bench.begin(.get(key: bytes("k")))
        bench.answer(.routes(ClientBench.routes))
        bench.done(.value(nil))
        #expect(bench.outcomes[first] != nil)

        bench.now = bench.now + .seconds(1)
        let second = bench.begin(.get(key: bytes("k")))
        #expect(bench.open[0].to == Address(host: "primary", port: 1))
        bench.fail(.failedPrecondition, "the key belongs to group fish, not to birds; nothing was done")
        bench.waitForAttempt()
        let requests = bench.open.map(\.request)
        #expect(requests.contains(.routes), "\(requests)")
        #expect(bench.open.allSatisfy { ClientBench.servers.contains($0.to) }, "\(bench.open)")
        let fish = Address(host: "fish", port: 1)
        let routes = Routes(
            ring: RingStatus(version: 2, sealed: true, tokens: [RingToken(token: 7, group: "fish")]),
            groups: [Routes.Group(name: "fish", primary: fish)])
        while !bench.open.isEmpty {
            if case .routes = bench.open[0].request { bench.answer(.routes(routes)) } else { bench.done(.value([1])) }
        }
        #expect(bench.outcomes[second] == .done(.value([1]), at: ClientBench.position()))
        _ = bench.begin(.get(key: bytes("k")))
        #expect(bench.open[0].to == fish)
    }

    @Test("A monotonic read that demands a position of another group than the key's looks at the ring again, once")
    func monotonicByAnOldRing() {
        var bench = ClientBench()
        _ = bench.beginPut()
        bench.done(.put, seq: 40)
        let id = bench.begin(.get(key: bytes("k"), .monotonic))
        bench.fail(.invalidArgument, "birds@l:40 is a position of group birds, and the key belongs to group fish")
        bench.waitForAttempt()
        #expect(bench.open.map(\.request) == [.routes])
        let tokens = [RingToken(token: 7, group: "fish")]
        bench.answer(.routes(Routes(ring: RingStatus(version: 2, sealed: true, tokens: tokens), groups: [])))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .stale(atLeast: nil)))
        bench.answer(.done(.value([2]), at: ClientBench.position(3, group: "fish")))
        #expect(bench.outcomes[id] == .done(.value([2]), at: ClientBench.position(3, group: "fish")))

        let wrong = bench.begin(.get(key: bytes("k"), .monotonic))
        bench.fail(.invalidArgument, "another reason")
        bench.waitForAttempt()
        bench.answer(.routes(ClientBench.routes))
        bench.fail(.invalidArgument, "another reason")
        guard case .notDone(let error)? = bench.outcomes[wrong] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(error.code == .invalidArgument)
    }

    @Test("What another group than the ring said answers to a monotonic read is not below what was seen of that group")
    func monotonicAcrossAnOldRing() {
        var bench = ClientBench()
        let first = bench.begin(.get(key: bytes("k"), .monotonic))
        bench.answer(.routes(ClientBench.routes))
        // By these routes the key is of another group, of which nothing was seen: nothing could be missed.
        bench.answer(.done(.value([2]), at: ClientBench.position(7, group: "fish")))
        #expect(bench.outcomes[first] == .done(.value([2]), at: ClientBench.position(7, group: "fish")))

        // From then on nobody goes by that ring. A server may have it for longer.
        let second = bench.begin(.get(key: bytes("k"), .monotonic))
        bench.waitForAttempt()
        #expect(bench.open.map(\.request) == [.routes])
        bench.answer(.routes(ClientBench.routes))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .stale(atLeast: nil)))
        bench.answer(.done(.value(nil), at: ClientBench.position(0, group: "fish")))
        #expect(bench.outcomes[second] == nil)
        bench.waitForAttempt()
        #expect(bench.open.map(\.request) == [.routes])
        let tokens = [RingToken(token: 7, group: "fish")]
        bench.answer(.routes(Routes(ring: RingStatus(version: 2, sealed: true, tokens: tokens), groups: [])))
        #expect(bench.lastRequest == .get(key: bytes("k"), mode: .stale(atLeast: ClientBench.position(7, group: "fish"))))
        bench.answer(.done(.value([2]), at: ClientBench.position(8, group: "fish")))
        #expect(bench.outcomes[second] == .done(.value([2]), at: ClientBench.position(8, group: "fish")))
    }

    @Test("A cancelled mutation that is under way is of unknown outcome, one that still waits is not done")
    func cancelled() {
        var bench = ClientBench(ClientOptions(sessionWindow: 1))
        let sent = bench.beginPut("a")
        let waiting = bench.beginPut("b")
        bench.step(.cancelled(waiting))
        bench.step(.cancelled(sent))
        guard case .notDone? = bench.outcomes[waiting], case .unknown? = bench.outcomes[sent] else {
            Issue.record("\(bench.outcomes)")
            return
        }
        #expect(bench.client.operationsUnderWay == 0)
    }
}
