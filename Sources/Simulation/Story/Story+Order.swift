import Machine

// The story in order, and what of it is quiet: shared by the page and the text.

extension Story {
    /// The events that have a lane, in the order in which they happened; those of one moment and index as they came.
    var orderedEvents: [StoryEvent] {
        let known = events.indices.filter { lanes.indices.contains(events[$0].lane) }
        return known.sorted { (events[$0].time, events[$0].index, $0) < (events[$1].time, events[$1].index, $1) }
            .map { events[$0] }
    }

    /// The bars that have a lane, by their begin, none of them beyond the end.
    func orderedBars(until end: Instant) -> [StoryBar] {
        let known = bars.indices.filter { lanes.indices.contains(bars[$0].lane) }
        var ordered = known.sorted { (bars[$0].begin, bars[$0].lane, $0) < (bars[$1].begin, bars[$1].lane, $1) }
            .map { bars[$0] }
        for index in ordered.indices { ordered[index].end = min(max(ordered[index].end, ordered[index].begin), end) }
        return ordered
    }

    /// The last moment of the story: of an event, of the violation, or of a bar's end that is a moment at all.
    func end(_ events: [StoryEvent]) -> Instant {
        var end = max(events.last?.time ?? .zero, violation?.time ?? .zero)
        for bar in bars where lanes.indices.contains(bar.lane) {
            end = max(end, bar.begin, bar.end < .never ? bar.end : .zero)
        }
        return end
    }

    /// Which of the ordered events are quiet: steps that nothing came of, because at that moment their process neither sent
    /// nor logged nor became anything. They are most of a run, and none of its story.
    func quiet(_ events: [StoryEvent]) -> [Bool] {
        var effects: [(time: Instant, lane: Int)] = []
        for event in events {
            if let from = event.from {
                effects.append((event.sent ?? event.time, from))
            } else if !event.kind.mayBeQuiet {
                effects.append((event.time, event.lane))
            }
        }
        for bar in bars { effects.append((bar.begin, bar.lane)) }
        effects.sort { ($0.time, $0.lane) < ($1.time, $1.lane) }
        return events.map { event in
            guard event.kind.mayBeQuiet, event.from == nil else { return false }
            var low = 0
            var high = effects.count
            while low < high {
                let middle = (low + high) / 2
                if (effects[middle].time, effects[middle].lane) < (event.time, event.lane) {
                    low = middle + 1
                } else {
                    high = middle
                }
            }
            return low == effects.count || (effects[low].time, effects[low].lane) != (event.time, event.lane)
        }
    }
}

extension StoryEvent.Kind {
    /// Whether nothing is lost when such an event is not told, unless something came of it.
    var mayBeQuiet: Bool {
        switch self {
        case .step, .disk, .timer: true
        case .message, .link, .call, .answer, .zooKeeper, .log, .life, .fault, .repair, .state, .mark, .violation: false
        }
    }
}
