import Machine
import Wire

/// # The log's lines
///
/// `docs/log-format.md` specifies the format; this file has its words and numbers, and reads single lines.
///
///     %aviary 2 <store-uuid> <crc>                    header, first line
///     <base64 of the key>                             a put
///     <base64 of the value>
///     # <term> <seq> <commit> <durable> <crc>
///     <base64 of the key>                             a delete
///     -
///     # <term> <seq> <commit> <durable> <crc>
///     # <term> <seq> <commit> <durable> <session> <sequence> <lowest> <crc>
///                                                     the same of a put or delete with an identity
///     %term <term> <seq> <commit> <durable> <crc>     the first entry of a term
///     %session <term> <seq> <commit> <durable> <crc>  an entry that opens a client session
///     %forget <term> <seq> <commit> <durable> <session> <crc>
///                                                     an entry that ends one
///     %adopt <term> <crc>                             the highest term heard of
///     %lease <nanoseconds> <crc>                      the longest lease that the store ever promised
///     %whole yes|no <crc>                             whether the store, if its file ends here, has all that it acknowledged
///     %lineage <id> <crc>                             the history that the store belongs to
///     %nonce <uuid> … <crc>                           which of the store's registrations ZooKeeper may know, oldest first
///     %closed <last seq> <commit> <crc>               everything before this line was synced when it was written
///
///     %copy <crc>                                     from here to %copied: what a copy of another store's state brought
///     %run <term> <first seq> <last seq> <crc>        which term made which entries, those that are not here included
///     %memory <session> <lowest> <crc>                a client session that was open
///     %result <sequence> <seq> put|deleted|missing <crc>
///                                                     what became of one of its mutations
///     %copied <term> <seq> <dropped> <crc>            as of which position; the highest delete that was left out
///
/// Each checksum is CRC-32C, in eight lower-case hex digits, of the record's bytes before it, continued from the record
/// before. `commit` and `durable` are what the store knew when it wrote the record: its commit mark, and the highest
/// sequence number that was synced. A session is named by its opening entry, as `<term>:<seq>`.
enum LogFormat {
    /// The version that is written. Version 1 is read, too.
    static let version: UInt64 = 2
    static let magic = Array("%aviary ".utf8)
    static let newline = UInt8(ascii: "\n")
    static let space = UInt8(ascii: " ")
    /// Between the term and the number of a session's first entry.
    static let colon = UInt8(ascii: ":")
    /// Begins an entry's closing line.
    static let closing = UInt8(ascii: "#")
    /// Begins a control line.
    static let control = UInt8(ascii: "%")
    /// The value line of a delete. Base64 cannot produce it.
    static let tombstone = UInt8(ascii: "-")
    static let yes = Array("yes".utf8)
    static let no = Array("no".utf8)
    /// What a `%result` line says of a put, of a delete of what existed, and of one of what did not.
    static let put = Array("put".utf8)
    static let deleted = Array("deleted".utf8)
    static let missing = Array("missing".utf8)
    /// Hex digits of a checksum.
    static let checksumDigits = 8
    static let uuidCount = 36
    /// The whole header line with its newline.
    static let headerCount = magic.count + 2 + uuidCount + 1 + checksumDigits + 1
    /// The longest closing or control line, without its newline.
    static let shortLineLimit = 1024
    /// The most that a `%nonce` line has.
    static let nonceLimit = 16
    /// Unknown control lines whose word begins so may be skipped.
    static let notePrefix = "x-"
}

/// What an entry's last line says.
struct EntryMarks: Hashable, Sendable {
    var position: Position
    /// The store's commit mark when it wrote the entry.
    var commit: UInt64
    /// The highest sequence number that was synced when the store wrote the entry.
    var durable: UInt64
    /// By what a repeat of a put or delete is known.
    var identity: RequestIdentity?
}

/// A line that begins with `%`.
enum ControlLine: Hashable, Sendable {
    case header(version: UInt64, StoreID)
    case beginTerm(EntryMarks)
    case openSession(EntryMarks)
    case closeSession(SessionID, EntryMarks)
    case adopt(term: UInt64)
    case lease(Nanoseconds)
    case whole(Bool)
    case lineage(Lineage)
    case nonces([LifeNonce])
    case closed(last: UInt64, commit: UInt64)
    case copy
    case run(TermRun)
    case memory(SessionID, lowestOpen: UInt64)
    case result(SessionMemory.Outcome)
    case copied(CopyEnd)
    /// A line that a reader who does not know it may skip.
    case note(word: String)
    /// A line of a later version: what it means matters, and is not known here.
    case unknown(word: String)
}

/// Reads the fields of one line, which is given without its newline. Strict: single spaces, no leading zeros, lower case.
struct LineReader {
    private let bytes: UnsafeRawBufferPointer
    private var index = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        self.init(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }

    /// `# <term> <seq> <commit> <durable> <crc>`, perhaps with an identity, as the line says; whether the checksum is right is the
    /// caller's question.
    mutating func closingLine() -> (marks: EntryMarks, checksum: UInt32)? {
        guard skip(LogFormat.closing), var marks = entryMarks() else { return nil }
        // Nothing but the checksum has its length: an identity is longer.
        if bytes.count - index > LogFormat.checksumDigits + 1 {
            guard let identity = identity() else { return nil }
            marks.identity = identity
        }
        guard let checksum = finalChecksum() else { return nil }
        return (marks, checksum)
    }

    /// A line that begins with `%`, as it says; whether the checksum is right is the caller's question.
    mutating func controlLine() -> (line: ControlLine, checksum: UInt32)? {
        guard skip(LogFormat.control) else { return nil }
        let line: ControlLine?
        let word = String(decoding: field(), as: UTF8.self)
        switch word {
        case "aviary": line = header()
        case "term": line = entryMarks().map(ControlLine.beginTerm)
        case "session": line = entryMarks().map(ControlLine.openSession)
        case "forget": line = closeSession()
        case "adopt": line = number().map(ControlLine.adopt(term:))
        case "lease": line = number().flatMap { Int64(exactly: $0) }.map { .lease(Nanoseconds($0)) }
        case "whole": line = flag().map(ControlLine.whole)
        case "lineage": line = lineage().map(ControlLine.lineage)
        case "nonce": line = nonces().map(ControlLine.nonces)
        case "closed": line = closed()
        case "copy": line = .copy
        case "run": line = run()
        case "memory": line = memory()
        case "result": line = result()
        case "copied": line = copied()
        case _ where word.hasPrefix(LogFormat.notePrefix):
            skipToChecksum()
            line = .note(word: word)
        default:
            skipToChecksum()
            line = .unknown(word: word)
        }
        guard let line, let checksum = finalChecksum() else { return nil }
        return (line, checksum)
    }

    /// The checksum at the end of a line that may be wrong elsewhere.
    static func trailingChecksum(_ line: UnsafeRawBufferPointer) -> UInt32? {
        var reader = LineReader(line)
        reader.skipToChecksum()
        return reader.finalChecksum()
    }

    // MARK: Fields

    private mutating func skip(_ byte: UInt8) -> Bool {
        guard index < bytes.count, bytes[index] == byte else { return false }
        index += 1
        return true
    }

    /// The bytes up to the next space or the end.
    private mutating func field() -> Slice<UnsafeRawBufferPointer> {
        let start = index
        while index < bytes.count, bytes[index] != LogFormat.space { index += 1 }
        return bytes[start..<index]
    }

    /// A space, then a decimal number.
    private mutating func number() -> UInt64? { skip(LogFormat.space) ? digits() : nil }

    private mutating func digits() -> UInt64? {
        guard index < bytes.count else { return nil }
        let start = index
        var value: UInt64 = 0
        while index < bytes.count, case let digit = bytes[index] &- UInt8(ascii: "0"), digit < 10 {
            let (shifted, overflowed) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowedToo) = shifted.addingReportingOverflow(UInt64(digit))
            guard !overflowed, !overflowedToo else { return nil }
            value = sum
            index += 1
        }
        let count = index - start
        guard count > 0, count == 1 || bytes[start] != UInt8(ascii: "0") else { return nil }
        return value
    }

    private mutating func entryMarks() -> EntryMarks? {
        guard let term = number(), let seq = number(), let commit = number(), let durable = number() else { return nil }
        return EntryMarks(position: Position(term: term, seq: seq), commit: commit, durable: durable)
    }

    /// A space, then a session: the term and the number of the entry that opened it.
    private mutating func session() -> SessionID? {
        guard let term = number(), skip(LogFormat.colon), let seq = digits() else { return nil }
        return SessionID(opened: Position(term: term, seq: seq))
    }

    private mutating func identity() -> RequestIdentity? {
        guard let session = session(), let sequence = number(), let lowestOpen = number() else { return nil }
        return RequestIdentity(session: session, sequence: sequence, lowestOpen: lowestOpen)
    }

    private mutating func closeSession() -> ControlLine? {
        guard let marks = entryMarks(), let session = session() else { return nil }
        return .closeSession(session, marks)
    }

    private mutating func closed() -> ControlLine? {
        guard let last = number(), let commit = number() else { return nil }
        return .closed(last: last, commit: commit)
    }

    private mutating func run() -> ControlLine? {
        guard let term = number(), let first = number(), let last = number() else { return nil }
        return .run(TermRun(term: term, first: first, last: last))
    }

    private mutating func memory() -> ControlLine? {
        guard let session = session(), let lowestOpen = number() else { return nil }
        return .memory(session, lowestOpen: lowestOpen)
    }

    private mutating func result() -> ControlLine? {
        guard let sequence = number(), let seq = number(), skip(LogFormat.space) else { return nil }
        let word = field()
        let existed: Bool?
        if word.elementsEqual(LogFormat.put) {
            existed = nil
        } else if word.elementsEqual(LogFormat.deleted) {
            existed = true
        } else if word.elementsEqual(LogFormat.missing) {
            existed = false
        } else {
            return nil
        }
        return .result(SessionMemory.Outcome(sequence: sequence, seq: seq, existed: existed))
    }

    private mutating func copied() -> ControlLine? {
        guard let term = number(), let seq = number(), let dropped = number() else { return nil }
        return .copied(CopyEnd(position: Position(term: term, seq: seq), dropped: dropped))
    }

    private mutating func header() -> ControlLine? {
        guard let version = number() else { return nil }
        guard version == LogFormat.version else {
            // A later version may say whatever it likes after its number.
            skipToChecksum()
            return .header(version: version, StoreID(""))
        }
        guard skip(LogFormat.space) else { return nil }
        let text = field()
        guard text.count == LogFormat.uuidCount, text.allSatisfy(LifeNonce.isCharacter) else { return nil }
        return .header(version: version, StoreID(String(decoding: text, as: UTF8.self)))
    }

    private mutating func flag() -> Bool? {
        guard skip(LogFormat.space) else { return nil }
        let text = field()
        if text.elementsEqual(LogFormat.yes) { return true }
        return text.elementsEqual(LogFormat.no) ? false : nil
    }

    private mutating func lineage() -> Lineage? {
        guard skip(LogFormat.space) else { return nil }
        return PercentEncoding.decode(field()).map(Lineage.init)
    }

    private mutating func nonces() -> [LifeNonce]? {
        var nonces: [LifeNonce] = []
        // Nothing but the checksum has its length.
        while bytes.count - index > LogFormat.checksumDigits + 1 {
            guard skip(LogFormat.space), let nonce = LifeNonce(String(decoding: field(), as: UTF8.self)) else { return nil }
            nonces.append(nonce)
        }
        return (1...LogFormat.nonceLimit).contains(nonces.count) ? nonces : nil
    }

    private mutating func skipToChecksum() {
        index = max(index, bytes.count - LogFormat.checksumDigits - 1)
    }

    /// A space and eight hex digits that end the line.
    private mutating func finalChecksum() -> UInt32? {
        guard skip(LogFormat.space), bytes.count - index == LogFormat.checksumDigits else { return nil }
        var value: UInt32 = 0
        for byte in bytes[index...] {
            guard let digit = Hex.value(of: byte) else { return nil }
            value = value << 4 | UInt32(digit)
        }
        return value
    }
}

enum Hex {
    static let digits = Array("0123456789abcdef".utf8)

    /// Lower case only: each checksum has one text, and a flipped case bit does not go unseen.
    static func value(of digit: UInt8) -> UInt8? {
        switch digit {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): digit - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): digit - UInt8(ascii: "a") + 10
        default: nil
        }
    }
}

/// How a lineage, which others choose, stays one readable field: what is not printable ASCII, and `%` itself, becomes `%`
/// and two hex digits.
enum PercentEncoding {
    private static func isPlain(_ byte: UInt8) -> Bool { byte > 32 && byte < 127 && byte != LogFormat.control }

    static func encode(_ text: String) -> [UInt8] {
        text.utf8.reduce(into: []) { encoded, byte in
            if isPlain(byte) {
                encoded.append(byte)
            } else {
                encoded += [LogFormat.control, Hex.digits[Int(byte >> 4)], Hex.digits[Int(byte & 15)]]
            }
        }
    }

    static func decode(_ text: Slice<UnsafeRawBufferPointer>) -> String? {
        var bytes: [UInt8] = []
        var index = text.startIndex
        while index < text.endIndex {
            if text[index] != LogFormat.control {
                guard isPlain(text[index]) else { return nil }
                bytes.append(text[index])
                index += 1
                continue
            }
            guard index + 2 < text.endIndex, let high = Hex.value(of: text[index + 1]), let low = Hex.value(of: text[index + 2])
            else { return nil }
            bytes.append(high << 4 | low)
            index += 3
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
