import Machine

/// A simulated world: processes that run nodes, and everything around them: network, disks, ZooKeeper, clocks, clients.
///
/// One seed decides everything. The world is a value: a copy of it is a snapshot that goes on by itself, and two copies
/// that are treated alike go on alike. It knows nothing of what its nodes do; a *scenario* starts them, calls them as
/// clients do, injects faults, and judges. The loop is the scenario's:
///
///     while let occurrence = world.advance(until: end) {
///         switch occurrence { … }
///     }
///
/// Time is virtual: the world jumps from one planned happening to the next. Randomness comes in streams, one for each
/// concern (the network, each disk, ZooKeeper, the scheduling of processes), so that one draw more in one of them does not
/// change what happens in the others.
public struct World<N: Node>: Sendable where N.Message: Traceable, N.Request: Traceable, N.Reply: Traceable {
    public struct Options: Hashable, Sendable {
        /// Endpoints that call processes. They do not crash.
        public var clients = 1
        public var network = NetworkModel<N.Message>.Options()
        public var zooKeeper = ZooKeeperModel.Options()
        public var disk = DiskModel.Options()
        /// Clocks run up to this much faster or slower, in parts per million.
        public var clockDrift: Int64 = 24_000
        /// How long an event waits before a process looks at it.
        public var reaction = Spread(least: .zero, usual: .microseconds(30), worst: .milliseconds(5), tailPer1024: 5)
        /// How late timers fire.
        public var timerLateness = Spread(least: .zero, usual: .microseconds(100), worst: .milliseconds(20), tailPer1024: 5)
        /// Whether a batch takes a random part of the inbox; else all of it.
        public var batchesAreRandom = true

        public init() {}
    }

    public let options: Options
    public internal(set) var now = Instant.zero
    public var trace: Trace
    /// How often each noteworthy thing of the models happened.
    public internal(set) var counters = Counters()
    /// How often each log event was seen, by its text.
    public internal(set) var logCounts = SortedMap<String, Int>()
    /// Events that nodes were stepped with, `batchEnded` included.
    public internal(set) var steps: UInt64 = 0
    /// What all of that asks for, and how much waits.
    public internal(set) var load = WorldLoad()

    var agenda = Agenda<Happening>()
    var processes: [Process<N>]
    /// The nodes of all processes that were ever started, each in its process's slot; of a down process, the last one.
    var nodes: [N] = []
    var disks: [DiskModel]
    var network: NetworkModel<N.Message>
    public internal(set) var zooKeeper: ZooKeeperModel
    var calls = LookupTable<CallID, Call<N.Request, N.Reply>>()
    var callsMade: UInt64 = 0
    /// Calls that have reached each process and have no reply yet, in the order of arrival.
    var openCalls: [[CallID]]
    private var occurrences = Queue<Occurrence<N.Reply>>()
    private var effects = Effects<N.Message, N.Reply>()
    var scheduling: SeededRandom
    var calling: SeededRandom

    /// - Parameter addresses: where the processes live; all are down until `start`. Ports must differ.
    public init(addresses: [Address], options: Options, seed: UInt64, trace: Trace = Trace()) {
        var random = SeededRandom(seed: seed)
        self.options = options
        self.trace = trace
        processes = addresses.map { Process(address: $0) }
        openCalls = addresses.map { _ in [] }
        scheduling = random.fork()
        calling = random.fork()
        network = NetworkModel(endpoints: addresses.count + options.clients, options: options.network, random: random.fork())
        zooKeeper = ZooKeeperModel(processes: addresses.count, options: options.zooKeeper, random: random.fork())
        var diskSeeds = random.fork()
        disks = addresses.map { _ in DiskModel(options: options.disk, random: diskSeeds.fork()) }
        var clocks = random.fork()
        for index in processes.indices {
            processes[index].clock.rate = Int64(clocks.below(Int(2 * options.clockDrift + 1))) - options.clockDrift
            processes[index].reaction = options.reaction
        }
    }

    /// Lets chance start anew: the world goes on from here as another one might.
    public mutating func reseed(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        trace.fold(at: now, 66, 0) { $0.fold(seed) }
        scheduling = random.fork()
        calling = random.fork()
        network.random = random.fork()
        zooKeeper.random = random.fork()
        for index in disks.indices { disks[index].random = random.fork() }
    }

    // MARK: Asking

    public var processCount: Int { processes.count }
    public var clientCount: Int { options.clients }
    /// The endpoint of a client, for paths.
    public func endpoint(ofClient client: Int) -> Int { processes.count + client }
    public func address(of process: Int) -> Address { processes[process].address }
    public func node(_ process: Int) -> N? { processes[process].isUp ? processes[process].slot.map { nodes[$0] } : nil }
    /// Asks the node of a living process, without copying it; nil where the process is down. `ask` gets the node and what its
    /// clock shows, and must not change it.
    public mutating func ask<Answer>(_ process: Int, _ ask: (inout N, Instant) -> Answer) -> Answer? {
        guard processes[process].isUp, let slot = processes[process].slot else { return nil }
        return ask(&nodes[slot], processes[process].clock.reading(at: now))
    }

    public func isUp(_ process: Int) -> Bool { processes[process].isUp }
    public func isPaused(_ process: Int) -> Bool { processes[process].isPaused }
    public func life(of process: Int) -> UInt32 { processes[process].life }
    /// What the process's clock shows now.
    public func localTime(of process: Int) -> Instant { processes[process].clock.reading(at: now) }
    public func disk(_ process: Int) -> DiskModel { disks[process] }

    func process(at address: Address) -> Int? {
        for index in processes.indices
        where processes[index].address.port == address.port && processes[index].address.host == address.host {
            return index
        }
        return nil
    }

    func name(_ endpoint: Int) -> String {
        endpoint < processes.count ? processes[endpoint].address.host : "client \(endpoint - processes.count)"
    }

    // MARK: Going on

    /// Plans an occurrence `.alarm(number)`.
    public mutating func alarm(at time: Instant, _ number: UInt64) { agenda.plan(.alarm(number), at: max(time, now)) }

    /// Runs to the next occurrence, at most up to `limit`; nil where none came until then (`now` is `limit`).
    public mutating func advance(until limit: Instant) -> Occurrence<N.Reply>? {
        while true {
            if let occurrence = occurrences.popFirst() { return occurrence }
            guard let next = agenda.takeNext(until: limit) else {
                now = max(now, limit)
                return nil
            }
            now = next.time
            happen(next.item)
        }
    }

    func isCurrent(_ process: Int32, _ life: UInt32) -> Bool {
        processes[Int(process)].life == life && processes[Int(process)].isUp
    }

    private mutating func happen(_ happening: Happening) {
        switch happening {
        case .wake(let process, let life):
            if isCurrent(process, life) { takeBatch(Int(process)) }
        case .timer(let process, let life, let slot, let plan):
            if isCurrent(process, life) { timerCame(Int(process), slot: Int(slot), plan: plan) }
        case .opening(let connection, let generation):
            if network.isCurrent(Int(connection), generation), network.connections[Int(connection)].state == .opening {
                openingEnded(Int(connection))
            }
        case .arrival(let connection, let generation):
            if network.isCurrent(Int(connection), generation) { messagesArrived(Int(connection)) }
        case .givingUp(let connection, let generation):
            if network.isCurrent(Int(connection), generation) { connectionGivenUp(Int(connection)) }
        case .linkDown(let from, let life, let to):
            if isCurrent(from, life) { deliver(.linkDown(processes[Int(to)].address), to: Int(from)) }
        case .call(let id, let step): callWentOn(id, step)
        case .disk(let process, let life, let lane):
            if isCurrent(process, life) { diskWorked(Int(process), lane) }
        case .coordination(let happening):
            zooKeeper.happened(happening, at: now)
            takeCoordinationOutput()
        case .shutdown(let process, let life):
            if isCurrent(process, life) { requestShutdown(Int(process)) }
        case .resume(let process, let life):
            if isCurrent(process, life) { resume(Int(process)) }
        case .alarm(let number): occurrences.append(.alarm(number))
        }
    }

    mutating func occur(_ occurrence: Occurrence<N.Reply>) { occurrences.append(occurrence) }

    // MARK: Stepping a process

    /// Puts an event into a living process's inbox.
    mutating func deliver(
        _ event: NodeEvent<N.Message, N.Request>, to process: Int, from: Int? = nil, sent: Instant? = nil
    ) {
        guard processes[process].isUp else { return }
        processes[process].inbox.append(event)
        load.saw(inbox: processes[process].inbox.count)
        if trace.isRecording { processes[process].notes.append(InboxNote(from: from, sent: sent ?? now)) }
        planBatch(process)
    }

    mutating func planBatch(_ process: Int) {
        guard !processes[process].isWaking, !processes[process].isPaused, !processes[process].inbox.isEmpty else { return }
        processes[process].isWaking = true
        let delay = processes[process].reaction.draw(&scheduling)
        agenda.plan(.wake(process: Int32(process), life: processes[process].life), at: now + delay)
    }

    /// One batch: some of the inbox, all at one reading of the clock, then `batchEnded`, then the effects.
    private mutating func takeBatch(_ process: Int) {
        processes[process].isWaking = false
        let available = processes[process].inbox.count
        guard available > 0, !processes[process].isPaused else { return }
        let size = options.batchesAreRandom && available > 1 ? 1 + scheduling.below(available) : available
        let local = processes[process].clock.reading(at: now)
        guard let slot = processes[process].slot else { return }
        for _ in 0..<size {
            guard let event = processes[process].inbox.popFirst() else { break }
            traceEvent(event, process)
            nodes[slot].step(event, at: local, into: &effects)
        }
        nodes[slot].step(.batchEnded, at: local, into: &effects)
        steps += UInt64(size) + 1
        trace.fold(at: now, 1, process) { $0.fold(size) }

        if processes[process].pausesMidBatch {
            processes[process].pausesMidBatch = false
            processes[process].isPaused = true
            processes[process].withheld = effects.drain()
            tell(.life, lane: process, "paused before acting")
            beginBar(.paused, lane: process, "paused before acting")
            zooKeeper.setPaused(process, true, at: now)
            takeCoordinationOutput()
        } else {
            let decided = effects.drain()
            perform(decided, of: process)
        }
        occurrences.append(.stepped(process: process))
        springTrap(process)
        planBatch(process)
    }

    /// Performs effects in order; a life ends with `halt`.
    mutating func perform(_ effects: [NodeEffect<N.Message, N.Reply>], of process: Int) {
        for effect in effects {
            switch effect {
            case .send(let message, let to): send(message, from: process, to: to)
            case .setTimer(let id, let at): setTimer(id, at: at, of: process)
            case .cancelTimer(let id): cancelTimer(id, of: process)
            case .disk(let request): requestDisk(request, of: process)
            case .reply(let reply, let call): replyToCall(call, reply, from: process)
            case .closeLink(let to): closeLink(from: process, to: to)
            case .coordination(let effect):
                load.coordinationRequests += 1
                zooKeeper.perform(effect, of: process, at: now)
                takeCoordinationOutput()
            case .log(let line): log(line, of: process)
            case .halt(let halt):
                tell(.life, lane: process, "halted: \(halt)")
                counters.add(.halt)
                end(process, losingPower: false)
                occurrences.append(.halted(process: process, halt))
                return
            }
        }
    }

    private mutating func log(_ line: LogLine, of process: Int) {
        logCounts[line.event] = (logCounts[line.event] ?? 0) + 1
        tell(.log, lane: process, "\(line.level) \(line.event)" + line.fields.map { " \($0.key)=\($0.value)" }.joined())
    }

    mutating func takeCoordinationOutput() {
        for (happening, time) in zooKeeper.takePlans() { agenda.plan(.coordination(happening), at: time) }
        for (process, event) in zooKeeper.takeDeliveries() { deliver(.coordination(event), to: process) }
    }

    // MARK: Timers

    private mutating func setTimer(_ id: TimerID, at local: Instant, of process: Int) {
        let due = max(processes[process].clock.moment(of: local), now) + options.timerLateness.draw(&scheduling)
        let slot: Int
        if let index = processes[process].timers.firstIndex(where: { $0.id == id }) {
            slot = index
            processes[process].timers[slot].due = due
            processes[process].timers[slot].local = local
            // The plan that stands looks at the timer in time, and again at `due`.
            if processes[process].timers[slot].plannedAt <= due { return }
        } else {
            slot = processes[process].timers.count
            processes[process].timers.append(ArmedTimer(id: id, local: local, due: due, plannedAt: due, plan: 0))
        }
        planTimer(process, slot, at: due)
    }

    private mutating func planTimer(_ process: Int, _ slot: Int, at time: Instant) {
        processes[process].timers[slot].plannedAt = time
        processes[process].timers[slot].plan &+= 1
        agenda.plan(
            .timer(
                process: Int32(process), life: processes[process].life, slot: Int32(slot),
                plan: processes[process].timers[slot].plan),
            at: time)
    }

    /// A process's clock runs at another rate from now on, in parts per million faster than the world's.
    public mutating func setClockRate(_ process: Int, _ rate: Int64) {
        processes[process].clock.run(at: rate, from: now)
        // A timer is never early by the clock that it was set by.
        for slot in processes[process].timers.indices where processes[process].timers[slot].due < .never {
            let due = max(processes[process].clock.moment(of: processes[process].timers[slot].local), now)
            processes[process].timers[slot].due = due
            planTimer(process, slot, at: due)
        }
    }

    private mutating func cancelTimer(_ id: TimerID, of process: Int) {
        guard let slot = processes[process].timers.firstIndex(where: { $0.id == id }) else { return }
        processes[process].timers[slot].due = .never
    }

    private mutating func timerCame(_ process: Int, slot: Int, plan: UInt32) {
        guard processes[process].timers[slot].plan == plan else { return }
        let due = processes[process].timers[slot].due
        if due > now {
            processes[process].timers[slot].plannedAt = .never
            if due < .never { planTimer(process, slot, at: due) }
            return
        }
        processes[process].timers[slot].due = .never
        processes[process].timers[slot].plannedAt = .never
        deliver(.timerFired(processes[process].timers[slot].id), to: process)
    }
}

extension Instant {
    /// Later than everything.
    public static let never = Instant(nanoseconds: .max)
}
