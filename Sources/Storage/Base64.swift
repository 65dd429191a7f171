/// Base64 with the standard alphabet and padding (RFC 4648, section 4), written and read in place.
///
/// Reading is strict: one text for each sequence of bytes. Bits that padding leaves over must be zero, and nothing is skipped.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// What twelve bits become: two characters, the first of them in the lower half.
    private static let pairs: [UInt16] = (0..<4096).map { UInt16(alphabet[$0 & 63]) << 8 | UInt16(alphabet[$0 >> 6]) }

    /// The six bits of each character, shifted to where they belong in a group of four: a table for each place. Beyond the 24 bits
    /// of a group is `foreign`, of what is not in the alphabet.
    private static let values: [UInt32] = {
        var values = [UInt32](repeating: foreign, count: 4 * 256)
        for (bits, character) in alphabet.enumerated() {
            for place in 0..<4 { values[256 * place + Int(character)] = UInt32(bits) << (18 - 6 * UInt32(place)) }
        }
        return values
    }()
    private static let foreign: UInt32 = 1 << 31

    private static let padding = UInt8(ascii: "=")

    /// The length of the text for `count` bytes.
    static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends the text of `bytes` to `buffer`.
    static func encode(_ bytes: [UInt8], onto buffer: inout [UInt8]) {
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(padding, count: encodedCount(bytes.count)))
        pairs.withUnsafeBufferPointer { pairs in
            bytes.withUnsafeBytes { input in
                buffer.withUnsafeMutableBytes { output in
                    var to = start
                    var from = 0
                    // Eight bytes are read and six of them used; the last ones are left to the loop below.
                    while from + 8 <= input.count {
                        let word = UInt64(bigEndian: input.loadUnaligned(fromByteOffset: from, as: UInt64.self))
                        let text =
                            UInt64(pairs[Int(word >> 52)]) | UInt64(pairs[Int(word >> 40 & 4095)]) << 16
                            | UInt64(pairs[Int(word >> 28 & 4095)]) << 32 | UInt64(pairs[Int(word >> 16 & 4095)]) << 48
                        output.storeBytes(of: text.littleEndian, toByteOffset: to, as: UInt64.self)
                        from += 6
                        to += 8
                    }
                    while from + 3 <= input.count {
                        let word = UInt32(input[from]) << 16 | UInt32(input[from + 1]) << 8 | UInt32(input[from + 2])
                        let text = UInt32(pairs[Int(word >> 12)]) | UInt32(pairs[Int(word & 4095)]) << 16
                        output.storeBytes(of: text.littleEndian, toByteOffset: to, as: UInt32.self)
                        from += 3
                        to += 4
                    }
                    let left = input.count - from
                    guard left > 0 else { return }
                    let word = UInt32(input[from]) << 16 | (left == 2 ? UInt32(input[from + 1]) << 8 : 0)
                    output.storeBytes(of: pairs[Int(word >> 12)].littleEndian, toByteOffset: to, as: UInt16.self)
                    if left == 2 { output[to + 2] = alphabet[Int(word >> 6 & 63)] }
                }
            }
        }
    }

    /// The bytes that `text` stands for; nil where it is not the base64 of anything.
    static func decode(_ text: UnsafeRawBufferPointer) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        guard text.count > 0 else { return [] }
        var pads = 0
        if text[text.count - 1] == padding { pads = text[text.count - 2] == padding ? 2 : 1 }
        let wholeGroups = text.count / 4 - (pads > 0 ? 1 : 0)
        let count = text.count / 4 * 3 - pads
        return values.withUnsafeBufferPointer { values -> [UInt8]? in
            var isRight = true
            let bytes = [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
                var from = 0
                var to = 0
                var seen: UInt32 = 0
                for _ in 0..<wholeGroups {
                    let word =
                        values[Int(text[from])] | values[256 + Int(text[from + 1])]
                        | values[512 + Int(text[from + 2])] | values[768 + Int(text[from + 3])]
                    seen |= word
                    output[to] = UInt8(truncatingIfNeeded: word >> 16)
                    output[to + 1] = UInt8(truncatingIfNeeded: word >> 8)
                    output[to + 2] = UInt8(truncatingIfNeeded: word)
                    from += 4
                    to += 3
                }
                if pads > 0 {
                    var word = values[Int(text[from])] | values[256 + Int(text[from + 1])]
                    if pads == 1 { word |= values[512 + Int(text[from + 2])] }
                    seen |= word
                    // What padding leaves over must be zero.
                    isRight = word & (pads == 1 ? 0xFF : 0xFFFF) == 0
                    output[to] = UInt8(truncatingIfNeeded: word >> 16)
                    to += 1
                    if pads == 1 {
                        output[to] = UInt8(truncatingIfNeeded: word >> 8)
                        to += 1
                    }
                }
                isRight = isRight && seen & foreign == 0
                initialized = to
            }
            return isRight ? bytes : nil
        }
    }
}
