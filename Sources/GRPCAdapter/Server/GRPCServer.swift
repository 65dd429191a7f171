import CGRPCShims
import Machine
import Synchronization
import Wire

/// A node's front door: the gRPC server for clients (`aviary.v1`), peers (`aviary.internal.v1.Peers`), probes
/// (`grpc.health.v1`) and tools (`grpc.reflection`).
///
/// It turns calls into events and knows nothing of what they mean. C-core and one thread do the network's work; the
/// handlers run on that thread and must only enqueue. Whatever bytes arrive on the port, the answer is an event, a gRPC
/// status or a closed connection.
public final class GRPCServer: Sendable {
    /// What the server tells the node. Called on the server's thread.
    public struct Handlers: Sendable {
        /// A client asked, and waits for `reply`.
        public var requested: @Sendable (ClientRequest, CallID) -> Void
        /// The client of this call went away before it was answered.
        public var cancelled: @Sendable (CallID) -> Void
        /// A peer that can be reached at this address sent these messages. Those of one link come in the order in which
        /// they were sent.
        public var received: @Sendable ([PeerMessage], Address) -> Void

        public init(
            requested: @escaping @Sendable (ClientRequest, CallID) -> Void, cancelled: @escaping @Sendable (CallID) -> Void,
            received: @escaping @Sendable ([PeerMessage], Address) -> Void
        ) {
            self.requested = requested
            self.cancelled = cancelled
            self.received = received
        }
    }

    /// The port that the server listens on: the one that was asked for, or the one that the system chose for port 0.
    public let port: UInt16

    private nonisolated(unsafe) let server: OpaquePointer
    private let queue: CompletionQueue
    private let calls: UnaryCalls
    private let streams: ServerStreams
    private let stopped = Latch()
    private let isShutDown = Atomic(false)

    // Beyond the numbers of `UnaryCalls.Batch` and `ServerStream.Batch`.
    private static let stoppedTag = Tag(slot: 0, batch: 15)

    /// Listens, and serves until `shutDown`. Health says "not serving" until `setServing`.
    ///
    /// - Throws: `ListenError` where the address cannot be had, also where another process has it.
    public init(listen: Address, limits: ServerLimits = ServerLimits(), handlers: Handlers) throws {
        let queue = CompletionQueue()
        let server = Self.arguments(limits).withArguments { grpc_server_create($0, nil)! }
        grpc_server_register_completion_queue(server, queue.handle, nil)
        let calls = UnaryCalls(server: server, queue: queue, limits: limits, handlers: handlers)
        let streams = ServerStreams(server: server, queue: queue, limits: limits, handlers: handlers)

        let credentials = grpc_insecure_server_credentials_create()
        let bound = grpc_server_add_http2_port(server, listen.description, credentials)
        grpc_server_credentials_release(credentials)
        guard let port = UInt16(exactly: bound), port != 0 else {
            let error = ListenError(listen)
            // A server that never started ends at once, but C-core still wants the whole ceremony.
            grpc_server_shutdown_and_notify(server, queue.handle, Self.stoppedTag.pointer)
            queue.shutDown(after: Self.stoppedTag) { grpc_server_destroy(server) }
            throw error
        }

        self.port = port
        self.server = server
        self.queue = queue
        self.calls = calls
        self.streams = streams
        grpc_server_start(server)
        calls.start()
        streams.start()
        queue.start(threadName: "grpc \(port)") { [stopped] tag, succeeded in
            if let batch = UnaryCalls.Batch(rawValue: tag.batch) {
                calls.completed(batch, slot: tag.slot, succeeded: succeeded)
            } else if let batch = ServerStream.Batch(rawValue: tag.batch) {
                streams.completed(batch, slot: tag.slot, succeeded: succeeded)
            } else {
                stopped.open()
            }
        }
    }

    /// Answers a call. A call that is over, or was never there, is ignored. From any thread.
    public func reply(_ reply: ClientReply, to call: CallID) { calls.reply(reply, to: call) }

    /// Answers several calls, in order.
    public func reply(_ replies: [(ClientReply, CallID)]) {
        for (reply, call) in replies { calls.reply(reply, to: call) }
    }

    /// What health checks and watches hear from now on.
    public func setServing(_ serving: Bool) { streams.setServing(serving) }

    /// How many messages of peers were dropped so far because they made no sense.
    public var droppedMessages: Int { streams.droppedMessages }

    /// Ends the server: gives the calls in flight `grace` to be answered, and refuses new ones meanwhile; then cancels
    /// what is left (the node hears of it) and closes everything. Links of peers live until the grace is over. Blocks
    /// that long; not to be called in a handler. Afterwards `reply` and `setServing` do nothing.
    public func shutDown(grace: Nanoseconds) {
        guard !isShutDown.exchange(true, ordering: .sequentiallyConsistent) else { return }
        streams.setServing(false)
        calls.drain(atMost: grace)
        calls.stop()
        streams.stop()
        grpc_server_shutdown_and_notify(server, queue.handle, Self.stoppedTag.pointer)
        grpc_server_cancel_all_calls(server)
        stopped.wait()
        calls.awaitEnd()
        streams.awaitEnd()
        grpc_server_destroy(server)
        queue.shutDown()
    }

    deinit { precondition(isShutDown.load(ordering: .sequentiallyConsistent), "a GRPCServer is released without shutDown") }

    private static func arguments(_ limits: ServerLimits) -> ChannelArguments {
        var arguments = ChannelArguments.common
        // Two nodes on one port would share its connections at random.
        arguments.set(GRPC_ARG_ALLOW_REUSEPORT, 0)
        arguments.set(GRPC_ARG_MAX_CONCURRENT_STREAMS, limits.callsPerConnection)
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, max(limits.requestBytes, limits.frameBytes))
        arguments.set(GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1)
        arguments.set(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 10_000)
        // Peers ping often on links that are otherwise silent, and are welcome to.
        arguments.set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 100)
        arguments.set(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0)
        // Connections whose other end has vanished without a sign.
        arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, 30_000)
        arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10_000)
        return arguments
    }
}
