import DequeModule
import Machine
import Wire

/// What a primary knows of one other registered store of its group.
struct PeerProgress: Hashable, Sendable {
    let member: MemberID
    let address: Address

    /// Whether a common point is known. Until then only heartbeats go there, each naming the end of the log.
    var isMatched = false
    /// The first entry that was not sent yet (meaningful once matched).
    var next: UInt64
    /// What it has synced and checked in this term.
    var acked: UInt64 = 0
    /// When it last answered in this term, or when it came to be known.
    var heardAt: Instant
    /// Whether it has answered in this term. Its first answer waits for its disk: the term must be durable there.
    var hasAnswered = false
    /// When it last acked something new, or had nothing to ack. A store whose disk hangs still answers heartbeats.
    var movedAt: Instant
    /// The common point that it told of in this term: below that it is never cut.
    var common: UInt64 = 0
    /// When the newest message that it accepted was sent, by this node's clock: its promise runs from there.
    var promisedFrom: Instant?
    /// The newest round of confirmed reads that it has answered: it had not heard of a higher term when it did.
    var confirmed: UInt64 = 0
    /// A learner that commits already wait for.
    var isJoining = false
    /// Entries under way: the last sequence number of each append and its bytes.
    private var underWay: Deque<Flight> = []
    private(set) var bytesUnderWay = 0
    /// Bytes of entries that it has acked, and of copies that it has written.
    var bytesAcked: Int64 = 0
    var appendsUnderWay: Int { underWay.count }
    /// How it is fed while nobody waits for it.
    var pace: FeedPace
    /// The read of older entries that this peer waits for.
    var reading: UInt64?
    /// The copy that it is sent instead of entries.
    var copy: CopyProgress? { didSet { isCopying = copy != nil } }
    /// How many it has taken.
    var copiesTaken = 0
    /// Asked for every peer after every batch: to ask `copy` itself moves all of it.
    private(set) var isCopying = false
    /// Holds another history or is otherwise beyond help: told once, left alone.
    var isAlien = false

    struct Flight: Hashable, Sendable {
        var last: UInt64
        var bytes: Int
    }

    init(member: MemberID, address: Address, next: UInt64, pace: FeedPace, now: Instant) {
        self.member = member
        self.address = address
        self.next = next
        self.pace = pace
        heardAt = now
        movedAt = now
    }

    mutating func sent(through last: UInt64, bytes: Int) {
        underWay.append(Flight(last: last, bytes: bytes))
        bytesUnderWay += bytes
        next = last + 1
    }

    mutating func accepted(verified: UInt64, sentAt: Instant, isPromise: Bool, round: UInt64, now: Instant) {
        isHeard(at: now)
        if verified > acked || underWay.isEmpty { movedAt = now }
        isMatched = true
        if isPromise { promisedFrom = max(promisedFrom ?? sentAt, sentAt) }
        confirmed = max(confirmed, round)
        acked = max(acked, verified)
        while let first = underWay.first, first.last <= acked {
            underWay.removeFirst()
            bytesUnderWay -= first.bytes
            bytesAcked += Int64(first.bytes)
        }
        next = max(next, acked + 1)
    }

    /// It takes nothing now, but it lives: how long it may take is another matter (`movedAt`).
    mutating func isHeard(at now: Instant) {
        heardAt = now
        hasAnswered = true
    }

    /// What was under way is lost, and more would be until the link is up again: only heartbeats go there until one is answered.
    /// (Feeding a link that is down fills its queue, which breaks it again.)
    mutating func linkWentDown() {
        isMatched = false
        copy?.linkWentDown()
        rewind(to: acked)
    }

    /// It takes nothing for now: what is common is asked for again, with the next heartbeat.
    mutating func becameBusy(end: UInt64) {
        isMatched = false
        rewind(to: end)
    }

    /// What was sent after `position` may be lost: send it again.
    mutating func rewind(to position: UInt64) {
        next = max(position, acked, common) + 1
        underWay.removeAll()
        bytesUnderWay = 0
        reading = nil
    }
}
