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

    /// A stretch of the text. By its bytes: most are compared or read as a number, and only some become strings.
    typealias Value = ArraySlice<UInt8>

    private let bytes: [UInt8]
    /// The first line where it is not a `key=value` one, else empty.
    private var head = 0..<0
    private var fields: [(key: Range<Int>, value: Range<Int>)] = []

    init(_ bytes: [UInt8]) throws(Malformed) {
        guard bytes.count <= Self.longest, Self.isText(bytes) else { throw Malformed() }
        self.bytes = bytes
        fields.reserveCapacity(8)
        bytes.withUnsafeBytes { text in
            var start = 0
            while start <= text.count {
                let end = text.firstIndex(of: UInt8(ascii: "\n"), from: start) ?? text.count
                if let equals = text.firstIndex(of: UInt8(ascii: "="), from: start), equals < end {
                    fields.append((start..<equals, (equals + 1)..<end))
                } else if start == 0 {
                    head = start..<end
                }
                start = end + 1
            }
        }
    }

    /// Whether the bytes are UTF-8. They nearly always are ASCII.
    private static func isText(_ bytes: [UInt8]) -> Bool {
        bytes.withUnsafeBytes { $0.isASCII } || String(validating: bytes, as: UTF8.self) != nil
    }

    func address() throws(Malformed) -> Address {
        guard let address = Address(utf8: bytes[head]) else { throw Malformed() }
        return address
    }

    /// The value of a key that may be there once.
    func optional(_ key: StaticString) throws(Malformed) -> Value? {
        var found: Range<Int>?
        for field in fields where isSame(field.key, key) {
            if found != nil { throw Malformed() }
            found = field.value
        }
        return found.map { bytes[$0] }
    }

    /// The value of a key that must be there once.
    func required(_ key: StaticString) throws(Malformed) -> Value {
        guard let value = try optional(key) else { throw Malformed() }
        return value
    }

    /// The values of a key that may be there many times, in order.
    func all(_ key: StaticString) -> [Value] {
        var values: [Value] = []
        for field in fields where isSame(field.key, key) { values.append(bytes[field.value]) }
        return values
    }

    func number(_ key: StaticString) throws(Malformed) -> UInt64 {
        guard let number = UInt64(decimal: try required(key)) else { throw Malformed() }
        return number
    }

    func flag(_ key: StaticString) throws(Malformed) -> Bool {
        let value = try required(key)
        if isSame(value.indices, "yes") { return true }
        if isSame(value.indices, "no") { return false }
        throw Malformed()
    }

    func name(_ key: StaticString) throws(Malformed) -> String {
        let value = try required(key)
        guard GroupName.isPlainName(value) else { throw Malformed() }
        return String(decoding: value, as: UTF8.self)
    }

    private func isSame(_ range: Range<Int>, _ word: StaticString) -> Bool {
        guard range.count == word.utf8CodeUnitCount else { return false }
        return bytes.withUnsafeBytes { bytes in
            word.withUTF8Buffer { UnsafeRawBufferPointer(rebasing: bytes[range]).begins(with: UnsafeRawBufferPointer($0)) }
        }
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
    init?(decimal text: some StringProtocol) { self.init(decimal: text.utf8) }

    init?(decimal digits: some Collection<UInt8>) {
        let count = digits.count
        guard (1...20).contains(count), count == 1 || digits.first != 48 else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard (48...57).contains(digit) else { return nil }
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
    init?(_ text: RecordText.Value) {
        guard let slash = text.lastIndex(of: UInt8(ascii: "/")), GroupName.isPlainName(text[..<slash]),
            let number = UInt64(decimal: text[(slash + 1)...]), number > 0
        else { return nil }
        self.init(store: StoreID(String(decoding: text[..<slash], as: UTF8.self)), number: number)
    }
}

extension Position {
    /// Reads `term:seq`.
    init?(_ text: RecordText.Value) {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")), let term = UInt64(decimal: text[..<colon]),
            let seq = UInt64(decimal: text[(colon + 1)...])
        else { return nil }
        self.init(term: term, seq: seq)
    }
}
