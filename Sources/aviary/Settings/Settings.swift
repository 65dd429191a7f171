import Configuration
import Machine

/// The names of all settings: environment variables as they are, flags with `--` before them.
enum SettingName: String, CaseIterable {
    /// ZooKeeper connect string, chroot allowed.
    case zooaddr
    /// Where the node listens and is reached; of a client: where a server is.
    case serverip
    case serverport
    /// The group of a data node.
    case name
    /// The store's log, and the scratch file of its rewrites.
    case dbfile
    case rbfile
    /// When an entry of the store's log counts as durable.
    case sync
    /// How many in-sync stores must have a write.
    case minsync
    /// ZooKeeper session timeout in milliseconds.
    case sessiontimeout
    case loglevel
    case logformat
    case maxkeybytes
    case maxvaluebytes

    /// The flag that wins over the environment.
    var flag: String {
        switch self {
        case .zooaddr, .serverip, .serverport, .name, .dbfile, .rbfile, .sync, .minsync, .sessiontimeout: "--" + rawValue
        case .loglevel: "--log-level"
        case .logformat: "--log-format"
        case .maxkeybytes: "--max-key-bytes"
        case .maxvaluebytes: "--max-value-bytes"
        }
    }
}

/// The settings of one run: a flag wins over the environment, which wins over the default.
///
/// An environment variable is read under its own name or in upper case (`zooaddr`, `ZOOADDR`); an empty one counts as not
/// there, which is what a compose file makes of a variable that nobody set.
struct Settings {
    private let reader: ConfigReader
    private let flags: [SettingName: String]

    init(flags: [SettingName: String], environment: [String: String]) {
        var given: [AbsoluteConfigKey: ConfigValue] = [:]
        for (name, value) in flags { given[AbsoluteConfigKey([name.rawValue])] = ConfigValue(.string(value), isSecret: false) }
        var inherited: [String: String] = [:]
        for name in SettingName.allCases.map(\.rawValue) {
            let value = [environment[name], environment[name.uppercased()]].compactMap { $0 }.first { !$0.isEmpty }
            inherited[name.uppercased()] = value
        }
        self.flags = flags
        reader = ConfigReader(providers: [
            InMemoryProvider(name: "flags", values: given), EnvironmentVariablesProvider(environmentVariables: inherited),
        ])
    }

    /// The value as it was given; nil where it was not.
    func text(_ name: SettingName) -> String? { reader.string(forKey: ConfigKey([name.rawValue])) }

    /// - Throws: `Failure` where the value is not a whole number within `range`.
    func integer(_ name: SettingName, default fallback: Int, in range: ClosedRange<Int>) throws(Failure) -> Int {
        guard let text = text(name) else { return fallback }
        guard let number = Int(text), range.contains(number) else {
            throw problem(name, text, "a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// - Throws: `Failure` where the value is none of `Choice`.
    func choice<Choice: RawRepresentable & CaseIterable>(
        _ name: SettingName, default fallback: Choice
    ) throws(Failure) -> Choice where Choice.RawValue == String {
        guard let text = text(name) else { return fallback }
        guard let choice = Choice(rawValue: text) else {
            throw problem(name, text, "one of " + Choice.allCases.map(\.rawValue).joined(separator: ", "))
        }
        return choice
    }

    /// The address given by `serverip` and `serverport`.
    ///
    /// - Throws: `Failure` where they do not make an address.
    func address(defaultHost: @autoclosure () -> String) throws(Failure) -> Address {
        let port = try integer(.serverport, default: Int(defaultServerPort), in: 1...65535)
        let host = text(.serverip) ?? defaultHost()
        guard let address = Address(host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)") else {
            throw problem(.serverip, host, "a host name or an IP address, without a port")
        }
        return address
    }

    /// One line that names the setting, where it came from, and what it must be.
    func problem(_ name: SettingName, _ text: String, _ expected: String) -> Failure {
        let source = flags[name] == nil ? "the environment's \(name.rawValue)" : name.flag
        return Failure("\(source) is \(ShellWords.quote(Array(text.prefix(100).utf8))); it must be \(expected)")
    }

    /// For an error that names a setting which was not given.
    static func missing(_ name: SettingName, _ meaning: String) -> Failure {
        Failure("\(name.rawValue) is not set: give \(meaning), as \(name.flag) or in the environment")
    }
}

/// The port of a node unless told otherwise.
let defaultServerPort: UInt16 = 1926
