import CGRPCShims
import Machine

/// A connection to one server, kept by C-core: made when it is first needed, and again after it broke.
final class Channel: Sendable {
    let address: Address
    nonisolated(unsafe) let handle: OpaquePointer

    init(to address: Address, _ arguments: ChannelArguments) {
        GRPCLibrary.start()
        self.address = address
        let credentials = grpc_insecure_credentials_create()
        handle = arguments.withArguments { grpc_channel_create("dns:///\(address)", credentials, $0)! }
        grpc_channel_credentials_release(credentials)
    }

    deinit { grpc_channel_destroy(handle) }

    /// Whether there is a connection right now.
    var isConnected: Bool { grpc_channel_check_connectivity_state(handle, 0) == GRPC_CHANNEL_READY }

    /// Where the connection stands, for somebody who wants one: an idle channel begins to connect.
    func connect() -> Progress {
        switch grpc_channel_check_connectivity_state(handle, 1) {
        case GRPC_CHANNEL_READY: .connected
        case GRPC_CHANNEL_IDLE: .underway(GRPC_CHANNEL_IDLE)
        case GRPC_CHANNEL_CONNECTING: .underway(GRPC_CHANNEL_CONNECTING)
        default: .failed
        }
    }

    enum Progress {
        case connected
        /// Not yet; what C-core calls the state.
        case underway(grpc_connectivity_state)
        /// The last attempt failed, and the next is some moments away.
        case failed
    }

    /// Lets `tag` come from the queue when the state is no longer this one, or at the deadline; for nil, at once.
    func watch(_ state: grpc_connectivity_state?, until deadline: gpr_timespec, _ queue: CompletionQueue, _ tag: Tag) {
        // A channel that lives is never shut down, so this differs from its state whatever that is.
        grpc_channel_watch_connectivity_state(handle, state ?? GRPC_CHANNEL_SHUTDOWN, deadline, queue.handle, tag.pointer)
    }
}
