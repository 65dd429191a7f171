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
        line.withUnsafeBytes { text in
            var padding = 0
            for letter in text.suffix(2) where letter == UInt8(ascii: "=") { padding += 1 }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(prefixBytes)
            sextets.withUnsafeBufferPointer { sextets in
                var index = 0
                while index + 4 <= min(text.count, prefixBytes / 3 * 4) {
                    var word: UInt32 = 0
                    for place in 0..<4 { word = word << 6 | UInt32(sextets[Int(text[index + place])]) }
                    bytes.append(UInt8(truncatingIfNeeded: word >> 16))
                    bytes.append(UInt8(truncatingIfNeeded: word >> 8))
                    bytes.append(UInt8(truncatingIfNeeded: word))
                    index += 4
                }
            }
            let count = text.count / 4 * 3 - padding
            return digest(bytes.prefix(count), count: count)
        }
    }

    /// The six bits of each letter of base64; 0 for what is none.
    private static let sextets: [UInt8] = {
        var sextets = [UInt8](repeating: 0, count: 256)
        let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        for (bits, letter) in letters.utf8.enumerated() { sextets[Int(letter)] = UInt8(bits) }
        return sextets
    }()
}
