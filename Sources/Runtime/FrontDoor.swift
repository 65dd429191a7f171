import GRPCAdapter
import Logging
import Machine
import Synchronization
import Wire

/// Lets what arrives by gRPC into a node's mailbox, and turns away what does not fit.
final class FrontDoor: Sendable {
    private let mailbox: Mailbox<PeerMessage, ClientRequest>
    private let logger: Logger
    /// Set right after the server began to listen; until then the mailbox is empty and refuses nothing.
    private let server = Mutex<GRPCServer?>(nil)
    private let lost = Atomic<Int>(0)

    init(mailbox: Mailbox<PeerMessage, ClientRequest>, logger: Logger) {
        self.mailbox = mailbox
        self.logger = logger
    }

    func open(_ server: GRPCServer) { self.server.withLock { $0 = server } }

    /// Lets go of the server, which holds this door through its handlers.
    func close() { server.withLock { $0 = nil } }

    var handlers: GRPCServer.Handlers {
        GRPCServer.Handlers(
            requested: { [self] request, call in
                guard !mailbox.post(request: request, call: call) else { return }
                let error = ClientError(
                    .resourceExhausted, "this node has as many requests waiting as it takes; try again later")
                server.withLock { $0 }?.reply(.failed(error), to: call)
            },
            cancelled: { [mailbox] call in mailbox.post(.cancelled(call: call)) },
            received: { [self] messages, peer in
                let dropped = mailbox.post(messages: messages, from: peer)
                if dropped > 0 { noteLoss(of: dropped, from: peer) }
            })
    }

    /// A flood is logged whenever the number of lost messages has doubled, not per message.
    private func noteLoss(of count: Int, from peer: Address) {
        let (before, after) = lost.add(count, ordering: .relaxed)
        guard before.leadingZeroBitCount != after.leadingZeroBitCount else { return }
        logger.warning(
            "messages of peers are being dropped: more arrive than this node can take",
            metadata: ["dropped": "\(after)", "latestFrom": "\(peer)"])
    }
}
