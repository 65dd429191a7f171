import Machine
import Wire

/// The key requests that a server has taken and not answered. Each leaves the table with its answer, so none is answered
/// twice.
struct RequestTable: Sendable {
    enum State: Hashable, Sendable {
        /// Waits for a primary that takes it, and is tried again at `retryAt`.
        case parked(retryAt: Instant)
        /// Sent to this primary, no answer yet; waited for until then.
        case sent(to: Address, until: Instant)
    }

    /// Why a request waits. It becomes text when a client is told, which few are: most requests go through at a later try.
    enum Delay: Hashable, Sendable {
        case none
        case noRing
        case groupUnknown(String)
        case noPrimary(ofGroup: String)
        case noLink(to: Address)
        case linkBroke(to: Address)
        /// Another primary was elected before the one that was asked had answered.
        case replaced(Address)
        /// The node that was asked said so.
        case answered(String)
        /// Of a stale read: no replica's link is up; or why the last replica did not answer.
        case noReplica(ofGroup: String)
        case refused(ClientError)

        func text(server: Address) -> String {
            switch self {
            case .none: ""
            case .noRing: "server \(server) has not heard from ZooKeeper yet; nothing was done"
            case .groupUnknown(let group): "group \(group) is not known to server \(server) yet; nothing was done"
            case .noPrimary(let group): "group \(group) has no primary yet; nothing was done"
            case .noLink(let peer): "there is no link to \(peer), the primary; nothing was done"
            case .linkBroke(let peer): "the link to \(peer), the primary, broke before it answered"
            case .replaced(let peer): "\(peer), the primary, was replaced before it answered"
            case .answered(let message): message
            case .noReplica(let group): "there is no link to a replica of group \(group); nothing was read"
            case .refused(let error): error.message
            }
        }

        /// The code with which it is told in the end.
        var code: ClientError.Code {
            switch self {
            case .none, .noRing, .groupUnknown, .noPrimary, .noLink, .linkBroke, .replaced, .answered, .noReplica: .unavailable
            case .refused(let error): error.code
            }
        }
    }

    struct Entry: Hashable, Sendable {
        let call: CallID
        let request: KeyRequest
        let deadline: Instant
        var state: State
        /// Set when the request was parked for the first time: then it is answered by this time, one way or the other.
        var giveUp: Instant?
        /// Who was asked last.
        var asked: Address?
        /// Why it could not be done yet.
        var delay = Delay.none
        /// Of a stale read: the replicas that were asked in this round and did not answer.
        var tried: [Address] = []
        /// A mutation was sent and its answer is not known, so whatever becomes of later attempts, it may have happened.
        var mayHaveHappened = false
        /// Who said so of an attempt; if the same says it again, it will not say anything else.
        var leftOpenBy: Address?

        init(call: CallID, request: KeyRequest, deadline: Instant) {
            self.call = call
            self.request = request
            self.deadline = deadline
            state = .parked(retryAt: deadline)
        }

        /// Whether it may be sent again though it may have happened: it changes nothing, or its group remembers it.
        var mayBeRepeated: Bool { request.isRead || request.identity != nil }

        var isParked: Bool {
            switch state {
            case .parked: true
            case .sent: false
            }
        }

        func isSent(to peer: Address) -> Bool {
            switch state {
            case .sent(let to, _): to == peer
            case .parked: false
            }
        }

        /// Whether it is parked and to be tried again.
        func isToBeTried(at now: Instant) -> Bool {
            switch state {
            case .parked(let retryAt): retryAt <= now && now < min(deadline, giveUp ?? deadline)
            case .sent: false
            }
        }

        /// When something is to be done about this entry, if nothing happens before.
        var due: Instant {
            switch state {
            case .parked(let retryAt): min(deadline, giveUp ?? deadline, retryAt)
            case .sent(_, let until): until
            }
        }
    }

    /// Entries by slot, so that they can be walked in an order that is the same on every run.
    private var slots: [(id: UInt64, entry: Entry)?] = []
    private var free: [Int] = []
    private var slotOf = LookupTable<UInt64, Int>()
    private var idOf = LookupTable<CallID, UInt64>()
    private var nextID: UInt64
    /// No entry is due before this; nil where none ever is.
    private(set) var earliestDue: Instant?

    /// Starts the identities at a random point: an answer to a forward of an earlier life of this address must not be
    /// taken for one of this.
    init(random: inout SeededRandom) { nextID = random.next() }

    /// Bytes of the keys and values held.
    private(set) var bytes = 0

    var count: Int { slotOf.count }
    var isEmpty: Bool { slotOf.isEmpty }

    subscript(id: UInt64) -> Entry? { slotOf[id].flatMap { slots[$0]?.entry } }

    /// An identity that no message of this life has carried.
    mutating func freshID() -> UInt64 {
        nextID &+= 1
        return nextID
    }

    /// nil where the call is in the table already.
    mutating func insert(_ entry: Entry) -> UInt64? {
        guard idOf[entry.call] == nil else { return nil }
        let id = freshID()
        let slot: Int
        if let reused = free.popLast() {
            slot = reused
            slots[slot] = (id, entry)
        } else {
            slot = slots.count
            slots.append((id, entry))
        }
        slotOf[id] = slot
        idOf[entry.call] = id
        bytes += entry.request.payloadBytes
        note(due: entry.due)
        return id
    }

    /// Looks at an entry in its place, which holds much to be copied; changes nothing.
    mutating func look<Answer>(_ id: UInt64, _ look: (inout Entry) -> Answer) -> Answer? {
        guard let slot = slotOf[id], slots[slot] != nil else { return nil }
        return look(&slots[slot]!.entry)
    }

    mutating func update(_ id: UInt64, _ body: (inout Entry) -> Void) {
        guard let slot = slotOf[id], slots[slot] != nil else { return }
        // In place: an entry holds much to be copied.
        body(&slots[slot]!.entry)
        note(due: slots[slot]!.entry.due)
    }

    /// Takes an entry out; returns who waits for its answer.
    @discardableResult
    mutating func remove(_ id: UInt64) -> CallID? {
        guard let slot = slotOf.removeValue(forKey: id), slots[slot] != nil else { return nil }
        let call = slots[slot]!.entry.call
        bytes -= slots[slot]!.entry.request.payloadBytes
        slots[slot] = nil
        free.append(slot)
        idOf.removeValue(forKey: call)
        return call
    }

    mutating func remove(call: CallID) { idOf[call].map { _ = remove($0) } }

    /// The identities of the entries for which the condition holds. Changes nothing: the condition gets an entry in its place,
    /// because it holds much to be copied.
    mutating func ids(where condition: (inout Entry) -> Bool) -> [UInt64] {
        var found: [UInt64] = []
        if isEmpty { return found }
        for index in slots.indices where slots[index] != nil && condition(&slots[index]!.entry) {
            found.append(slots[index]!.id)
        }
        return found
    }

    /// Finds out when the next entry is due. Looks at all of them; between two of these `earliestDue` is kept low enough.
    mutating func findEarliestDue() {
        earliestDue = nil
        for index in slots.indices where slots[index] != nil { note(due: slots[index]!.entry.due) }
    }

    private mutating func note(due: Instant) { earliestDue = min(earliestDue ?? due, due) }
}
