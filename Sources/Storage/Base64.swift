/// Base64 with the standard alphabet and padding (RFC 4648, section 4), written and read in place.
///
/// Reading is strict: one text for each sequence of bytes. Bits that padding leaves over must be zero, and nothing is skipped.
enum Base64 {
    private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    /// The six bits of each character; 0xFF for what is not in the alphabet.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 0xFF, count: 256)
        for (bits, character) in alphabet.enumerated() { values[Int(character)] = UInt8(bits) }
        return values
    }()

    private static let padding = UInt8(ascii: "=")

    /// The length of the text for `count` bytes.
    static func encodedCount(_ count: Int) -> Int { (count + 2) / 3 * 4 }

    /// Appends the text of `bytes` to `buffer`.
    static func encode(_ bytes: [UInt8], onto buffer: inout [UInt8]) {
        let start = buffer.count
        buffer.append(contentsOf: repeatElement(padding, count: encodedCount(bytes.count)))
        alphabet.withUnsafeBufferPointer { alphabet in
            bytes.withUnsafeBufferPointer { input in
                buffer.withUnsafeMutableBufferPointer { output in
                    var to = start
                    var from = 0
                    while from + 3 <= input.count {
                        let word = UInt32(input[from]) << 16 | UInt32(input[from + 1]) << 8 | UInt32(input[from + 2])
                        output[to] = alphabet[Int(word >> 18)]
                        output[to + 1] = alphabet[Int(word >> 12 & 63)]
                        output[to + 2] = alphabet[Int(word >> 6 & 63)]
                        output[to + 3] = alphabet[Int(word & 63)]
                        from += 3
                        to += 4
                    }
                    let left = input.count - from
                    guard left > 0 else { return }
                    let word = UInt32(input[from]) << 16 | (left == 2 ? UInt32(input[from + 1]) << 8 : 0)
                    output[to] = alphabet[Int(word >> 18)]
                    output[to + 1] = alphabet[Int(word >> 12 & 63)]
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
                var seen: UInt8 = 0
                for _ in 0..<wholeGroups {
                    let a = values[Int(text[from])]
                    let b = values[Int(text[from + 1])]
                    let c = values[Int(text[from + 2])]
                    let d = values[Int(text[from + 3])]
                    seen |= a | b | c | d
                    output[to] = a << 2 | b >> 4
                    output[to + 1] = b << 4 | c >> 2
                    output[to + 2] = c << 6 | d
                    from += 4
                    to += 3
                }
                if pads > 0 {
                    let a = values[Int(text[from])]
                    let b = values[Int(text[from + 1])]
                    let c = pads == 1 ? values[Int(text[from + 2])] : 0
                    let unused = pads == 1 ? c & 0b11 : b & 0b1111
                    seen |= a | b | c
                    isRight = unused == 0
                    output[to] = a << 2 | b >> 4
                    to += 1
                    if pads == 1 {
                        output[to] = b << 4 | c >> 2
                        to += 1
                    }
                }
                // Values have six bits; only a character outside the alphabet sets the upper two.
                isRight = isRight && seen & 0xC0 == 0
                initialized = to
            }
            return isRight ? bytes : nil
        }
    }
}
