import Machine
import Wire

/// The text in Aviary's znodes: an optional first line that stands alone, then `key=value` lines, so that operators can
/// read them with any ZooKeeper client. Whoever reads one skips keys that it does not know: later versions add some.
///
/// These bytes come from outside. Whatever they are, reading them ends in a value or in `Malformed`, never in a trap.
struct RecordText {
    struct Malformed: Error {}

    /// ZooKeeper's own limit on a node's data (`jute.maxbuffer`), in bytes.
    static let longest = 1 << 20

    /// The first line where it is not a `key=value` one, else empty.
    private(set) var head: Substring = ""
    private var fields: [(key: String, value: Substring)] = []

    init(_ bytes: [UInt8]) throws(Malformed) {
        guard bytes.count <= Self.longest, let text = String(validating: bytes, as: UTF8.self) else { throw Malformed() }
        fields.reserveCapacity(8)
        // By bytes: to split by characters means to look for those that consist of several.
        let utf8 = text.utf8
        func part(_ range: Range<Int>) -> Substring {
            let begin = utf8.index(utf8.startIndex, offsetBy: range.lowerBound)
            return Substring(utf8[begin..<utf8.index(begin, offsetBy: range.count)])
        }
        var start = 0
        var equals: Int?
        for offset in 0...bytes.count {
            if offset == bytes.count || bytes[offset] == UInt8(ascii: "\n") {
                if let equals {
                    fields.append((String(part(start..<equals)), part(equals + 1..<offset)))
                } else if start == 0 {
                    head = part(start..<offset)
                }
                start = offset + 1
                equals = nil
            } else if equals == nil, bytes[offset] == UInt8(ascii: "=") {
                equals = offset
            }
        }
    }

    func address() throws(Malformed) -> Address {
        guard let address = Address(String(head)) else { throw Malformed() }
        return address
    }

    /// The value of a key that may be there once.
    func optional(_ key: String) throws(Malformed) -> Substring? {
        var found: Substring?
        for field in fields where field.key == key {
            if found != nil { throw Malformed() }
            found = field.value
        }
        return found
    }

    /// The value of a key that must be there once.
    func required(_ key: String) throws(Malformed) -> Substring {
        guard let value = try optional(key) else { throw Malformed() }
        return value
    }

    /// The values of a key that may be there many times, in order.
    func all(_ key: String) -> [Substring] { fields.filter { $0.key == key }.map(\.value) }

    func number(_ key: String) throws(Malformed) -> UInt64 {
        guard let number = UInt64(decimal: try required(key)) else { throw Malformed() }
        return number
    }

    func flag(_ key: String) throws(Malformed) -> Bool {
        switch try required(key) {
        case "yes": return true
        case "no": return false
        default: throw Malformed()
        }
    }

    func name(_ key: String) throws(Malformed) -> String {
        let value = try required(key)
        guard GroupName.isPlainName(value) else { throw Malformed() }
        return String(value)
    }

    /// The text of a lines' list, one `\n` after each.
    static func bytes(_ lines: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for line in lines {
            bytes += line.utf8
            bytes.append(UInt8(ascii: "\n"))
        }
        return bytes
    }

    static func text(_ flag: Bool) -> String { flag ? "yes" : "no" }
}

extension UInt64 {
    /// Reads decimal digits as this project writes them: no sign, no leading zero, no overflow.
    init?(decimal text: some StringProtocol) {
        let digits = text.utf8
        guard (1...20).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        guard digits.count == 1 || digits.first != 48 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            let (shifted, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, carry) = shifted.addingReportingOverflow(UInt64(digit - 48))
            if overflow || carry { return nil }
            value = sum
        }
        self = value
    }

    /// Reads a znode that holds one decimal number (`top`).
    init?(znode bytes: [UInt8]) {
        guard bytes.count <= 32, let text = String(validating: bytes, as: UTF8.self) else { return nil }
        self.init(decimal: text.last == "\n" ? text.dropLast() : text[...])
    }

    /// The znode content of this number.
    var znode: [UInt8] { Array(String(self).utf8) }
}

extension MemberID {
    /// Reads `store/number`.
    init?(_ text: Substring) {
        guard let slash = text.lastIndex(of: "/"), GroupName.isPlainName(text[..<slash]),
            let number = UInt64(decimal: text[text.index(after: slash)...]), number > 0
        else { return nil }
        self.init(store: StoreID(String(text[..<slash])), number: number)
    }
}

extension Position {
    /// Reads `term:seq`.
    init?(_ text: Substring) {
        guard let colon = text.firstIndex(of: ":"), let term = UInt64(decimal: text[..<colon]),
            let seq = UInt64(decimal: text[text.index(after: colon)...])
        else { return nil }
        self.init(term: term, seq: seq)
    }
}
