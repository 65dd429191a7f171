import Glibc

/// The lines entered at the prompt, kept in a file of the user's home from one session to the next.
///
/// The file is a convenience: where it cannot be read or written, the prompt goes on without.
struct History {
    /// Most lines that are remembered.
    static let limit = 1000

    private(set) var lines: [String]
    private let path: String?

    /// - Parameter path: the file; nil remembers within the session only.
    init(path: String?) {
        self.path = path
        lines = path.flatMap(Self.read)?.split(separator: "\n").map(String.init) ?? []
        guard lines.count > Self.limit else { return }
        lines.removeFirst(lines.count - Self.limit)
        // Every line is appended as it comes; once the file is twice as long as it should be, or more, it is cut.
        if let path { Self.write(lines.joined(separator: "\n") + "\n", to: path, O_TRUNC) }
    }

    /// `~/.aviary_history`, where there is a home.
    static var defaultPath: String? { getenv("HOME").map { String(cString: $0) + "/.aviary_history" } }

    /// Remembers a line, unless it is blank, begins with a blank (as shells have it), or repeats the one before.
    mutating func append(_ line: String) {
        guard let first = line.first, !first.isWhitespace, line != lines.last, !line.contains("\n") else { return }
        lines.append(line)
        if lines.count > Self.limit { lines.removeFirst() }
        if let path { Self.write(line + "\n", to: path, O_APPEND) }
    }

    private static func read(_ path: String) -> String? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func write(_ text: String, to path: String, _ mode: Int32) {
        // Values are in it: for the user's eyes only.
        let file = open(path, O_WRONLY | O_CREAT | mode, 0o600)
        guard file >= 0 else { return }
        defer { close(file) }
        var text = text
        text.withUTF8 { _ = Glibc.write(file, $0.baseAddress, $0.count) }
    }
}
