import Machine

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

    private let players: [Player]

    init(sessions: Int, port: UInt16) { players = (0...sessions).map { _ in Player(port: port) } }

    func perform(_ effect: CoordinationEffect, of session: Int) { players[session].coordinator.perform(effect) }

    func heard(by session: Int) -> [CoordinationEvent.Kind] { players[session].heard.withLock { $0 } }

    func wait(for what: String, of session: Int, until condition: ([CoordinationEvent.Kind]) -> Bool) throws {
        guard players[session].heard.wait(atMost: .seconds(40), for: { condition($0) ? true : nil }) != nil else {
            throw NotHeard(description: "ZooKeeper: \(what) does not come for session \(session); heard: \(heard(by: session))")
        }
    }

    func setCut(_ session: Int, _ isCut: Bool) { players[session].gate.setClosed(isCut) }

    func pass(_ time: Nanoseconds) { threadSleep(time) }

    /// Closes what is open and waits for it.
    func end() {
        for player in players {
            player.coordinator.shutDown()
            player.gate.end()
        }
    }
}
