import Coordination
import Machine
import Simulation
import Wire

// Exploration of: some nodes that take numbers under the lock, each with the production `Session` and `Registration` (and the
// `Lock` in it), against a ZooKeeper whose every order is tried (`SteppedEnsemble`).
//
// Faults, each with a budget for all nodes together: a connection breaks (what it answers, executes later or never is tried
// both ways); a session expires under a client that does not know. Pauses end at any time. A node that is told that its
// session expired registers as a new life.

/// A node that registers and does nothing else.
struct Registrant: Sendable {
    let name: String
    var session: Session
    var registration: Registration
    /// The pauses that are under way.
    var timers: [TimerID] = []
    /// The number that it was told it has, and the session in which it has it.
    var number: UInt64?

    init(_ index: Int) {
        name = "node\(index)"
        session = Session(timer: TimerID(purpose: 1))
        registration = Registration(
            place: .group("g"), owner: 1, timer: TimerID(purpose: 2), random: SeededRandom(seed: UInt64(index)))
    }

    mutating func step(_ event: CoordinationEvent, into sink: inout Sink) {
        switch session.step(event, at: .zero, into: &sink) {
        case .established:
            let content = ServerRegistration(address: Address(host: name, port: 1), guid: "\(name)-\(session.sessionID)")
            registration.begin(content: content.bytes, session: session, at: .zero, into: &sink)
        case .expired, .closed: number = nil
        case .reconnected, .disconnected, nil: break
        }
        switch registration.step(event, session: session, at: .zero, into: &sink) {
        case .registered(let number): self.number = number
        // They have no stores.
        case .found, nil: break
        }
    }
}

/// Nodes that register in one group.
public struct RegistrationSystem: Explorable {
    public struct Options: Sendable {
        public var nodes = 2
        public var losses = 1
        public var expiries = 1
        /// Whether reads may show the past.
        public var lags = false
        /// See `SteppedEnsemble`.
        public var answersAtOnce = true
        /// Whether the persistent nodes are there already, so that only lock, `top` and number are at stake.
        public var isPrepared = true

        public init() {}
    }

    public enum Action: Sendable {
        case ensemble(SteppedEnsemble.Step)
        case loss(SteppedEnsemble.Step)
        case expiry(SteppedEnsemble.Step)
        case timer(Int, TimerID)
    }

    private var ensemble: SteppedEnsemble
    private var nodes: [Shared<Registrant>] = []
    private var losses: Int
    private var expiries: Int
    /// The highest number that was ever taken.
    private var highest: UInt64 = 0
    private var prints: [UInt64]
    private var marks: UInt64 = 0

    public static let landmarks = [
        "every node has a number", "a number is given again after its session", "a late write was applied",
        "the lock is waited for", "a node holds a number whose session is over",
    ]

    public init(_ options: Options) {
        ensemble = SteppedEnsemble(clients: options.nodes, lags: options.lags, answersAtOnce: options.answersAtOnce)
        losses = options.losses
        expiries = options.expiries
        prints = (0..<options.nodes).map { UInt64($0) }
        if options.isPrepared {
            for (path, data) in [
                (Paths.data, ""), (Paths.dataLock, ""), (Paths.group("g"), ""), (Paths.top(ofGroup: "g"), "1"),
                (Paths.primary(ofGroup: "g"), ""), (Paths.stores(ofGroup: "g"), ""),
            ] { _ = ensemble.change(.create(path: path, data: Array(data.utf8), mode: .persistent)) }
        }
        for index in 0..<options.nodes {
            nodes.append(Shared(Registrant(index)))
            step(index) { node, sink in node.session.open(at: .zero, into: &sink) }
        }
    }

    // MARK: What may happen

    public func actions() -> [Action] {
        var actions: [Action] = []
        for index in nodes.indices {
            actions += ensemble.steps(of: index).map { .ensemble($0) }
            actions += nodes[index].value.timers.map { .timer(index, $0) }
            if losses > 0 { actions += ensemble.losses(of: index).map { .loss($0) } }
            if expiries > 0 { actions += ensemble.expiries(of: index).map { .expiry($0) } }
        }
        return actions
    }

    public func isFault(_ action: Action) -> Bool {
        switch action {
        case .loss, .expiry: true
        case .ensemble, .timer: false
        }
    }

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
        case .timer(let index, let timer):
            ensemble.inputs[index] &+= 7 + timer.instance
            step(index) { node, sink in
                node.timers.removeAll { $0 == timer }
                node.registration.timerFired(timer, session: node.session, at: .zero, into: &sink)
            }
        }
        return judge()
    }

    private mutating func perform(_ step: SteppedEnsemble.Step) {
        let client = ensemble.owner(ofStep: step)
        if case .late = step { marks |= 1 << 2 }
        tell(client, ensemble.perform(step))
    }

    private mutating func tell(_ index: Int, _ events: [CoordinationEvent]) {
        for event in events { step(index) { node, sink in node.step(event, into: &sink) } }
    }

    private mutating func step(_ index: Int, _ body: (inout Registrant, inout Sink) -> Void) {
        var sink = Sink()
        nodes[index].update { body(&$0, &sink) }
        for effect in sink.drain() {
            switch effect {
            case .coordination(let effect): tell(index, ensemble.perform(effect, of: index))
            case .setTimer(let timer, _):
                if timer.purpose == 2, !nodes[index].value.timers.contains(timer) {
                    nodes[index].update {
                        $0.timers.append(timer)
                        $0.timers.sort()
                    }
                }
            case .cancelTimer(let timer): nodes[index].update { $0.timers.removeAll { $0 == timer } }
            case .send, .closeLink, .reply, .disk, .log, .halt: break
            }
        }
    }

    // MARK: What must hold

    private mutating func judge() -> Violation? {
        for transaction in ensemble.committed {
            for operation in transaction.operations {
                guard case .create(let path, _, .ephemeral) = operation,
                    let number = path.split(separator: "/").last.flatMap({ UInt64($0) })
                else { continue }
                if number <= highest {
                    return Violation("numbers grow", "number \(number) was given after \(highest)")
                }
                highest = number
                let holder = lockHolder
                guard holder == transaction.session else {
                    return Violation(
                        "numbers are taken under the lock",
                        "session \(transaction.session) took number \(number), but the lock is "
                            + (holder.map { "session \($0)'s" } ?? "nobody's"))
                }
            }
        }
        for index in nodes.indices {
            guard let number = nodes[index].value.number else { continue }
            let owner = ensemble.stat(of: Paths.member(number, ofGroup: "g"))?.ephemeralOwner
            let session = nodes[index].value.session.sessionID
            if owner != nil || ensemble.isAlive(session) {
                if owner != session {
                    return Violation(
                        "a registered node's number is its own",
                        "node \(index) in session \(session) says it has number \(number), which is \(owner.map { "session \($0)'s" } ?? "nobody's")"
                    )
                }
            } else {
                marks |= 1 << 4
            }
            for other in nodes.indices where other < index {
                if nodes[other].value.number == number {
                    return Violation("no two have one number", "nodes \(other) and \(index) both say they have \(number)")
                }
            }
        }
        return nil
    }

    /// The session that owns the lowest child of the lock's parent.
    private var lockHolder: Int64? {
        let lowest = ensemble.children(of: Paths.dataLock).min { $0.suffix(10) < $1.suffix(10) }
        return lowest.flatMap { ensemble.stat(of: Paths.dataLock + "/" + $0)?.ephemeralOwner }
    }

    public var isSettled: Bool {
        nodes.indices.allSatisfy { nodes[$0].value.number != nil && ensemble.isQuiet($0) }
            && ensemble.children(of: Paths.dataLock).isEmpty
    }

    public var reached: UInt64 {
        var reached = marks
        if nodes.allSatisfy({ $0.value.number != nil }) {
            reached |= 1
            if highest > UInt64(nodes.count) { reached |= 2 }
        }
        if ensemble.children(of: Paths.dataLock).count > 1 { reached |= 1 << 3 }
        return reached
    }

    // MARK: Telling states apart

    public mutating func fold(into digest: inout Fingerprint, memo: inout FingerprintMemo) {
        for index in nodes.indices where ensemble.inputs[index] != 0 {
            prints[index] = memo.digest(after: prints[index], input: ensemble.inputs[index]) {
                var own = Fingerprint()
                ensemble.fold(client: index, into: &own)
                own.foldContent(of: nodes[index].value)
                return own.value
            }
            ensemble.inputs[index] = 0
        }
        for own in prints { digest.fold(own) }
        ensemble.foldTrees(into: &digest)
        digest.fold(losses)
        digest.fold(expiries)
        digest.fold(highest)
    }

    public func brief(_ action: Action) -> String {
        switch action {
        case .ensemble(let step), .loss(let step), .expiry(let step): ensemble.brief(step)
        case .timer(let node, _): "node \(node): a pause ends"
        }
    }
}
