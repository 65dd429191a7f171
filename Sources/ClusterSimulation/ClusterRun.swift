import Coordination
import Machine
import Simulation
import Nodes
import Placement
import Wire

/// One seed's run: a cluster under load and faults, then healed, and judged all the time.
///
/// The phases:
/// 1. *Faults.* Everything starts; clients work; faults happen as the plan says. Safety is judged at every step.
/// 2. *Recovery.* Everything is healed and restarted. Within a bounded time there must be a master, a serving primary in
///    each group, every store in-sync, and clients that succeed.
/// 3. *Audit.* Clients stop; every key is read; replicas must be equal.
///
/// A value, like the world in it: a copy goes on by itself.
public struct ClusterRun: Sendable {
    enum Role: Hashable, Sendable {
        case server
        case data(group: Int)
    }

    enum Phase: Hashable, Sendable {
        case faults, recovery, proving, draining, audit, over
    }

    /// What an alarm is for.
    enum Action: Sendable {
        case start(process: Int, life: UInt32)
        case fault(share: Int)
        case repair(Repair)
        case act(client: Int)
        case giveUp(client: Int, CallID)
        case heal
        case look
    }

    public let seed: UInt64
    public let plan: ClusterPlan
    public internal(set) var world: ClusterWorld
    let roles: [Role]
    var phase = Phase.faults
    var deadline = Instant.zero
    public internal(set) var violation: Violation?

    var clients: [WorkloadClient] = []
    var clientOfCall = LookupTable<CallID, Int>()
    var histories: [KeyHistory] = []
    public internal(set) var operations = OperationCounts()
    public internal(set) var faults = FaultCounts()

    var serving: ServingOracle
    var recovery: RecoveryOracle
    var mastery = MasteryOracle()
    var prefixes: CommittedPrefixOracle
    var work: WorkOracle

    private var actions = LookupTable<UInt64, Action>()
    private var actionsMade: UInt64 = 0
    var workload: SeededRandom
    var chaos: SeededRandom
    private var identities: SeededRandom

    public init(seed: UInt64, trace: Trace = Trace()) {
        var random = SeededRandom(seed: seed)
        var planning = random.fork()
        self.init(seed: seed, plan: ClusterPlan(drawnFrom: &planning), random: random, trace: trace)
    }

    private init(seed: UInt64, plan: ClusterPlan, random: SeededRandom, trace: Trace) {
        var random = random
        self.seed = seed
        self.plan = plan
        workload = random.fork()
        chaos = random.fork()
        identities = random.fork()
        var roles: [Role] = Array(repeating: .server, count: plan.servers)
        for (group, stores) in plan.stores.enumerated() { roles += Array(repeating: .data(group: group), count: stores) }
        self.roles = roles
        let addresses = roles.enumerated().map { index, role in
            let host =
                switch role {
                case .server: "s\(index)"
                case .data(let group): "\(ClusterPlan.groupNames[group].prefix(1))\(index)"
                }
            return Address(host: host, port: UInt16(1_000 + index))
        }
        world = ClusterWorld(addresses: addresses, options: plan.world, seed: random.next(), trace: trace)
        serving = ServingOracle(groups: plan.stores.count)
        recovery = RecoveryOracle(processes: roles.count)
        prefixes = CommittedPrefixOracle(processes: roles.count, groups: plan.stores.count)
        work = WorkOracle(
            WorkOracle.Shape(
                servers: plan.servers, stores: plan.stores, clients: plan.clients, shortestPatience: plan.patience / 4,
                windowAppends: plan.data.replication.windowAppends))
        clients = (0..<plan.clients).map { WorkloadClient(number: $0) }
    }

    // MARK: The run

    /// Runs to the end, to the first violation, or until the world is as asked.
    public mutating func run(until isEnough: (ClusterWorld) -> Bool = { _ in false }) {
        begin()
        while phase != .over && violation == nil && !isEnough(world) {
            guard let occurrence = world.advance(until: .never) else { break }
            occurred(occurrence)
        }
    }

    private mutating func begin() {
        var late = plan.latecomers
        for process in roles.indices.reversed() {
            var delay = workload.length(.zero...(.milliseconds(300)))
            if late > 0, case .data(let group) = roles[process], isLatecomer(process, group) {
                late -= 1
                delay = workload.length(.seconds(1)...max(.seconds(1), plan.faultTime))
            }
            plan(.start(process: process, life: 0), after: delay)
        }
        for client in clients.indices { plan(.act(client: client), after: workload.length(.zero...(.milliseconds(500)))) }
        for share in plan.mix.shares.indices { planFault(share) }
        plan(.heal, after: plan.faultTime)
    }

    /// Only stores beyond a group's first can come late.
    private func isLatecomer(_ process: Int, _ group: Int) -> Bool {
        roles.firstIndex(of: .data(group: group)) != process
    }

    mutating func plan(_ action: Action, after delay: Nanoseconds) {
        actionsMade += 1
        actions[actionsMade] = action
        world.alarm(at: world.now + delay, actionsMade)
    }

    private mutating func occurred(_ occurrence: Occurrence<ClientReply>) {
        switch occurrence {
        case .stepped(let process):
            judge(process)
        case .halted(let process, let halt):
            halted(process, halt)
        case .trapSprung(let process, let kind):
            guard phase == .faults, world.isUp(process) else { return }
            let started = roles.indices.map { world.life(of: $0) > 0 }
            for (delay, repair) in world.strike(process, kind, mayHit: { started[$0] }, random: &chaos) {
                plan(.repair(repair), after: delay)
            }
        case .answered(let call, let outcome):
            if let client = clientOfCall.removeValue(forKey: call) { answered(client, call, outcome) }
        case .alarm(let number):
            if let action = actions.removeValue(forKey: number) { act(action) }
        }
    }

    private mutating func act(_ action: Action) {
        switch action {
        case .start(let process, let life): if world.life(of: process) == life { start(process) }
        case .fault(let share): fault(share)
        case .repair(let repair): if phase == .faults { self.repair(repair) }
        case .act(let client): beginOperation(client)
        case .giveUp(let client, let call): giveUp(client, call)
        case .heal: heal()
        case .look: look()
        }
    }

    // MARK: Processes

    mutating func start(_ process: Int) {
        guard !world.isUp(process) else { return }
        if world.life(of: process) > 0 { recovery.ended(process, world.disk(process)) }
        let address = world.address(of: process)
        let random = identities.fork()
        switch roles[process] {
        case .server: world.start(process, ClusterNode(ServerNode(address: address, options: plan.server, random: random)))
        case .data(let group):
            let name = ClusterPlan.groupNames[group]
            world.start(process, ClusterNode(DataNode(group: name, address: address, options: plan.data, random: random)))
        }
    }

    private mutating func halted(_ process: Int, _ halt: Halt) {
        // A supervisor starts it again.
        let delay = workload.length(.milliseconds(1)...(.seconds(1)))
        plan(.start(process: process, life: world.life(of: process)), after: delay)
    }

    // MARK: Faults

    private mutating func planFault(_ share: Int) {
        let mean = plan.mix.shares[share].interval
        plan(.fault(share: share), after: chaos.length(.zero...(mean * 2)))
    }

    private mutating func fault(_ share: Int) {
        guard phase == .faults else { return }
        let kind = plan.mix.shares[share].kind
        let started = roles.indices.map { world.life(of: $0) > 0 }
        let wasHit = world.trace.length
        let repairs = world.inject(kind, mayHit: { started[$0] }, random: &chaos)
        if world.trace.length > wasHit { faults.add(kind) }
        for (delay, repair) in repairs { plan(.repair(repair), after: delay) }
        planFault(share)
    }

    private mutating func repair(_ repair: Repair) {
        if case .restart(let process) = repair { start(process) } else { world.repair(repair) }
    }

    /// The end of all faults: nothing is cut, slow, paused or down any more.
    private mutating func heal() {
        phase = .recovery
        world.healEverything()
        for process in roles.indices where !world.isUp(process) { start(process) }
        deadline = world.now + plan.recoveryTime
        plan(.look, after: .milliseconds(100))
    }
}
