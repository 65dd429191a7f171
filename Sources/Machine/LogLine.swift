/// How much a log line matters, with swift-log's meanings.
public enum LogLevel: Int, Hashable, Comparable, Sendable {
    case trace, debug, info, notice, warning, error, critical
    public static func < (a: LogLevel, b: LogLevel) -> Bool { a.rawValue < b.rawValue }
}

public struct LogField: Hashable, Sendable {
    public let key: String
    public let value: String
    public init(_ key: String, _ value: String) {
        self.key = key
        self.value = value
    }
    public init(_ key: String, _ value: some CustomStringConvertible) { self.init(key, value.description) }
}

/// A line for people. Machines log changes, never per-request work.
public struct LogLine: Hashable, Sendable {
    public let level: LogLevel
    /// What happened, as a short sentence that is the same each time it happens; the details are fields.
    public let event: String
    public let fields: [LogField]

    public init(level: LogLevel, event: String, fields: [LogField] = []) {
        self.level = level
        self.event = event
        self.fields = fields
    }
}
