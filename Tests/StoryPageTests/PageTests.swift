import Foundation
import Machine
import Simulation
import Testing

/// What a page is made of, seen from outside of a browser.
@Suite struct PageTests {
    static let hostile =
        "</script><script>window.hacked = 1</script><!-- <![CDATA[ ]]> \"quoted\" \\u003c \\ 'x' \u{0}\u{7}\u{1B}[31m\r\n"
        + "\u{2028}\u{2029}\u{202E}txet\u{202C} \u{85} 🐦‍⬛ é \u{FFFD} ${1} `tick` &amp; &lt;b&gt;"

    /// A story in which everything that is text is hostile.
    static var hostileStory: Story {
        let text = hostile
        return Story(
            title: text, seed: .max, lanes: [Story.Lane(text, .server), Story.Lane("b", .client)],
            events: [
                StoryEvent(time: .zero, lane: 0, kind: .log, text: text, index: 1),
                StoryEvent(time: .zero + .seconds(1), lane: 1, kind: .call, text: text, from: 0, sent: .zero, index: .max),
            ],
            bars: [StoryBar(lane: 0, kind: .primary, begin: .zero, end: .never, text: text)],
            violation: Story.Broken(invariant: text, detail: text, time: .zero + .seconds(2)), plan: text, again: text,
            legend: [Story.Explanation(text, text)])
    }

    /// The data in a page, as a parser of HTML and then one of JSON would get it.
    static func data(in page: String) throws -> [String: Any] {
        let open = try #require(page.range(of: "<script id=\"data\" type=\"application/json\">"))
        let close = try #require(page.range(of: "</script", options: .caseInsensitive, range: open.upperBound..<page.endIndex))
        let json = Data(page[open.upperBound..<close.lowerBound].utf8)
        return try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
    }

    @Test func `Hostile text arrives as it was, and is nothing but text`() throws {
        let page = StoryPage.html(Self.hostileStory)
        let data = try Self.data(in: page)
        // Scalar by scalar: `==` of strings takes equivalent ones for equal.
        func same(_ value: Any?) -> Bool {
            (value as? String)?.unicodeScalars.elementsEqual(Self.hostile.unicodeScalars) == true
        }
        #expect(same(data["title"]) && same(data["plan"]) && same(data["again"]))
        let events = try #require(data["events"] as? [[Any]])
        #expect(events.count == 2 && events.allSatisfy { same($0[3]) })
        #expect(same((data["bars"] as? [[Any]])?.first?[4]))
        #expect(same((data["lanes"] as? [[Any]])?.first?.first))
        let violation = try #require(data["violation"] as? [String: Any])
        #expect(same(violation["invariant"]) && same(violation["detail"]))
        // The page's own two scripts, and no raw control character but the line end.
        #expect(page.components(separatedBy: "<script").count == 3)
        #expect(page.components(separatedBy: "</script").count == 3)
        #expect(!page.contains("<!--"))
        #expect(!page.unicodeScalars.contains { ($0.value < 32 && $0 != "\n") || [0x85, 0x2028, 0x2029].contains($0.value) })
    }

    @Test func `Numbers that JavaScript would round are text`() throws {
        let data = try Self.data(in: StoryPage.html(Self.hostileStory))
        #expect(data["seed"] as? String == "18446744073709551615")
        let events = try #require(data["events"] as? [[Any]])
        #expect(events[0][4] as? Int == 1)
        #expect(events[1][4] as? String == "18446744073709551615")
    }

    @Test func `Events come in order; what has no lane is left out; bars end with the story`() throws {
        func at(_ millis: Int64) -> Instant { .zero + .milliseconds(millis) }
        let story = Story(
            title: "t", seed: 1, lanes: [Story.Lane("a", .data), Story.Lane("b", .data)],
            events: [
                StoryEvent(time: at(30), lane: 1, kind: .message, text: "third", from: 0, sent: at(10), index: 3),
                StoryEvent(time: at(20), lane: 0, kind: .step, text: "second", index: 2),
                StoryEvent(time: at(20), lane: 0, kind: .step, text: "first", index: 1),
                StoryEvent(time: at(5), lane: 2, kind: .step, text: "nowhere", index: 0),
                StoryEvent(time: at(5), lane: -1, kind: .step, text: "nowhere", index: 0),
                StoryEvent(time: at(40), lane: 0, kind: .message, text: "fourth", from: 7, sent: at(10), index: 4),
                StoryEvent(time: at(50), lane: 0, kind: .message, text: "lost", from: 1, sent: at(45), isLost: true, index: 5),
            ],
            bars: [
                StoryBar(lane: 1, kind: .down, begin: at(40), end: .never, text: "down"),
                StoryBar(lane: 0, kind: .operation, begin: at(10), end: at(60), text: "put", outcome: .unknown),
                StoryBar(lane: 9, kind: .down, begin: at(10), end: at(900), text: "nowhere"),
            ])
        let data = try Self.data(in: StoryPage.html(story))
        let events = try #require(data["events"] as? [[Any]])
        #expect(events.map { $0[3] as? String } == ["first", "second", "third", "fourth", "lost"])
        #expect(events[2].dropFirst(5).compactMap { $0 as? Int } == [0, 10_000_000, 0])
        #expect(events[3].count == 5, "a lane that does not exist is no origin")
        #expect(events[4].last as? Int == 1)
        let bars = try #require(data["bars"] as? [[Any]])
        #expect(bars.map { $0[4] as? String } == ["put", "down"])
        #expect(bars[1][3] as? Int == 60_000_000)
        #expect(data["end"] as? Int == 60_000_000)
        #expect(bars[0][5] as? Int == 2 && bars[1][5] as? Int == -1)
        #expect(data["violation"] == nil)
    }

    @Test func `A step that nothing came of is marked as quiet`() throws {
        var story = Story(title: "t", seed: 1, lanes: [Story.Lane("a", .data), Story.Lane("b", .data)])
        func isQuiet() throws -> Bool {
            let data = try Self.data(in: StoryPage.html(story))
            let events = try #require(data["events"] as? [[Any]])
            return try #require(events.first { $0[3] as? String == "timer" }).count == 6
        }
        let now = Instant.zero + .seconds(1)
        story.events = [StoryEvent(time: now, lane: 0, kind: .timer, text: "timer", index: 1)]
        #expect(try isQuiet())
        let others = [
            StoryEvent(time: now, lane: 1, kind: .log, text: "of another", index: 2),
            StoryEvent(time: now + .milliseconds(1), lane: 0, kind: .log, text: "later", index: 3),
        ]
        let effects = [
            StoryEvent(time: now, lane: 0, kind: .log, text: "a line", index: 4),
            StoryEvent(time: now + .milliseconds(2), lane: 1, kind: .message, text: "sent", from: 0, sent: now, index: 5),
        ]
        for event in others {
            story.events.append(event)
            #expect(try isQuiet(), "\(event.text)")
        }
        for event in effects {
            story.events.append(event)
            #expect(try !isQuiet(), "\(event.text)")
            story.events.removeLast()
        }
        story.bars = [StoryBar(lane: 0, kind: .paused, begin: now, end: .never, text: "paused")]
        #expect(try !isQuiet())
    }

    @Test func `A page needs nothing from outside`() {
        let page = StoryPage.html(SampleStory.make(events: 50))
        for word in ["http:", "https:", "src=", "href", "url(", "@import", "import(", "fetch(", "XMLHttp", "<link", "<img"] {
            #expect(!page.contains(word), "\(word)")
        }
        #expect(page.contains("default-src 'none'"))
    }

    @Test func `Every kind has a sign and a colour`() {
        let page = StoryPage.html(Story(title: "", seed: 0, lanes: []))
        for kind in StoryEvent.Kind.allCases {
            #expect(page.contains("--\(kind.rawValue): light-dark("), "\(kind)")
            #expect(page.contains(" \(kind.rawValue): ["), "\(kind)")
        }
        // Roles are coloured by their term.
        for kind in StoryBar.Kind.allCases where ![.primary, .standby, .master, .operation].contains(kind) {
            #expect(page.contains("--\(kind.rawValue): light-dark("), "\(kind)")
        }
        for outcome in StoryBar.Outcome.allCases { #expect(page.contains("--\(outcome.rawValue): light-dark("), "\(outcome)") }
    }

    @Test func `The same story is the same page`() {
        #expect(StoryPage.html(SampleStory.make(events: 300)) == StoryPage.html(SampleStory.make(events: 300)))
    }
}
