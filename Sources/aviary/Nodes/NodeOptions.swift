import ArgumentParser
import GRPCAdapter
import Logging
import Machine
import Runtime
import Wire

/// The flags that `server` and `data` share. Each is also an environment variable; the flag wins.
struct NodeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "ZooKeeper connect string; a chroot path may follow (environment: zooaddr).", valueName: "host:port[,…][/path]"))
    var zooaddr: String?

    @Option(
        help: ArgumentHelp(
            "Address to listen on and to be reached at; without it the first one that is not loopback (environment: serverip).",
            valueName: "host"))
    var serverip: String?

    @Option(
        help: ArgumentHelp("Port to listen on, \(defaultServerPort) without it (environment: serverport).", valueName: "port"))
    var serverport: String?

    @Option(help: ArgumentHelp("ZooKeeper session timeout, 4000 without it (environment: sessiontimeout).", valueName: "ms"))
    var sessiontimeout: String?

    @Option(
        help: ArgumentHelp(
            "trace, debug, info, notice, warning, error or critical; info without it (environment: loglevel).",
            valueName: "level"))
    var logLevel: String?

    @Option(help: ArgumentHelp("text or json; text without it (environment: logformat).", valueName: "format"))
    var logFormat: String?

    @Option(help: ArgumentHelp("Longest key, 1024 without it (environment: maxkeybytes).", valueName: "bytes"))
    var maxKeyBytes: String?

    @Option(help: ArgumentHelp("Longest value, 1048576 without it (environment: maxvaluebytes).", valueName: "bytes"))
    var maxValueBytes: String?

    var flags: [SettingName: String] {
        let given: [(SettingName, String?)] = [
            (.zooaddr, zooaddr), (.serverip, serverip), (.serverport, serverport), (.sessiontimeout, sessiontimeout),
            (.loglevel, logLevel), (.logformat, logFormat), (.maxkeybytes, maxKeyBytes), (.maxvaluebytes, maxValueBytes),
        ]
        var flags: [SettingName: String] = [:]
        for (name, value) in given { flags[name] = value }
        return flags
    }
}

/// What every node is told, read and checked.
struct NodeSettings {
    let address: Address
    let zooKeeper: String
    let sessionTimeout: Nanoseconds
    let limits: Limits
    let logLevel: Logger.Level
    let logFormat: LogFormat

    /// - Throws: `Failure` naming the setting that is missing or wrong.
    init(_ settings: Settings) throws(Failure) {
        guard let zooKeeper = settings.text(.zooaddr) else {
            throw Settings.missing(.zooaddr, "ZooKeeper's connect string, such as 127.0.0.1:2181")
        }
        self.zooKeeper = zooKeeper
        address = try settings.address(defaultHost: NetworkInterfaces.firstNonLoopbackAddress() ?? "127.0.0.1")
        sessionTimeout = .milliseconds(Int64(try settings.integer(.sessiontimeout, default: 4000, in: 100...3_600_000)))
        // An entry travels to the standbys in one frame, which is bounded too (PeerLimits.messageBytes).
        limits = Limits(
            keyBytes: try settings.integer(.maxkeybytes, default: Limits().keyBytes, in: 1...65_536),
            valueBytes: try settings.integer(.maxvaluebytes, default: Limits().valueBytes, in: 0...(8 << 20)))
        logLevel = try settings.choice(.loglevel, default: .info)
        logFormat = try settings.choice(.logformat, default: .text)
    }

    /// gRPC takes requests that are a good deal over the limits, so that it is the node that refuses them, by name and limit.
    var serverLimits: ServerLimits {
        var server = ServerLimits()
        server.requestBytes = max(server.requestBytes, limits.keyBytes + limits.valueBytes + (1 << 20))
        return server
    }

    func logger(_ label: String) -> Logger {
        Logger(label: label) { LineLogHandler(label: $0, format: logFormat, level: logLevel) }
    }
}
