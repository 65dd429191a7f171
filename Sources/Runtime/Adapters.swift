import FileAdapter
import GRPCAdapter
import Logging
import Machine
import Wire
import ZooKeeperAdapter

/// The real neighbours of a node: ZooKeeper, gRPC and the files of one store.
struct Adapters: Neighbours {
    let coordinator: ZooKeeperCoordinator
    let links: PeerLinks
    let server: GRPCServer
    /// nil: the node keeps nothing on disk.
    let files: FileStore?
    let logger: Logger

    func perform(_ effect: CoordinationEffect) { coordinator.perform(effect) }

    func perform(_ requests: [DiskRequest]) {
        guard let files else { preconditionFailure("a node without files asked for a disk operation") }
        files.perform(requests)
    }

    func send(_ messages: [PeerMessage], to peer: Address) { links.send(messages, to: peer) }

    func closeLink(to peer: Address) { links.close(peer) }

    func reply(_ replies: [(ClientReply, CallID)]) { server.reply(replies) }

    func log(_ line: LogLine) { logger.log(line) }

    /// Ends everything: answers travel for at most `grace`, the ZooKeeper session is closed, the files are unlocked.
    func shutDown(grace: Nanoseconds) {
        server.shutDown(grace: grace)
        links.shutDown()
        coordinator.shutDown()
        files?.shutDown()
    }
}

extension Logger {
    /// Writes a machine's line: its event as the message, its fields as metadata.
    func log(_ line: LogLine) {
        let level: Logger.Level =
            switch line.level {
            case .trace: .trace
            case .debug: .debug
            case .info: .info
            case .notice: .notice
            case .warning: .warning
            case .error: .error
            case .critical: .critical
            }
        guard level >= logLevel else { return }
        var metadata: Logger.Metadata = [:]
        for field in line.fields { metadata[field.key] = .string(field.value) }
        log(level: level, "\(line.event)", metadata: metadata)
    }
}
