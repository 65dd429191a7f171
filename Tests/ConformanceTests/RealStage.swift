import Machine
import TestSupport

@testable import ZooKeeperAdapter

/// A real ensemble: each session is the one of a coordinator of its own, behind a gate that can break its connection.
struct RealStage: Stage {
    static let tickMilliseconds = 200
    /// The longest that the ensemble grants: an idle moment of the machine must not end a session.
    static let timeout = Nanoseconds.milliseconds(Int64(20 * tickMilliseconds))

    private final class Player: Sendable {
        let gate: Gate
        let coordinator: ZooKeeperCoordinator
        let heard: Monitor<[CoordinationEvent.Kind]>

        init(port: UInt16) {
            let heard = Monitor<[CoordinationEvent.Kind]>([])
            self.heard = heard
            gate = Gate(to: port)
            coordinator = ZooKeeperCoordinator(
                connectString: "127.0.0.1:\(gate.port)", sessionTimeout: RealStage.timeout,
                deliver: { event in heard.withLock { $0.append(event.kind) } }, log: { _ in })
        }
    }

    private let ensemble: ZooKeeperEnsemble
    private let players: [Player]
    private var ports: [UInt16] { ensemble.servers.map(\.clientPort) }

    init(sessions: Int, ensemble: ZooKeeperEnsemble) {
        self.ensemble = ensemble
        let ports = ensemble.servers.map(\.clientPort)
        players = (0...sessions).map { Player(port: ports[$0 % ports.count]) }
    }

    func perform(_ effect: CoordinationEffect, of session: Int) { players[session].coordinator.perform(effect) }

    func heard(by session: Int) -> [CoordinationEvent.Kind] { players[session].heard.withLock { $0 } }

    func wait(for what: String, of session: Int, until condition: ([CoordinationEvent.Kind]) -> Bool) throws {
        guard players[session].heard.wait(atMost: .seconds(40), for: { condition($0) ? true : nil }) != nil else {
            throw NotHeard(description: "ZooKeeper: \(what) does not come for session \(session); heard: \(heard(by: session))")
        }
    }

    func setCut(_ session: Int, _ isCut: Bool) {
        if !isCut, ports.count > 1 {
            waitUntilLevel()
            lead(session, awayFrom: players[session].gate.currentTarget)
        }
        players[session].gate.setClosed(isCut)
    }

    private func lead(_ session: Int, awayFrom port: UInt16) {
        guard players[session].gate.currentTarget == port, let index = ports.firstIndex(of: port) else { return }
        players[session].gate.setTarget(ports[(index + 1) % ports.count])
    }

    /// A server that lags would set watches again by what it knows.
    private func waitUntilLevel() {
        for _ in 0..<1_000 {
            let zxids = ports.compactMap { port in
                fourLetterWord("srvr", port: port)?.split(separator: "\n").first { $0.hasPrefix("Zxid: ") }
            }
            if zxids.count == ports.count, Set(zxids).count == 1 { return }
            threadSleep(.milliseconds(10))
        }
    }

    /// kill -9. The server is started again, and its clients are led to another one meanwhile.
    func failOver() {
        guard let leader = ensemble.leader else { return }
        ensemble.kill(leader)
        for session in players.indices { lead(session, awayFrom: ensemble.servers[leader - 1].clientPort) }
        try? ensemble.launch(leader)
    }

    func pass(_ time: Nanoseconds) { threadSleep(time) }

    /// Closes what is open and waits for it.
    func end() {
        for player in players {
            player.coordinator.shutDown()
            player.gate.end()
        }
    }
}
