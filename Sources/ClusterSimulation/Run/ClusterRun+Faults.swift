import Machine
import Simulation
import Wire

// Which faults happen, to whom, and their end.

extension ClusterRun {
    mutating func planFault(_ share: Int) {
        let mean = plan.mix.shares[share].interval
        plan(.drawFault(share: share), after: chaos.length(.zero...(mean * 2)))
    }

    mutating func drawFault(_ share: Int) {
        guard phase == .faults else { return }
        let kind = plan.mix.shares[share].kind
        let targets = roles.indices.map { world.life(of: $0) > 0 }
        var drawn: Fault?
        if let focus = drawFocus() {
            drawn = world.drawFault(kind, mayHit: { focus.contains($0) && targets[$0] }, random: &chaos)
        }
        if drawn == nil { drawn = world.drawFault(kind, mayHit: { targets[$0] }, random: &chaos) }
        if let drawn { begin(drawn) }
        planFault(share)
    }

    /// Whom the next fault is for: nil is anybody. Most harm is done where somebody holds an office, and where there is trouble
    /// already; left to chance, two troubles of one process rarely meet.
    private mutating func drawFocus() -> [Int]? {
        switch chaos.below(4) {
        case 0:
            var inOffice: [Int] = []
            for process in roles.indices where world.holdsOffice(process) { inOffice.append(process) }
            return inOffice
        case 1: return lastHit
        default: return nil
        }
    }

    mutating func begin(_ fault: Fault) {
        guard allows(fault) else { return }
        let victims = roles.indices.filter { process in
            fault.processes.count == 1 && fault.processes[0] == process
                || !fault.paths.isEmpty && fault.paths.allSatisfy { $0.from == process || $0.to == process }
        }
        if !victims.isEmpty { lastHit = victims }
        written?.faults.append(.init(at: world.now - .zero, fault: fault))
        faults.add(fault.kind)
        spend(fault)
        world.begin(fault)
        if fault.kind.exchangesDisks {
            let origin = fault.kind == .oldImage ? Int(clamping: fault.amount) : nil
            for process in fault.processes where process < roles.count {
                recovery.diskWasExchanged(process, imageOf: origin)
            }
        }
        if fault.lasts > .zero, !fault.isTrap { plan(.endFault(fault), after: fault.lasts) }
    }

    mutating func end(_ fault: Fault) {
        world.end(fault)
        guard fault.kind.isCrash else { return }
        for (index, process) in fault.processes.enumerated() where process < roles.count && !world.isUp(process) {
            plan(
                .start(process: process, life: world.life(of: process)),
                after: Nanoseconds(max(0, fault.amount)) * Int64(index))
        }
    }

    /// The end of all faults: nothing is cut, slow, paused or down any more.
    mutating func heal() {
        phase = .recovery
        world.healEverything()
        // How soon everything must come right is said in the world's time.
        if plan.wildClocks {
            for process in roles.indices { world.setClockRate(process, world.clockRate(process) * 4 / 9) }
        }
        for process in roles.indices where !world.isUp(process) { start(process) }
        deadline = world.now + plan.recoveryTime
        for client in clients.indices where clients[client].current == nil {
            planAct(client, after: aftermath.length(.zero...(.milliseconds(500))))
        }
        for client in clients.indices {
            clients[client].keys = []
            clients[client].keysMade = 0
            clients[client].forgetSessions()
        }
        plan(.look, after: .milliseconds(100))
        tellPhase("recovery")
    }
}
