import Glibc
import Logging

/// How log lines look.
enum LogFormat: String, CaseIterable, Sendable {
    /// For people: time, level, node, message, `key=value` fields.
    case text
    /// For machines: one JSON object a line.
    case json
}

/// Writes log lines to standard error, each in one piece.
struct LineLogHandler: LogHandler {
    var metadata: Logger.Metadata = [:]
    var logLevel: Logger.Level
    private let label: String
    private let format: LogFormat
    private let write: @Sendable (String) -> Void

    /// - Parameters:
    ///   - label: which node speaks.
    ///   - write: takes a whole line, its end included.
    init(
        label: String, format: LogFormat, level: Logger.Level,
        write: @escaping @Sendable (String) -> Void = { StandardStream.error.write($0) }
    ) {
        self.label = label
        self.format = format
        logLevel = level
        self.write = write
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var fields = metadata
        if let more = event.metadata { fields.merge(more) { $1 } }
        if let error = event.error { fields["error"] = "\(error)" }
        let sorted = fields.map { (key: $0.key, value: "\($0.value)") }.sorted { $0.key < $1.key }
        let time = Self.timestamp(Self.wallClock())
        switch format {
        case .text: write(Self.text(time, event.level, label, "\(event.message)", sorted))
        case .json: write(Self.json(time, event.level, label, "\(event.message)", sorted))
        }
    }

    // MARK: Formats

    static func text(
        _ time: String, _ level: Logger.Level, _ label: String, _ message: String, _ fields: [(key: String, value: String)]
    ) -> String {
        let name = "\(level)".uppercased()
        let padded = name + String(repeating: " ", count: max(0, 8 - name.count))
        var line = "\(time) \(padded) [\(label)] \(onOneLine(message))"
        for (key, value) in fields {
            let quoted =
                value.isEmpty || value.unicodeScalars.contains { $0 == " " || $0 == "\"" || $0 == "=" || $0.value < 32 }
            line += quoted ? " \(key)=\(quote(value))" : " \(key)=\(value)"
        }
        return line + "\n"
    }

    static func json(
        _ time: String, _ level: Logger.Level, _ label: String, _ message: String, _ fields: [(key: String, value: String)]
    ) -> String {
        var line = "{\"time\":\"\(time)\",\"level\":\"\(level)\",\"node\":\(quote(label)),\"message\":\(quote(message))"
        for (key, value) in fields { line += ",\(quote(key)):\(quote(value))" }
        return line + "}\n"
    }

    /// A JSON string, quotes included; readable in a text line too.
    private static func quote(_ text: String) -> String {
        var quoted = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": quoted += "\\\""
            case "\\": quoted += "\\\\"
            case "\n": quoted += "\\n"
            case "\r": quoted += "\\r"
            case "\t": quoted += "\\t"
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                quoted += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: quoted.unicodeScalars.append(scalar)
            }
        }
        return quoted + "\""
    }

    /// A message may hold what peers and files said: no line of it may look like a line of ours.
    private static func onOneLine(_ text: String) -> String {
        guard text.unicodeScalars.contains(where: { $0.value < 32 }) else { return text }
        return String(quote(text).dropFirst().dropLast())
    }

    private static func wallClock() -> timespec {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return time
    }

    /// UTC with milliseconds (RFC 3339).
    static func timestamp(_ time: timespec) -> String {
        var seconds = time.tv_sec
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: some BinaryInteger, _ width: Int) -> String {
            let digits = "\(number)"
            return String(repeating: "0", count: max(0, width - digits.count)) + digits
        }
        let date = "\(padded(parts.tm_year + 1900, 4))-\(padded(parts.tm_mon + 1, 2))-\(padded(parts.tm_mday, 2))"
        let clock = "\(padded(parts.tm_hour, 2)):\(padded(parts.tm_min, 2)):\(padded(parts.tm_sec, 2))"
        return "\(date)T\(clock).\(padded(time.tv_nsec / 1_000_000, 3))Z"
    }
}
