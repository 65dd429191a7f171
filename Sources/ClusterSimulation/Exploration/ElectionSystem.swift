import Coordination
import Machine
import Nodes
import Simulation
import Wire

// Exploration of: servers that elect a master who replaces primaries: whole production `ServerNode`s, with everything that
// they ask ZooKeeper, against a ZooKeeper whose every order is tried. It begins where all is well: the servers are
// registered, one is master, a group has a configuration.
//
// Faults, each with a budget: connections break, sessions expire, servers die and start again at once, while their sessions of
// before live on for any time, and the group loses its primary (its registration vanishes,
// a later life of the same store registers), so that a master has something to write. Pauses end at any time.

/// Servers, of which one is master.
public struct ElectionSystem: Explorable {
    public struct Options: Sendable {
        public var servers = 2
        public var losses = 0
        public var expiries = 1
        public var restarts = 0
        /// How often the group loses its primary.
        public var events = 1
        public var lags = false
        /// See `SteppedEnsemble`.
        public var answersAtOnce = true

        public init() {}
    }

    public enum Action: Sendable {
        case ensemble(SteppedEnsemble.Step)
        case loss(SteppedEnsemble.Step)
        case expiry(SteppedEnsemble.Step)
        case restart(Int, surviving: Int)
        case timer(Int, TimerID)
        case primaryGone
    }

    private var ensemble: SteppedEnsemble
    private var nodes: [Shared<SteppedNode>] = []
    private var losses = 0
    private var expiries = 0
    private var restarts = 0
    /// How often a server was started, for the randomness of its life.
    private var lives: UInt64 = 0
    private var events = 0
    /// The number of the group's primary.
    private var primary: UInt64 = 1
    /// Which session made which version of the epoch.
    private var makers = SortedMap<Int32, Int64>()
    private var prints: [UInt64]
    private var marks: UInt64 = 0

    public static let landmarks = [
        "a master wrote", "a master wrote under a second epoch", "a master's write failed at the epoch",
        "a late write was applied", "there is no master",
    ]

    private static let group = "g"
    private static let store = StoreID("store")

    public init(_ options: Options) {
        ensemble = SteppedEnsemble(clients: options.servers, lags: options.lags, answersAtOnce: options.answersAtOnce)
        prints = (0..<options.servers).map { UInt64($0) }
        for (path, data) in [
            (Paths.server, ""), (Paths.serverLock, ""), (Paths.serverTop, "1"), (Paths.serverEpoch, "0"), (Paths.data, ""),
            (Paths.dataLock, ""), (Paths.group(Self.group), ""), (Paths.top(ofGroup: Self.group), "2"),
            (Paths.primary(ofGroup: Self.group), "1"),
        ] { _ = ensemble.change(.create(path: path, data: Array(data.utf8), mode: .persistent)) }
        let member = MemberID(store: Self.store, number: 1)
        let config = GroupConfig(lineage: Lineage("lineage"), term: 1, primary: member, inSync: [member])
        let ring = RingRecord(version: 1, sealed: true, groups: []).adding(Self.group, virtualNodes: 1, sealed: true)
        for (path, data) in [(Paths.config(ofGroup: Self.group), config.bytes), (Paths.ring, ring.bytes)] {
            _ = ensemble.change(.create(path: path, data: data, mode: .persistent))
        }
        register(1)
        for index in 0..<options.servers {
            nodes.append(newLife(of: index))
            step(index, .started)
        }
        prepare()
        (losses, expiries, restarts, events) = (options.losses, options.expiries, options.restarts, options.events)
    }

    private mutating func newLife(of index: Int) -> Shared<SteppedNode> {
        lives += 1
        let address = Address(host: "server\(index)", port: 1)
        return Shared(SteppedNode(ClusterNode(ServerNode(address: address, random: SeededRandom(seed: lives)))))
    }

    /// Lets everything happen in one order, until all is well.
    private mutating func prepare() {
        for _ in 0..<10_000 {
            guard let action = actions().first else { break }
            _ = perform(action)
        }
        precondition(isSettled, "without faults everything comes right")
    }

    private mutating func register(_ number: UInt64) {
        let registration = StoreRegistration(
            address: Address(host: "data", port: 1), store: Self.store, whole: true, lineage: Lineage("lineage"),
            last: Position(term: 1, seq: 1), keys: false, guid: "guid\(number)")
        let path = Paths.member(number, ofGroup: Self.group)
        _ = ensemble.change(.create(path: path, data: registration.bytes, mode: .persistent))
    }

    // MARK: What may happen

    public func actions() -> [Action] {
        var actions: [Action] = []
        for index in nodes.indices {
            actions += ensemble.steps(of: index).map { .ensemble($0) }
            // Those of the session and of clients' requests only warn, or have nothing to do.
            actions += nodes[index].value.timers.keys.filter { (2...9).contains($0.purpose) }.map { .timer(index, $0) }
            if losses > 0 { actions += ensemble.losses(of: index).map { .loss($0) } }
            if expiries > 0 { actions += ensemble.expiries(of: index).map { .expiry($0) } }
            if restarts > 0 {
                for loss in ensemble.losses(of: index) {
                    if case .lose(_, let surviving) = loss { actions.append(.restart(index, surviving: surviving)) }
                }
            }
        }
        if events > 0, config?.primary?.number == primary { actions.append(.primaryGone) }
        return actions
    }

    public func isFault(_ action: Action) -> Bool {
        switch action {
        case .loss, .expiry, .restart, .primaryGone: true
        case .ensemble, .timer: false
        }
    }

    private var config: GroupConfig? { ensemble.data(at: Paths.config(ofGroup: Self.group)).flatMap { GroupConfig($0) } }

    public mutating func perform(_ action: Action) -> Violation? {
        marks = 0
        ensemble.committed.removeAll()
        switch action {
        case .ensemble(let step): perform(step)
        case .loss(let step):
            losses -= 1
            perform(step)
        case .expiry(let step):
            expiries -= 1
            perform(step)
        case .restart(let index, let surviving):
            restarts -= 1
            ensemble.processEnded(index, surviving: surviving)
            nodes[index] = newLife(of: index)
            ensemble.inputs[index] &+= lives << 8
            step(index, .started)
        case .timer(let index, let timer):
            ensemble.inputs[index] &+= UInt64(timer.purpose) << 32 &+ timer.instance &+ 7
            nodes[index].update { node in
                // Nothing but the pauses between a master's attempts is measured.
                if timer.purpose == 8 { node.now = max(node.now, node.timers[timer] ?? node.now) }
                node.timers[timer] = nil
            }
            step(index, .timerFired(timer))
        case .primaryGone:
            events -= 1
            _ = ensemble.change(.delete(path: Paths.member(primary, ofGroup: Self.group), version: -1))
            primary += 1
            register(primary)
        }
        return judge()
    }

    private mutating func perform(_ step: SteppedEnsemble.Step) {
        if case .late = step { marks |= 1 << 3 }
        let client = ensemble.owner(ofStep: step)
        for event in ensemble.perform(step) { self.step(client, .coordination(event)) }
    }

    private mutating func step(_ index: Int, _ event: AviaryEvent) {
        for effect in nodes[index].update({ $0.step(event) }) {
            if case .coordination(let effect) = effect {
                for event in ensemble.perform(effect, of: index) { step(index, .coordination(event)) }
            }
        }
    }

    // MARK: What must hold

    private mutating func judge() -> Violation? {
        for transaction in ensemble.committed {
            for operation in transaction.operations {
                switch operation {
                case .set(Paths.serverEpoch, _, let version): makers[version + 1] = transaction.session
                case .check(Paths.serverEpoch, _):
                    // The epoch in force when it was applied: the newest.
                    guard let newest = makers.keys.last, let maker = makers[newest] else { break }
                    marks |= makers.count > 1 ? 3 : 1
                    if maker != transaction.session {
                        return Violation(
                            "one master writes per epoch",
                            "session \(transaction.session) wrote under epoch \(newest), which session \(maker) had made")
                    }
                case .check, .create, .delete, .set: break
                }
            }
        }
        let owner = ensemble.stat(of: Paths.master)?.ephemeralOwner
        if owner == nil { marks |= 1 << 4 }
        if let owner, owner != makers.keys.last.flatMap({ makers[$0] }) {
            return Violation("the master made the newest epoch", "\(Paths.master) is session \(owner)'s")
        }
        return nil
    }

    public var isSettled: Bool {
        guard nodes.indices.allSatisfy({ ensemble.isQuiet($0) }), let owner = ensemble.stat(of: Paths.master)?.ephemeralOwner
        else { return false }
        return nodes.indices.contains { ensemble.sessionID(of: $0) == owner } && config?.primary?.number == primary
            && ensemble.children(of: Paths.serverLock).isEmpty
    }

    public var reached: UInt64 { marks }

    // MARK: Telling states apart

    public mutating func fold(into digest: inout Fingerprint, memo: inout FingerprintMemo) {
        for index in nodes.indices where ensemble.inputs[index] != 0 {
            prints[index] = memo.digest(after: prints[index], input: ensemble.inputs[index]) {
                var own = Fingerprint()
                // Only which timers are set matters, and whether a pause is over.
                own.now = nodes[index].value.now
                own.horizon = Nanoseconds(1)
                ensemble.fold(client: index, into: &own)
                own.foldContent(of: nodes[index].value.node)
                for timer in nodes[index].value.timers.keys { own.foldContent(of: timer) }
                return own.value
            }
            ensemble.inputs[index] = 0
        }
        for own in prints { digest.fold(own) }
        ensemble.foldTrees(into: &digest)
        for number in [losses, expiries, restarts, events] { digest.fold(number) }
        for (version, session) in makers {
            digest.fold(Int(version))
            digest.fold(UInt64(bitPattern: session))
        }
    }

    public func brief(_ action: Action) -> String {
        switch action {
        case .ensemble(let step), .loss(let step), .expiry(let step): ensemble.brief(step)
        case .restart(let node, let surviving):
            "node \(node): dies and starts again, \(surviving) of its requests still on the way"
        case .timer(let node, let timer): "node \(node): a pause ends (timer \(timer.purpose))"
        case .primaryGone: "the registration of the group's primary vanishes, its next life registers"
        }
    }
}
