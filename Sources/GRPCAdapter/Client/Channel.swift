import CGRPCShims
import Machine

/// A connection to one server, kept by C-core: made when it is first needed, and again after it broke.
final class Channel: Sendable {
    let address: Address
    nonisolated(unsafe) let handle: OpaquePointer
    private let target: String

    init(to address: Address, _ arguments: ChannelArguments) {
        GRPCLibrary.start()
        self.address = address
        // With the resolver's name in front the target never reads like the address of a connection; see `neverLeft`.
        target = "dns:///\(address)"
        let credentials = grpc_insecure_credentials_create()
        handle = arguments.withArguments { grpc_channel_create("dns:///\(address)", credentials, $0)! }
        grpc_channel_credentials_release(credentials)
    }

    deinit { grpc_channel_destroy(handle) }

    /// Whether a call that ended on this channel certainly never reached a connection. C-core remembers the address of the
    /// connection that it gave a call to, and names the channel's target where there was none.
    func neverLeft(_ call: OpaquePointer) -> Bool {
        guard let peer = grpc_call_get_peer(call) else { return false }
        defer { gpr_free(peer) }
        return String(cString: peer) == target
    }
}
