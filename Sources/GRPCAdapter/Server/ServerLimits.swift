/// What a server takes from outside before it says no.
public struct ServerLimits: Hashable, Sendable {
    /// Largest message of a client, in bytes. Beyond it: RESOURCE_EXHAUSTED.
    public var requestBytes: Int
    /// Largest frame of a peer, in bytes; nothing larger is ever read from the network.
    public var frameBytes: Int
    /// Unary calls that wait for their reply, over all connections. Beyond it: RESOURCE_EXHAUSTED.
    public var callsInFlight: Int
    /// Streams that are open (links of peers, health watches, reflection), over all connections. Beyond it:
    /// RESOURCE_EXHAUSTED.
    public var streams: Int
    /// Calls that one connection may have open; its further calls wait at the client.
    public var callsPerConnection: Int

    public init(
        requestBytes: Int = (4 << 20) + (64 << 10), frameBytes: Int = 16 << 20, callsInFlight: Int = 10_000,
        streams: Int = 1_000,
        callsPerConnection: Int = 2_000
    ) {
        self.requestBytes = requestBytes
        self.frameBytes = frameBytes
        self.callsInFlight = callsInFlight
        self.streams = streams
        self.callsPerConnection = callsPerConnection
    }
}
