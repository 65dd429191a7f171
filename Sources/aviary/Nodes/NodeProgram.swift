import ArgumentParser
import Logging
import Machine
import Runtime
import ServiceLifecycle
import Synchronization
import Wire

/// Runs one node until it ends or is asked to by SIGTERM or SIGINT.
struct NodeProgram<N: Node>: Service where N.Message == PeerMessage, N.Request == ClientRequest, N.Reply == ClientReply {
    private let host: NodeHost<N>
    private let end = EndOfLife()

    init(host: NodeHost<N>) { self.host = host }

    func run() async throws {
        let reason = await withGracefulShutdownHandler {
            await host.run()
        } onGracefulShutdown: { [host] in
            host.requestShutdown()
        }
        end.set(reason)
    }

    /// Lives the node's life; returns the exit code that its end means.
    ///
    /// - Throws: `Failure` where the node refused to start.
    func execute(logger: Logger) async throws -> ExitCode {
        var quiet = logger
        quiet.logLevel = max(logger.logLevel, .warning)
        let group = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [.init(service: self, successTerminationBehavior: .gracefullyShutdownGroup)],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: quiet))
        try await group.run()
        switch end.reason {
        case .finished:
            logger.info("stopped")
            return .success
        case .refused(let message): throw Failure(message)
        case .broken(let message):
            logger.critical("stopped, because going on would not be safe", metadata: ["reason": "\(message)"])
            return ExitCode(ExitStatus.no)
        }
    }
}

/// Why the node's life ended, once it has.
private final class EndOfLife: Sendable {
    private let value = Mutex<Halt>(.finished)
    var reason: Halt { value.withLock { $0 } }
    func set(_ reason: Halt) { value.withLock { $0 = reason } }
}
