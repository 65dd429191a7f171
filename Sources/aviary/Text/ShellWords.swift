/// The words of a line as a person types them, with quotes and escapes much as in a shell.
///
/// Blanks separate words. `'…'` takes everything as it is. `"…"` and bare text know escapes: `\n` `\t` `\r` `\0` `\\` `\"`
/// `\'` `\ ` and `\xHH` for any byte. Words are bytes, because keys and values are.
enum ShellWords {
    struct Problem: Error, Equatable {
        /// One clear line.
        let message: String
    }

    /// - Throws: ``Problem`` where a quote is not closed or an escape is none.
    static func split(_ line: String) throws(Problem) -> [[UInt8]] {
        var reader = Reader(bytes: Array(line.utf8))
        var words: [[UInt8]] = []
        while let word = try reader.nextWord() { words.append(word) }
        return words
    }

    /// A word that ``split(_:)`` reads back as `bytes`: bare where nothing needs quoting, else in double quotes.
    static func quote(_ bytes: [UInt8]) -> String {
        let text = String(validating: bytes, as: UTF8.self)
        let bare = text.map { !$0.isEmpty && $0.unicodeScalars.allSatisfy(isBare) } ?? false
        if let text, bare { return text }
        var quoted = "\""
        // Where the bytes are not UTF-8 as a whole, every byte beyond ASCII is written as an escape.
        let scalars = text.map { Array($0.unicodeScalars) } ?? bytes.map { Unicode.Scalar($0) }
        for scalar in scalars {
            switch scalar {
            case "\"", "\\": quoted += "\\\(scalar)"
            case "\n": quoted += "\\n"
            case "\t": quoted += "\\t"
            case "\r": quoted += "\\r"
            case " "..."~": quoted.unicodeScalars.append(scalar)
            default:
                if text != nil, scalar.value >= 0xA0, !scalar.properties.isDefaultIgnorableCodePoint {
                    quoted.unicodeScalars.append(scalar)
                } else {
                    for byte in text == nil ? [UInt8(scalar.value)] : Array(scalar.utf8) { quoted += "\\x" + hex(byte) }
                }
            }
        }
        return quoted + "\""
    }

    /// A value as a person reads it: plain text as it is (blanks too), anything else as ``quote(_:)`` has it.
    static func show(_ bytes: [UInt8]) -> String {
        guard let text = String(validating: bytes, as: UTF8.self), !text.isEmpty else { return quote(bytes) }
        let isPlain = text.unicodeScalars.allSatisfy { $0 == " " || ($0 != "\"" && $0 != "\\" && isBare($0)) || $0 == "'" }
        return isPlain ? text : quote(bytes)
    }

    /// Printable, and without a meaning of its own on a line.
    private static func isBare(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\"", "\\", "'", "\u{7F}"..."\u{A0}": false
        case "!"..."~": true
        default: scalar.value > 0xA0 && !scalar.properties.isDefaultIgnorableCodePoint && !scalar.properties.isWhitespace
        }
    }

    private static func hex(_ byte: UInt8) -> String {
        let digits = Array("0123456789abcdef")
        return "\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }

    private struct Reader {
        let bytes: [UInt8]
        var position = 0

        private mutating func next() -> UInt8? {
            guard position < bytes.count else { return nil }
            defer { position += 1 }
            return bytes[position]
        }

        mutating func nextWord() throws(Problem) -> [UInt8]? {
            while position < bytes.count, Self.isBlank(bytes[position]) { position += 1 }
            guard position < bytes.count else { return nil }
            var word: [UInt8] = []
            while let byte = next(), !Self.isBlank(byte) {
                switch byte {
                case UInt8(ascii: "'"): try readQuoted(by: byte, escapes: false, into: &word)
                case UInt8(ascii: "\""): try readQuoted(by: byte, escapes: true, into: &word)
                case UInt8(ascii: "\\"): word.append(try readEscape())
                default: word.append(byte)
                }
            }
            return word
        }

        private mutating func readQuoted(by quote: UInt8, escapes: Bool, into word: inout [UInt8]) throws(Problem) {
            while let byte = next() {
                if byte == quote { return }
                word.append(escapes && byte == UInt8(ascii: "\\") ? try readEscape() : byte)
            }
            throw Problem(message: "the quote \(Character(Unicode.Scalar(quote))) is not closed")
        }

        private mutating func readEscape() throws(Problem) -> UInt8 {
            guard let byte = next() else { throw Problem(message: "the line ends in a backslash") }
            switch byte {
            case UInt8(ascii: "n"): return 10
            case UInt8(ascii: "t"): return 9
            case UInt8(ascii: "r"): return 13
            case UInt8(ascii: "0"): return 0
            case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: " "): return byte
            case UInt8(ascii: "x"):
                guard let high = next().flatMap(Self.digit), let low = next().flatMap(Self.digit) else {
                    throw Problem(message: "\\x needs two hexadecimal digits")
                }
                return high << 4 | low
            default:
                throw Problem(
                    message: "unknown escape \\\(byte < 128 ? String(Unicode.Scalar(byte)) : "…"); a backslash itself is \\\\")
            }
        }

        private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 10 || byte == 13 }

        private static func digit(_ byte: UInt8) -> UInt8? {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
            default: nil
            }
        }
    }
}
