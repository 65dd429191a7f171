import Machine
import Nodes
import Simulation
import Wire

/// A production node as an exploration holds it: the node, its clock, and the timers that it has set.
struct SteppedNode: Sendable {
    var node: ClusterNode
    var now = Instant.zero
    var timers = SortedMap<TimerID, Instant>()

    init(_ node: ClusterNode) { self.node = node }

    /// One event, as a batch of its own. Returns the effects but for timers and log lines.
    mutating func step(_ event: AviaryEvent) -> [NodeEffect<PeerMessage, ClientReply>] {
        var sink = Sink()
        node.step(event, at: now, into: &sink)
        node.step(.batchEnded, at: now, into: &sink)
        return sink.drain().filter { effect in
            switch effect {
            case .setTimer(let timer, let at):
                timers[timer] = at
                return false
            case .cancelTimer(let timer):
                timers[timer] = nil
                return false
            case .log: return false
            case .coordination, .send, .closeLink, .reply, .disk, .halt: return true
            }
        }
    }
}
