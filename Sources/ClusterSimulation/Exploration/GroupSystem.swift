import Coordination
import Machine
import Nodes
import Replication
import Simulation
import Storage
import Wire

// Exploration of: one group of two stores that takes one write: whole production `DataNode`s with logs, replication and leases,
// and a master that decides at any moment (`GroupMaster`). It begins where both stores are in-sync and one serves.
//
// Messages arrive in order per direction, at any time. Disk requests end in order, at any time, a sync together with the
// appends before it. Time passes only as an action: to the next moment for which a timer of replication is set; late timers,
// and timers for pauses at any time. Faults, each with a budget: a store's process dies, with the power or without, and comes
// again; a direction between the stores breaks and loses what is under way; a store's session expires, or its connection
// breaks. The times of replication are such that little time is much: lease and heartbeat are one tick, silence is two.
// Opening a log is one step here, and so is all that a store and ZooKeeper have to tell each other at a moment; the ways in which it can go are `StorageSystem`'s.

/// Two stores and one write.
public struct GroupSystem: Explorable {
    public struct Options: Sendable {
        public var crashes = 1
        public var breaks = 0
        public var expiries = 0
        public var losses = 0
        /// How often time may move on.
        public var ticks = 4

        public init() {}
    }

    public enum Action: Sendable {
        case request
        case ensemble(SteppedEnsemble.Step)
        /// A store and ZooKeeper tell each other all that they have to.
        case coordination(Int)
        case loss(SteppedEnsemble.Step)
        case expiry(SteppedEnsemble.Step)
        case timer(Int, TimerID)
        case message(from: Int)
        case disk(Int)
        case master
        case time(Instant)
        case crash(Int, losingPower: Bool)
        case restart(Int)
        case linkBreaks(from: Int)
    }

    var ensemble: SteppedEnsemble
    var nodes: [Shared<SteppedNode>?] = []
    var disks: [Shared<SteppedDisk>]
    var lives: [UInt64] = [0, 0]
    /// What store `i` has sent to the other one.
    var links: [[PeerMessage]] = [[], []]
    var master: Shared<GroupMaster>
    var now = Instant.zero
    var budget: Options
    var isRequested = false
    var isAcknowledged = false
    var prints: [UInt64] = [1, 2, 3]
    var marks: UInt64 = 0
    var reign: UInt64 = 0

    public static let landmarks = [
        "the write is acknowledged", "another store serves after it", "a store is shrunk away", "a store comes back in-sync",
        "the acknowledged write is nowhere but on the medium of one", "the write's fate is unknown",
    ]

    private static let group = "g"
    private static let key = Array("k".utf8)
    private static let value = Array("v".utf8)
    static let tick = Nanoseconds.milliseconds(100)
    private static let call = CallID(1)

    public init(_ options: Options) {
        budget = Options()
        budget.crashes = 0
        budget.ticks = 1_000
        ensemble = SteppedEnsemble(clients: 3, lags: false, answersAtOnce: true)
        disks = [Shared(SteppedDisk()), Shared(SteppedDisk())]
        master = Shared(GroupMaster(client: 2, group: Self.group))
        for (path, data) in [
            (Paths.server, ""), (Paths.serverEpoch, "0"), (Paths.data, ""), (Paths.dataLock, ""), (Paths.group(Self.group), ""),
            (Paths.top(ofGroup: Self.group), "1"), (Paths.primary(ofGroup: Self.group), ""),
        ] { _ = ensemble.change(.create(path: path, data: Array(data.utf8), mode: .persistent)) }
        let ring = RingRecord(version: 1, sealed: true, groups: []).adding(Self.group, virtualNodes: 1, sealed: true)
        _ = ensemble.change(.create(path: Paths.ring, data: ring.bytes, mode: .persistent))
        nodes = [nil, nil]
        for index in 0..<2 {
            start(index)
            prepare()
        }
        budget = options
    }

    /// Lets everything happen in one order, until all is well.
    mutating func prepare() {
        for _ in 0..<20_000 {
            if nodes.indices.allSatisfy({ nodes[$0] == nil || isLevel($0) }), ensemble.isQuiet(2) { break }
            guard let action = actions().first(where: { if case .request = $0 { false } else { true } }) else { break }
            if let violation = perform(action) { preconditionFailure("\(violation)") }
        }
        precondition(
            nodes.indices.allSatisfy { nodes[$0] == nil || isLevel($0) }, "without faults everything comes right")
        budget.ticks = 1_000
    }

    var config: GroupConfig? { ensemble.data(at: Paths.config(ofGroup: Self.group)).flatMap { GroupConfig($0) } }

    func data(_ index: Int) -> DataNode? { nodes[index]?.value.node.data }

    func isServing(_ index: Int) -> Bool { data(index)?.isServing(at: now) ?? false }

    /// In-sync, and everything that it has is committed; the primary serves.
    func isLevel(_ index: Int) -> Bool {
        guard let data = data(index), ensemble.isQuiet(index) else { return false }
        let status = data.status(at: now)
        guard config?.inSync.contains(status.member) == true else { return false }
        return status.member == config?.primary ? status.leased && status.commit == status.last.seq : status.role == .standby
    }

    // MARK: What may happen

    public func actions() -> [Action] {
        var actions: [Action] = []
        if !isRequested, let index = nodes.indices.first(where: { isServing($0) }), index == 0 { actions.append(.request) }
        for index in nodes.indices {
            guard let node = nodes[index] else {
                actions += ensemble.steps(of: index).map { .ensemble($0) }
                actions.append(.restart(index))
                continue
            }
            let steps = ensemble.steps(of: index)
            if steps.contains(where: { Self.isTalk($0) }) { actions.append(.coordination(index)) }
            actions += steps.filter { !Self.isTalk($0) }.map { .ensemble($0) }
            if !disks[index].value.isIdle { actions.append(.disk(index)) }
            for (timer, at) in node.value.timers where Self.isPause(timer) || Self.isMeasured(timer) && at <= now {
                actions.append(.timer(index, timer))
            }
        }
        for index in nodes.indices where !links[index].isEmpty { actions.append(.message(from: index)) }
        if master.value.isBehind(ensemble) { actions.append(.master) }
        if budget.ticks > 0, let next = nextMoment { actions.append(.time(next)) }
        for index in nodes.indices where nodes[index] != nil {
            if budget.losses > 0 { actions += ensemble.losses(of: index).map { .loss($0) } }
            if budget.expiries > 0 { actions += ensemble.expiries(of: index).map { .expiry($0) } }
            if budget.crashes > 0 {
                actions.append(.crash(index, losingPower: true))
                if disks[index].value.isDirty || !disks[index].value.isIdle {
                    actions.append(.crash(index, losingPower: false))
                }
            }
            if budget.breaks > 0, !links[index].isEmpty { actions.append(.linkBreaks(from: index)) }
        }
        return actions
    }

    /// `DataNode.Timer`: purpose 2 paces retries; heartbeat, promise and resignation measure time.
    static func isPause(_ timer: TimerID) -> Bool { timer.purpose == 2 }
    static func isMeasured(_ timer: TimerID) -> Bool { [3, 4, 6].contains(timer.purpose) }

    /// Whether the step is a part of what a store and ZooKeeper tell each other (and not the fate of what an earlier life left).
    static func isTalk(_ step: SteppedEnsemble.Step) -> Bool {
        switch step {
        case .connect, .execute, .deliver, .lose, .catchUp: true
        case .late, .expire: false
        }
    }

    var nextMoment: Instant? {
        var next: Instant?
        for node in nodes {
            for (timer, at) in node?.value.timers ?? SortedMap() where Self.isMeasured(timer) && at > now {
                next = min(next ?? at, at)
            }
        }
        return next
    }

    public func isFault(_ action: Action) -> Bool {
        switch action {
        case .loss, .expiry, .crash, .linkBreaks: true
        case .request, .ensemble, .coordination, .timer, .message, .disk, .master, .time, .restart: false
        }
    }

    // MARK: What happens

    public mutating func perform(_ action: Action) -> Violation? {
        marks = 0
        ensemble.committed.removeAll()
        switch action {
        case .request:
            isRequested = true
            note(0, 1)
            let request = ClientRequest.key(.put(key: Self.key, value: Self.value), patience: nil)
            step(0, .requested(request, call: Self.call))
        case .ensemble(let step): perform(step)
        case .coordination(let index):
            while let step = ensemble.steps(of: index).first(where: { Self.isTalk($0) }) { perform(step) }
        case .loss(let step):
            budget.losses -= 1
            perform(step)
        case .expiry(let step):
            budget.expiries -= 1
            perform(step)
        case .timer(let index, let timer):
            note(index, 100 + UInt64(timer.purpose) << 32 + timer.instance)
            nodes[index]?.update { $0.timers[timer] = nil }
            step(index, .timerFired(timer))
        case .message(let from):
            let message = links[from].removeFirst()
            note(1 - from, 2)
            guard nodes[1 - from] != nil else { break }
            step(1 - from, .received(message, from: Self.address(from)))
        case .disk(let index): finishDisk(index)
        case .master: master.update { $0.act(&ensemble) }
        case .time(let next):
            budget.ticks -= 1
            let passed = next - now
            now = next
            for index in nodes.indices { note(index, 3 + UInt64(passed.count)) }
            for index in nodes.indices { nodes[index]?.update { $0.now = next } }
        case .crash(let index, let losingPower): crash(index, losingPower: losingPower)
        case .restart(let index): start(index)
        case .linkBreaks(let from):
            budget.breaks -= 1
            links[from].removeAll()
            note(1 - from, 4)
            note(from, 5)
            if nodes[from] != nil { step(from, .linkDown(Self.address(1 - from))) }
        }
        return judge()
    }

    static func address(_ index: Int) -> Address { Address(host: "store\(index)", port: 1) }

    mutating func start(_ index: Int) {
        var options = DataOptions()
        options.replication = ReplicationOptions(
            heartbeat: Self.tick, lease: Self.tick, driftPercent: 0, replicationTimeout: Self.tick * 2)
        lives[index] += 1
        note(index, 6)
        let random = SeededRandom(seed: UInt64(index) << 32 | lives[index])
        let data = DataNode(group: Self.group, address: Self.address(index), options: options, random: random)
        var node = SteppedNode(ClusterNode(data))
        node.now = now
        nodes[index] = Shared(node)
        step(index, .started)
        while let data = self.data(index), !data.isOpen, !disks[index].value.isIdle { finishOne(index) }
    }

    mutating func crash(_ index: Int, losingPower: Bool) {
        budget.crashes -= 1
        note(index, losingPower ? 7 : 8)
        note(1 - index, 9)
        nodes[index] = nil
        disks[index].update { losingPower ? $0.powerLost() : $0.processEnded() }
        ensemble.processEnded(index, surviving: 0)
        // What it had not read is lost with it; what it had sent arrives, or is lost by another fault.
        links[1 - index].removeAll()
        if nodes[1 - index] != nil { step(1 - index, .linkDown(Self.address(index))) }
    }

    mutating func finishOne(_ index: Int) {
        if let completion = disks[index].update({ $0.finishNext() }) { step(index, .disk(completion)) }
    }

    /// Requests end up to the next sync.
    mutating func finishDisk(_ index: Int) {
        note(index, 10)
        while let next = disks[index].value.next {
            finishOne(index)
            if case .append = next { continue }
            return
        }
    }

    mutating func perform(_ step: SteppedEnsemble.Step) {
        let client = ensemble.owner(ofStep: step)
        for event in ensemble.perform(step) where client < 2 && nodes[client] != nil {
            self.step(client, .coordination(event))
        }
    }

    mutating func step(_ index: Int, _ event: AviaryEvent) {
        guard let effects = nodes[index]?.update({ $0.step(event) }) else { return }
        for effect in effects {
            switch effect {
            case .coordination(let effect):
                for event in ensemble.perform(effect, of: index) { step(index, .coordination(event)) }
            case .send(let message, let to):
                guard to == Self.address(1 - index) else { break }
                note(1 - index, number(of: message))
                links[index].append(message)
            case .disk(let request): disks[index].update { $0.accept(request) }
            case .reply(let reply, Self.call):
                switch reply {
                case .done(.put, _): isAcknowledged = true
                case .failed(let error): if error.code == .aborted { marks |= 1 << 5 }
                case .done, .status, .routes, .transferred, .recovered: break
                }
            case .halt:
                nodes[index] = nil
                return
            case .reply, .closeLink, .setTimer, .cancelTimer, .log: break
            }
        }
    }

    // MARK: What must hold

    mutating func judge() -> Violation? {
        let serving = nodes.indices.filter { isServing($0) }
        guard serving.count < 2 else {
            return Violation(
                "one primary serves per group and moment", "both stores serve at \(now.nanoseconds / 1_000_000) ms")
        }
        if let index = serving.first, let data = data(index) {
            let term = data.status(at: now).term
            guard term >= reign else {
                return Violation("terms of serving primaries grow", "store \(index) serves term \(term) after \(reign)")
            }
            reign = term
            if isAcknowledged, data.value(of: Self.key) != Self.value {
                return Violation("acknowledged writes survive", "store \(index) serves term \(term) without the write")
            }
            if isAcknowledged, index == 1 { marks |= 2 }
        }
        return nil
    }

    /// Where time has run out nothing is judged.
    public var isSettled: Bool {
        budget.ticks == 0
            || nodes.indices.allSatisfy { nodes[$0] != nil && isLevel($0) && disks[$0].value.isIdle } && ensemble.isQuiet(2)
    }

    public var reached: UInt64 {
        var reached = marks
        if isAcknowledged { reached |= 1 }
        if let config {
            if config.inSync.count == 1 { reached |= 4 }
            if config.inSync.count == 2, config.term > 1 || lives.contains(where: { $0 > 1 }) { reached |= 8 }
        }
        if isAcknowledged, nodes.allSatisfy({ $0 == nil }) { reached |= 16 }
        return reached
    }
}
