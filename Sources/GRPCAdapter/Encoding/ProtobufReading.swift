// Protocol Buffers, the reading half. Input comes from outside: whatever the bytes are, the result is fields or
// `Malformed`.

/// Bytes that are not the message they should be.
struct Malformed: Error, Hashable {}

/// Walks the fields of one message, in the order in which they come.
///
///     while let field = try reader.next() {
///         switch field {
///         case 1: key = try reader.bytes()
///         default: try reader.skip()
///         }
///     }
///
/// After `next` exactly one value is taken, by the accessor that fits or by `skip`. A known field with another wire
/// type than the schema's is malformed.
struct ProtobufReader {
    private var rest: UnsafeRawBufferPointer.SubSequence
    private var type = ProtobufWireType.varint
    private var fieldNumber = 0

    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes[...] }

    /// The number of the next field; nil at the end.
    mutating func next() throws(Malformed) -> Int? {
        guard !rest.isEmpty else { return nil }
        let tag = try rawVarint()
        guard let type = ProtobufWireType(rawValue: UInt8(tag & 7)), (1..<(1 << 29)).contains(tag >> 3) else {
            throw Malformed()
        }
        self.type = type
        fieldNumber = Int(tag >> 3)
        return fieldNumber
    }

    mutating func unsigned() throws(Malformed) -> UInt64 {
        guard type == .varint else { throw Malformed() }
        return try rawVarint()
    }

    mutating func signed() throws(Malformed) -> Int64 { Int64(bitPattern: try unsigned()) }

    mutating func bool() throws(Malformed) -> Bool { try unsigned() != 0 }

    /// The bytes in place: good as long as the message is.
    mutating func contents() throws(Malformed) -> UnsafeRawBufferPointer {
        guard type == .lengthDelimited else { throw Malformed() }
        return UnsafeRawBufferPointer(rebasing: try take(rawVarint()))
    }

    mutating func bytes() throws(Malformed) -> [UInt8] { [UInt8](try contents()) }

    mutating func string() throws(Malformed) -> String {
        guard let text = String(validating: try contents(), as: UTF8.self) else { throw Malformed() }
        return text
    }

    /// A reader of the message that is this field's value.
    mutating func message() throws(Malformed) -> ProtobufReader { ProtobufReader(try contents()) }

    /// Passes over a field that this version does not know.
    mutating func skip() throws(Malformed) {
        switch type {
        case .varint: _ = try rawVarint()
        case .fixed64: _ = try take(8)
        case .lengthDelimited: _ = try take(rawVarint())
        case .fixed32: _ = try take(4)
        case .startGroup: try skipGroup()
        case .endGroup: throw Malformed()
        }
    }

    /// Groups nest, and each one ends with its own number. An explicit stack, so that no input can exhaust the
    /// thread's.
    private mutating func skipGroup() throws(Malformed) {
        var open = [fieldNumber]
        while let innermost = open.last {
            guard let field = try next() else { throw Malformed() }
            switch type {
            case .startGroup:
                guard open.count < 100 else { throw Malformed() }
                open.append(field)
            case .endGroup:
                guard field == innermost else { throw Malformed() }
                open.removeLast()
            case .varint, .fixed64, .lengthDelimited, .fixed32:
                try skip()
            }
        }
    }

    private mutating func take(_ count: UInt64) throws(Malformed) -> UnsafeRawBufferPointer.SubSequence {
        guard count <= UInt64(rest.count) else { throw Malformed() }
        let taken = rest.prefix(Int(count))
        rest = rest.dropFirst(Int(count))
        return taken
    }

    private mutating func rawVarint() throws(Malformed) -> UInt64 {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while let byte = rest.popFirst() {
            // The tenth byte has room for the one bit that is left.
            guard shift < 63 || (shift == 63 && byte <= 1) else { throw Malformed() }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        throw Malformed()
    }
}
