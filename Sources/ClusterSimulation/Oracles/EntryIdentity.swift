import Machine
import Simulation
import Wire

/// What tells an entry of a log from another one: its term, and digests of what it does.
///
/// Of long keys and values only the beginning and the length count: in simulations that is where they differ, and no run
/// should spend its time on padding.
struct EntryIdentity: Hashable, Sendable {
    let term: UInt64
    /// Digests of the key that it concerns, and of what it makes of it; nil where there is none.
    let key: UInt64?
    let value: UInt64?
    /// What it has to do with client sessions.
    let memory: SessionEvent?

    /// A multiple of 3, so that it is a whole number of base64 groups.
    private static let prefixBytes = 48

    init(_ entry: Entry) {
        term = entry.position.term
        switch entry.operation {
        case .put(let key, let value):
            self.key = EntryIdentity.digest(of: key)
            self.value = EntryIdentity.digest(of: value)
        case .delete(let key):
            self.key = EntryIdentity.digest(of: key)
            value = nil
        case .beginTerm, .openSession, .closeSession: (key, value) = (nil, nil)
        }
        memory = SessionEvent(entry)
    }

    /// The entry of a record in a log file: two lines of base64, of which the second is `-` for a delete; or what one line says.
    init(_ record: LogImage.Record) {
        term = record.term
        if record.isOneLine {
            (key, value, memory) = (nil, nil, SessionEvent(record))
            return
        }
        let end = record.content.firstIndex(of: UInt8(ascii: "\n")) ?? record.content.endIndex
        key = EntryIdentity.digest(ofBase64: record.content[..<end])
        let line = record.content[end...].dropFirst()
        value = line.elementsEqual("-".utf8) ? nil : EntryIdentity.digest(ofBase64: line)
        memory = SessionEvent(record)
    }

    static func digest(of bytes: [UInt8]) -> UInt64 { digest(bytes.prefix(prefixBytes), count: bytes.count) }

    private static func digest(_ prefix: ArraySlice<UInt8>, count: Int) -> UInt64 {
        var hash = TraceHash()
        hash.fold(count)
        var word: UInt64 = 0
        for (index, byte) in prefix.enumerated() {
            word = word << 8 | UInt64(byte)
            if index & 7 == 7 { hash.fold(word) }
        }
        hash.fold(word)
        return hash.value
    }

    private static func digest(ofBase64 line: ArraySlice<UInt8>) -> UInt64 {
        let padding = line.suffix(2).reduce(0) { $0 + ($1 == UInt8(ascii: "=") ? 1 : 0) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(prefixBytes)
        var word: UInt32 = 0
        for (index, letter) in line.prefix(prefixBytes / 3 * 4).enumerated() {
            word = word << 6 | (sextet(letter) ?? 0)
            guard index & 3 == 3 else { continue }
            bytes.append(UInt8(word >> 16 & 255))
            bytes.append(UInt8(word >> 8 & 255))
            bytes.append(UInt8(word & 255))
        }
        let count = line.count / 4 * 3 - padding
        return digest(bytes.prefix(count), count: count)
    }

    private static func sextet(_ letter: UInt8) -> UInt32? {
        switch letter {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(letter) - 65
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter) - 97 + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter) - 48 + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
