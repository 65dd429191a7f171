import Machine
import Simulation
import Wire

/// What tells an entry of a log from another one: its term, and a digest of what it does.
///
/// Of long keys and values only the beginning and the length count: in simulations that is where they differ, and no run
/// should spend its time on padding.
struct EntryIdentity: Hashable, Sendable {
    let term: UInt64
    let digest: UInt64

    /// A multiple of 3, so that it is a whole number of base64 groups.
    private static let prefixBytes = 48

    init(_ entry: Entry) {
        term = entry.position.term
        var hash = TraceHash()
        switch entry.operation {
        case .put(let key, let value):
            EntryIdentity.fold(key.prefix(EntryIdentity.prefixBytes), count: key.count, into: &hash)
            EntryIdentity.fold(value.prefix(EntryIdentity.prefixBytes), count: value.count, into: &hash)
        case .delete(let key): EntryIdentity.fold(key.prefix(EntryIdentity.prefixBytes), count: key.count, into: &hash)
        case .beginTerm: break
        case .openSession: hash.fold("%session")
        case .closeSession(let session): hash.fold(session.description)
        }
        if let identity = entry.identity { hash.fold(EntryIdentity.text(identity)) }
        digest = hash.value
    }

    /// As a log's closing line says it.
    private static func text(_ identity: RequestIdentity) -> String {
        "\(identity.session) \(identity.sequence) \(identity.lowestOpen)"
    }

    /// The entry of a record in a log file: two lines of base64, of which the second is `-` for a delete; or what one line says.
    init(_ record: LogImage.Record) {
        term = record.term
        var hash = TraceHash()
        if record.isOneLine {
            if !record.content.isEmpty { hash.fold(String(decoding: record.content, as: UTF8.self)) }
            digest = hash.value
            return
        }
        let end = record.content.firstIndex(of: UInt8(ascii: "\n")) ?? record.content.endIndex
        EntryIdentity.fold(base64: record.content[..<end], into: &hash)
        let value = record.content[end...].dropFirst()
        if !value.elementsEqual("-".utf8) { EntryIdentity.fold(base64: value, into: &hash) }
        if !record.identity.isEmpty { hash.fold(String(decoding: record.identity, as: UTF8.self)) }
        digest = hash.value
    }

    private static func fold(_ prefix: ArraySlice<UInt8>, count: Int, into hash: inout TraceHash) {
        hash.fold(count)
        var word: UInt64 = 0
        for (index, byte) in prefix.enumerated() {
            word = word << 8 | UInt64(byte)
            if index & 7 == 7 { hash.fold(word) }
        }
        hash.fold(word)
    }

    private static func fold(base64 line: ArraySlice<UInt8>, into hash: inout TraceHash) {
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
        fold(bytes.prefix(count), count: count, into: &hash)
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
