import DequeModule
import Machine
import Placement
import Wire

/// # A client
///
/// It brings a caller's operations to a cluster of which it knows some servers, and tells the truth about each: done, certainly
/// not done, or unknown.
///
/// - A **server** takes any request and forwards it; a node that is the wrong one names the right one, which is then asked. It
///   stays with a server that answers, and leaves alone one that does not (`ServerChoice`).
/// - **Repeating.** A read may always be asked again. A mutation carries the identity that its group remembers it by, so it may be
///   asked again, too: by whatever number of attempts, it is executed once. Without identities (`exactlyOnce` off) it is asked
///   again only where the attempt certainly did nothing. Between attempts it pauses, longer each time, and with jitter.
/// - **Sessions.** To have an identity a mutation needs a session of the group that owns its key; which one that is, the
///   cluster's routes say. A group that forgot the session (it was idle for long, or there were too many) says NOT_FOUND: then a
///   mutation that was never in doubt gets a new one, and one that was ends as unknown.
/// - **The truth.** An operation is certainly not done if every one of its attempts certainly did nothing. An attempt that is
///   abandoned, broken off or answered with "may have happened" leaves it in doubt; only a definite answer to a later one
///   takes the doubt away.
///
/// A pure machine: it is stepped by events, and its driver performs its effects. The same code runs under the simulator.
///
/// Sources: sessions and windows are those of "Implementing Linearizability at Large Scale and Low Latency" (C. Lee et al., SOSP
/// 2015) and of Raft's client interaction (D. Ongaro, 2014, chapter 6).
public struct ClientMachine: Sendable {
    /// What an attempt is for.
    enum Errand: Hashable, Sendable {
        case operation(OperationID)
        case routes
        case session(group: String)
    }

    struct Attempt: Hashable, Sendable {
        var errand: Errand
        var to: Address
        var until: Instant
    }

    /// By what a group knows a mutation.
    struct Identity: Hashable, Sendable {
        var group: String
        var session: SessionID
        var sequence: UInt64
    }

    struct Operation: Sendable {
        enum State: Hashable, Sendable {
            /// Without routes it is not known which session it needs.
            case waitsForRoutes
            /// Until its group's session is open, and has room.
            case waitsForSession(group: String)
            case pausing(until: Instant)
            case attempting(AttemptID)
        }

        let request: ClientOperation
        let deadline: Instant
        var state = State.waitsForRoutes
        var identity: Identity?
        /// It was refused in a way for which the ring may be to blame, and is tried once more by a new one.
        var hasDoubtedRing = false
        /// Some attempt may have done it.
        var isInDoubt = false
        var attempts = 0
        /// Attempts since the last pause.
        var rapidAttempts = 0
        /// Redirections followed in a row.
        var hops = 0
        /// Whom a redirection named.
        var redirect: Address?
        /// Of a monotonic read: the group to which the key belonged by the ring of the last attempt, which demanded what was seen of it.
        var demandedOf: String?
        /// What the last attempt came to.
        var lastError: ClientError?

        init(_ request: ClientOperation, deadline: Instant) {
            self.request = request
            self.deadline = deadline
        }

        /// Whether an attempt that may have done it can be followed by another.
        var isRepeatable: Bool { request.isRead || identity != nil }

        /// An attempt may have done it. Returns whether another can follow.
        mutating func mayBeDone() -> Bool {
            if !request.isRead { isInDoubt = true }
            return isRepeatable
        }

        /// Goes where a redirection leads; false where too many have been followed.
        mutating func follow(_ redirect: Address) -> Bool {
            guard hops < ClientMachine.mostHops else { return false }
            hops += 1
            self.redirect = redirect
            return true
        }
    }

    /// The way to something that operations wait for: routes, or a session.
    enum Way: Hashable, Sendable {
        case attempting(AttemptID)
        case pausing(until: Instant)
    }

    struct GroupState: Sendable {
        var window: SessionWindow?
        /// While there is none: how it comes to be.
        var opening: Way?
        var failures = 0
        var hops = 0
        /// Whom a redirection named.
        var redirect: Address?
        var lastError: ClientError?
        /// Those that wait for the session, or for room in it, in order.
        var waiting: Deque<OperationID> = []
        /// The highest position that this client has seen.
        var seen: GroupPosition?
    }

    /// Redirections that are followed in a row, before a pause.
    static let mostHops = 4

    let options: ClientOptions
    var random: SeededRandom
    var choice: ServerChoice
    var operations = LookupTable<OperationID, Operation>()
    var attempts = LookupTable<AttemptID, Attempt>()
    var lastAttempt: UInt64 = 0
    /// By name, each group of which a session was needed, or a position seen.
    var groups = SortedMap<String, GroupState>()

    var routes: Routes?
    var ring = Ring(tokens: [])
    /// While routes are being fetched.
    var fetching: Way?
    var fetchFailures = 0
    var fetchedAt: Instant?
    var fetchError: ClientError?
    /// Something suggested that the routes are old: others are fetched, and until they come these have to do.
    var routesAreStale = false
    /// Something showed that the ring is not this one: nobody goes by it any more.
    var ringIsWrong = false
    var waitingForRoutes: Deque<OperationID> = []

    var agenda = ClientAgenda()
    /// What the timer is set for.
    var timer: Instant?

    /// - Parameters:
    ///   - servers: at least one. (Data nodes redirect to the primary of their own group, and know no routes.)
    ///   - random: the source of jitter and of where to begin.
    public init(servers: [Address], options: ClientOptions = ClientOptions(), random: SeededRandom) {
        self.options = options
        var random = random
        choice = ServerChoice(servers: servers, random: &random)
        self.random = random
    }

    /// Operations that are not finished.
    public var operationsUnderWay: Int { operations.count }

    public mutating func step(_ event: ClientEvent, at now: Instant, into effects: inout [ClientEffect]) {
        switch event {
        case .requested(let id, let request, let timeout):
            requested(id, request, timeout: timeout, at: now, into: &effects)
        case .cancelled(let id): cancelled(id, at: now, into: &effects)
        case .ended(let attempt, let end): ended(attempt, end, at: now, into: &effects)
        case .timerFired:
            timer = nil
            lookAtAgenda(at: now, into: &effects)
        }
        setTimer(into: &effects)
    }
}
