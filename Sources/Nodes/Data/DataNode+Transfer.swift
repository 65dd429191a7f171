import Machine
import Replication
import Wire

// An operator wants another primary: this one hands over, as it does when it is asked to end, but stays in-sync.

extension DataNode {
    mutating func transferRequested(
        _ request: TransferRequest, origin: Origin, now: Instant, into effects: inout Sink
    ) {
        guard request.group == group else {
            return origin.fail(
                .failedPrecondition, "this is a node of group \(group), not of \(request.group); nothing was done",
                into: &effects)
        }
        guard phase == .running, primary != nil else { return refuseAsReplica(origin, into: &effects) }
        if let reason = primary?.beginHandover(to: request.to, leaving: false, now: now, into: &effects) {
            effects.reached(.transferRefused)
            return origin.fail(
                .failedPrecondition, "group \(group) cannot be handed over: \(reason); nothing was done", into: &effects)
        }
        transferOrigin = origin
    }

    /// The handover came to nothing, and this primary goes on.
    mutating func concludeTransfer(into effects: inout Sink) {
        guard let origin = transferOrigin, primary?.isHandingOver == false else { return }
        transferOrigin = nil
        let reason = primary?.failedHandover ?? "it was given up"
        origin.fail(.unavailable, "group \(group) was not handed over: \(reason); its primary goes on", into: &effects)
    }

    /// This primary is over; `heir` is nil where that is not the handover's doing.
    mutating func transferEnded(_ heir: MemberID?, into effects: inout Sink) {
        guard let origin = transferOrigin else { return }
        transferOrigin = nil
        if let heir {
            effects.reached(.transferred)
            origin.answer(.transferred(Transferred(primary: heir, term: endedTerm + 1)), into: &effects)
        } else {
            origin.fail(
                .aborted, "the primary of group \(group) stepped down before it had handed over; it may have happened",
                into: &effects)
        }
    }
}
