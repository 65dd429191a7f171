import Machine

/// A story as lines of text, for a terminal: a line per event, with a legend on top.
///
///         0.353256  M..#*s.|o...  b1          * elected, term 2
///
/// Behind the time stands a column per lane. The event's own column has its sign, and a message runs through the columns
/// from where it left (`o`) to where it arrived (`<` or `>`); the others show what their lanes are at that moment: primary,
/// standby, down … So a glance down a column is the life of a node, and a glance along a line the state of the world. (The
/// idea is that of the traces of TigerBeetle's simulator, which give each replica a column.)
///
/// Quiet steps, of which nothing came, are told as a number only.
public enum StoryText {
    /// - Parameter foldsQuietSteps: whether steps without effect are told as a number.
    public static func lines(_ story: Story, foldsQuietSteps: Bool = true) -> [String] {
        var teller = Teller(story: story)
        return teller.head() + teller.body(foldsQuietSteps: foldsQuietSteps)
    }

    /// The plot of a story, for who wants to understand it at one reading: what is done as ever is left out (`Story.plotted`).
    public static func plot(_ story: Story) -> [String] {
        var plot = story
        plot.events = story.plotted
        var teller = Teller(story: plot)
        let count = story.events.count - plot.events.count
        return teller.head() + ["             (\(count) events of every day are left out)"]
            + teller.body(foldsQuietSteps: false)
    }

    /// One line of text without anything that a terminal would act on.
    static func plain(_ text: String) -> String {
        var plain = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\n": plain += "\\n"
            case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{200B}"..."\u{200F}", "\u{2028}"..."\u{202E}",
                "\u{2060}"..."\u{2069}":
                plain += "\\u{\(String(scalar.value, radix: 16))}"
            default: plain.unicodeScalars.append(scalar)
            }
        }
        return plain
    }

    /// Seconds with six decimals, right-aligned.
    static func seconds(_ time: Instant) -> String {
        let micros = time.nanoseconds / 1_000
        let whole = String(micros / 1_000_000)
        let digits = String(micros % 1_000_000)
        return padded(whole, 4, left: true) + "." + String(repeating: "0", count: max(0, 6 - digits.count)) + digits
    }

    static func padded(_ text: String, _ width: Int, left: Bool = false) -> String {
        let padding = String(repeating: " ", count: max(0, width - text.count))
        return left ? padding + text : text + padding
    }
}

extension StoryEvent.Kind {
    /// The sign of such an event in its lane's column.
    var sign: Character {
        switch self {
        case .step: ","
        case .message: ">"
        case .link: "~"
        case .call: "?"
        case .answer: "!"
        case .disk: "d"
        case .timer: "t"
        case .zooKeeper: "z"
        case .log: "\""
        case .life: "^"
        case .fault: "X"
        case .repair: "+"
        case .state: "*"
        case .mark: "'"
        case .violation: "@"
        }
    }
}

extension StoryBar.Kind {
    /// The sign of a lane in this condition, where no event of its own stands there; and which one wins where there are
    /// several: the lower. Phases have none.
    var condition: (sign: Character, weight: Int)? {
        switch self {
        case .down: ("#", 0)
        case .paused: ("=", 1)
        case .outage: ("%", 2)
        case .cut: ("/", 3)
        case .diskFault: ("&", 4)
        case .slow: (";", 5)
        case .master: ("M", 6)
        case .primary: ("P", 7)
        case .standby: ("s", 8)
        case .learner: ("l", 9)
        case .operation: ("-", 10)
        case .phase: nil
        }
    }
}

extension String {
    /// `diskLost` as `disk lost`.
    fileprivate var withSpacesForCapitals: String {
        reduce(into: "") { text, letter in text += letter.isUppercase ? " " + letter.lowercased() : String(letter) }
    }

    /// UUIDs by their first eight digits, which tell those of one run apart.
    fileprivate var withShortIdentities: String {
        guard utf8.count >= 36, contains("-") else { return self }
        let dashes = [8, 13, 18, 23]
        var rest = Array(utf8)[...]
        var short: [UInt8] = []
        while let first = rest.first {
            let isIdentity =
                rest.count >= 36
                && rest.prefix(36).enumerated().allSatisfy { place, byte in
                    dashes.contains(place)
                        ? byte == UInt8(ascii: "-") : (48...57).contains(byte) || (97...102).contains(byte)
                }
            if isIdentity {
                short += rest.prefix(8)
                rest = rest.dropFirst(36)
            } else {
                short.append(first)
                rest = rest.dropFirst()
            }
        }
        return String(decoding: short, as: UTF8.self)
    }
}

/// Goes through a story once, from its begin to its end.
private struct Teller {
    let story: Story
    let events: [StoryEvent]
    let bars: [StoryBar]
    private let nameWidth: Int
    /// The first bar that has not begun yet.
    private var nextBar = 0
    /// The bars of each lane that have begun and not ended.
    private var open: [[StoryBar]]

    init(story: Story) {
        self.story = story
        events = story.orderedEvents
        bars = story.orderedBars(until: .never)
        open = story.lanes.map { _ in [] }
        let longest = story.lanes.map { StoryText.plain($0.name).count }.max() ?? 0
        nameWidth = min(24, longest + 3)
    }

    private func name(_ lane: Int) -> String { StoryText.plain(story.lanes[lane].name) }

    // MARK: Head

    func head() -> [String] {
        var lines = ["\(StoryText.plain(story.title)), seed \(story.seed)"]
        if !story.again.isEmpty { lines.append("again: \(StoryText.plain(story.again))") }
        if let broken = story.violation {
            lines.append("BROKEN: \(StoryText.plain(broken.invariant)), at\(StoryText.seconds(broken.time))")
            lines += Self.split(broken.detail).map { "    \($0)" }
        }
        if !story.plan.isEmpty { lines += ["", "options"] + Self.split(story.plan).map { "    \($0)" } }
        return lines + [""] + legend() + [""] + columnHeads()
    }

    private static func split(_ text: String) -> [String] {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { StoryText.plain(String($0)) }
    }

    private func legend() -> [String] {
        let kinds = StoryEvent.Kind.allCases.filter { kind in events.contains { $0.kind == kind } }
        var signs = kinds.filter { $0 != .message }.map { "\($0.sign) \($0.meaning)" }
        if kinds.contains(.message) { signs.append("o--> a message: from, to") }
        if events.contains(where: \.isLost) { signs.append("o--x a message that was lost") }
        if bars.contains(where: { $0.kind == .down }) { signs.append("v the end of a life") }
        let conditions = StoryBar.Kind.allCases.filter { kind in bars.contains { $0.kind == kind } }
            .compactMap { kind in kind.condition.map { "\($0.sign) \(kind.meaning)" } }
        let words = story.legend.filter { entry in
            entry.sign.map { sign in events.contains { $0.text.contains(sign) } } ?? true
        }.map { (StoryText.plain($0.term), StoryText.plain($0.meaning)) }
        let width = 2 + (words.map(\.0.count).max() ?? 0)
        return ["what happens"] + Self.filled(signs) + ["what a column's lane is meanwhile"] + Self.filled(conditions)
            + (words.isEmpty ? [] : ["words"]) + words.map { "    \(StoryText.padded($0.0, width))\($0.1)" }
    }

    /// As many on a line as there is room for.
    private static func filled(_ entries: [String]) -> [String] {
        var lines: [String] = []
        for entry in entries {
            if let last = lines.last, last.count + entry.count < 110 {
                lines[lines.count - 1] = last + "   " + entry
            } else {
                lines.append("    " + entry)
            }
        }
        return lines
    }

    /// The names of the lanes stand above their columns, read from top to bottom.
    private func columnHeads() -> [String] {
        let names = story.lanes.indices.map { Array(name($0)) }
        let height = names.map(\.count).max() ?? 0
        let indent = String(repeating: " ", count: 13)
        return (0..<height).map { line in
            let letters = names.map { name in
                let place = line - (height - name.count)
                return place >= 0 ? name[place] : " "
            }
            return trimmed(indent + String(letters))
        }
    }

    private func trimmed(_ line: String) -> String {
        var line = line
        while line.last == " " { line.removeLast() }
        return line
    }

    // MARK: Body

    mutating func body(foldsQuietSteps: Bool) -> [String] {
        var lines: [String] = []
        var quiet = Array(repeating: 0, count: story.lanes.count)
        for (event, isQuiet) in zip(events, story.quiet(events)) {
            goOn(to: event.time)
            if foldsQuietSteps, isQuiet {
                quiet[event.lane] += 1
                continue
            }
            lines += told(&quiet)
            lines.append(line(event))
        }
        return lines + told(&quiet)
    }

    /// The line for the steps that were left out, where there were any.
    private func told(_ quiet: inout [Int]) -> [String] {
        let sum = quiet.reduce(0, +)
        guard sum > 0 else { return [] }
        let names = quiet.indices.filter { quiet[$0] > 0 }.map { "\(name($0)) \(quiet[$0])" }.joined(separator: ", ")
        for index in quiet.indices { quiet[index] = 0 }
        let indent = String(repeating: " ", count: 13 + story.lanes.count + 2)
        return ["\(indent)(\(sum) quiet \(sum == 1 ? "step" : "steps"): \(names))"]
    }

    /// Opens and closes bars up to a moment.
    private mutating func goOn(to time: Instant) {
        while nextBar < bars.count, bars[nextBar].begin <= time {
            if bars[nextBar].kind.condition != nil { open[bars[nextBar].lane].append(bars[nextBar]) }
            nextBar += 1
        }
        for lane in open.indices { open[lane].removeAll { $0.end <= time } }
    }

    private func condition(_ lane: Int) -> Character {
        open[lane].compactMap(\.kind.condition).min { $0.weight < $1.weight }?.sign ?? "."
    }

    private func line(_ event: StoryEvent) -> String {
        var columns = story.lanes.indices.map(condition)
        var who = name(event.lane)
        var sign = event.kind.sign
        if event.kind == .life, let begun = open[event.lane].first(where: { $0.begin == event.time }) {
            if begun.kind == .down { sign = "v" }
            if begun.kind == .paused { sign = "=" }
        }
        if let from = event.from, story.lanes.indices.contains(from), from != event.lane {
            who = "\(name(from))>\(who)"
            for lane in min(from, event.lane)..<max(from, event.lane) where columns[lane] == "." { columns[lane] = "-" }
            columns[from] = "o"
            if event.kind == .message { sign = from < event.lane ? ">" : "<" }
            if event.isLost { sign = "x" }
        }
        columns[event.lane] = sign
        let told = event.isLost ? "x" : event.kind == .message ? " " : String(sign)
        return "\(StoryText.seconds(event.time))  \(String(columns))  \(StoryText.padded(who, nameWidth)) \(told) "
            + text(of: event)
    }

    /// What need not be said twice, or of every line, is left out.
    private func text(of event: StoryEvent) -> String {
        var text = event.text
        if event.kind == .log {
            for level in ["info ", "notice "] where text.hasPrefix(level) { text.removeFirst(level.count) }
        }
        if event.kind == .mark { text = text.withSpacesForCapitals }
        // The details stand above.
        if event.kind == .violation, let broken = story.violation { text = broken.invariant }
        return StoryText.plain(text.withShortIdentities)
    }
}
