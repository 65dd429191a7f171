import Machine

@testable import Simulation

/// A node without a will of its own: it does what it is told through a call, and remembers everything that happens to it.
struct Probe: Node {
    typealias Event = NodeEvent<String, Command>
    typealias Effect = NodeEffect<String, Int>

    struct Command: Traceable, Equatable {
        var effects: [Effect]
        func fold(into hash: inout TraceHash) { hash.fold(effects.count) }
    }

    struct Seen: Equatable {
        var event: Event
        var at: Instant
    }

    private(set) var seen: [Seen] = []
    private(set) var batches = 0

    mutating func step(_ event: Event, at now: Instant, into effects: inout Effects<String, Int>) {
        if case .batchEnded = event {
            batches += 1
            return
        }
        seen.append(Seen(event: event, at: now))
        guard case .requested(let command, let call) = event else { return }
        for effect in command.effects { effects.append(effect) }
        effects.append(.reply(seen.count, to: call))
    }

    var events: [Event] { seen.map(\.event) }

    var received: [String] {
        events.compactMap { if case .received(let message, _) = $0 { message } else { nil } }
    }

    var coordination: [CoordinationEvent.Kind] {
        events.compactMap { if case .coordination(let event) = $0 { event.kind } else { nil } }
    }

    /// The replies of ZooKeeper by the serial number of the request.
    func reply(_ serial: UInt64) -> CoordinationReply? {
        for case .reply(let id, let reply) in coordination where id.serial == serial { return reply }
        return nil
    }

    func diskResult(_ number: UInt64) -> DiskResult? {
        for case .disk(let completion) in events where completion.id.number == number { return completion.result }
        return nil
    }
}

extension String: Traceable {
    public func fold(into hash: inout TraceHash) { hash.fold(self) }
}

extension Int: Traceable {
    public func fold(into hash: inout TraceHash) { hash.fold(self) }
}

typealias ProbeWorld = World<Probe>

extension ProbeWorld {
    /// A world of probes, all started, in which nothing is random about batches and everything is quick.
    static func make(_ processes: Int, seed: UInt64 = 1, _ change: (inout Options) -> Void = { _ in }) -> ProbeWorld {
        var options = Options()
        options.batchesAreRandom = false
        options.zooKeeper.tick = .milliseconds(500)
        options.zooKeeper.requestedTimeout = .milliseconds(1_000)
        change(&options)
        var world = ProbeWorld(addresses: addresses(processes), options: options, seed: seed)
        for process in 0..<processes { world.start(process, Probe()) }
        world.run(for: .milliseconds(1))
        return world
    }

    static func addresses(_ count: Int) -> [Address] {
        (0..<count).map { Address(host: "n\($0)", port: UInt16(7_000 + $0)) }
    }

    mutating func run(for length: Nanoseconds) {
        let end = now + length
        while advance(until: end) != nil {}
    }

    /// Runs until the condition holds; false where it did not within the time.
    mutating func run(atMost length: Nanoseconds = .seconds(30), until condition: (ProbeWorld) -> Bool) -> Bool {
        let end = now + length
        while !condition(self) {
            guard advance(until: end) != nil else { return condition(self) }
        }
        return true
    }

    /// Makes a probe do something.
    mutating func tell(_ process: Int, _ effects: Probe.Effect...) {
        _ = call(Probe.Command(effects: effects), from: 0, to: process)
    }

    func probe(_ process: Int) -> Probe { node(process) ?? Probe() }
}

/// Short names for the vocabulary of the tests.
let session = SessionToken(1)

func request(_ serial: UInt64, _ operation: CoordinationOperation) -> Probe.Effect {
    .coordination(.request(session, CoordinationID(owner: 0, serial: serial), operation))
}

func disk(_ number: UInt64, _ operation: DiskOperation) -> Probe.Effect {
    .disk(DiskRequest(id: DiskID(number), operation: operation))
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
