import DequeModule
import Machine
import Wire

/// # Which client sessions have been silent for how long
///
/// What a group remembers of its clients is replicated; when a client was last heard is not, and need not be: it only decides
/// when the primary appends the entry that closes a session. So a primary begins its office with the belief that it has just
/// heard them all, and a session lives longer for each failover.
///
/// After a long pause of the primary itself nobody is blamed for silence: what clients have sent meanwhile is still to be read.
struct SessionKeeper: Sendable {
    /// Sessions closed at one look; the rest have their turn at the next.
    static let mostClosedAtOnce = 64

    private let options: SessionOptions
    /// Who was not heard since was heard then.
    private var began: Instant
    private var heardAt = LookupTable<SessionID, Instant>()
    /// Entries that close sessions and are not committed, in the order of the log.
    private var closings: Deque<(seq: UInt64, session: SessionID)> = []
    private var isClosing = LookupTable<SessionID, Bool>()
    private var lookedAt: Instant

    /// At the beginning of an office.
    init(options: SessionOptions, at now: Instant) {
        self.options = options
        began = now
        lookedAt = now
    }

    /// How many sessions will be gone when the entries under way are committed.
    var closingCount: Int { closings.count }

    func closes(_ session: SessionID) -> Bool { isClosing[session] != nil }

    mutating func heard(_ session: SessionID, at now: Instant) { heardAt[session] = now }

    /// The entry `seq` closes a session.
    mutating func closed(_ session: SessionID, by seq: UInt64) {
        closings.append((seq, session))
        isClosing[session] = true
    }

    /// Entries through `commit` are committed: what they closed is gone.
    mutating func committed(through commit: UInt64) {
        while let first = closings.first, first.seq <= commit {
            closings.removeFirst()
            isClosing.removeValue(forKey: first.session)
            heardAt.removeValue(forKey: first.session)
        }
    }

    private func idle(_ session: SessionID, at now: Instant) -> Nanoseconds { now - (heardAt[session] ?? began) }

    /// The session that has been silent for longest, where that is long enough for another to take its place.
    func evictable(of sessions: [SessionID], at now: Instant) -> SessionID? {
        var longest: (session: SessionID, idle: Nanoseconds)?
        for session in sessions where !closes(session) {
            let idle = idle(session, at: now)
            if idle >= options.evictionTime, longest.map({ idle > $0.idle }) ?? true { longest = (session, idle) }
        }
        return longest?.session
    }

    /// Whether it is time to look for silent sessions again. It need not be done often: each look goes through all of them.
    mutating func isTimeToLook(at now: Instant) -> Bool {
        let sinceLast = now - lookedAt
        guard sinceLast >= options.idleTime / 16 else { return false }
        lookedAt = now
        if sinceLast > options.idleTime / 2 {
            began = now
            heardAt.removeAll()
        }
        return true
    }

    /// The sessions that have been silent for too long.
    func expired(of sessions: [SessionID], at now: Instant) -> [SessionID] {
        var expired: [SessionID] = []
        for session in sessions where expired.count < SessionKeeper.mostClosedAtOnce {
            if !closes(session), idle(session, at: now) > options.idleTime { expired.append(session) }
        }
        return expired
    }
}
