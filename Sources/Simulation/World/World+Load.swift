/// How much a world has to do: what an oracle needs that bounds the work of nodes.
public struct WorldLoad: Hashable, Sendable {
    /// Messages that nodes sent each other, lost ones included.
    public var messages: UInt64 = 0
    /// What nodes asked of ZooKeeper.
    public var coordinationRequests: UInt64 = 0
    /// What nodes asked of their disks.
    public var diskRequests: UInt64 = 0
    /// Calls of clients.
    public var calls: UInt64 = 0

    // The longest that each kind of queue ever was.

    /// Events that wait for a process to look at them.
    public var longestInbox = 0
    /// Messages that wait in one connection.
    public var longestLink = 0
    /// Calls that one process has not answered.
    public var mostOpenCalls = 0

    public init() {}

    @inlinable @inline(__always) mutating func saw(inbox: Int) { if inbox > longestInbox { longestInbox = inbox } }
    @inlinable @inline(__always) mutating func saw(link: Int) { if link > longestLink { longestLink = link } }
    @inlinable @inline(__always)
    mutating func saw(openCalls: Int) { if openCalls > mostOpenCalls { mostOpenCalls = openCalls } }
}

extension World {
    /// Messages that were sent and that no process has looked at, and whatever else waits in inboxes.
    public var messagesUnderWay: Int {
        network.connections.reduce(0) { $0 + $1.inFlight.count } + processes.reduce(0) { $0 + $1.inbox.count }
    }
}
