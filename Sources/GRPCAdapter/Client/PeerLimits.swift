import Machine

/// What a node's links to its peers may take up.
public struct PeerLimits: Hashable, Sendable {
    /// Bytes that wait for one peer. Beyond it the link is dropped: a peer that takes nothing is as good as gone.
    public var queuedBytes: Int
    /// Messages that wait are joined to frames of about this size, in bytes.
    public var frameBytes: Int
    /// A single message larger than this, in bytes, could not be received and is dropped. At most the receiver's
    /// `ServerLimits.frameBytes`.
    public var messageBytes: Int
    /// How long messages are dropped after a link failed, before the next one tries to connect: doubled with each
    /// failure, from the first to the last.
    public var firstBackoff: Nanoseconds
    public var lastBackoff: Nanoseconds

    public init(
        queuedBytes: Int = 64 << 20, frameBytes: Int = 1 << 20, messageBytes: Int = 15 << 20,
        firstBackoff: Nanoseconds = .milliseconds(50), lastBackoff: Nanoseconds = .seconds(1)
    ) {
        self.queuedBytes = queuedBytes
        self.frameBytes = frameBytes
        self.messageBytes = messageBytes
        self.firstBackoff = firstBackoff
        self.lastBackoff = lastBackoff
    }
}
