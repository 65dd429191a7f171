import Machine
import Simulation
import Wire

// The operator of the run: every now and then asks a server for another primary of some group. What comes of it is judged by what
// the group does; that an answer is true, here.

extension ClusterRun {
    /// The usual time between two wishes, where the plan has any.
    mutating func planTransfers() {
        guard plan.transfers > 0 else { return }
        let mean = plan.faultTime / Int64(plan.transfers)
        plan(.transfer, after: operation.length(.zero...(mean * 2)))
    }

    mutating func transfer() {
        guard phase == .faults else { return }
        planTransfers()
        let group = operation.below(plan.stores.count)
        // A number that is not there, one that is not in-sync, the primary itself: an operator may be wrong.
        let to = operation.chance(1, in: 2) ? UInt64(1 + operation.below(8)) : nil
        let request = TransferRequest(group: ClusterPlan.groupNames[group % 4], to: to)
        let server = operation.below(plan.servers)
        guard isPresent(server), transferCall.map({ transfers[$0] == nil }) ?? true else { return }
        let call = world.call(.transfer(request), from: 0, to: server)
        transfers[call] = request
        transferCall = call
        plan(.giveUpTransfer(call), after: .seconds(5))
    }

    mutating func giveUpTransfer(_ call: CallID) {
        if transfers.removeValue(forKey: call) != nil { world.abandon(call) }
    }

    mutating func transferAnswered(_ call: CallID, _ outcome: CallOutcome<ClientReply>) {
        guard let request = transfers.removeValue(forKey: call) else { return }
        switch outcome {
        case .refused, .broken: break
        case .reply(.failed(let error)): errors[error.code.rawValue] = (errors[error.code.rawValue] ?? 0) + 1
        case .reply(.transferred(let result)):
            if let to = request.to, result.primary.number != to {
                judged(
                    Violation("answers fit their questions", "asked for \(to), the operator was told \(result.primary.number)"))
            }
        case .reply(let reply):
            judged(Violation("answers fit their questions", "a transfer was answered with \(reply)"))
        }
    }
}
