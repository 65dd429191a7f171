import Coordination
import Machine
import Testing
import Wire

@testable import Nodes

/// A server that is offered anything in any order: it never traps, answers no call twice, and runs the same every time.
@Suite("A server and any event")
struct ServerTotalityTests {
    private static let peers = [
        Address(host: "primary", port: 2), Address(host: "second", port: 2), Address(host: "stranger", port: 2),
    ]

    private static func request(_ random: inout SeededRandom) -> ClientRequest {
        let key = Array("\(random.next(upperBound: UInt64(50)))".utf8)
        let patience: Nanoseconds? = random.chance(1, in: 3) ? Nanoseconds(Int64(truncatingIfNeeded: random.next()) >> 30) : nil
        switch random.next(upperBound: UInt64(8)) {
        case 0: return .status
        case 1: return .key(.get(key: []), patience: patience)
        case 2...4: return .key(.get(key: key), patience: patience)
        case 5: return .key(.delete(key: key), patience: patience)
        default: return .key(.put(key: key, value: key), patience: patience)
        }
    }

    private static func reply(_ random: inout SeededRandom) -> ClientReply {
        let code = ClientError.Code.allCases.randomElement(using: &random) ?? .unavailable
        return [.put, .value(nil), .deleted(existed: true), .failed(ClientError(code, "x"))].randomElement(using: &random)
            ?? .put
    }

    private func run(_ seed: UInt64) -> [UInt64] {
        var random = SeededRandom(seed: seed)
        var bench = ServerBench.serving(
            ["g": Self.peers[0], "zdata2": Self.peers[1]], options: ServerOptions(pendingRequests: 8))
        var calls: UInt64 = 0
        var answered: [UInt64] = []
        var forwards: [UInt64] = []
        for _ in 0..<1500 {
            let peer = Self.peers.randomElement(using: &random) ?? Self.peers[0]
            switch random.next(upperBound: UInt64(24)) {
            case 0...8:
                calls += 1
                bench.send(.requested(Self.request(&random), call: CallID(calls)))
            case 9...13:
                let id = forwards.randomElement(using: &random) ?? random.next()
                bench.send(.received(.forwardReply(id: id, Self.reply(&random)), from: peer))
            case 14: bench.send(.linkDown(peer))
            case 15: bench.send(.cancelled(call: CallID(random.next(upperBound: calls + 1))))
            case 16: bench.pass(.milliseconds(Int64(random.next(upperBound: UInt64(700)))))
            case 17: bench.writeMember("g", 1 + random.next(upperBound: UInt64(3)), "store-g", at: peer)
            case 18: bench.delete(Paths.member(1 + random.next(upperBound: UInt64(3)), ofGroup: "g"))
            case 19: bench.write(["/ring", "/data/g/config", "/server/0"].randomElement(using: &random) ?? "/ring", [63])
            case 20: if random.chance(1, in: 10) { bench.expireSession() }
            case 21: bench.delete(["/server/0", "/data/g/config"].randomElement(using: &random) ?? "/server/0")
            case 22:
                bench.writeConfig(
                    "g", term: 1 + random.next(upperBound: UInt64(9)), primary: "store-g",
                    1 + random.next(upperBound: UInt64(3)))
            default: if random.chance(1, in: 300) { bench.send(.shutdownRequested) }
            }
            forwards += bench.takeSent().compactMap { sent in
                if case .forward(let id, _) = sent.message { id } else { nil }
            }
            answered += bench.replies.map(\.call)
            _ = bench.takeReplies()
        }
        return answered
    }

    @Test(arguments: 0..<10)
    func noCallIsAnsweredTwice(seed: UInt64) {
        let answered = run(seed)
        #expect(answered.count > 50)
        #expect(Set(answered).count == answered.count)
        #expect(answered == run(seed))
    }
}
