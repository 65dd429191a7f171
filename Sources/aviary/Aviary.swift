import ArgumentParser
import Foundation
import SimulationCommands

/// The one binary: nodes, client and tools.
@main struct Aviary: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aviary",
        abstract: "A replicated, sharded key-value store.",
        discussion: """
            Nodes:  server, data.  Client:  client, put, get, delete.  Operations:  status, health, admin, bench.  Simulator:  sim.

            Exit codes: 0 done; 1 no such key, or a node that had to stop; 2 an error, named in one line on standard error.
            """,
        version: aviaryVersion,
        subcommands: [
            ServerCommand.self, DataCommand.self, ClientCommand.self, PutCommand.self, GetCommand.self, DeleteCommand.self,
            StatusCommand.self, HealthCommand.self, AdminCommand.self, BenchCommand.self, SimCommand.self,
        ])

    /// Runs the command that the arguments name; every error leaves as one line and exit code 2.
    static func main() async {
        // A reader that goes away (`aviary get k | head -c1`) is an error of write, not a signal that ends a node.
        signal(SIGPIPE, SIG_IGN)
        do {
            var command = try await parse()
            if var command = command as? AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch {
            exit(with: error)
        }
    }

    /// `parseAsRoot` hops through main-actor-free code, so that it can be awaited nowhere else than here.
    private static func parse() async throws -> ParsableCommand { try parseAsRoot() }

    private static func exit(with error: any Error) -> Never {
        switch error {
        case let failure as Failure: die(failure.message)
        case let code as ExitCode: Foundation.exit(code.rawValue)
        default:
            // Help and version are no errors; of a usage error the first line says what is wrong.
            guard exitCode(for: error) != .success else { exit(withError: error) }
            let message = message(for: error)
            die(message.isEmpty ? "\(error)" : String(message.prefix { $0 != "\n" }))
        }
    }

    private static func die(_ message: String) -> Never {
        StandardStream.error.write("aviary: \(message)\n")
        Foundation.exit(ExitStatus.error)
    }
}
