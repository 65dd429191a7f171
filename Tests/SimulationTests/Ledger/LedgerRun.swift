import Machine
import Simulation

/// One run of a ledger: a client adds while the power fails now and then. Every confirmed amount must survive.
struct LedgerRun {
    struct TimedFault {
        var at: Nanoseconds
        var fault: Fault
    }

    private enum Alarm: UInt64 { case add = 1, start = 2, fault = 3 }

    private var world: World<Ledger>
    private let isHasty: Bool
    private let faults: [TimedFault]
    private(set) var confirmed = 0
    private(set) var violation: Violation?

    /// - Parameter faults: what happens; nil lets the seed draw it.
    init(seed: UInt64, isHasty: Bool, faults: [TimedFault]? = nil, trace: Trace = Trace()) {
        var options = World<Ledger>.Options()
        options.zooKeeper.servers = 1
        world = World(addresses: [Address(host: "ledger", port: 1)], options: options, seed: seed, trace: trace)
        self.isHasty = isHasty
        self.faults = faults ?? LedgerRun.draw(seed)
    }

    /// The faults of a seed: they have a stream of their own.
    static func draw(_ seed: UInt64) -> [TimedFault] {
        var random = SeededRandom(seed: seed ^ 0xFA17)
        return (0..<20).map { turn in
            let kind: FaultKind = random.chance(1, in: 2) ? .powerLoss : .kill
            return TimedFault(
                at: .milliseconds(Int64(turn * 150) + Int64(random.next(upperBound: 150 as UInt64))),
                fault: Fault(kind, processes: [0], lasts: .milliseconds(20), isTrap: random.chance(1, in: 2)))
        }
    }

    mutating func run() {
        world.start(0, Ledger(isHasty: isHasty))
        for timed in faults { world.alarm(at: .zero + timed.at, Alarm.fault.rawValue) }
        world.alarm(at: .zero + .milliseconds(5), Alarm.add.rawValue)
        var coming = faults[...]
        var amounts = 0
        while violation == nil, let occurrence = world.advance(until: .zero + .seconds(4)) {
            switch occurrence {
            case .alarm(Alarm.add.rawValue):
                amounts += 1
                _ = world.call(Ledger.Add(amount: UInt8(1 + amounts % 200)), from: 0, to: 0)
                world.alarm(at: world.now + .milliseconds(5), Alarm.add.rawValue)
            case .alarm(Alarm.fault.rawValue):
                guard let fault = coming.popFirst()?.fault, world.isUp(0) else { break }
                world.begin(fault)
                if !fault.isTrap { world.alarm(at: world.now + fault.lasts, Alarm.start.rawValue) }
            case .trapSprung(_, let fault):
                world.spring(fault)
                world.alarm(at: world.now + fault.lasts, Alarm.start.rawValue)
            case .alarm: if !world.isUp(0) { world.start(0, Ledger(isHasty: isHasty)) }
            case .answered(_, .reply(let count)): confirmed = max(confirmed, count)
            case .stepped: judge()
            case .halted, .answered: break
            }
        }
    }

    private mutating func judge() {
        guard let ledger = world.node(0), ledger.isOpen, ledger.amounts.count < confirmed else { return }
        violation = Violation(
            "confirmed amounts survive", "\(confirmed) amounts were confirmed, \(ledger.amounts.count) are left")
    }

    /// What happened, for a person.
    func story(seed: UInt64) -> Story {
        var story = world.story(title: "A ledger, seed \(seed)", seed: seed, processes: [.data])
        story.violation = violation.map {
            Story.Broken(invariant: $0.invariant, detail: $0.detail, time: world.now)
        }
        return story
    }

    var hash: TraceHash { world.trace.hash }
}
