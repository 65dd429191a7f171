import Machine
import Nodes
import Simulation
import Wire

/// A process of Aviary: a server or a data node.
public struct ClusterNode: Node {
    public typealias Message = PeerMessage
    public typealias Request = ClientRequest
    public typealias Reply = ClientReply

    /// One of the two is there. (Not an enum: a payload would be copied out and back at every step.)
    public internal(set) var server: ServerNode?
    public internal(set) var data: DataNode?

    /// Which of them: to ask `data` whether it is there takes longer.
    private let isData: Bool

    public init(_ server: ServerNode) {
        self.server = server
        isData = false
    }

    public init(_ data: DataNode) {
        self.data = data
        isData = true
    }

    @inline(__always)
    public mutating func step(_ event: AviaryEvent, at now: Instant, into effects: inout Sink) {
        if isData {
            data!.step(event, at: now, into: &effects)
        } else {
            server?.step(event, at: now, into: &effects)
        }
    }
}
