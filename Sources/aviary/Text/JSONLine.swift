import Foundation

/// What `put`, `get` and `delete` print with `--json`.
///
/// Bytes that are UTF-8 appear as text under `key` and `value`, others as base64 under `keyBase64` and `valueBase64`.
struct KeyResult: Encodable {
    let key: [UInt8]
    var done: Bool?
    var found: Bool?
    var existed: Bool?
    var value: [UInt8]?
    /// Of the state that the answer was made from, where it was asked for.
    var position: String?

    private enum Field: String, CodingKey {
        case key, keyBase64, done, found, existed, value, valueBase64, position
    }

    func encode(to encoder: any Encoder) throws {
        var fields = encoder.container(keyedBy: Field.self)
        try encode(key, .key, .keyBase64, into: &fields)
        try fields.encodeIfPresent(done, forKey: .done)
        try fields.encodeIfPresent(found, forKey: .found)
        try fields.encodeIfPresent(existed, forKey: .existed)
        if let value { try encode(value, .value, .valueBase64, into: &fields) }
        try fields.encodeIfPresent(position, forKey: .position)
    }

    private func encode(
        _ bytes: [UInt8], _ text: Field, _ base64: Field, into fields: inout KeyedEncodingContainer<Field>
    ) throws {
        if let string = String(validating: bytes, as: UTF8.self) {
            try fields.encode(string, forKey: text)
        } else {
            try fields.encode(Data(bytes).base64EncodedString(), forKey: base64)
        }
    }
}

enum JSONLine {
    /// One line, fields in the order of their names, the end of the line included.
    static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }

    /// Indented, for people and programs alike.
    static func encodePretty(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self) + "\n"
    }
}
