import Machine
import Simulation

/// A story made up from a seed, with everything in it that a page can show: two groups whose primaries change, clients that
/// call them through servers, crashes, cuts, pauses and outages, and an invariant that breaks at the end.
struct SampleStory {
    private var random: SeededRandom
    private var now = Instant.zero + .milliseconds(80)
    private var story: Story
    private var terms = [1, 1]
    private var primaries = [3, 6]
    private var roleBegins = [Instant.zero, Instant.zero]
    private var traced: UInt64 = 0
    private var written = 0

    private static let world = 14
    private static let clients = 10..<14
    private static let zooKeeper = 9

    static func make(events: Int, seed: UInt64 = 7, isBroken: Bool = true) -> Story {
        var sample = SampleStory(seed: seed)
        sample.run(events: events, isBroken: isBroken)
        return sample.story
    }

    private init(seed: UInt64) {
        random = SeededRandom(seed: seed)
        let names = ["s0", "s1", "s2", "a0", "a1", "a2", "b0", "b1", "b2"]
        var lanes = names.map { Story.Lane($0, $0.hasPrefix("s") ? .server : .data) }
        lanes.append(Story.Lane("ZooKeeper", .zooKeeper))
        lanes += Self.clients.map { Story.Lane("client \($0 - 10)", .client) }
        lanes.append(Story.Lane("world", .world))
        story = Story(
            title: "Sample of a run", seed: 18_446_744_073_709_551_557, lanes: lanes,
            plan: "servers: 3\ngroups: 2 of 3 stores\nfaults: crash 1/40, cut 1/60, pause 1/90\nlatency: 80 µs … 12 ms",
            again: "swift run -c release sweep --seed 4711 --trace",
            legend: [
                Story.Explanation("c0k15", "key 15 of client 0"),
                Story.Explanation("3:17", "the 17th entry, written in term 3"),
            ])
    }

    private mutating func run(events: Int, isBroken: Bool) {
        for lane in 0..<9 {
            add(.life, lane, "started, life 1")
            wait(500)
        }
        story.bars.append(
            StoryBar(lane: 0, kind: .master, begin: now, end: .never, text: "master, epoch 1"))
        while story.events.count < events - (isBroken ? 1 : 0) {
            switch random.below(100) {
            case 0..<46: write()
            case 46..<70: heartbeats()
            case 70..<84: ask()
            case 84..<92: add(.step, random.below(9), "batch of \(1 + random.below(4))")
            case 92..<93: crash()
            case 93..<94: cut()
            case 94..<95: outage()
            default: add(.timer, random.below(9), "timer \(random.below(7)).1")
            }
            wait(random.below(12) == 0 ? 400_000 : 3_000)
        }
        story.events.removeLast(story.events.count - events + (isBroken ? 1 : 0))
        let end = story.events.map(\.time).max() ?? now
        for group in 0..<2 { endRoles(group, at: .never) }
        let calm = Instant(nanoseconds: end.nanoseconds / 3 * 2)
        story.bars.append(StoryBar(lane: Self.world, kind: .phase, begin: .zero, end: calm, text: "faults"))
        story.bars.append(StoryBar(lane: Self.world, kind: .phase, begin: calm, end: .never, text: "recovery"))
        guard isBroken else { return }
        let found = end + .microseconds(40)
        traced += 1
        story.events.append(
            StoryEvent(time: found, lane: primaries[0], kind: .violation, text: "read of c0k15 gave version 3", index: traced))
        story.violation = Story.Broken(
            invariant: "acknowledged writes survive",
            detail: "c0k15 was read as version 3 at a0 (term \(terms[0])), but version 4 was acknowledged at 1.204 s",
            time: found)
    }

    private mutating func wait(_ micros: Int) { now = now + .microseconds(Int64(1 + random.below(micros))) }

    private mutating func add(_ kind: StoryEvent.Kind, _ lane: Int, _ text: String) {
        traced += 1
        story.events.append(StoryEvent(time: now, lane: lane, kind: kind, text: text, index: traced))
    }

    /// Something that goes from one lane to another and takes its time; gives the moment of its arrival.
    @discardableResult
    private mutating func send(
        _ kind: StoryEvent.Kind, _ from: Int, _ to: Int, _ text: String, at sent: Instant, isLost: Bool = false
    ) -> Instant {
        traced += 1
        let arrival = sent + .microseconds(Int64(80 + random.below(random.below(20) == 0 ? 12_000 : 700)))
        story.events.append(
            StoryEvent(
                time: isLost ? sent : arrival, lane: to, kind: kind, text: text, from: from, sent: sent, isLost: isLost,
                index: traced))
        return arrival
    }

    private func standbys(_ group: Int) -> [Int] { (3 + 3 * group..<6 + 3 * group).filter { $0 != primaries[group] } }

    private mutating func write() {
        let client = 10 + random.below(4)
        let server = random.below(3)
        let group = random.below(2)
        let entry = "\(terms[group]):\(story.events.count)"
        let key = "c\(client - 10)k\(random.below(40))"
        written += 1
        let begin = now
        let asked = send(.call, client, server, "#\(traced) put \(key) '\(key)=\(story.events.count) ....' (78)", at: now)
        let forwarded = send(.message, server, primaries[group], "put \(key), term \(terms[group])", at: asked)
        var end = forwarded
        for standby in standbys(group) {
            let isLost = random.below(25) == 0
            let appended = send(.message, primaries[group], standby, "append \(entry)", at: forwarded, isLost: isLost)
            if isLost { continue }
            traced += 1
            let synced = appended + .microseconds(60)
            story.events.append(
                StoryEvent(time: synced, lane: standby, kind: .disk, text: "disk \(traced) synced", index: traced))
            end = send(.message, standby, primaries[group], "ack \(entry)", at: synced)
        }
        let outcome: StoryBar.Outcome? = random.below(15) == 0 ? [.notDone, .unknown, nil][random.below(3)] : .ok
        if outcome == .ok { end = send(.answer, server, client, "put \(key): version 4", at: end) }
        story.bars.append(
            StoryBar(lane: client, kind: .operation, begin: begin, end: end, text: "put \(key)", outcome: outcome))
    }

    private mutating func heartbeats() {
        let group = random.below(2)
        for standby in standbys(group) {
            send(.message, primaries[group], standby, "heartbeat, term \(terms[group]), commit \(story.events.count)", at: now)
        }
    }

    private mutating func ask() {
        let lane = random.below(9)
        let asked = send(.zooKeeper, lane, Self.zooKeeper, "children /data/1", at: now)
        send(.zooKeeper, Self.zooKeeper, lane, "children [\"1\", \"2\", \"lock\"]", at: asked)
    }

    private mutating func endRoles(_ group: Int, at end: Instant) {
        for lane in 3 + 3 * group..<6 + 3 * group {
            let isPrimary = lane == primaries[group]
            story.bars.append(
                StoryBar(
                    lane: lane, kind: isPrimary ? .primary : .standby, begin: roleBegins[group], end: end,
                    text: "\(isPrimary ? "primary" : "standby"), term \(terms[group])"))
        }
    }

    private mutating func crash() {
        let group = random.below(2)
        let lane = primaries[group]
        add(.fault, Self.world, "power loss of \(story.lanes[lane].name)")
        add(.life, lane, "lost power")
        endRoles(group, at: now)
        story.bars.append(
            StoryBar(lane: lane, kind: .down, begin: now, end: now + .milliseconds(900), text: "down: power loss"))
        wait(300_000)
        primaries[group] = standbys(group)[random.below(2)]
        terms[group] += 1
        roleBegins[group] = now
        add(.state, primaries[group], "elected, term \(terms[group])")
        add(.log, primaries[group], "[notice] took office term=\(terms[group]) entries=\(story.events.count)")
    }

    private mutating func cut() {
        let lane = random.below(9)
        add(.fault, Self.world, "cut \(story.lanes[lane].name) from all others")
        let end = now + .milliseconds(Int64(50 + random.below(900)))
        let kinds: [StoryBar.Kind] = [.cut, .paused, .slow, .diskFault]
        let kind = kinds[random.below(4)]
        story.bars.append(StoryBar(lane: lane, kind: kind, begin: now, end: end, text: "\(kind.rawValue)"))
        add(.link, lane, "link to a1 went down")
        add(.mark, lane, "requestLost")
        traced += 1
        story.events.append(StoryEvent(time: end, lane: Self.world, kind: .repair, text: "healed", index: traced))
    }

    private mutating func outage() {
        add(.fault, Self.zooKeeper, "the leader is gone")
        let end = now + .milliseconds(Int64(50 + random.below(400)))
        story.bars.append(StoryBar(lane: Self.zooKeeper, kind: .outage, begin: now, end: end, text: "no quorum"))
    }
}
