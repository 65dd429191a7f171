/// # All mistakes in one build
///
/// A build takes a minute, a sweep that finds a mistake often a second. So mistakes are planted side by side: the body of a
/// function that a rule changes is there once for each such rule and once as it is, and which of them runs is decided when the
/// program starts, by the variable `AVIARY_PLANTED` in its environment (mutant schemata: R. H. Untch, A. J. Offutt, M. J.
/// Harrold, "Mutation Analysis Using Mutant Schemata", ISSTA 1993).
///
///     func commit() -> Int { body }
///
/// becomes
///
///     func commit() -> Int { if Planted.isOn(3) { body of rule 3 } else if Planted.isOn(7) { of rule 7 } else { body } }
///
/// A rule that changes something outside of functions, a stored property's default for example, is built by itself.
struct PlantedTogether {
    /// The changed files, by their paths in the package.
    private(set) var texts: [String: String] = [:]
    /// The rules that are in them, in the order of their numbers.
    private(set) var mistakes: [PlantedMistake] = []
    /// Those that need builds of their own.
    private(set) var alone: [PlantedMistake] = []

    static let variable = "AVIARY_PLANTED"

    /// - Parameter read: the text of a file of the package; throws where there is none.
    init(_ all: [PlantedMistake], read: (_ file: String) throws -> String) throws {
        var sources: [String: String] = [:]
        /// For each file, the bodies that change, and what becomes of each under which rule.
        var bodies: [String: [Range<Int>: [(rule: Int, body: String)]]] = [:]
        for mistake in all {
            var changed: [(file: String, body: Range<Int>, text: String)] = []
            var fits = true
            for edit in mistake.edits {
                let source = try sources[edit.file] ?? read(edit.file)
                sources[edit.file] = source
                let code = SwiftSource(source)
                guard let place = code.onlyRange(of: edit.find), let body = code.functionBody(around: place) else {
                    fits = false
                    break
                }
                // A second edit of the same body goes on with what the first made of it.
                let known = changed.firstIndex { $0.file == edit.file && $0.body == body }
                let before = known.map { changed[$0].text } ?? code.text(body)
                let inBody = SwiftSource(before)
                guard let found = inBody.onlyRange(of: edit.find) else {
                    fits = false
                    break
                }
                let after =
                    inBody.text(0..<found.lowerBound) + edit.replacement + inBody.text(found.upperBound..<inBody.count)
                if let known { changed[known].text = after } else { changed.append((edit.file, body, after)) }
            }
            guard fits else {
                alone.append(mistake)
                continue
            }
            for change in changed {
                bodies[change.file, default: [:]][change.body, default: []].append((mistakes.count, change.text))
            }
            mistakes.append(mistake)
        }
        for (file, changes) in bodies {
            guard let source = sources[file] else { continue }
            let code = SwiftSource(source)
            var text = "import Machine\n"
            var end = 0
            for (body, versions) in changes.sorted(by: { $0.key.lowerBound < $1.key.lowerBound }) {
                text += code.text(end..<body.lowerBound)
                for version in versions { text += " if Planted.isOn(\(version.rule)) {\(version.body)} else" }
                text += " {\(code.text(body))} "
                end = body.upperBound
            }
            texts[file] = text + code.text(end..<code.count)
        }
        texts["Sources/Machine/Planted.swift"] = switchText
    }

    private var switchText: String {
        """
        import Foundation

        public enum Planted {
            private static let names = [\(mistakes.map { "\"\($0.name)\"" }.joined(separator: ", "))]
            private static let number: Int = {
                guard let name = ProcessInfo.processInfo.environment["\(PlantedTogether.variable)"] else { return -1 }
                guard let number = names.firstIndex(of: name) else { fatalError("no such mistake is planted: \\(name)") }
                return number
            }()
            public static func isOn(_ rule: Int) -> Bool { number == rule }
        }

        """
    }
}

/// The text of a Swift file, with as much understanding of it as it takes to find the body of a function.
struct SwiftSource {
    private let bytes: [UInt8]
    /// What is between braces, with the position of each opening one, in the order of the closing ones.
    private let blocks: [Range<Int>]
    /// Which bytes are code, not comments or strings.
    private let isCode: [Bool]

    init(_ text: String) {
        bytes = Array(text.utf8)
        var scanner = Scanner(bytes: bytes)
        scanner.scan()
        blocks = scanner.blocks
        isCode = scanner.isCode
    }

    var count: Int { bytes.count }

    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    /// Where a text stands; nil where it does not, or more than once.
    func onlyRange(of text: String) -> Range<Int>? {
        let wanted = Array(text.utf8)
        guard !wanted.isEmpty, wanted.count <= bytes.count else { return nil }
        let starts = (0...bytes.count - wanted.count).filter { start in
            bytes[start] == wanted[0] && bytes[start..<start + wanted.count].elementsEqual(wanted)
        }
        guard starts.count == 1 else { return nil }
        return starts[0]..<starts[0] + wanted.count
    }

    /// What stands between the braces of the outermost function, initialiser or accessor around a place.
    func functionBody(around place: Range<Int>) -> Range<Int>? {
        let around = blocks.filter { $0.lowerBound <= place.lowerBound && place.upperBound <= $0.upperBound }
        for block in around.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            switch declaration(before: block.lowerBound - 1) {
            case "struct", "extension", "enum", "class", "protocol", "actor": continue
            case "func", "init", "subscript", "deinit": return block
            case "var":
                let first = text(block).drop(while: \.isWhitespace).prefix { $0.isLetter }
                return ["get", "set", "mutating", "didSet", "willSet"].contains(first) ? nil : block
            default: return nil
            }
        }
        return nil
    }

    /// The last word before a brace that begins a declaration.
    private func declaration(before brace: Int) -> String {
        let words = [
            "struct", "extension", "enum", "class", "protocol", "actor", "func", "init", "subscript", "deinit", "var", "let",
        ]
        var end = brace
        while end > 0 {
            end -= 1
            guard isCode[end] else { continue }
            if bytes[end] == UInt8(ascii: "{") || bytes[end] == UInt8(ascii: "}") { return "" }
            guard isWord(end), !isWord(end + 1) || !isCode[end + 1] else { continue }
            var start = end
            while start > 0, isWord(start - 1) { start -= 1 }
            let word = text(start..<end + 1)
            if words.contains(word) { return word }
            end = start
        }
        return ""
    }

    private func isWord(_ index: Int) -> Bool {
        guard index < bytes.count else { return false }
        let byte = bytes[index]
        return byte == UInt8(ascii: "_") || (48...57).contains(byte) || (65...90).contains(byte) || (97...122).contains(byte)
    }
}

extension SwiftSource {
    /// Walks over comments and strings to tell which braces are code.
    private struct Scanner {
        let bytes: [UInt8]
        var isCode: [Bool]
        var blocks: [Range<Int>] = []
        private var open: [Int] = []
        private var at = 0

        init(bytes: [UInt8]) {
            self.bytes = bytes
            isCode = Array(repeating: true, count: bytes.count)
        }

        mutating func scan() { code(untilParenthesis: false) }

        private func begins(_ text: StaticString) -> Bool {
            text.withUTF8Buffer { at + $0.count <= bytes.count && bytes[at..<at + $0.count].elementsEqual($0) }
        }

        private mutating func skip(_ count: Int) {
            for index in at..<min(at + count, bytes.count) { isCode[index] = false }
            at += count
        }

        /// To the end, or behind the parenthesis that ends an interpolation.
        private mutating func code(untilParenthesis: Bool) {
            var depth = 0
            while at < bytes.count {
                if begins("//") {
                    while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { skip(1) }
                } else if begins("/*") {
                    while at < bytes.count, !begins("*/") { skip(1) }
                    skip(2)
                } else if begins("\"\"\"") {
                    string(quotes: 3)
                } else if begins("\"") {
                    string(quotes: 1)
                } else {
                    switch bytes[at] {
                    case UInt8(ascii: "{"): open.append(at + 1)
                    case UInt8(ascii: "}"): if let start = open.popLast() { blocks.append(start..<at) }
                    case UInt8(ascii: "("): depth += 1
                    case UInt8(ascii: ")"):
                        depth -= 1
                        if untilParenthesis, depth < 0 { return }
                    default: break
                    }
                    at += 1
                }
            }
        }

        private mutating func string(quotes: Int) {
            skip(quotes)
            while at < bytes.count, quotes == 3 ? !begins("\"\"\"") : bytes[at] != UInt8(ascii: "\"") {
                if begins("\\(") {
                    skip(2)
                    code(untilParenthesis: true)
                    skip(1)
                } else {
                    skip(bytes[at] == UInt8(ascii: "\\") ? 2 : 1)
                }
            }
            skip(quotes)
        }
    }
}
