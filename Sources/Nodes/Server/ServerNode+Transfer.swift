import Coordination
import Machine
import Wire

/// An operator's transfer that a server has passed on.
struct PendingTransfer: Hashable, Sendable {
    var call: CallID
    /// The primary that was asked.
    var peer: Address
}

// An operator's wish for another primary goes to the primary that there is. It is sent once, on a link that is up; whoever wants it
// tried again asks again.

extension ServerNode {
    /// Transfers that may be under way at once.
    private static let mostTransfers = 64

    mutating func transferRequested(_ request: TransferRequest, call: CallID, at now: Instant, into effects: inout Sink) {
        func refuse(_ code: ClientError.Code, _ message: String, into effects: inout Sink) {
            effects.append(.reply(.failed(ClientError(code, "\(message); nothing was done")), to: call))
        }
        guard phase == .running else { return refuse(.unavailable, "server \(address) is not serving", into: &effects) }
        guard transfers.count < Self.mostTransfers else {
            return refuse(.resourceExhausted, "\(Self.mostTransfers) transfers are under way", into: &effects)
        }
        guard let view = groups[request.group] else {
            return refuse(.failedPrecondition, "server \(address) knows no group \(request.group)", into: &effects)
        }
        guard let primary = view.primaryAddress else {
            return refuse(.unavailable, "group \(request.group) has no primary that could hand over", into: &effects)
        }
        guard links.isUp(primary) else {
            links.probe(primary, id: requests.freshID(), every: options.routeRetry, at: now, into: &effects)
            return refuse(.unavailable, "there is no link to \(primary), the primary, yet; try again", into: &effects)
        }
        let id = requests.freshID()
        transfers[id] = PendingTransfer(call: call, peer: primary)
        effects.append(.send(.transfer(id: id, request), to: primary))
    }

    /// Whether the answer was to a transfer.
    mutating func transferAnswered(_ id: UInt64, _ reply: ClientReply, into effects: inout Sink) -> Bool {
        guard let transfer = transfers[id] else { return false }
        transfers[id] = nil
        effects.append(.reply(reply, to: transfer.call))
        return true
    }

    /// The link to whom was asked broke.
    mutating func transfersLost(_ peer: Address, into effects: inout Sink) {
        for (id, transfer) in transfers where transfer.peer == peer {
            transfers[id] = nil
            let message = "the link to \(peer), the primary, broke before it answered; it may have happened"
            effects.append(.reply(.failed(ClientError(.aborted, message)), to: transfer.call))
        }
    }
}
