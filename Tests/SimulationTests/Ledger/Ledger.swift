import Machine
import Simulation

/// A node with a job: it adds up numbers, and promises that what it confirmed survives. One byte an amount, one sync each.
struct Ledger: Node {
    struct Add: Traceable {
        var amount: UInt8
        func fold(into hash: inout TraceHash) { hash.fold(Int(amount)) }
    }

    /// The mistake to be found: it confirms what is not synced.
    let isHasty: Bool
    private(set) var amounts: [UInt8] = []
    private(set) var isOpen = false
    private var requests: UInt64 = 0
    /// What waits for a sync: the call, and how many amounts there were with it.
    private var waiting: [(sync: DiskID, call: CallID, count: Int)] = []

    init(isHasty: Bool) { self.isHasty = isHasty }

    mutating func step(_ event: NodeEvent<String, Add>, at now: Instant, into effects: inout Effects<String, Int>) {
        switch event {
        case .started:
            _ = ask(.append(.log, []), into: &effects)
            _ = ask(.syncDirectory, into: &effects)
            _ = ask(.read(.log, offset: 0, length: 1 << 20), into: &effects)
        case .disk(let completion):
            if case .data(let bytes) = completion.result {
                // A part of a torn write may read as zeros; no amount is zero.
                amounts = Array(bytes.prefix { $0 != 0 })
                isOpen = true
                if amounts.count < bytes.count { _ = ask(.truncate(.log, size: Int64(amounts.count)), into: &effects) }
                return
            }
            if let index = waiting.firstIndex(where: { $0.sync == completion.id }) {
                let done = waiting.remove(at: index)
                effects.append(.reply(done.count, to: done.call))
            }
        case .requested(let add, let call):
            guard isOpen, add.amount > 0 else { return effects.append(.reply(-1, to: call)) }
            amounts.append(add.amount)
            _ = ask(.append(.log, [add.amount]), into: &effects)
            let sync = ask(.sync(.log), into: &effects)
            if isHasty { effects.append(.reply(amounts.count, to: call)) } else { waiting.append((sync, call, amounts.count)) }
        case .coordination, .received, .linkUp, .linkDown, .cancelled, .timerFired, .shutdownRequested, .batchEnded: break
        }
    }

    private mutating func ask(_ operation: DiskOperation, into effects: inout Effects<String, Int>) -> DiskID {
        requests += 1
        effects.append(.disk(DiskRequest(id: DiskID(requests), operation: operation)))
        return DiskID(requests)
    }
}
