import Machine
import Wire

/// # A standby listens for its primary
///
/// An in-sync standby that has not heard the primary of its config for a lease has kept every promise that it gave it, and
/// tells the master, again with every heartbeat for as long as that stays so. It never does while it hears the primary.
///
/// Silence is measured from what is *sure to have been heard here*: not from before this node saw that config, and not from
/// before it was last able to listen. A node cannot know that it was paused, but a timer that comes late tells: then what was
/// sent meanwhile may still be on its way in, and the primary is given another lease. A pause too short to be told from a
/// timer's usual lateness hides less than one heartbeat of the four that a lease has.
///
/// Costs one timer per lease while all is well: it is set for the end of the lease as it is known then, and when it fires, for
/// the end of what was heard meanwhile.
public struct Vigil: Hashable, Sendable {
    private let timer: TimerID
    private let heartbeat: Nanoseconds
    private let lease: Nanoseconds
    private var primary: MemberID?
    private var term: UInt64 = 0
    private var listeningSince = Instant.zero
    private var due = Instant.zero
    /// Whether the timer fired in this batch.
    public private(set) var hasRung = false
    /// Whether the last look found silence.
    private var isSilent = false

    /// `timer` is this machine's alone.
    public init(timer: TimerID, options: ReplicationOptions) {
        self.timer = timer
        heartbeat = options.heartbeat
        lease = options.lease
    }

    /// This node is an in-sync standby of `primary` in `term`.
    public mutating func keep(over primary: MemberID, term: UInt64, now: Instant, into effects: inout Sink) {
        if self.primary == primary, self.term == term { return }
        self.primary = primary
        self.term = term
        listeningSince = now
        isSilent = false
        ring(at: now + lease, into: &effects)
    }

    /// It is no standby, or not in-sync.
    public mutating func end() {
        primary = nil
        isSilent = false
    }

    public mutating func timerFired() { hasRung = true }

    private mutating func ring(at instant: Instant, into effects: inout Sink) {
        due = instant
        effects.append(.setTimer(timer, at: instant))
    }

    /// At the end of a batch in which the timer fired, behind all messages that came with it.
    ///
    /// - Parameters:
    ///   - canListen: false while the node could not take an append if one came.
    ///   - canTell: whether there is any point in reporting now.
    /// - Returns: the primary that should be reported, its term, and how long it has been silent.
    public mutating func batchEnded(
        _ follower: Follower, promise: Promise, canListen: Bool, canTell: Bool, now: Instant, into effects: inout Sink
    ) -> (primary: MemberID, term: UInt64, silence: Nanoseconds)? {
        guard hasRung else { return nil }
        hasRung = false
        // A timer that was set for another time may still fire.
        guard let primary, now >= due else { return nil }
        if now - due > heartbeat / 2 || !canListen {
            if now - due > heartbeat / 2 { effects.reached(.silenceForgivenAfterPause) }
            listeningSince = now
        }
        var since = listeningSince
        if let heard = follower.primary, let heardAt = follower.heardAt {
            // A newer term than config shows here: somebody else's word counts.
            if heard.term > term { since = now }
            if heard.term == term, heard.member == primary { since = max(since, heardAt) }
        }
        guard now >= since + lease, promise.hasRunOut(at: now) else {
            isSilent = false
            ring(at: max(since + lease, promise.until), into: &effects)
            return nil
        }
        ring(at: now + heartbeat, into: &effects)
        guard canTell else { return nil }
        if !isSilent {
            effects.log(
                .warning, "primary is not heard, telling the master",
                [LogField("primary", primary), LogField("term", term), LogField("millis", (now - since).milliseconds)])
        }
        isSilent = true
        return (primary, term, now - since)
    }
}
