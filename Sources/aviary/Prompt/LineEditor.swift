/// A line being typed, and the lines typed before: what the keys of a prompt do, without a terminal.
///
/// The keys are those of readline's emacs mode that everybody's fingers know.
struct LineEditor {
    enum Outcome: Equatable {
        case editing
        /// The line was entered.
        case entered(String)
        /// Ctrl-C: the line is given up.
        case cancelled
        /// Ctrl-D on an empty line.
        case endOfInput
        /// Ctrl-L.
        case clearScreen
    }

    private(set) var text: [Character] = []
    /// Position of the cursor, 0 to `text.count`.
    private(set) var cursor = 0

    private var history: [String]
    /// The history line that is shown; `history.count` is the line being typed.
    private var place: Int
    /// What was typed before the history was walked.
    private var draft: [Character] = []
    /// What Ctrl-K, Ctrl-U and Ctrl-W cut last; Ctrl-Y puts it back.
    private var cut: [Character] = []
    /// Words that Tab completes at the start of the line.
    private let commands: [String]

    init(history: [String] = [], commands: [String] = []) {
        self.history = history
        place = history.count
        self.commands = commands
    }

    mutating func press(_ key: Key) -> Outcome {
        switch key {
        case .character(let character): insert([character])
        case .enter: return .entered(String(text))
        case .tab: complete()
        case .backspace, .control("h"): remove(from: cursor - 1, to: cursor)
        case .delete: remove(from: cursor, to: cursor + 1)
        case .left, .control("b"): cursor = max(0, cursor - 1)
        case .right, .control("f"): cursor = min(text.count, cursor + 1)
        case .wordLeft: cursor = startOfWord
        case .wordRight: cursor = endOfWord
        case .home, .control("a"): cursor = 0
        case .end, .control("e"): cursor = text.count
        case .up, .control("p"): show(place - 1)
        case .down, .control("n"): show(place + 1)
        case .control("k"): cutOut(from: cursor, to: text.count)
        case .control("u"): cutOut(from: 0, to: cursor)
        case .control("w"): cutOut(from: startOfBlankWord, to: cursor)
        case .control("y"): insert(cut)
        case .control("c"): return .cancelled
        case .control("d"):
            if text.isEmpty { return .endOfInput }
            remove(from: cursor, to: cursor + 1)
        case .control("l"): return .clearScreen
        case .control: break
        }
        return .editing
    }

    private mutating func insert(_ characters: [Character]) {
        text.insert(contentsOf: characters, at: cursor)
        cursor += characters.count
    }

    private mutating func remove(from start: Int, to end: Int) {
        guard start >= 0, end <= text.count, start < end else { return }
        text.removeSubrange(start..<end)
        cursor = start
    }

    private mutating func cutOut(from start: Int, to end: Int) {
        guard start < end else { return }
        cut = Array(text[start..<end])
        remove(from: start, to: end)
    }

    private mutating func show(_ wanted: Int) {
        guard (0...history.count).contains(wanted), wanted != place else { return }
        if place == history.count { draft = text }
        place = wanted
        text = wanted == history.count ? draft : Array(history[wanted])
        cursor = text.count
    }

    /// Completes the first word where only one command begins so, else as far as all that do agree.
    private mutating func complete() {
        let typed = String(text[..<cursor])
        let matches = commands.filter { $0.hasPrefix(typed) }
        guard !typed.isEmpty, let first = matches.first else { return }
        var common = first
        for match in matches { while !match.hasPrefix(common) { common.removeLast() } }
        insert(Array(common.dropFirst(typed.count)))
        if matches.count == 1, cursor == text.count { insert([" "]) }
    }

    private var startOfWord: Int {
        var position = cursor
        while position > 0, !text[position - 1].isLetter, !text[position - 1].isNumber { position -= 1 }
        while position > 0, text[position - 1].isLetter || text[position - 1].isNumber { position -= 1 }
        return position
    }

    private var endOfWord: Int {
        var position = cursor
        while position < text.count, !text[position].isLetter, !text[position].isNumber { position += 1 }
        while position < text.count, text[position].isLetter || text[position].isNumber { position += 1 }
        return position
    }

    private var startOfBlankWord: Int {
        var position = cursor
        while position > 0, text[position - 1].isWhitespace { position -= 1 }
        while position > 0, !text[position - 1].isWhitespace { position -= 1 }
        return position
    }
}

extension LineEditor {
    /// The part of the line that a terminal of `columns` shows beside a prompt, and the cursor's column within it.
    ///
    /// A line that is too long scrolls sideways, so that the cursor is always in sight and a line is one row.
    func view(columns: Int) -> (text: String, cursorColumn: Int) {
        let widths = text.map(Self.columns)
        let room = max(1, columns)
        var start = 0
        var before = widths[..<cursor].reduce(0, +)
        while before >= room {
            before -= widths[start]
            start += 1
        }
        var end = start
        var used = 0
        while end < text.count, used + widths[end] <= room {
            used += widths[end]
            end += 1
        }
        return (String(text[start..<end].map { Self.isShown($0) ? $0 : "?" }), before)
    }

    private static func isShown(_ character: Character) -> Bool {
        character.unicodeScalars.allSatisfy { $0.value >= 32 && !(127..<160).contains($0.value) }
    }

    /// Columns that a terminal gives a character: two for East Asian wide ones and emoji (UAX #11, coarsely).
    private static func columns(of character: Character) -> Int {
        guard let scalar = character.unicodeScalars.first else { return 0 }
        switch scalar.value {
        case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F, 0xFF00...0xFF60,
            0xFFE0...0xFFE6,
            0x20000...0x3FFFD:
            return 2
        default: return scalar.properties.isEmojiPresentation ? 2 : 1
        }
    }
}
