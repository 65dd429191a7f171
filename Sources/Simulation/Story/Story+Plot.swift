import Machine

// # The plot of a story
//
// A run of seconds has thousands of events, of which a person wants to read some fifty. Left out is:
//
// - what disks, timers, ZooKeeper and links tell a process: what comes of it is told;
// - messages that say what one of the last few on the same way, between the same lives, has said. What stands in parentheses at the end of a message
//   is no news by itself: a heartbeat is told once, whatever commit mark it carries;
// - *conversations* (a client's call, its answer, and the messages in between: they have a word like `#17` in common) that have
//   nothing to do with what broke: where the violation names keys or calls, all that are about others, and whatever is said
//   when the last of those is over; where it names none, those that end like one before;
// - log lines of every day (level info) in a process's first life;
// - what a process becomes, where its log line of the same moment can be told with it.

extension Story {
    /// The events of the plot, in their order.
    var plotted: [StoryEvent] {
        let events = orderedEvents
        let isRoutine = isRoutine(events)
        var plot: [StoryEvent] = []
        for (index, event) in events.enumerated() where !isRoutine[index] {
            let sameMoment = plot.lastIndex { $0.lane == event.lane || $0.time < event.time }
            if event.kind == .state, let place = sameMoment, (plot[place].lane, plot[place].time) == (event.lane, event.time),
                plot[place].kind == .log || plot[place].kind == .life
            {
                plot[place].text += " => \(event.text)"
            } else {
                plot.append(event)
            }
        }
        return plot
    }

    private func isRoutine(_ events: [StoryEvent]) -> [Bool] {
        struct Way {
            var from: Int
            var to: Int
            var isLost: Bool
            var texts: [String] = []
        }
        let remembered = 8
        // There are few ways.
        var ways: [Way] = []
        var wasUp = lanes.map { _ in false }
        var hasDied = lanes.map { _ in false }
        let conversations = Conversations(events, about: violation?.subjects ?? [])
        return events.indices.map { index in
            let event = events[index]
            if event.kind == .life {
                if event.text.hasPrefix("started") {
                    hasDied[event.lane] = wasUp[event.lane]
                    // A new life has heard and said nothing.
                    ways.removeAll { $0.from == event.lane || $0.to == event.lane }
                }
                wasUp[event.lane] = true
            }
            let isTold = conversations.isTold(index)
            if let isTold, !isTold || event.kind != .message { return !isTold }
            if let end = conversations.end, index > end, event.kind.isTalk { return true }
            guard event.kind == .message, let from = event.from else {
                return event.isRoutine(inFirstLife: !hasDied[event.lane])
            }
            let known = ways.firstIndex { ($0.from, $0.to, $0.isLost) == (from, event.lane, event.isLost) }
            let way = known ?? ways.count
            if known == nil { ways.append(Way(from: from, to: event.lane, isLost: event.isLost)) }
            let news = event.text.withoutDetails
            if ways[way].texts.contains(news) { return true }
            ways[way].texts = ways[way].texts.suffix(remembered - 1) + [news]
            return false
        }
    }
}

extension StoryEvent {
    /// Whether such an event is told in a plot only by what comes of it.
    fileprivate func isRoutine(inFirstLife isFirst: Bool) -> Bool {
        switch kind {
        case .step, .disk, .timer, .zooKeeper, .link: true
        case .log: isFirst && text.hasPrefix("info ") || text.hasPrefix("debug ")
        case .message, .call, .answer, .life, .fault, .repair, .state, .mark, .violation: false
        }
    }
}

extension StoryEvent.Kind {
    /// Whether it is what processes say or become.
    fileprivate var isTalk: Bool {
        switch self {
        case .message, .log, .state, .link, .call, .answer: true
        case .step, .disk, .timer, .zooKeeper, .life, .fault, .repair, .mark, .violation: false
        }
    }
}

/// Which events belong together because they serve one call.
private struct Conversations {
    /// Each event's conversation, where it is part of one.
    private var member: [Int?]
    private var isTold: [Bool] = []
    /// The last event of the last one that has to do with the violation; nil where the violation names nothing.
    private(set) var end: Int?

    func isTold(_ event: Int) -> Bool? { member[event].map { isTold[$0] } }

    /// - Parameter subjects: words; what has none of them is not told. With none at all, what ends like one before is not.
    init(_ events: [StoryEvent], about subjects: [String]) {
        member = events.map { _ in nil }
        var numbers = LookupTable<String, Int>()
        var calls = LookupTable<CallMoment, Int>()
        var isAbout: [Bool] = []
        var ending: [String] = []
        for (index, event) in events.enumerated() {
            guard event.kind == .call || event.kind == .answer || event.kind == .message, let tag = event.text.tag else {
                continue
            }
            let moment = CallMoment(lane: event.from ?? event.lane, time: (event.sent ?? event.time).nanoseconds)
            // What leaves a process in the moment at which a call has arrived there goes on for that call.
            let cause = event.kind == .message ? calls[moment] : nil
            let number = numbers[tag] ?? cause ?? isAbout.count
            numbers[tag] = number
            if number == isAbout.count {
                isAbout.append(false)
                ending.append("")
            }
            member[index] = number
            if event.kind == .call { calls[CallMoment(lane: event.lane, time: event.time.nanoseconds)] = number }
            if event.kind == .answer { ending[number] = event.text.kindOfEnding }
            if event.text.words.contains(where: { subjects.contains($0) }) { isAbout[number] = true }
        }
        if !subjects.isEmpty { end = member.lastIndex { number in number.map { isAbout[$0] } ?? false } }
        var known: [String] = []
        isTold = isAbout.indices.map { number in
            if !subjects.isEmpty { return isAbout[number] }
            if known.contains(ending[number]) { return false }
            known.append(ending[number])
            return true
        }
    }

    private struct CallMoment: Hashable {
        var lane: Int
        var time: Int64
    }
}

extension String {
    /// Its words, without the punctuation at their ends.
    fileprivate var words: [String] {
        split(separator: " ").map { word in
            var word = word
            while let last = word.last, ":,.;)".contains(last) { word.removeLast() }
            return String(word)
        }
    }

    /// The first word like `#17`.
    fileprivate var tag: String? {
        words.first { $0.first == "#" && $0.count > 1 && $0.dropFirst().allSatisfy(\.isNumber) }
    }

    /// Without what stands in parentheses at the end.
    fileprivate var withoutDetails: String {
        guard last == ")", let begin = lastIndex(of: "(") else { return self }
        return String(self[..<begin])
    }

    /// Without all that has a number in it.
    fileprivate var kindOfEnding: String { words.filter { !$0.contains(where: \.isNumber) }.joined(separator: " ") }
}
