import ArgumentParser
import AviaryClient
import Foundation
import GRPCAdapter
import Machine
import Wire

/// The flags that say which servers a client talks to, and how long it waits.
struct ServerChoice: ParsableArguments {
    @Option(
        name: .customLong("server"),
        help: ArgumentHelp(
            "A server, or several separated by commas; may be repeated. One that answers is found. Port \(defaultServerPort) where none is given.",
            valueName: "host[:port]"))
    var servers: [String] = []

    @Option(help: ArgumentHelp("A server's address (environment: serverip).", valueName: "host"))
    var serverip: String?

    @Option(
        help: ArgumentHelp("That server's port, \(defaultServerPort) without it (environment: serverport).", valueName: "port"))
    var serverport: String?

    @Option(help: ArgumentHelp("How long to try: seconds, or with a unit (500ms, 2s).", valueName: "time"))
    var timeout: Patience = Patience(length: .seconds(5))

    /// The servers in the order in which they are tried: those of `--server`, else that of `serverip` and `serverport`, else
    /// where a server on this machine would be.
    ///
    /// - Throws: `Failure` where an address is malformed.
    func addresses(environment: [String: String] = ProcessInfo.processInfo.environment) throws(Failure) -> [Address] {
        if !servers.isEmpty { return try Self.parseAddresses(servers) }
        var flags: [SettingName: String] = [:]
        flags[.serverip] = serverip
        flags[.serverport] = serverport
        let settings = Settings(flags: flags, environment: environment)
        if settings.text(.serverip) != nil { return [try settings.address(defaultHost: "")] }
        let loopback = try settings.address(defaultHost: "127.0.0.1")
        guard let host = NetworkInterfaces.firstNonLoopbackAddress() else { return [loopback] }
        return [loopback, Address(host: host, port: loopback.port)]
    }

    static func parseAddresses(_ lists: [String], flag: String = "--server") throws(Failure) -> [Address] {
        var addresses: [Address] = []
        for text in lists.flatMap({ $0.split(separator: ",") }).map({ $0.trimmingCharacters(in: .whitespaces) }) {
            let isBareIPv6 = text.filter { $0 == ":" }.count > 1 && !text.hasPrefix("[")
            let withPort = isBareIPv6 ? "[\(text)]:\(defaultServerPort)" : "\(text):\(defaultServerPort)"
            guard let address = Address(text) ?? Address(withPort) else {
                let quoted = ShellWords.quote(Array(text.utf8))
                throw Failure("\(flag) \(quoted) is not an address; it must be host or host:port, with a port from 1 to 65535")
            }
            addresses.append(address)
        }
        guard !addresses.isEmpty else { throw Failure("\(flag) names no server") }
        return addresses
    }

    /// For what is asked of servers themselves: status, health, administration.
    func client() throws(Failure) -> KVClient { KVClient(servers: try addresses()) }

    /// For keys: it repeats what failed on the way, and a mutation is executed once all the same.
    func aviary() throws(Failure) -> AviaryClient {
        AviaryClient(servers: try addresses(), options: AviaryClient.Options(timeout: timeout.length))
    }
}

/// A length of time as typed: `5`, `0.5`, `2s`, `500ms`.
struct Patience: ExpressibleByArgument, Equatable {
    let length: Nanoseconds

    init(length: Nanoseconds) { self.length = length }

    init?(argument: String) {
        let digits: Substring
        let unit: Double
        if argument.hasSuffix("ms") {
            (digits, unit) = (argument.dropLast(2), 1e6)
        } else {
            (digits, unit) = (argument.hasSuffix("s") ? argument.dropLast() : argument[...], 1e9)
        }
        guard let number = Double(digits), number > 0, number * unit <= 86_400e9 else { return nil }
        length = Nanoseconds(Int64(number * unit))
    }

    var defaultValueDescription: String { "\(Double(length.count) / 1e9)" }
}
