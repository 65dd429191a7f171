import Machine
import Testing

@testable import Simulation

/// What tests of the ZooKeeper model do and see as clients.
protocol ZooKeeperClients {}

extension ZooKeeperClients {
    /// A world whose probes have connected sessions.
    func connected(_ processes: Int, seed: UInt64 = 1, _ change: (inout ProbeWorld.Options) -> Void = { _ in }) -> ProbeWorld {
        var world = ProbeWorld.make(processes, seed: seed, change)
        for process in 0..<processes { world.tell(process, .coordination(.openSession(session))) }
        let done = world.run { world in (0..<processes).allSatisfy { world.probe($0).coordination.contains(where: isConnected) }
        }
        #expect(done)
        return world
    }

    func isConnected(_ kind: CoordinationEvent.Kind) -> Bool {
        if case .connected = kind { true } else { false }
    }

    func sessionID(_ world: ProbeWorld, _ process: Int) -> Int64 {
        for case .connected(let id, _) in world.probe(process).coordination { return id }
        return 0
    }

    /// One request, run until it is answered.
    func ask(
        _ world: inout ProbeWorld, _ process: Int, _ serial: UInt64, _ operation: CoordinationOperation
    ) -> CoordinationReply? {
        world.tell(process, request(serial, operation))
        _ = world.run { $0.probe(process).reply(serial) != nil }
        return world.probe(process).reply(serial)
    }

    func failure(_ reply: CoordinationReply?) -> CoordinationError? {
        if case .failed(let error, _)? = reply { error } else { nil }
    }

    func isWatch(_ kind: CoordinationEvent.Kind) -> Bool {
        if case .watchFired = kind { true } else { false }
    }

    func brief(_ kind: CoordinationEvent.Kind) -> String {
        switch kind {
        case .reply(let id, _): "reply \(id.serial)"
        case .watchFired(let path, let kind): "\(path) \(kind)"
        case .connected, .disconnected, .expired, .closed: "\(kind)"
        }
    }

    /// The server that a process is connected to.
    func server(_ world: ProbeWorld, _ process: Int) -> Int {
        world.zooKeeper.handles[world.zooKeeper.handlesOfProcess[process][0]].server
    }

    func isConnectedNow(_ world: ProbeWorld, _ process: Int) -> Bool {
        world.probe(process).coordination.last { $0 == .disconnected || $0 == .expired || isConnected($0) }.map(isConnected)
            ?? false
    }

    func expirations(_ world: ProbeWorld, _ process: Int) -> Int { world.probe(process).coordination.count { $0 == .expired } }
}
