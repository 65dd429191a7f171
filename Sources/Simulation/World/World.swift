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
/// The path of an event through the world is inlinable, and so is that of a fault: a world of your node is compiled for your
/// node, in your module, and is several times as fast. What is rare is not.
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
        /// How far a fault takes one of them, where that is further, in parts per million.
        public var faultyClockDrift: Int64 = 0
        /// How long an event waits before a process looks at it.
        public var reaction = Spread(least: .zero, usual: .microseconds(30), worst: .milliseconds(5), tailPer1024: 5)
        /// How late timers fire.
        public var timerLateness = Spread(least: .zero, usual: .microseconds(100), worst: .milliseconds(20), tailPer1024: 5)
        /// Whether a batch takes a random part of the inbox; else all of it.
        public var batchesAreRandom = true
        /// Whether each process's disk is remembered as it was when its life began, for `FaultKind.oldImage`.
        public var keepsImages = false

        public init() {}
    }

    public let options: Options
    public var trace: Trace
    /// How often each noteworthy thing of the models happened.
    public internal(set) var counters = Counters()
    /// In how many batches the nodes reached each of their marks.
    public internal(set) var reached = SometimesCounts()
    /// How often nodes were answered with each of ZooKeeper's errors, by its code.
    public internal(set) var coordinationErrors = SortedMap<Int32, Int>()
    /// How often each log event was seen, by its text.
    public internal(set) var logCounts = SortedMap<String, Int>()

    // What is public to read only stands under an underscore: inlinable code cannot reach an internal setter.
    @usableFromInline var _now = Instant.zero
    @usableFromInline var _steps: UInt64 = 0
    @usableFromInline var _load = WorldLoad()
    @usableFromInline var _zooKeeper: ZooKeeperModel

    /// Each process has a lane, for its next batch.
    @usableFromInline var agenda: Agenda<Happening>
    @usableFromInline var processes: [Process<N>]
    /// The ports of their addresses, side by side: every message's receiver is looked for.
    @usableFromInline let ports: [UInt16]
    /// The nodes of all processes that were ever started, each in its process's slot; of a down process, the last one.
    @usableFromInline var nodes: [N] = []
    @usableFromInline var disks: [DiskModel]
    @usableFromInline var network: NetworkModel<N.Message>
    @usableFromInline var calls = SerialTable<Call<N.Request, N.Reply>>()
    /// Calls that have reached each process and have no reply yet, in the order of arrival.
    @usableFromInline var openCalls: [[CallID]]
    @usableFromInline var occurrences = Queue<Occurrence<N.Reply>>()
    @usableFromInline var effects = Effects<N.Message, N.Reply>()
    /// What the last batch was performed from, for its space.
    @usableFromInline var spareEffects: [NodeEffect<N.Message, N.Reply>] = []
    @usableFromInline var scheduling: SeededRandom
    @usableFromInline var calling: SeededRandom

    /// - Parameter addresses: where the processes live; all are down until `start`. Ports must differ.
    public init(addresses: [Address], options: Options, seed: UInt64, trace: Trace = Trace()) {
        var random = SeededRandom(seed: seed)
        self.options = options
        self.trace = trace
        processes = addresses.map { Process(address: $0) }
        ports = addresses.map(\.port)
        agenda = Agenda(lanes: addresses.count)
        openCalls = addresses.map { _ in [] }
        scheduling = random.fork()
        calling = random.fork()
        network = NetworkModel(endpoints: addresses.count + options.clients, options: options.network, random: random.fork())
        _zooKeeper = ZooKeeperModel(processes: addresses.count, options: options.zooKeeper, random: random.fork())
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

    @inlinable public var now: Instant { _now }
    /// Events that nodes were stepped with, `batchEnded` included.
    @inlinable public var steps: UInt64 { _steps }
    /// What all of that asks for, and how much waits.
    @inlinable public var load: WorldLoad { _load }
    /// How many transactions ZooKeeper has committed: cheaper to ask than the model.
    @inlinable public var committedTransactions: Int { _zooKeeper.leader.historyEnd }
    /// One of them, counted from 0, likewise; nil where it is forgotten.
    public mutating func committedTransaction(_ index: Int) -> Transaction? { _zooKeeper.transaction(index) }
    /// The data of a znode as it is committed, likewise; nil where there is no such node.
    public mutating func committedData(at path: String) -> [UInt8]? { _zooKeeper.leader.data(at: path) }
    public internal(set) var zooKeeper: ZooKeeperModel {
        @inlinable _read { yield _zooKeeper }
        _modify { yield &_zooKeeper }
    }

    @inlinable public var processCount: Int { processes.count }
    @inlinable public var clientCount: Int { options.clients }
    /// The endpoint of a client, for paths.
    @inlinable public func endpoint(ofClient client: Int) -> Int { processes.count + client }
    @inlinable public func address(of process: Int) -> Address { processes[process].address }
    @inlinable public func node(_ process: Int) -> N? {
        processes[process].isUp ? processes[process].slot.map { nodes[$0] } : nil
    }
    /// Asks the node of a living process, without copying it; nil where the process is down. `ask` gets the node and what its
    /// clock shows, and must not change it.
    @inlinable public mutating func ask<Answer>(_ process: Int, _ ask: (inout N, Instant) -> Answer) -> Answer? {
        guard processes[process].isUp, let slot = processes[process].slot else { return nil }
        return ask(&nodes[slot], processes[process].clock.reading(at: now))
    }

    @inlinable public func isUp(_ process: Int) -> Bool { processes[process].isUp }
    @inlinable public func isPaused(_ process: Int) -> Bool { processes[process].isPaused }
    @inlinable public func life(of process: Int) -> UInt32 { processes[process].life }
    /// What the process's clock shows now.
    @inlinable public func localTime(of process: Int) -> Instant { processes[process].clock.reading(at: now) }
    @inlinable public func disk(_ process: Int) -> DiskModel { disks[process] }

    @inlinable func process(at address: Address) -> Int? {
        for index in ports.indices where ports[index] == address.port && processes[index].address.host == address.host {
            return index
        }
        return nil
    }

    @usableFromInline func name(_ endpoint: Int) -> String {
        endpoint < processes.count ? processes[endpoint].address.host : "client \(endpoint - processes.count)"
    }

    // MARK: Going on

    /// Plans an occurrence `.alarm(number)`.
    @inlinable public mutating func alarm(at time: Instant, _ number: UInt64) {
        agenda.plan(.alarm(number), at: max(time, now))
    }

    /// Runs to the next occurrence, at most up to `limit`; nil where none came until then (`now` is `limit`).
    @inlinable public mutating func advance(until limit: Instant) -> Occurrence<N.Reply>? {
        while true {
            if let occurrence = occurrences.popFirst() { return occurrence }
            guard let next = agenda.takeNext(until: limit) else {
                _now = max(_now, limit)
                return nil
            }
            _now = next.time
            happen(next.item)
        }
    }

    @inlinable func isCurrent(_ process: Int32, _ life: UInt32) -> Bool {
        processes[Int(process)].life == life && processes[Int(process)].isUp
    }

    @inlinable mutating func happen(_ happening: Happening) {
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
            _zooKeeper.happened(happening, at: now)
            takeCoordinationOutput()
        case .shutdown(let process, let life):
            if isCurrent(process, life) { requestShutdown(Int(process)) }
        case .resume(let process, let life):
            if isCurrent(process, life) { resume(Int(process)) }
        case .alarm(let number): occurrences.append(.alarm(number))
        }
    }

    @inlinable mutating func occur(_ occurrence: Occurrence<N.Reply>) { occurrences.append(occurrence) }

    // MARK: Stepping a process

    /// Puts an event into a living process's inbox.
    @inlinable mutating func deliver(
        _ event: NodeEvent<N.Message, N.Request>, to process: Int, from: Int? = nil, sent: Instant? = nil
    ) {
        guard processes[process].isUp else { return }
        processes[process].inbox.append(event)
        _load.saw(inbox: processes[process].inbox.count)
        if trace.isRecording { processes[process].notes.append(InboxNote(from: from, sent: sent ?? now)) }
        planBatch(process)
    }

    @inlinable mutating func planBatch(_ process: Int) {
        guard processes[process].wakes() else { return }
        let delay = processes[process].reaction.draw(&scheduling)
        // One that still stands is an earlier life's.
        agenda.plan(.wake(process: Int32(process), life: processes[process].life), at: now + delay, lane: process)
    }

    /// One batch: some of the inbox, all at one reading of the clock, then `batchEnded`, then the effects.
    @inlinable mutating func takeBatch(_ process: Int) {
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
        _steps += UInt64(size) + 1
        trace.fold(at: now, 1, process) { $0.fold(size) }
        let marks = effects.takeReached()
        if !marks.isEmpty { count(marks) }

        if processes[process].pausesMidBatch {
            processes[process].pausesMidBatch = false
            processes[process].isPaused = true
            processes[process].withheld = effects.drain()
            tell(.life, lane: process, "paused before acting")
            beginBar(.paused, lane: process, "paused before acting")
            _zooKeeper.setPaused(process, true, at: now)
            takeCoordinationOutput()
        } else {
            var decided: [NodeEffect<N.Message, N.Reply>] = []
            swap(&decided, &spareEffects)
            effects.drain(into: &decided)
            perform(&decided, of: process)
            swap(&decided, &spareEffects)
        }
        occurrences.append(.stepped(process: process))
        springTrap(process)
        planBatch(process)
    }

    /// Performs effects in order, and leaves none; a life ends with `halt`.
    @inlinable mutating func perform(_ effects: inout [NodeEffect<N.Message, N.Reply>], of process: Int) {
        // What is taken from the end of an array is moved out, not copied. (`reverse()` would copy.)
        if effects.count > 1 {
            effects.withUnsafeMutableBufferPointer { effects in
                for index in 0..<effects.count / 2 { effects.swapAt(index, effects.count - 1 - index) }
            }
        }
        while let effect = effects.popLast() {
            switch consume effect {
            case .send(let message, let to): send(message, from: process, to: to)
            case .setTimer(let id, let at): setTimer(id, at: at, of: process)
            case .cancelTimer(let id): cancelTimer(id, of: process)
            case .disk(let request): requestDisk(request, of: process)
            case .reply(let reply, let call): replyToCall(call, reply, from: process)
            case .closeLink(let to): closeLink(from: process, to: to)
            case .coordination(let effect):
                _load.coordinationRequests += 1
                _zooKeeper.perform(effect, of: process, at: now)
                takeCoordinationOutput()
            case .log(let line): log(line, of: process)
            case .halt(let halt):
                tell(.life, lane: process, "halted: \(halt)")
                count(.halt)
                end(process, losingPower: false)
                occurrences.append(.halted(process: process, halt))
                return effects.removeAll(keepingCapacity: true)
            }
        }
    }

    @usableFromInline mutating func log(_ line: LogLine, of process: Int) {
        if logCounts.update(line.event, { $0 += 1 }) == nil { logCounts[line.event] = 1 }
        tell(.log, lane: process, "\(line.level) \(line.event)" + line.fields.map { " \($0.key)=\($0.value)" }.joined())
    }

    /// One of the models' noteworthy things happened.
    @usableFromInline mutating func count(_ mark: Mark) { counters.add(mark) }

    @usableFromInline mutating func count(_ marks: SometimesSet) {
        reached.add(marks)
    }

    @usableFromInline mutating func count(_ error: CoordinationError, _ operations: [CoordinationError?]) {
        coordinationErrors[error.code] = (coordinationErrors[error.code] ?? 0) + 1
        for case let code? in operations where code != error {
            coordinationErrors[code.code] = (coordinationErrors[code.code] ?? 0) + 1
        }
    }

    @inlinable mutating func takeCoordinationOutput() {
        if !_zooKeeper.plans.isEmpty {
            for (happening, time) in _zooKeeper.plans { agenda.plan(.coordination(happening), at: time) }
            _zooKeeper.plans.removeAll(keepingCapacity: true)
        }
        while let (process, event) = _zooKeeper.deliveries.popFirst() {
            if case .reply(_, .failed(let error, let operations)) = event.kind, processes[process].isUp {
                count(error, operations)
            }
            deliver(.coordination(event), to: process)
        }
    }
}

extension Instant {
    /// Later than everything.
    @inlinable public static var never: Instant { Instant(nanoseconds: .max) }
}
