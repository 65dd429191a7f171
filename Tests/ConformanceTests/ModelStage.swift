import Machine
import Simulation

/// The simulated ensemble: each session is the one of a process of its own in a simulated world.
struct ModelStage: Stage {
    static let timeout = RealStage.timeout
    private var world: World<Hearer>
    /// The model counts cuts; here a session is cut off or it is not.
    private var areCut: [Bool]

    init(sessions: Int, servers: Int, seed: UInt64) {
        var options = World<Hearer>.Options()
        options.zooKeeper.servers = servers
        // With lag nothing could be compared: which server a client meets is chance.
        options.zooKeeper.lag = Spread(.zero)
        options.zooKeeper.tick = .milliseconds(Int64(RealStage.tickMilliseconds))
        options.zooKeeper.requestedTimeout = Self.timeout
        let addresses = (0...sessions).map { Address(host: "n\($0)", port: UInt16(7_000 + $0)) }
        world = World(addresses: addresses, options: options, seed: seed)
        areCut = addresses.map { _ in false }
        for process in addresses.indices { world.start(process, Hearer()) }
    }

    mutating func perform(_ effect: CoordinationEffect, of session: Int) {
        let told = world.node(session)?.told ?? 0
        _ = world.call(Hearer.Command(effect: effect), from: 0, to: session)
        _ = run { $0.node(session)?.told ?? 0 > told }
    }

    func heard(by session: Int) -> [CoordinationEvent.Kind] { world.node(session)?.heard ?? [] }

    mutating func wait(for what: String, of session: Int, until condition: ([CoordinationEvent.Kind]) -> Bool) throws {
        guard run(until: { condition($0.node(session)?.heard ?? []) }) else {
            throw NotHeard(description: "model: \(what) does not come for session \(session); heard: \(heard(by: session))")
        }
    }

    mutating func setCut(_ session: Int, _ isCut: Bool) {
        if areCut[session] != isCut {
            for server in 0..<world.zooKeeperServers { world.setZooKeeperCut(session, server: server, isCut) }
            areCut[session] = isCut
        }
        if isCut { world.breakZooKeeperConnections(of: session) }
    }

    mutating func failOver() { world.failOverZooKeeper() }

    mutating func pass(_ time: Nanoseconds) {
        let end = world.now + time
        while world.advance(until: end) != nil {}
    }

    private mutating func run(until condition: (World<Hearer>) -> Bool) -> Bool {
        let end = world.now + .seconds(60)
        while !condition(world) {
            guard world.advance(until: end) != nil else { return condition(world) }
        }
        return true
    }
}

/// A node that does with its session what it is told, and remembers what it hears.
private struct Hearer: Node {
    struct Command: Traceable {
        var effect: CoordinationEffect
        func fold(into hash: inout TraceHash) {}
    }

    struct Nothing: Traceable {
        func fold(into hash: inout TraceHash) {}
    }

    private(set) var heard: [CoordinationEvent.Kind] = []
    private(set) var told = 0

    mutating func step(_ event: NodeEvent<Nothing, Command>, at now: Instant, into effects: inout Effects<Nothing, Nothing>) {
        if case .requested(let command, let call) = event {
            told += 1
            effects.append(.coordination(command.effect))
            effects.append(.reply(Nothing(), to: call))
        } else if case .coordination(let event) = event {
            heard.append(event.kind)
        }
    }
}
