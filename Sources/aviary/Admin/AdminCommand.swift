import ArgumentParser
import GRPCAdapter
import Machine
import Wire

/// `aviary admin`
struct AdminCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "admin",
        abstract: "What operators do to a running cluster.",
        subcommands: [TransferCommand.self, RecoverCommand.self])
}

/// `aviary admin transfer`
struct TransferCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "transfer",
        abstract: "Give a group another primary, without losing anything: before work on the primary's machine, say.",
        discussion: """
            The primary finishes what it has begun and hands over to an in-sync standby; writes pause for a moment. It stays a
            standby. (A primary that is asked to end, with SIGTERM, hands over by itself.)
            """)

    @Option(help: ArgumentHelp("The group.", valueName: "name")) var group: String
    @Option(
        help: ArgumentHelp(
            "The number of the store that shall be primary, as aviary status shows it; without it the standby that has the most.",
            valueName: "number"))
    var to: UInt64?
    @Flag(help: "Print the result as one JSON object.") var json = false
    @OptionGroup var servers: ServerChoice

    func validate() throws {
        if to == 0 { throw ValidationError("--to 0 is not the number of a store; they count from 1") }
    }

    func run() async throws {
        let client = try servers.client()
        let clock = ContinuousClock()
        let end = clock.now + .nanoseconds(servers.timeout.length.count)
        let result = try await reporting(reads: false) { () async throws(ClientError) in
            while true {
                let left = end - clock.now
                do throws(ClientError) {
                    let request = TransferRequest(group: group, to: to)
                    return try await client.transfer(request, timeout: Nanoseconds(Int64(max(0, left / .nanoseconds(1)))))
                } catch {
                    // Nothing happened, and soon it may be different: no primary yet, or no link to it.
                    guard error.code == .unavailable, left > .milliseconds(200) else { throw error }
                    try? await clock.sleep(for: .milliseconds(100))
                }
            }
        }
        if json {
            StandardStream.output.write(
                try JSONLine.encode(
                    Result(group: group, primary: result.primary.number, store: result.primary.store.text, term: result.term)))
        } else {
            StandardStream.output.write("group \(group): number \(result.primary.number) is primary of term \(result.term)\n")
        }
    }

    private struct Result: Encodable {
        var group: String
        var primary: UInt64
        var store: String
        var term: UInt64
    }
}
