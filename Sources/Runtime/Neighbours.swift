import Machine

/// What stands around a node: where its loop hands the effects of a batch to. Every call only passes on and returns.
///
/// There is one in production, ``Adapters``; the tests of the loop bring their own.
protocol Neighbours<Message, Reply> {
    associatedtype Message: Sendable
    associatedtype Reply: Sendable

    func perform(_ effect: CoordinationEffect)
    /// The disk requests of a batch, in order.
    func perform(_ requests: [DiskRequest])
    /// The messages of a batch to one peer, in order.
    func send(_ messages: [Message], to peer: Address)
    func closeLink(to peer: Address)
    /// The replies of a batch, in order.
    func reply(_ replies: [(Reply, CallID)])
    func log(_ line: LogLine)
}
