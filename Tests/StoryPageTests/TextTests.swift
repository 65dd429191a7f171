import Machine
import Simulation
import Testing

@Suite struct TextTests {
    static func at(_ millis: Int64) -> Instant { .zero + .milliseconds(millis) }

    /// Two stores and a client: a write, a crash, an election, and a message that is lost.
    static var story: Story {
        Story(
            title: "A short one", seed: 42,
            lanes: [Story.Lane("a0", .data), Story.Lane("a1", .data), Story.Lane("c", .client)],
            events: [
                StoryEvent(time: at(1), lane: 0, kind: .life, text: "started", index: 1),
                StoryEvent(time: at(1), lane: 1, kind: .life, text: "started", index: 2),
                StoryEvent(time: at(2), lane: 0, kind: .timer, text: "timer 3.1", index: 3),
                StoryEvent(time: at(3), lane: 1, kind: .step, text: "batch of 2", index: 4),
                StoryEvent(time: at(4), lane: 0, kind: .timer, text: "timer 3.2", index: 5),
                StoryEvent(time: at(5), lane: 1, kind: .message, text: "append 1:7", from: 0, sent: at(4), index: 6),
                StoryEvent(time: at(6), lane: 0, kind: .life, text: "lost power", index: 7),
                StoryEvent(time: at(7), lane: 0, kind: .message, text: "ack 1:7", from: 1, sent: at(7), isLost: true, index: 8),
                StoryEvent(time: at(9), lane: 1, kind: .state, text: "elected", index: 9),
                StoryEvent(time: at(10), lane: 2, kind: .answer, text: "done", from: 0, sent: at(9), index: 10),
                StoryEvent(time: at(11), lane: 1, kind: .violation, text: "gone", index: 11),
            ],
            bars: [
                StoryBar(lane: 0, kind: .primary, begin: at(1), end: at(6), text: "primary, term 1"),
                StoryBar(lane: 1, kind: .standby, begin: at(1), end: at(9), text: "standby, term 1"),
                StoryBar(lane: 0, kind: .down, begin: at(6), end: .never, text: "down"),
                StoryBar(lane: 1, kind: .primary, begin: at(9), end: .never, text: "primary, term 2"),
                StoryBar(lane: 2, kind: .operation, begin: at(1), end: at(10), text: "put", outcome: .ok),
            ],
            violation: Story.Broken(invariant: "writes survive", detail: "one is gone", time: at(11)),
            plan: "stores: 2\nfaults: power", again: "sweep --seed 42",
            legend: [
                Story.Explanation("1:7", "entry 7 of term 1", where: "1:7"),
                Story.Explanation("x", "nobody says this", where: "x9"),
            ])
    }

    @Test func `The columns show what the lanes are, and a message's way through them`() {
        let lines = StoryText.lines(Self.story)
        let body = lines.drop { !$0.hasPrefix("   0.") }
        #expect(
            Array(body) == [
                "   0.001000  ^s-  a0    ^ started",
                "   0.001000  P^-  a1    ^ started",
                "                  (2 quiet steps: a0 1, a1 1)",
                "   0.004000  ts-  a0    t timer 3.2",
                "   0.005000  o>-  a0>a1   append 1:7",
                "   0.006000  vs-  a0    v lost power",
                "   0.007000  xo-  a1>a0 x ack 1:7",
                "   0.009000  #*-  a1    * elected",
                "   0.010000  oP!  a0>c  ! done",
                "   0.011000  #@.  a1    @ writes survive",
            ])
    }

    @Test func `Above them stand what broke, how to see it again, and what the signs mean`() {
        let lines = StoryText.lines(Self.story)
        let head = lines.prefix { !$0.hasPrefix("   0.") }
        #expect(head.starts(with: ["A short one, seed 42", "again: sweep --seed 42", "BROKEN: writes survive, at   0.011000"]))
        #expect(head.contains("    stores: 2") && head.contains("    faults: power"))
        for sign in ["^ a start, an end, a pause", "# no life", "o--x a message that was lost"] {
            #expect(head.contains { $0.contains(sign) }, "\(sign)")
        }
        #expect(head.contains("    1:7  entry 7 of term 1"))
        #expect(!head.contains { $0.contains("~ ") }, "a kind that does not occur needs no explanation")
        #expect(!head.contains { $0.contains("nobody says this") })
        #expect(head.suffix(2) == ["             aa", "             01c"])
    }

    @Test func `On request nothing is folded`() {
        let story = Self.story
        let lines = StoryText.lines(story, foldsQuietSteps: false)
        #expect(lines.count { $0.hasPrefix("   0.") } == story.events.count)
        #expect(!lines.contains { $0.contains("quiet") })
    }

    @Test func `A step that something came of is told`() {
        var story = Self.story
        story.events.append(StoryEvent(time: Self.at(3), lane: 1, kind: .log, text: "a line", index: 12))
        #expect(StoryText.lines(story).contains { $0.contains("batch of 2") })
    }

    /// The plot's lines, without the head.
    private func plot(_ story: Story) -> [String] {
        Array(StoryText.plot(story).drop { !$0.contains("events of every day") }.dropFirst())
    }

    private func message(_ millis: Int64, from: Int, to: Int, _ text: String) -> StoryEvent {
        let time = Self.at(millis)
        return StoryEvent(time: time, lane: to, kind: .message, text: text, from: from, sent: time, index: UInt64(millis))
    }

    @Test func `The plot leaves out what is done as ever, and messages that say the same again`() {
        var story = Self.story
        for (millis, text) in [(24, "ack 1:7"), (25, "ack 1:7"), (26, "ack 1:8")] as [(Int64, String)] {
            story.events.append(message(millis, from: 1, to: 0, text))
        }
        let lines = plot(story)
        for told in ["started", "append 1:7", "lost power", "x ack 1:7", "elected", "done", "writes survive", "ack 1:8"] {
            #expect(lines.contains { $0.hasSuffix(told) }, "\(told)")
        }
        #expect(!lines.contains { $0.contains("timer") || $0.contains("batch") })
        // The lost one said nothing, so the first that arrives is news; the second is not.
        #expect(lines.count { $0.hasSuffix("  ack 1:7") } == 1)
    }

    @Test func `Details in parentheses are no news`() {
        var story = Self.story
        story.events = [
            message(1, from: 0, to: 1, "heartbeat, term 1 (commit 4)"),
            message(2, from: 0, to: 1, "heartbeat, term 1 (commit 5)"),
            message(3, from: 0, to: 1, "heartbeat, term 2 (commit 5)"),
        ]
        #expect(
            plot(story).map { $0.suffix(22) }
                == ["at, term 1 (commit 4)", "at, term 2 (commit 5)"].map { "heartbe\($0)".suffix(22) })
    }

    @Test func `What becomes of a process is told with the line that it logs`() {
        var story = Self.story
        story.events = [
            StoryEvent(time: Self.at(1), lane: 0, kind: .log, text: "notice elected term=2", index: 1),
            StoryEvent(time: Self.at(1), lane: 0, kind: .state, text: "primary, term 2", index: 2),
            StoryEvent(time: Self.at(2), lane: 0, kind: .log, text: "info a line of every day", index: 3),
            StoryEvent(time: Self.at(3), lane: 0, kind: .state, text: "learner", index: 4),
        ]
        #expect(plot(story).map { $0.dropFirst(26) } == ["elected term=2 => primary, term 2", "learner"])
    }

    /// Two calls that a server forwards, and a third that it answers like the first.
    private var calls: Story {
        func event(_ kind: StoryEvent.Kind, _ millis: Int64, from: Int, to: Int, _ text: String) -> StoryEvent {
            StoryEvent(
                time: Self.at(millis), lane: to, kind: kind, text: text, from: from, sent: Self.at(millis - 1),
                index: UInt64(millis))
        }
        var story = Self.story
        story.events = [
            event(.call, 2, from: 2, to: 0, "#1 get k1"), event(.message, 3, from: 0, to: 1, "forward #901: get k1"),
            event(.message, 4, from: 1, to: 0, "forwarded #901: found k1=4"),
            event(.answer, 5, from: 0, to: 2, "#1 found k1=4"),
            event(.call, 12, from: 2, to: 0, "#2 get k2"), event(.answer, 15, from: 0, to: 2, "#2 not found"),
            event(.call, 22, from: 2, to: 0, "#3 get k3"), event(.answer, 25, from: 0, to: 2, "#3 found k3=7"),
        ]
        return story
    }

    @Test func `Of calls that have nothing to do with what broke, each end is told once`() {
        let lines = plot(calls).joined(separator: "\n")
        for text in ["#1 get k1", "#901: get k1", "#901: found k1=4", "#1 found k1=4", "#2 get k2", "#2 not found"] {
            #expect(lines.contains(text), "\(text)")
        }
        #expect(!lines.contains("#3"))
    }

    @Test func `Where the violation names something, all calls that are about it are told, and no others`() {
        var story = calls
        story.violation?.subjects = ["#1"]
        let lines = plot(story)
        #expect(lines.count == 4, "the call, what the server forwards for it at once, and both answers")
        #expect(lines.allSatisfy { $0.contains("#1") || $0.contains("#901") })
        story.violation?.subjects = ["k3"]
        #expect(plot(story).count == 2)
    }

    @Test func `Identities are short`() {
        var story = Self.story
        story.events[0].text = "store=7b2ed274-8862-4b92-ba72-f4577f76e449 position=0:0"
        #expect(StoryText.lines(story).contains { $0.hasSuffix("store=7b2ed274 position=0:0") })
    }

    @Test func `Hostile text stays on its line and commands no terminal`() {
        let lines = StoryText.lines(PageTests.hostileStory)
        for line in lines {
            #expect(!line.unicodeScalars.contains { $0.value < 32 || (0x7F...0x9F).contains($0.value) || $0.value == 0x202E })
        }
        #expect(lines.count { $0.hasPrefix("   0.") || $0.hasPrefix("   1.") } == 2)
    }
}
