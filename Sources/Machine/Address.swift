/// Where a node can be reached: a host name or IP address, and a TCP port.
public struct Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    public let host: String
    public let port: UInt16

    public init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Parses `host:port` or `[ipv6]:port`; nil where the text is not one.
    public init?(_ text: String) { self.init(utf8: Array(text.utf8)[...]) }

    /// The same of the text's bytes.
    public init?(utf8 bytes: ArraySlice<UInt8>) {
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")), colon > 0, bytes.count <= 300 else { return nil }
        let digits = bytes[(colon + 1)...]
        guard (1...5).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        let number = digits.reduce(0) { $0 * 10 + Int($1 - 48) }
        guard let port = UInt16(exactly: number), port > 0 else { return nil }
        var host = bytes[..<colon]
        if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(UInt8(ascii: ":")) {
            return nil
        }
        guard !host.isEmpty, host.allSatisfy({ $0 > 32 && $0 < 127 && $0 != UInt8(ascii: "/") }) else { return nil }
        self.init(host: String(decoding: host, as: UTF8.self), port: port)
    }

    public var description: String { host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)" }

    public static func < (a: Address, b: Address) -> Bool { (a.host, a.port) < (b.host, b.port) }
}
