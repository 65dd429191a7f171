import ArgumentParser
import Foundation
import Nodes
import Runtime

/// `aviary server`
struct ServerCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "server",
        abstract: "Run a server node: it takes requests for any key, and one of the servers is the master.")

    @OptionGroup var options: NodeOptions

    func run() async throws {
        let settings = try NodeSettings(
            Settings(flags: options.flags, environment: ProcessInfo.processInfo.environment))
        let logger = settings.logger("server \(settings.address)")
        var hostSettings = HostSettings(address: settings.address, zooKeeper: settings.zooKeeper)
        hostSettings.sessionTimeout = settings.sessionTimeout
        hostSettings.server = settings.serverLimits
        let host = try NodeHost(settings: hostSettings, logger: logger) { address, random in
            ServerNode(address: address, options: ServerOptions(limits: settings.limits), random: random)
        }
        logger.info(
            "server node starting",
            metadata: [
                "version": "\(aviaryVersion)", "address": "\(settings.address)", "zooaddr": "\(settings.zooKeeper)",
                "sessiontimeout": "\(settings.sessionTimeout.milliseconds)",
            ])
        throw try await NodeProgram(host: host).execute(logger: logger)
    }
}
