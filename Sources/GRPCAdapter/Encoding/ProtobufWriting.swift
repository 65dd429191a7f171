// Protocol Buffers, the writing half (https://protobuf.dev/programming-guides/encoding).
//
// The messages on the hot path (keys, values, log entries) are written and read here without SwiftProtobuf: its
// generated types hold `Data`, so each key and value would be copied once more on each side, and decoding a frame of 64
// entries took seven times as long. The tests compare every message, both ways, with the generated types.

/// A value that can be written as a message. One description serves both sinks: the one that counts and the one that
/// writes.
protocol ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink)
}

/// Where the fields of a message go. As proto3 asks, numbers, bytes and text that have their default value leave no
/// trace; a message always does.
protocol ProtobufSink {
    mutating func varint(_ value: UInt64)
    mutating func raw(_ bytes: UnsafeRawBufferPointer)
    mutating func message(_ field: Int, _ value: some ProtobufEncodable)
}

extension ProtobufSink {
    mutating func tag(_ field: Int, _ type: ProtobufWireType) { varint(UInt64(field) << 3 | UInt64(type.rawValue)) }

    mutating func field(_ field: Int, _ value: UInt64) {
        guard value != 0 else { return }
        tag(field, .varint)
        varint(value)
    }

    mutating func field(_ field: Int, _ value: Int64) { self.field(field, UInt64(bitPattern: value)) }

    mutating func field(_ field: Int, _ value: Bool) { self.field(field, value ? 1 as UInt64 : 0) }

    mutating func field(_ field: Int, _ bytes: [UInt8]) {
        guard !bytes.isEmpty else { return }
        tag(field, .lengthDelimited)
        varint(UInt64(bytes.count))
        bytes.withUnsafeBytes { raw($0) }
    }

    mutating func field(_ field: Int, _ text: String) {
        guard !text.isEmpty else { return }
        var text = text
        text.withUTF8 {
            tag(field, .lengthDelimited)
            varint(UInt64($0.count))
            raw(UnsafeRawBufferPointer($0))
        }
    }
}

enum ProtobufWireType: UInt8 {
    case varint = 0
    case fixed64 = 1
    case lengthDelimited = 2
    case startGroup = 3
    case endGroup = 4
    case fixed32 = 5
}

/// A message without fields.
struct EmptyMessage: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {}
}

/// Counts the bytes that a message takes.
struct ProtobufSizer: ProtobufSink {
    private(set) var count = 0

    static func size(of value: some ProtobufEncodable) -> Int {
        var sizer = ProtobufSizer()
        value.encode(into: &sizer)
        return sizer.count
    }

    mutating func varint(_ value: UInt64) {
        // Seven bits a byte; zero takes one.
        count += (70 - (value | 1).leadingZeroBitCount) / 7
    }

    mutating func raw(_ bytes: UnsafeRawBufferPointer) { count += bytes.count }

    mutating func message(_ field: Int, _ value: some ProtobufEncodable) {
        let size = ProtobufSizer.size(of: value)
        tag(field, .lengthDelimited)
        varint(UInt64(size))
        count += size
    }
}

/// Writes a message into memory that is exactly as large as `ProtobufSizer` said.
struct ProtobufWriter: ProtobufSink {
    private var next: UnsafeMutablePointer<UInt8>
    private let end: UnsafeMutablePointer<UInt8>

    init(_ memory: UnsafeMutableBufferPointer<UInt8>) {
        // An empty buffer may have no address; nothing is ever written to the stand-in.
        next = memory.baseAddress ?? UnsafeMutablePointer(bitPattern: 1)!
        end = next + memory.count
    }

    var isFull: Bool { next == end }

    mutating func varint(_ value: UInt64) {
        var value = value
        while value >= 0x80 {
            put(UInt8(truncatingIfNeeded: value) | 0x80)
            value >>= 7
        }
        put(UInt8(truncatingIfNeeded: value))
    }

    mutating func raw(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count <= end - next, "a message is larger than its measured size")
        guard let start = bytes.baseAddress else { return }
        UnsafeMutableRawPointer(next).copyMemory(from: start, byteCount: bytes.count)
        next += bytes.count
    }

    mutating func message(_ field: Int, _ value: some ProtobufEncodable) {
        tag(field, .lengthDelimited)
        varint(UInt64(ProtobufSizer.size(of: value)))
        value.encode(into: &self)
    }

    private mutating func put(_ byte: UInt8) {
        precondition(next < end, "a message is larger than its measured size")
        next.pointee = byte
        next += 1
    }
}

extension ProtobufEncodable {
    /// The message's bytes.
    func encoded() -> [UInt8] {
        let size = ProtobufSizer.size(of: self)
        return [UInt8](unsafeUninitializedCapacity: size) { memory, count in
            var writer = ProtobufWriter(UnsafeMutableBufferPointer(start: memory.baseAddress, count: size))
            encode(into: &writer)
            precondition(writer.isFull, "a message is smaller than its measured size")
            count = size
        }
    }
}
