/// A piece of Swift source as the rules see it: comments and the text of string literals are gone, the code in their
/// interpolations is not.
struct Token: Equatable {
    enum Kind: Equatable {
        /// A name or keyword, without backticks.
        case word
        case number
        /// One character of punctuation or of an operator.
        case mark
        /// Stands for a whole string literal; has no text.
        case string
    }

    let kind: Kind
    let text: String
    /// Counted from 1.
    let line: Int
    /// Whether a blank, a line end or a comment comes before it.
    let isSpaced: Bool
    /// Whether it is the first of its line.
    let beginsLine: Bool
}

/// Splits Swift source into tokens. Enough of the lexical grammar for the rules; regex literals are not part of it.
struct SwiftScanner {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private var isSpaced = true
    private var beginsLine = true
    private var tokens: [Token] = []

    static func tokens(of source: String) -> [Token] {
        var scanner = SwiftScanner(bytes: Array(source.utf8))
        scanner.scan(untilClosingParenthesis: false)
        return scanner.tokens
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private func peek(_ offset: Int = 0) -> UInt8? { position + offset < bytes.count ? bytes[position + offset] : nil }

    private func startsWith(_ text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

    private mutating func advance(_ count: Int = 1) {
        for _ in 0..<count where position < bytes.count {
            if bytes[position] == UInt8(ascii: "\n") {
                line += 1
                beginsLine = true
            }
            position += 1
        }
    }

    private mutating func emit(_ kind: Token.Kind, _ text: String) {
        tokens.append(Token(kind: kind, text: text, line: line, isSpaced: isSpaced, beginsLine: beginsLine))
        isSpaced = false
        beginsLine = false
    }

    private mutating func scan(untilClosingParenthesis: Bool) {
        var depth = 0
        while let byte = peek() {
            if untilClosingParenthesis, byte == UInt8(ascii: ")"), depth == 0 {
                advance()
                return
            }
            if byte == UInt8(ascii: "(") { depth += 1 }
            if byte == UInt8(ascii: ")") { depth -= 1 }
            scanOne(byte)
        }
    }

    private mutating func scanOne(_ byte: UInt8) {
        switch byte {
        case 9, 10, 13, 32:
            isSpaced = true
            advance()
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "/"):
            isSpaced = true
            while let next = peek(), next != 10 { advance() }
        case UInt8(ascii: "/") where peek(1) == UInt8(ascii: "*"):
            isSpaced = true
            skipBlockComment()
        case UInt8(ascii: "\""): scanString(hashes: 0)
        case UInt8(ascii: "#"):
            var hashes = 0
            while peek(hashes) == UInt8(ascii: "#") { hashes += 1 }
            if peek(hashes) == UInt8(ascii: "\"") {
                advance(hashes)
                scanString(hashes: hashes)
            } else {
                emit(.mark, "#")
                advance()
            }
        case UInt8(ascii: "`"): advance()
        case UInt8(ascii: "0")...UInt8(ascii: "9"): emitRun(.number)
        case _ where Self.isWord(byte): emitRun(.word)
        default:
            emit(.mark, String(Unicode.Scalar(byte)))
            advance()
        }
    }

    private mutating func emitRun(_ kind: Token.Kind) {
        var end = position
        while end < bytes.count, Self.isWord(bytes[end]) { end += 1 }
        emit(kind, String(decoding: bytes[position..<end], as: UTF8.self))
        position = end
    }

    private mutating func skipBlockComment() {
        var depth = 0
        repeat {
            if startsWith("/*") {
                depth += 1
                advance(2)
            } else if startsWith("*/") {
                depth -= 1
                advance(2)
            } else {
                advance()
            }
        } while depth > 0 && position < bytes.count
    }

    private mutating func scanString(hashes: Int) {
        emit(.string, "")
        let tail = String(repeating: "#", count: hashes)
        let quote = startsWith("\"\"\"") ? "\"\"\"" : "\""
        advance(quote.utf8.count)
        while position < bytes.count {
            if startsWith(quote + tail) {
                advance(quote.utf8.count + hashes)
                return
            }
            if startsWith("\\" + tail) {
                advance(1 + hashes)
                if peek() == UInt8(ascii: "(") {
                    advance()
                    scan(untilClosingParenthesis: true)
                } else {
                    advance()
                }
            } else {
                advance()
            }
        }
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "$"), 128...:
            true
        default: false
        }
    }
}
