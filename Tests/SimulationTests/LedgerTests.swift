import Machine
import Testing

@testable import Simulation

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

/// The worked example: a machine of one's own under the simulator, in one screen.
@Suite struct LedgerTests {
    /// Runs one seed: adds numbers while the power fails now and then. Returns what was confirmed and lost, if anything.
    func lost(_ seed: UInt64, isHasty: Bool) -> String? {
        var options = World<Ledger>.Options()
        options.zooKeeper.servers = 1
        var world = World<Ledger>(addresses: [Address(host: "ledger", port: 1)], options: options, seed: seed)
        var random = SeededRandom(seed: seed)
        world.start(0, Ledger(isHasty: isHasty))
        var confirmed = 0
        var calls = 0
        world.alarm(at: .zero + .milliseconds(5), 1)
        while let occurrence = world.advance(until: .zero + .seconds(3)) {
            switch occurrence {
            case .alarm(1):
                _ = world.call(Ledger.Add(amount: UInt8(1 + calls % 200)), from: 0, to: 0)
                calls += 1
                if random.chance(1, in: 20) { world.begin(Fault(.powerLoss, processes: [0], isTrap: true)) }
                world.alarm(at: world.now + .milliseconds(5), 1)
            case .trapSprung:
                world.crash(0, losingPower: true)
                world.alarm(at: world.now + .milliseconds(20), 2)
            case .alarm: world.start(0, Ledger(isHasty: isHasty))
            case .answered(_, .reply(let count)): confirmed = max(confirmed, count)
            case .stepped:
                if let ledger = world.node(0), ledger.isOpen, ledger.amounts.count < confirmed {
                    return "seed \(seed): \(confirmed) amounts were confirmed, \(ledger.amounts.count) are left"
                }
            case .halted, .answered: break
            }
        }
        #expect(confirmed > 50)
        return nil
    }

    @Test func theLedgerKeepsWhatItConfirmed() {
        for seed in 1...60 as ClosedRange<UInt64> {
            if let lost = lost(seed, isHasty: false) { Issue.record("\(lost)") }
        }
    }

    @Test func aHastyLedgerIsFoundOut() {
        #expect((1...20 as ClosedRange<UInt64>).contains { lost($0, isHasty: true) != nil })
    }
}
