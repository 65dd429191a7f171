import Machine

/// # Whom a primary hears
///
/// Commits wait for every in-sync store. One that is gone is shrunk away, and the question is how soon.
///
/// - *Overdue*: it answers, but its log does not move. Its disk may be slow, and will catch up: it has the replication timeout.
/// - *Silent*: nothing is heard of it, not even the answers to heartbeats, which wait for no disk. It is dead, hangs, or is cut
///   off, and has the silence timeout, which is short.
///
/// But a primary that hears nobody may itself be the one that is cut off, from everybody but ZooKeeper. If it shrank its standbys
/// away at once it would be the only store that can lead, where nobody reaches it; its standbys would have told the master, and one
/// of them would lead. So silence counts only where another node has answered meanwhile: a standby, or the master (`ping`), who is
/// asked when half of the time is over. Without such a witness the replication timeout applies, which is longer than detection takes.
///
/// And nobody is blamed for the silence of this node's own pauses. A batch that comes late tells of one: the others get a new chance.
struct Hearing: Hashable, Sendable {
    private let patience: Nanoseconds
    private let silence: Nanoseconds
    private var lastBatch: Instant
    /// From when on others could have acked, for what is overdue; and for what is silent: shorter pauses count there.
    private var waitingSince: Instant
    private var listeningSince: Instant
    /// When any other node last answered something that this one had sent.
    private var answeredAt: Instant?

    init(options: ReplicationOptions, now: Instant) {
        patience = options.replicationTimeout
        silence = min(options.silenceTimeout, options.replicationTimeout)
        lastBatch = now
        waitingSince = now
        listeningSince = now
    }

    /// The others are asked from now on.
    mutating func begin(at now: Instant) {
        waitingSince = now
        listeningSince = now
    }

    mutating func answered(at now: Instant) { answeredAt = now }

    /// - Returns: whether this node was away, by the pause since the batch before.
    mutating func batchEnded(at now: Instant) -> Bool {
        let pause = now - lastBatch
        lastBatch = now
        if pause > silence / 2 { listeningSince = now }
        if pause > patience / 2 { waitingSince = now }
        return pause > silence / 2
    }

    func isOverdue(since moved: Instant, now: Instant) -> Bool { now - max(moved, waitingSince) > patience }

    /// When a store that was last heard at `heard` will have been silent for too long.
    func silence(since heard: Instant) -> Instant { max(heard, listeningSince) + silence }

    /// Whether nothing was heard of a store for the silence timeout: it is not one to begin to wait for.
    func isQuiet(since heard: Instant, now: Instant) -> Bool { now >= silence(since: heard) }

    /// Whether it is quiet, and that is not this node's fault.
    func isSilent(since heard: Instant, now: Instant) -> Bool {
        guard now >= silence(since: heard), let answeredAt else { return false }
        return answeredAt >= max(heard, listeningSince) + silence / 2 && now - answeredAt <= silence
    }

    /// Whether a store has let half of its time go by without a word.
    func isDoubtful(since heard: Instant, now: Instant) -> Bool { now - max(heard, listeningSince) >= silence / 2 }

    /// Whether it is time to look for a node that answers.
    func needsWitness(since heard: Instant, now: Instant) -> Bool {
        let (since, half) = (max(heard, listeningSince), silence / 2)
        guard now - since >= half else { return false }
        guard let answeredAt else { return true }
        return answeredAt < since + half || now - answeredAt >= half
    }
}
