/// Something that a pure target must not do.
struct Violation: Equatable, CustomStringConvertible {
    let file: String
    let line: Int
    let problem: String
    var description: String { "\(file):\(line): \(problem)" }
}

/// # What pure means, as far as source can show it
///
/// Same initial state, same events, same `now`s: the same effects, bit for bit. So: no import from the real world, no
/// clock, no entropy but the generator that the machine was given, no concurrency, no state outside the machine, and
/// nothing whose order depends on a hash or on where an object lies in memory.
enum PurityRules {
    /// Modules of others that are as pure as ours.
    static let pureLibraries = ["DequeModule", "HeapModule", "Swift"]

    /// - Parameters:
    ///   - imports: modules that the target may import.
    ///   - mayHash: whether this file may use hashed collections, because it wraps them so that nobody can walk them.
    static func check(_ source: String, file: String, imports: [String], mayHash: Bool = false) -> [Violation] {
        let tokens = SwiftScanner.tokens(of: source)
        var violations: [Violation] = []
        for (i, token) in tokens.enumerated() {
            let found =
                importOutside(imports, tokens, i) ?? forbiddenName(tokens, i) ?? unseededDraw(tokens, i) ?? globalState(
                    tokens, i)
                ?? (mayHash ? nil : hashedCollection(tokens, i))
            if let found { violations.append(Violation(file: file, line: token.line, problem: found)) }
        }
        return violations
    }

    // MARK: Imports

    private static func importOutside(_ allowed: [String], _ tokens: [Token], _ i: Int) -> String? {
        guard tokens[i].kind == .word, tokens[i].text == "import", i + 1 < tokens.count else { return nil }
        let kinds = ["struct", "class", "enum", "protocol", "func", "let", "var", "typealias"]
        let module = kinds.contains(tokens[i + 1].text) && i + 2 < tokens.count ? tokens[i + 2].text : tokens[i + 1].text
        return allowed.contains(module) ? nil : "imports \(module)"
    }

    // MARK: Names

    private static let names: [String: String] = {
        var reasons: [String: String] = [:]
        let groups: [(String, [String])] = [
            (
                "reads a clock; time comes as `now`",
                ["ContinuousClock", "SuspendingClock", "Date", "clock_gettime", "gettimeofday", "DispatchTime"]
            ),
            (
                "draws entropy; use the machine's generator",
                ["SystemRandomNumberGenerator", "UUID", "arc4random", "getrandom", "rand", "random_device"]
            ),
            (
                "runs concurrently; a machine is stepped",
                [
                    "Task", "TaskGroup", "withTaskGroup", "withThrowingTaskGroup", "async", "await", "actor", "Thread",
                    "DispatchQueue", "Mutex", "Atomic", "MainActor", "TaskLocal",
                ]
            ),
            ("orders by where an object lies in memory", ["ObjectIdentifier", "unsafeBitCast", "Unmanaged"]),
            ("orders by a hash that differs from run to run", ["hashValue", "finalize"]),
            ("escapes the compiler's checks", ["nonisolated", "unchecked"]),
            (
                "reaches the outside; ask for an effect",
                ["print", "debugPrint", "dump", "readLine", "CommandLine", "ProcessInfo", "FileManager", "getenv"]
            ),
        ]
        for (reason, names) in groups { for name in names { reasons[name] = reason } }
        return reasons
    }()

    private static func forbiddenName(_ tokens: [Token], _ i: Int) -> String? {
        guard tokens[i].kind == .word, let reason = names[tokens[i].text] else { return nil }
        // A member or an argument label that happens to be called so (`x.date`, `print:`) is somebody's own name, but a
        // property of the language is not.
        let isMember = i > 0 && tokens[i - 1].text == "."
        let isLabel = i + 1 < tokens.count && tokens[i + 1].text == ":" && i > 0 && ["(", ","].contains(tokens[i - 1].text)
        if isLabel { return nil }
        if isMember, !["hashValue", "finalize", "now"].contains(tokens[i].text) { return nil }
        return "\(tokens[i].text) \(reason)"
    }

    // MARK: Randomness

    private static let draws = ["random", "shuffled", "shuffle", "randomElement"]

    /// `x.shuffled()` and its like without `using:`.
    private static func unseededDraw(_ tokens: [Token], _ i: Int) -> String? {
        guard tokens[i].kind == .word, draws.contains(tokens[i].text), i > 0, tokens[i - 1].text == "." else { return nil }
        guard i + 1 < tokens.count, tokens[i + 1].text == "(" else { return nil }
        var depth = 0
        for j in (i + 1)..<tokens.count {
            if ["(", "[", "{"].contains(tokens[j].text) { depth += 1 }
            if [")", "]", "}"].contains(tokens[j].text) { depth -= 1 }
            if depth == 1, tokens[j].text == "using", j + 1 < tokens.count, tokens[j + 1].text == ":" { return nil }
            if depth == 0 { break }
        }
        return "\(tokens[i].text) without `using:` draws from the system"
    }

    // MARK: Hashed collections

    private static func hashedCollection(_ tokens: [Token], _ i: Int) -> String? {
        switch tokens[i].text {
        case "Dictionary", "Set": return "\(tokens[i].text) has no order that lasts; use LookupTable or SortedMap"
        case "[" where isDictionaryBracket(tokens, i):
            return "a dictionary has no order that lasts; use LookupTable or SortedMap"
        default: return nil
        }
    }

    /// Whether the bracket opens a dictionary type or literal: a colon of its own, which belongs to no ternary.
    private static func isDictionaryBracket(_ tokens: [Token], _ i: Int) -> Bool {
        if i > 0, !tokens[i].isSpaced {
            // Right behind a value it is a subscript.
            let before = tokens[i - 1]
            let isValue = before.kind != .mark || [")", "]", "?", "!", "}"].contains(before.text)
            if isValue { return false }
        }
        var depth = 0
        var questions = 0
        for j in i..<tokens.count {
            switch tokens[j].text {
            case "(", "[", "{": depth += 1
            case ")", "]", "}":
                depth -= 1
                if depth == 0 { return false }
            case "?" where depth == 1 && tokens[j].isSpaced: questions += 1
            case ":" where depth == 1:
                if questions == 0 { return true }
                questions -= 1
            default: break
            }
        }
        return false
    }

    // MARK: State outside the machine

    /// A stored `static var`, or a stored `var` of the file.
    private static func globalState(_ tokens: [Token], _ i: Int) -> String? {
        guard tokens[i].kind == .word, tokens[i].text == "var" else { return nil }
        let isStatic = modifiers(before: i, tokens).contains { ["static", "class"].contains($0) }
        guard isStatic || isAtFileLevel(tokens, i), isStored(tokens, i) else { return nil }
        return "\(isStatic ? "static" : "global") var is state outside the machine"
    }

    private static func modifiers(before i: Int, _ tokens: [Token]) -> [String] {
        let known = ["public", "package", "internal", "fileprivate", "private", "static", "class", "final", "lazy", "weak"]
        var found: [String] = []
        var j = i - 1
        while j >= 0, known.contains(tokens[j].text) {
            found.append(tokens[j].text)
            j -= 1
        }
        return found
    }

    private static func isAtFileLevel(_ tokens: [Token], _ i: Int) -> Bool {
        var depth = 0
        for token in tokens[..<i] where token.kind == .mark {
            if ["{", "(", "["].contains(token.text) { depth += 1 }
            if ["}", ")", "]"].contains(token.text) { depth -= 1 }
        }
        return depth == 0
    }

    /// Stored: it is initialised, or its declaration ends without an accessor block.
    private static func isStored(_ tokens: [Token], _ i: Int) -> Bool {
        var depth = 0
        for j in (i + 1)..<tokens.count {
            if depth == 0, j > i + 1, tokens[j].beginsLine, tokens[j].text != "{" { return true }
            switch tokens[j].text {
            case "=" where depth == 0: return true
            case "{" where depth == 0: return j + 1 < tokens.count && ["didSet", "willSet"].contains(tokens[j + 1].text)
            case "(", "[", "<": depth += 1
            case ")", "]", ">": depth -= 1
            default: break
            }
        }
        return true
    }
}
