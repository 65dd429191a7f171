import Machine

// Fault model. A process can
// - be killed: its memory, timers, inbox and requests are gone; what it wrote stays in the page cache;
// - lose power: the same, and its disk keeps only what a disk keeps (DiskModel);
// - stop by itself (`halt`);
// - start again, as a new life on the same disk;
// - be paused at any event, or between deciding and acting (after a step, before its effects are performed): it misses
//   nothing, but sees everything at once later, when its clock has gone on;
// - be slow: events wait in its inbox, and it takes them in batches of any size.

/// A place where a node lives, over all its lives.
///
/// The node itself is in `World.nodes`: a process is asked often, and must not be copied with its node for that.
@usableFromInline struct Process<N: Node>: Sendable {
    @usableFromInline let address: Address
    @usableFromInline var isUp = false
    /// Where its node is in `World.nodes`; nil until its first life.
    @usableFromInline var slot: Int?
    /// Counts its lives; plans for an earlier life are void.
    @usableFromInline var life: UInt32 = 0
    @usableFromInline var clock = Clock()
    @usableFromInline var inbox = Queue<NodeEvent<N.Message, N.Request>>()
    /// Whether its next batch is on the agenda.
    @usableFromInline var isWaking = false
    /// One for each event of the inbox, while a story is recorded.
    @usableFromInline var notes = Queue<InboxNote>()
    @usableFromInline var isPaused = false
    /// It is to be paused between its next step and the effects of that step.
    @usableFromInline var pausesMidBatch = false
    /// It is to die of this at a moment at which its disk has something to lose.
    @usableFromInline var trap: Fault? { didSet { hasTrap = trap != nil } }
    /// Asked after every batch: to ask the trap itself copies it.
    @usableFromInline private(set) var hasTrap = false
    /// The effects of a batch that it was paused in.
    @usableFromInline var withheld: [NodeEffect<N.Message, N.Reply>] = []
    @usableFromInline var timers: [ArmedTimer] = []
    /// Its disk when its life began.
    @usableFromInline var image: DiskCopy?
    /// How long an event waits before the process looks at it.
    @usableFromInline var reaction = Spread(.zero)

    init(address: Address) { self.address = address }

    /// Whether a batch is to be planned; then it counts as planned.
    @inlinable mutating func wakes() -> Bool {
        guard !isWaking, !isPaused, !inbox.isEmpty else { return false }
        isWaking = true
        return true
    }
}

/// A timer that a node has set.
@usableFromInline struct ArmedTimer: Sendable {
    @usableFromInline var id: TimerID
    /// When it is due by the process's clock.
    @usableFromInline var local: Instant
    /// When it is due, in the world's time.
    @usableFromInline var due: Instant
    /// The moment at which the agenda looks at it: at `due` or before (a timer that was moved later is looked at in vain,
    /// which is cheaper than a plan for each move).
    @usableFromInline var plannedAt: Instant
    /// Names the plan that counts.
    @usableFromInline var plan: UInt32 = 0

    @inlinable init(id: TimerID, local: Instant, due: Instant) {
        self.id = id
        self.local = local
        self.due = due
        plannedAt = due
    }
}
