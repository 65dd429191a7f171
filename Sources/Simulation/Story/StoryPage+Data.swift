import Machine

/// The story as JSON, in the shape that the page's script reads.
///
/// It stands inside a `<script>` element, where the HTML parser looks for tags before any JSON parser gets to it. So `<`, `>`
/// and `&` are written as escapes everywhere; what JavaScript takes for line ends and every control character, too. Numbers
/// beyond 2^53, which JavaScript would round, are written as text.
struct StoryData {
    private(set) var bytes: [UInt8] = []
    private var needsComma = false

    static func json(_ story: Story) -> String {
        var data = StoryData()
        data.bytes.reserveCapacity(4_096 + 128 * story.events.count)
        data.write(story)
        return String(decoding: data.bytes, as: UTF8.self)
    }

    private mutating func write(_ story: Story) {
        let events = story.orderedEvents
        let quiet = story.quiet(events)
        let end = story.end(events)
        object {
            $0.member("title") { $0.text(story.title) }
            $0.member("seed") { $0.text("\(story.seed)") }
            $0.member("plan") { $0.text(story.plan) }
            $0.member("again") { $0.text(story.again) }
            $0.member("end") { $0.number(end.nanoseconds) }
            $0.member("kinds") { $0.array { for kind in StoryEvent.Kind.allCases { $0.texts(kind.rawValue, kind.meaning) } } }
            $0.member("barKinds") { $0.array { for kind in StoryBar.Kind.allCases { $0.texts(kind.rawValue, kind.meaning) } } }
            $0.member("outcomes") { $0.array { for way in StoryBar.Outcome.allCases { $0.texts(way.rawValue, way.meaning) } } }
            $0.member("legend") { $0.array { for entry in story.legend { $0.texts(entry.term, entry.meaning) } } }
            $0.member("lanes") { $0.array { for lane in story.lanes { $0.texts(lane.name, lane.kind.rawValue) } } }
            if let broken = story.violation { $0.member("violation") { $0.write(broken) } }
            $0.member("bars") { $0.array { for bar in story.orderedBars(until: end) { $0.write(bar) } } }
            $0.member("events") {
                $0.array {
                    for (event, isQuiet) in zip(events, quiet) {
                        $0.write(event, lanes: story.lanes.count, isQuiet: isQuiet)
                    }
                }
            }
        }
    }

    private mutating func write(_ broken: Story.Broken) {
        object {
            $0.member("invariant") { $0.text(broken.invariant) }
            $0.member("detail") { $0.text(broken.detail) }
            $0.member("time") { $0.number(broken.time.nanoseconds) }
        }
    }

    /// `[time, lane, kind, text, index]`, and `from, sent, lost` where it came from somewhere; only a 1 where it is quiet.
    private mutating func write(_ event: StoryEvent, lanes: Int, isQuiet: Bool) {
        array {
            $0.number(event.time.nanoseconds)
            $0.number(Int64(event.lane))
            $0.number(Int64(StoryEvent.Kind.allCases.firstIndex(of: event.kind) ?? 0))
            $0.text(event.text)
            if event.index < 1 << 53 { $0.number(Int64(event.index)) } else { $0.text("\(event.index)") }
            if let from = event.from, (0..<lanes).contains(from) {
                $0.number(Int64(from))
                $0.number(min(event.sent ?? event.time, event.time).nanoseconds)
                $0.number(event.isLost ? 1 : 0)
            } else if isQuiet {
                $0.number(1)
            }
        }
    }

    /// `[lane, kind, begin, end, text, outcome]`, with -1 for no outcome.
    private mutating func write(_ bar: StoryBar) {
        array {
            $0.number(Int64(bar.lane))
            $0.number(Int64(StoryBar.Kind.allCases.firstIndex(of: bar.kind) ?? 0))
            $0.number(bar.begin.nanoseconds)
            $0.number(bar.end.nanoseconds)
            $0.text(bar.text)
            $0.number(Int64(bar.outcome.flatMap { StoryBar.Outcome.allCases.firstIndex(of: $0) } ?? -1))
        }
    }

    // MARK: JSON

    private mutating func comma() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func enclosed(_ open: UInt8, _ close: UInt8, _ content: (inout StoryData) -> Void) {
        comma()
        bytes.append(open)
        needsComma = false
        content(&self)
        bytes.append(close)
        needsComma = true
    }

    private mutating func object(_ content: (inout StoryData) -> Void) {
        enclosed(UInt8(ascii: "{"), UInt8(ascii: "}"), content)
    }

    private mutating func array(_ content: (inout StoryData) -> Void) {
        enclosed(UInt8(ascii: "["), UInt8(ascii: "]"), content)
    }

    private mutating func texts(_ texts: String...) {
        array { for text in texts { $0.text(text) } }
    }

    private mutating func member(_ name: String, _ value: (inout StoryData) -> Void) {
        text(name)
        bytes.append(UInt8(ascii: ":"))
        needsComma = false
        value(&self)
    }

    private mutating func number(_ number: Int64) {
        comma()
        bytes.append(contentsOf: String(number).utf8)
    }

    private mutating func text(_ text: String) {
        comma()
        bytes.append(UInt8(ascii: "\""))
        for scalar in text.unicodeScalars { write(scalar) }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func write(_ scalar: Unicode.Scalar) {
        switch scalar {
        case "\"", "\\":
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(UInt8(truncatingIfNeeded: scalar.value))
        case "<", ">", "&", "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}":
            bytes.append(contentsOf: "\\u".utf8)
            for shift in [12, 8, 4, 0] as [UInt32] {
                let digit = UInt8(truncatingIfNeeded: scalar.value >> shift & 0xF)
                bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
            }
        default: bytes.append(contentsOf: String(scalar).utf8)
        }
    }
}
