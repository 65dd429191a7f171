import Machine
import Simulation

// Property: work is bounded. When the faults are over, messages, requests to ZooKeeper and to disks, and steps stay within what
// processes and operations call for; and no queue ever grows beyond what a silence explains. No herd, no retry storm, no
// queue without a bound.
//
// Where the bounds come from, for each second of a window without faults:
// - A primary speaks to every other store each 100 ms, and is answered: 20 messages.
// - A server that waits for the link to a primary, or for stale reads to any store, asks every 50 ms for its status, and is answered:
//   40 messages. It may wait
//   long after the faults: an attempt to connect that was begun into a cut hangs for up to 15 s. When it succeeds, all that
//   had been sent arrives at once, and is answered: so each message under way when the window begins counts for one more.
// - A request that a node refuses is tried again every 50 ms, for a second at most: 2 messages each. A write goes to every other
//   store, and is answered twice (received, synced): 4 with the word that it is committed. A confirmed read asks all of them: 2.
// - ZooKeeper: a node that reads its part of the tree anew has some ten requests, a read on a ring that is not sealed one; what
//   changes is read by everybody who watches it.
// - Disks: a write is one append and one sync at each store, and some entries may be read again for a learner. A store that opens
//   reads its whole log, perhaps in small pieces: windows with an opening (a node may be slow to follow an order to shut down that
//   it got before) are not judged in this.
// - Every message, completion, answer and timer is one step, and the end of its batch another. Timers: 100 a second at a server
//   (it looks for what is due every 10 ms), fewer at others.
// All of that twice. Over the 3,561 windows of seeds 1 to 1,200 healthy runs used at most 29 % of any of these bounds, and 19 % of
// those on inboxes and links.
//
// Queues, faults included: nobody is silent for more than some 15 s (a pause, a cut, an attempt to connect) before senders notice.
// Meanwhile each server sends its 20 queries a second, a primary its 10 heartbeats and its window of appends, and clients their
// calls, of which each can bring a cancellation.

/// The work between two moments, against its bounds.
struct WorkOracle: Sendable {
    /// What the bounds depend on.
    struct Shape: Hashable, Sendable {
        var servers: Int
        /// Of each group.
        var stores: [Int]
        var clients: Int
        /// How many calls each of them has open at once.
        var callsPerClient = 1
        /// Whether somebody asks for other primaries now and then, too.
        var hasOperator = false
        /// How soon a client may give up and call again.
        var shortestPatience: Nanoseconds
        /// Appends that may be under way to one store.
        var windowAppends: Int
    }

    /// A point from which work is counted.
    struct Mark: Hashable, Sendable {
        var time: Instant
        var steps: UInt64
        var load: WorldLoad
        /// Messages that were sent and not looked at.
        var underWay: Int
        /// How often processes were started.
        var lives = 0
        /// Whether every store is open.
        var storesAreOpen = true
    }

    let shape: Shape
    private(set) var start: Mark?
    /// Windows judged, and the largest share of any bound that was used, in percent.
    private(set) var windows = 0
    private(set) var highest = 0

    init(_ shape: Shape) { self.shape = shape }

    /// Counts from here.
    mutating func begin(_ mark: Mark) { start = mark }

    /// Judges what happened without faults since `begin` or the last window, if that is at least a second.
    mutating func quiet(_ now: Mark) -> Violation? {
        guard let start, now.time - start.time >= .seconds(1) else { return nil }
        self.start = now
        windows += 1
        let bounds = bounds(from: start, to: now)
        let isOpening = start.lives != now.lives || !start.storesAreOpen || !now.storesAreOpen
        let figures: [(what: String, used: UInt64, bound: Int)] = [
            ("messages", now.load.messages - start.load.messages, bounds.messages),
            ("requests to ZooKeeper", now.load.coordinationRequests - start.load.coordinationRequests, bounds.coordination),
            ("disk requests", isOpening ? 0 : now.load.diskRequests - start.load.diskRequests, bounds.disk),
            ("steps", now.steps - start.steps, bounds.steps),
        ]
        for (what, used, bound) in figures {
            highest = max(highest, Int(used) * 100 / bound)
            if used > UInt64(bound) {
                return Violation(
                    "work is bounded",
                    "\(used) \(what) in \((now.time - start.time).milliseconds) ms without faults; the bound is \(bound) for "
                        + "\(shape.servers) servers, stores \(shape.stores), \(now.load.calls - start.load.calls) calls of \(shape.clients) "
                        + "clients, and \(start.underWay) messages under way before")
            }
        }
        return nil
    }

    /// Judges the longest queues so far, faults or not.
    func queues(_ load: WorldLoad) -> Violation? {
        let figures = [
            ("inbox", load.longestInbox, longestQueue(from: shape.servers)), ("link", load.longestLink, longestQueue(from: 1)),
            // The operator has one at a time.
            ("list of open calls", load.mostOpenCalls, 2 * shape.clients * shape.callsPerClient + (shape.hasOperator ? 2 : 0)),
        ]
        for (what, length, bound) in figures where length > bound {
            return Violation("queues are bounded", "one \(what) held \(length), and at most \(bound) can be explained")
        }
        return nil
    }

    // MARK: Bounds

    private func bounds(from start: Mark, to now: Mark) -> (messages: Int, coordination: Int, disk: Int, steps: Int) {
        let millis = Int((now.time - start.time).milliseconds)
        func perSecond(_ count: Int) -> Int { count * millis / 1_000 + 1 }
        let stores = shape.stores.reduce(0, +)
        let processes = shape.servers + stores
        let others = shape.stores.reduce(0) { $0 + $1 - 1 }
        let largest = shape.stores.max() ?? 0
        // Those that were under way at the beginning count, too.
        let operations = Int(now.load.calls - start.load.calls) + shape.clients * shape.callsPerClient
        let messages =
            2 * (perSecond(20 * others + 40 * shape.servers * stores) + operations * (40 + 4 * (largest - 1))) + start.underWay
        let coordination = 2 * (perSecond(10 * processes) + 10 * processes + 2 * operations)
        let disk = 2 * (perSecond(10 * processes) + 3 * largest * operations)
        let done = Int(
            now.load.messages - start.load.messages + now.load.diskRequests - start.load.diskRequests + 3
                * (now.load.coordinationRequests - start.load.coordinationRequests))
        let steps = 4 * (done + start.underWay + perSecond(120 * processes) + 2 * operations)
        return (messages, coordination, disk, steps)
    }

    /// What can wait for one receiver that is silent.
    private func longestQueue(from servers: Int) -> Int {
        let silence = Nanoseconds.seconds(15)
        let calls = shape.clients * shape.callsPerClient * Int(silence.count / max(1, shape.shortestPatience.count))
        return 2 * (15 * (20 * servers + 10) + shape.windowAppends + 2 * calls)
    }
}

extension ClusterRun {
    private mutating func workMark() -> WorkOracle.Mark {
        var mark = WorkOracle.Mark(
            time: world.now, steps: world.steps, load: world.load, underWay: world.messagesUnderWay)
        for process in roles.indices {
            mark.lives += Int(world.life(of: process))
            if roles[process] != .server, world.dataStatus(process)?.isOpen != true { mark.storesAreOpen = false }
        }
        return mark
    }

    /// At each look after the faults.
    mutating func judgeWork() {
        switch phase {
        case .faults, .recovery, .over: break
        case .proving, .draining, .audit:
            if work.start == nil {
                work.begin(workMark())
            } else {
                let mark = workMark()
                judged(work.quiet(mark))
            }
        }
        judged(work.queues(world.load))
    }
}
