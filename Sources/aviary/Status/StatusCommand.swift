import ArgumentParser
import GRPCAdapter
import Machine
import Wire

/// `aviary status`
struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show the cluster as a server sees it: master, servers, groups with their stores, and the ring.")

    @Flag(help: "Print it as JSON.") var json = false
    @OptionGroup var servers: ServerChoice

    func run() async throws {
        let client = try servers.client()
        let status = try await reporting(reads: true) { () async throws(ClientError) in
            try await client.status(timeout: servers.timeout.length)
        }
        StandardStream.output.write(json ? try JSONLine.encodePretty(StatusDocument(status)) : StatusTable(status).text)
    }
}

/// `aviary health`
struct HealthCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "health",
        abstract: "Ask a node whether it serves (grpc.health.v1): exit code 0 if it does, 1 if not.")

    @Option(help: ArgumentHelp("The node to ask; without it the server that other commands would ask.", valueName: "host:port"))
    var address: String?
    @OptionGroup var servers: ServerChoice

    func run() throws {
        let addresses = try address.map { try ServerChoice.parseAddresses([$0], flag: "--address") } ?? servers.addresses()
        var reasons: [String] = []
        for address in addresses {
            switch HealthClient.check(address, timeout: servers.timeout.length) {
            case .serving:
                StandardStream.output.write("serving\n")
                return
            case .notServing: reasons.append("\(address) says that it does not serve")
            case .unreachable(let reason): reasons.append(reason)
            }
        }
        StandardStream.error.write("aviary: \(reasons.joined(separator: "; "))\n")
        throw ExitCode(ExitStatus.no)
    }
}
