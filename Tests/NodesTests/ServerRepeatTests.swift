import Machine
import Testing
import Wire

@testable import Nodes

/// A mutation with an identity may be sent again, because its group executes it once.
@Suite("A server and mutations that may be repeated")
struct ServerRepeatTests {
    private static let primary = Address(host: "primary", port: 2)
    private static let second = Address(host: "second", port: 2)
    private static let request = KeyRequest.put(
        key: Array("k".utf8), value: [1],
        identity: RequestIdentity(session: SessionID(opened: Position(term: 1, seq: 4)), sequence: 2, lowestOpen: 1))
    var bench = ServerBench.serving(["g": primary])

    /// Asks for the mutation, and has it sent.
    private mutating func begin(patience: Nanoseconds? = nil) throws -> UInt64 {
        bench.send(.requested(.key(Self.request, patience: patience), call: CallID(1)))
        return try bench.forward().id
    }

    private mutating func answer(_ id: UInt64, _ reply: ClientReply, from address: Address = primary) {
        bench.send(.received(.forwardReply(id: id, reply), from: address))
    }

    private func refusal(_ code: ClientError.Code) -> ClientReply { .failed(ClientError(code, "because")) }

    private mutating func error() -> ClientError? { bench.error(bench.takeReplies()[1]) }

    @Test mutating func isSentAgainWhenTheLinkBroke() throws {
        _ = try begin()
        bench.send(.linkDown(Self.primary))
        #expect(bench.takeReplies().isEmpty)
        bench.pass(.milliseconds(60))
        let again = try bench.forward()
        answer(again.id, .put)
        #expect(bench.takeReplies() == [1: .put])
    }

    @Test mutating func goesToTheNextPrimary() throws {
        let first = try begin()
        bench.delete("/data/g/1")
        bench.writeMember("g", 2, "other", at: Self.second)
        bench.writeConfig("g", term: 2, primary: "other", 2)
        let again = try bench.forward()
        #expect(again.to == Self.second)
        // What the old one says now is too late.
        answer(first, refusal(.aborted))
        #expect(bench.takeReplies().isEmpty)
        answer(again.id, .put, from: Self.second)
        #expect(bench.takeReplies() == [1: .put])
    }

    @Test mutating func isSentAgainWhenItsPrimarySteppedDown() throws {
        let id = try begin()
        answer(id, refusal(.aborted))
        #expect(bench.takeReplies().isEmpty)
        bench.pass(.milliseconds(60))
        let again = try bench.forward()
        // The same says it again: it will not say anything else.
        answer(again.id, refusal(.aborted))
        #expect(error()?.code == .aborted)
    }

    /// Whatever the last attempt says of itself, the first may have happened.
    @Test(arguments: [ClientError.Code.notFound, .resourceExhausted])
    mutating func mayHaveHappenedByTheFirstAttempt(_ code: ClientError.Code) throws {
        _ = try begin()
        bench.send(.linkDown(Self.primary))
        bench.pass(.milliseconds(60))
        answer(try bench.forward().id, refusal(code))
        let error = error()
        #expect(error?.code == .aborted && error?.message.contains("an earlier attempt") == true)
    }

    @Test mutating func isTriedToItsDeadlineAndThenUnknown() throws {
        _ = try begin(patience: .seconds(3))
        for _ in 0..<45 {
            bench.send(.linkDown(Self.primary))
            bench.pass(.milliseconds(60))
        }
        #expect(bench.takeReplies().isEmpty)
        for _ in 0..<10 {
            bench.send(.linkDown(Self.primary))
            bench.pass(.milliseconds(60))
        }
        #expect(error()?.mayHaveHappened == true)
    }

    /// The first attempt said that it did nothing: then nothing did.
    @Test(arguments: [ClientError.Code.notFound, .resourceExhausted])
    mutating func certainlyDidNotHappenByTheOnlyAttempt(_ code: ClientError.Code) throws {
        let id = try begin()
        answer(id, refusal(code))
        #expect(error()?.code == code)
    }

    @Test mutating func anIdentityThatCannotBeIsRefused() {
        let session = SessionID(opened: Position(term: 1, seq: 4))
        for (sequence, lowest) in [(0, 0), (3, 4)] as [(UInt64, UInt64)] {
            let identity = RequestIdentity(session: session, sequence: sequence, lowestOpen: lowest)
            bench.send(.requested(.key(.delete(key: [1], identity: identity), patience: nil), call: CallID(1)))
            #expect(error()?.code == .invalidArgument)
        }
    }
}
