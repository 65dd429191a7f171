import GRPCAdapter
import Machine
import Wire

/// A server on a port of its own whose requests, ends and messages are recorded, and answered by a closure.
final class TestServer: Sendable {
    let requests = Recorder<(request: ClientRequest, call: CallID)>()
    let cancelled = Recorder<CallID>()
    let messages = Recorder<(message: PeerMessage, from: Address)>()
    let server: GRPCServer
    private let answers = Recorder<GRPCServer>()

    /// `answer` nil: requests stay unanswered until the test replies.
    init(
        port: UInt16 = 0, limits: ServerLimits = ServerLimits(), answer: (@Sendable (ClientRequest) -> ClientReply)? = nil
    ) throws {
        let handlers = GRPCServer.Handlers(
            requested: { [requests, answers] request, call in
                requests.append((request, call))
                guard let answer else { return }
                // The first request can come before the initialiser below is through.
                _ = answers.wait { !$0.isEmpty }
                answers.all[0].reply(answer(request), to: call)
            },
            cancelled: { [cancelled] in cancelled.append($0) },
            received: { [messages] batch, from in for message in batch { messages.append((message, from)) } }
        )
        server = try GRPCServer(listen: Address(host: "127.0.0.1", port: port), limits: limits, handlers: handlers)
        answers.append(server)
    }

    var address: Address { Address(host: "127.0.0.1", port: server.port) }

    func client() -> KVClient { KVClient(servers: [address]) }

    func shutDown(grace: Nanoseconds = .zero) {
        server.shutDown(grace: grace)
        // The server's handlers know the answers, and the answers the server.
        answers.clear()
    }

    /// Runs the body with a server and a client of it, and ends both.
    static func with(
        limits: ServerLimits = ServerLimits(), answer: (@Sendable (ClientRequest) -> ClientReply)? = nil,
        _ body: (TestServer, KVClient) throws -> Void
    ) throws {
        let server = try TestServer(limits: limits, answer: answer)
        let client = server.client()
        defer {
            client.shutDown()
            server.shutDown()
        }
        try body(server, client)
    }
}

/// Long enough for anything that ought to work.
let patience = Nanoseconds.seconds(30)

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
