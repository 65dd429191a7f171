import Machine

/// A rolling hash of everything that happened, the same in every process, build mode and run. (Swift's own `Hasher` is
/// seeded anew in each process.) For telling runs apart, not for secrets.
public struct TraceHash: Hashable, Sendable {
    @usableFromInline var state: UInt64 = 0xCBF2_9CE4_8422_2325
    @inlinable public var value: UInt64 { state }

    @inlinable public init() {}

    @inlinable @inline(__always) public mutating func fold(_ word: UInt64) {
        let mixed = (state ^ word) &* 0x9FB2_1C65_1E98_DF25
        state = mixed ^ (mixed >> 32)
    }

    @inlinable @inline(__always) public mutating func fold(_ number: Int64) { fold(UInt64(bitPattern: number)) }
    @inlinable @inline(__always) public mutating func fold(_ number: Int) { fold(UInt64(bitPattern: Int64(number))) }

    @inlinable public mutating func fold(_ bytes: [UInt8]) {
        fold(bytes.count)
        bytes.withUnsafeBytes { raw in
            var offset = 0
            while offset + 8 <= raw.count {
                fold(UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                offset += 8
            }
            var rest: UInt64 = 0
            while offset < raw.count {
                rest = rest << 8 | UInt64(raw[offset])
                offset += 1
            }
            fold(rest)
        }
    }

    @inlinable public mutating func fold(_ text: String) {
        var text = text
        text.withUTF8 { bytes in
            let raw = UnsafeRawBufferPointer(bytes)
            var offset = 0
            while offset + 8 <= raw.count {
                fold(UInt64(bigEndian: raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                offset += 8
            }
            var rest: UInt64 = 0
            for index in offset..<raw.count { rest = rest << 8 | UInt64(raw[index]) }
            fold(rest << 8 | UInt64(raw.count - offset))
        }
    }
}

/// What can be folded into the hash of a trace: every field that can differ between two runs.
public protocol Traceable: Sendable {
    @inlinable func fold(into hash: inout TraceHash)
    /// One short line for people.
    var brief: String { get }
}

extension Traceable {
    public var brief: String { "\(self)" }
}

/// Bytes as people want to see them: the beginning as text where it is text, and how many there are.
public func brief(_ bytes: [UInt8]) -> String {
    let shown = bytes.prefix(24)
    guard shown.allSatisfy({ (32..<127).contains($0) || $0 == 10 }) else { return "<\(bytes.count) bytes>" }
    let text = String(decoding: shown.map { $0 == 10 ? UInt8(ascii: "|") : $0 }, as: UTF8.self)
    return bytes.count > shown.count ? "'\(text)…' (\(bytes.count))" : "'\(text)'"
}
