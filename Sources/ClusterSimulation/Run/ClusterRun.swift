import Client
import Coordination
import Machine
import Nodes
import Placement
import Simulation
import Wire

/// One run: a cluster under load and faults, then healed, and judged all the time.
///
/// The phases:
/// 1. *Faults.* Everything starts; clients work; faults happen. Safety is judged at every step.
/// 2. *Recovery.* Everything is healed and restarted. In liveness mode there must be, within a bounded time, a master, a
///    serving primary in each group, every store in-sync, and clients that succeed. In safety mode a time passes.
/// 3. *Audit.* Clients stop; every key is read; replicas must be equal (in safety mode: what can be read must be right).
///
/// What happens comes from a seed, choice by choice (`ClusterRun(seed:…)`), or from a schedule (`ClusterRun(schedule:…)`). A run
/// by seed can write its schedule down, and that schedule repeats it event for event.
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
        /// The next fault of a share of the mix.
        case drawFault(share: Int)
        indirect case fault(Fault)
        indirect case endFault(Fault)
        case act(client: Int, round: Int)
        case giveUp(client: Int, CallID)
        /// The next attempt at a mutation that may have happened.
        case attempt(client: Int, after: CallID)
        /// A repeat of a mutation that was answered.
        case repeatAnswered(client: Int, Int)
        case giveUpRepeat(CallID)
        case libraryTimer(client: Int, UInt64)
        case cancelInLibrary(client: Int, OperationID)
        case heal
        case look
        /// The operator asks for another primary somewhere.
        case transfer
        case giveUpTransfer(CallID)
        /// The operator looks for groups that are lost.
        case recover
        case giveUpRecovery(CallID)
    }

    public let seed: UInt64
    public let plan: ClusterPlan
    public internal(set) var world: ClusterWorld
    let roles: [Role]
    /// Those that were ever installed: clients draw from them.
    let presentServers: [Int]
    let presentStores: [Int]
    var phase = Phase.faults
    var deadline = Instant.zero
    public internal(set) var violation: Violation?

    /// What it follows, if not chance.
    let schedule: ClusterSchedule?
    /// What it has done so far, where that is written down.
    public internal(set) var written: ClusterSchedule?

    var clients: [WorkloadClient] = []
    var clientOfCall = LookupTable<CallID, Int>()
    /// Calls that repeat what was answered.
    var repeatOfCall = LookupTable<CallID, AnsweredMutation.Place>()
    /// The first clients' libraries, and the attempts of them all.
    var libraries: [LibraryClient] = []
    var libraryCalls = LookupTable<CallID, LibraryAttempt>()
    /// What the operator waits for.
    var transfers = LookupTable<CallID, TransferRequest>()
    /// The last of them; the next waits for its end.
    var transferCall: CallID?
    var histories: GroupHistories
    var keys: [WorkloadKey] = []
    var keyNamed = LookupTable<String, Int>()
    /// What all clients saw.
    var history = ClientHistory()
    public internal(set) var operations = OperationCounts()
    public internal(set) var faults = FaultCounts()
    /// How often clients were answered with each error, by its code's number.
    public internal(set) var errors = SortedMap<Int, Int>()
    /// Keys that the audit of safety mode did not reach.
    public internal(set) var unreachable = 0
    var budget: FaultBudget
    /// Whom the last fault hit that was not everybody's.
    var lastHit: [Int] = []

    var serving: ServingOracle
    var recovery: RecoveryOracle
    var mastery = MasteryOracle()
    var prefixes: CommittedPrefixOracle
    var work: WorkOracle
    var positions: PositionOracle
    var once = AtMostOnceOracle()

    /// What the story says that each process is.
    var shownRoles: [String] = []

    private var actions = SerialTable<Action>()
    /// What clients do while faults go on, and what they do afterwards: one does not shift the other.
    var workload: SeededRandom
    var aftermath: SeededRandom
    /// How clients read, likewise: a stream of its own, which shifts nothing else.
    var readings: (before: SeededRandom, after: SeededRandom)
    var chaos: SeededRandom
    /// What the operator does.
    var operation: SeededRandom
    private let identities: UInt64
    /// Chance for client libraries: a stream beside the others.
    var libraryIdentities: UInt64 { identities ^ 0x6C69_6272_6172_7921 }

    /// A run by chance. `writes`: whether its schedule is written down.
    public init(seed: UInt64, profile: Profile = .swarm, mode: RunMode? = nil, trace: Trace = Trace(), writes: Bool = false) {
        var random = SeededRandom(seed: seed)
        var planning = random.fork()
        let plan = ClusterPlan(profile, mode: mode, drawnFrom: &planning)
        self.init(seed: seed, salt: 0, plan: plan, schedule: nil, trace: trace)
        if writes { written = ClusterSchedule(seed: seed, plan: plan) }
    }

    public init(schedule: ClusterSchedule, trace: Trace = Trace()) {
        self.init(seed: schedule.seed, salt: schedule.salt, plan: schedule.plan, schedule: schedule, trace: trace)
    }

    private init(seed: UInt64, salt: UInt64, plan: ClusterPlan, schedule: ClusterSchedule?, trace: Trace) {
        // The plan's draws are a stream of their own: a schedule does not repeat them.
        var random = SeededRandom(seed: seed)
        _ = random.fork()
        workload = random.fork()
        aftermath = random.fork()
        chaos = random.fork()
        let salted = salt &* 0x9E37_79B9_7F4A_7C15
        identities = random.next() ^ salted
        // A stream beside the others, so that a run without an operator is what it was before there was one.
        operation = SeededRandom(seed: identities ^ 0x6F70_6572_6174_6F72)
        self.seed = seed
        self.plan = plan
        self.schedule = schedule
        var roles: [Role] = Array(repeating: .server, count: plan.servers)
        for (group, stores) in plan.stores.enumerated() { roles += Array(repeating: .data(group: group), count: stores) }
        self.roles = roles
        presentServers = (0..<plan.servers).filter { !plan.absent.contains($0) }
        presentStores = (plan.servers..<roles.count).filter { !plan.absent.contains($0) }
        let addresses = roles.enumerated().map { index, role in
            let host =
                switch role {
                case .server: "s\(index)"
                case .data(let group): "\(ClusterPlan.groupNames[group % 4].prefix(1))\(index)"
                }
            return Address(host: host, port: UInt16(1_000 + index))
        }
        var options = plan.world
        options.keepsImages =
            plan.mix.shares.contains { $0.kind == .oldImage }
            || schedule?.faults.contains { $0.fault.kind == .oldImage } == true
        world = ClusterWorld(addresses: addresses, options: options, seed: random.next() ^ salted, trace: trace)
        readings = (random.fork(), random.fork())
        serving = ServingOracle(groups: plan.stores.count, trustsClocks: !plan.wildClocks)
        positions = PositionOracle(groups: plan.stores.count)
        recovery = RecoveryOracle(processes: roles.count)
        prefixes = CommittedPrefixOracle(
            processes: roles.count, groups: plan.stores.count, minSync: plan.data.replication.minSync)
        work = WorkOracle(
            WorkOracle.Shape(
                servers: plan.servers, stores: plan.stores, clients: plan.clients,
                // A library's operation, its routes, and its session.
                callsPerClient: plan.libraryClients > 0 ? 3 : plan.sessionPercent > 0 ? 2 : 1,
                hasOperator: plan.transfers > 0 || plan.recovers,
                shortestPatience: plan.patience / 4,
                windowAppends: plan.data.replication.windowAppends))
        budget = FaultBudget(groups: plan.stores.count)
        histories = GroupHistories(groups: plan.stores.count)
        clients = (0..<plan.clients).map { WorkloadClient(number: $0) }
        for operation in schedule?.operations ?? [] where operation.client < clients.count {
            clients[operation.client].script.append(operation)
        }
        makeLibraries()
    }

    // MARK: The run

    /// Runs to the end, to the first violation, or until the world is as asked.
    public mutating func run(until isEnough: (ClusterRun) -> Bool = { _ in false }) {
        if world.now == .zero { begin() }
        while goOn() && !isEnough(self) {}
    }

    public var isOver: Bool { phase == .over || violation != nil }

    /// Goes on to the next thing that happens; false where there is none any more.
    mutating func goOn() -> Bool {
        guard !isOver, let occurrence = world.advance(until: .never) else { return false }
        occurred(occurrence)
        return !isOver
    }

    mutating func begin() {
        if let schedule {
            for start in schedule.starts where start.process < roles.count {
                plan(.start(process: start.process, life: 0), after: start.at)
            }
        } else {
            var late = plan.latecomers
            for process in roles.indices.reversed() {
                var delay = workload.length(.zero...(.milliseconds(300)))
                if late > 0, case .data(let group) = roles[process], isLatecomer(process, group) {
                    late -= 1
                    delay = workload.length(.seconds(1)...max(.seconds(1), plan.faultTime))
                }
                written?.starts.append(.init(process: process, at: delay))
                plan(.start(process: process, life: 0), after: delay)
            }
        }
        for client in clients.indices {
            planAct(client, after: schedule == nil ? workload.length(.zero...(.milliseconds(500))) : .zero)
        }
        if let schedule {
            for timed in schedule.faults where timed.at < plan.faultTime { plan(.fault(timed.fault), after: timed.at) }
        } else {
            for share in plan.mix.shares.indices { planFault(share) }
        }
        planTransfers()
        planRecovery()
        plan(.heal, after: plan.faultTime)
        world.beginBar(.phase, lane: world.laneOfWorld, "faults")
    }

    /// Only stores beyond a group's first can come late.
    private func isLatecomer(_ process: Int, _ group: Int) -> Bool {
        roles.firstIndex(of: .data(group: group)) != process
    }

    func isPresent(_ process: Int) -> Bool { !plan.absent.contains(process) }

    /// The stores of a group that were ever installed.
    func members(of group: Int) -> [Int] { roles.indices.filter { roles[$0] == .data(group: group) && isPresent($0) } }

    mutating func plan(_ action: Action, after delay: Nanoseconds) {
        world.alarm(at: world.now + delay, actions.add(action))
    }

    private mutating func occurred(_ occurrence: Occurrence<ClientReply>) {
        switch occurrence {
        case .stepped(let process):
            judge(process)
        case .halted(let process, let halt):
            halted(process, halt)
        case .trapSprung(let process, let fault):
            guard phase == .faults, world.isUp(process), allows(fault) else { return }
            world.spring(fault)
            plan(.endFault(fault), after: fault.lasts)
        case .answered(let call, let outcome):
            if let client = clientOfCall.removeValue(forKey: call) {
                answered(client, call, outcome)
            } else if let place = repeatOfCall.removeValue(forKey: call) {
                repeatAnswered(place, outcome)
            } else if let attempt = libraryCalls.removeValue(forKey: call) {
                libraryAnswered(attempt, outcome)
            } else if histories.calls[call] != nil {
                recoveryAnswered(call, outcome)
            } else {
                transferAnswered(call, outcome)
            }
        case .alarm(let number):
            if let action = actions.take(number) { act(action) }
        }
    }

    private mutating func act(_ action: Action) {
        switch action {
        case .start(let process, let life): if world.life(of: process) == life { start(process) }
        case .drawFault(let share): drawFault(share)
        case .fault(let fault): if phase == .faults { begin(fault) }
        case .endFault(let fault): if phase == .faults { end(fault) }
        case .act(let client, let round): if clients[client].round == round { beginOperation(client) }
        case .giveUp(let client, let call): giveUp(client, call)
        case .attempt(let client, let call): attemptAgain(client, after: call)
        case .repeatAnswered(let client, let index): sendRepeat(client, index)
        case .giveUpRepeat(let call): giveUpRepeat(call)
        case .libraryTimer(let client, let timer): libraryTimerFired(client, timer)
        case .cancelInLibrary(let client, let id): cancelInLibrary(client, id)
        case .heal: heal()
        case .look: look()
        case .transfer: transfer()
        case .giveUpTransfer(let call): giveUpTransfer(call)
        case .recover: lookForLostGroups()
        case .giveUpRecovery(let call): giveUpRecovery(call)
        }
    }

    // MARK: Processes

    mutating func start(_ process: Int) {
        guard !world.isUp(process), isPresent(process) else { return }
        if world.life(of: process) > 0 { recovery.ended(process, world.disk(process)) }
        let address = world.address(of: process)
        let random = stream(1, process)
        switch roles[process] {
        case .server: world.start(process, ClusterNode(ServerNode(address: address, options: plan.server, random: random)))
        case .data(let group):
            let name = ClusterPlan.groupNames[group % 4]
            let options = settings(of: process)
            recovery.starts(process, isWeak: options.storage.sync.isWeak)
            world.start(process, ClusterNode(DataNode(group: name, address: address, options: options, random: random)))
        }
    }

    /// What the next life of a data node is told by its operator.
    private func settings(of process: Int) -> DataOptions {
        var options = plan.data
        guard plan.changesSettings else { return options }
        var luck = stream(3, process)
        options.replication.lease = [.milliseconds(200), .milliseconds(400), .seconds(3)][luck.below(3)]
        if luck.below(2) == 0 { options.storage.sync = .always }
        return options
    }

    /// Chance for one life of a process: it does not depend on what others do.
    private func stream(_ purpose: UInt64, _ process: Int) -> SeededRandom {
        var hash = TraceHash()
        hash.fold(identities)
        hash.fold(purpose)
        hash.fold(process)
        hash.fold(UInt64(world.life(of: process)))
        return SeededRandom(seed: hash.value)
    }

    private mutating func halted(_ process: Int, _ halt: Halt) {
        // A supervisor starts it again.
        var luck = stream(2, process)
        let delay = luck.length(.milliseconds(1)...(.seconds(1)))
        plan(.start(process: process, life: world.life(of: process)), after: delay)
    }

    mutating func tellPhase(_ name: String) {
        world.endBars([.phase], lane: world.laneOfWorld)
        world.beginBar(.phase, lane: world.laneOfWorld, name)
    }
}
