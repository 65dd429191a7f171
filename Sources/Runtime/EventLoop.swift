import DequeModule
import Machine

/// # One loop, one node
///
/// A node's loop owns its machine and is the only one that steps it, so no lock is held while stepping. Everybody else
/// only leaves events in the ``Mailbox``. A turn of the loop:
///
/// 1. takes what waits (at most ``batchLimit`` events), or waits for an event or the next timer;
/// 2. *then* samples the clock. The order matters: a process that is paused between the two must see that time has
///    passed before it believes in a lease (protocol.md, Reads);
/// 3. steps the node by each event, by each timer that is due, and by `batchEnded`, all at that one instant;
/// 4. performs the effects, gathered per neighbour (``Outbox``).
///
/// A busier node gets bigger batches, and with them fewer syncs and frames: nothing to tune.
///
/// The loop ends with the node's `halt`. After `shutdownRequested` it also ends when ``shutdownPatience`` has passed: an
/// operator who asks for an end gets one, even from a node that waits for somebody.
struct EventLoop<N: Node, World: Neighbours> where World.Message == N.Message, World.Reply == N.Reply {
    /// Most events of one batch; what is beyond waits for the next.
    static var batchLimit: Int { 4096 }

    private var node: N
    private let mailbox: Mailbox<N.Message, N.Request>
    private let neighbours: World
    private let clock: () -> Instant
    private let shutdownPatience: Nanoseconds

    private var timers = TimerQueue()
    private var batch = Deque<NodeEvent<N.Message, N.Request>>()
    private var effects = Effects<N.Message, N.Reply>()
    private var outbox = Outbox<N.Message, N.Reply>()
    private var shutdownDeadline: Instant?

    init(
        node: N, mailbox: Mailbox<N.Message, N.Request>, neighbours: World, shutdownPatience: Nanoseconds,
        clock: @escaping () -> Instant = MonotonicClock.now
    ) {
        self.node = node
        self.mailbox = mailbox
        self.neighbours = neighbours
        self.shutdownPatience = shutdownPatience
        self.clock = clock
    }

    /// Lives the node's life on the calling thread; returns why it ended.
    mutating func run() -> Halt {
        batch.append(.started)
        while true {
            if let halt = turn() { return halt }
            mailbox.take(into: &batch, limit: Self.batchLimit, waitingUntil: nextDeadline, now: clock)
        }
    }

    /// Steps the node by the batch that was taken, and performs what it asks for. Non-nil: that was its last turn.
    private mutating func turn() -> Halt? {
        let now = clock()
        while let event = batch.popFirst() {
            if case .shutdownRequested = event, shutdownDeadline == nil { shutdownDeadline = now + shutdownPatience }
            node.step(event, at: now, into: &effects)
        }
        while let timer = timers.popDue(at: now) { node.step(.timerFired(timer), at: now, into: &effects) }
        node.step(.batchEnded, at: now, into: &effects)
        if let halt = outbox.perform(effects.drain(), timers: &timers, with: neighbours) { return halt }
        if let shutdownDeadline, now >= shutdownDeadline {
            neighbours.log(
                LogLine(
                    level: .warning, event: "the node did not finish in time; ending it",
                    fields: [LogField("patienceMilliseconds", shutdownPatience.milliseconds)]))
            return .finished
        }
        return nil
    }

    private var nextDeadline: Instant? {
        mutating get {
            guard let timer = timers.nextDeadline else { return shutdownDeadline }
            guard let shutdownDeadline else { return timer }
            return min(timer, shutdownDeadline)
        }
    }
}
