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
            plan: "stores: 2\nfaults: power", again: "sweep --seed 42", legend: [Story.Explanation("1:7", "entry 7 of term 1")])
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
                "   0.011000  #@.  a1    @ gone",
            ])
    }

    @Test func `Above them stand what broke, how to see it again, and what the signs mean`() {
        let lines = StoryText.lines(Self.story)
        let head = lines.prefix { !$0.hasPrefix("   0.") }
        #expect(head.starts(with: ["A short one, seed 42", "again: sweep --seed 42", "BROKEN: writes survive, at   0.011000"]))
        #expect(head.contains("    stores: 2") && head.contains("    faults: power"))
        for line in ["    ^     life: a start, an end, a pause", "    #     no life", "    o--x  a message that was lost"] {
            #expect(head.contains(line), "\(line)")
        }
        #expect(head.contains("    1:7   entry 7 of term 1"))
        #expect(!head.contains { $0.contains("link: ") }, "a kind that does not occur needs no explanation")
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

    @Test func `The plot leaves out what is done as ever, and messages that say the same again`() {
        var story = Self.story
        for (index, text) in [(13, "ack 1:7"), (14, "ack 1:7"), (15, "ack 1:8")] as [(UInt64, String)] {
            let time = Self.at(11 + Int64(index))
            story.events.append(
                StoryEvent(time: time, lane: 0, kind: .message, text: text, from: 1, sent: time, index: index))
        }
        let body = StoryText.plot(story).drop { !$0.contains("routine") }
        #expect(body.first?.contains("(4 events of routine are left out)") == true)
        for told in ["started", "append 1:7", "lost power", "x ack 1:7", "elected", "done", "gone", "ack 1:8"] {
            #expect(body.contains { $0.hasSuffix(told) }, "\(told)")
        }
        #expect(!body.contains { $0.contains("timer") || $0.contains("batch") })
        // The lost one said nothing, so the first that arrives is news; the second is not.
        #expect(body.count { $0.hasSuffix("  ack 1:7") } == 1)
    }

    @Test func `Hostile text stays on its line and commands no terminal`() {
        let lines = StoryText.lines(PageTests.hostileStory)
        for line in lines {
            #expect(!line.unicodeScalars.contains { $0.value < 32 || (0x7F...0x9F).contains($0.value) || $0.value == 0x202E })
        }
        #expect(lines.count { $0.hasPrefix("   0.") || $0.hasPrefix("   1.") } == 2)
    }
}
