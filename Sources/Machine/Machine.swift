/// # The machine contract
///
/// A node is a value that is stepped by events and answers with effects. It never reads a clock, opens a socket,
/// touches a file or draws entropy: whoever drives it (the runtime in production, the world in simulation) does.
///
/// What a driver promises:
/// - `started` is the first event of a life, and comes once.
/// - `now` is monotonic, counts suspension, and is sampled *after* the last event of the batch was taken from the queue
///   (a pause in between would otherwise stretch leases). All events of a batch carry the same `now`.
/// - After the last event of every batch comes one `batchEnded`. What a node gathers per batch (log writes, messages,
///   acks, reads) it lets go there: that is group commit and message batching, without timers or tuning.
/// - The effects of a batch are performed in order. A timer may fire late, and may fire after it was cancelled.
/// - Every request outside may be answered late, twice (network), never, or with "outcome unknown".
///
/// What a machine promises:
/// - `step` is total: every event is legal in every state. An unexpected one is dropped, counted or answered with an
///   error, never a crash on outside input.
/// - Same initial state, same events, same `now`s: the same effects, bit for bit.
/// - It is a struct with value semantics: a copy is a snapshot.
/// - Everything that queues has a bound, and says what happens at it.
/// - A machine that finds its own state broken stops (a `precondition`, or the effect `halt`) rather than go on.
public protocol Node<Message, Request, Reply>: Sendable {
    /// What peers say to each other.
    associatedtype Message: Sendable
    /// What clients ask.
    associatedtype Request: Sendable
    /// What clients are answered.
    associatedtype Reply: Sendable

    mutating func step(_ event: NodeEvent<Message, Request>, at now: Instant, into effects: inout Effects<Message, Reply>)
}

/// Everything that can happen to a node. Past tense: it has happened.
public enum NodeEvent<Message: Sendable, Request: Sendable>: Sendable {
    /// The node's life began.
    case started
    /// ZooKeeper answered, a watch fired, or the session changed.
    case coordination(CoordinationEvent)
    /// A message of a peer arrived. `from` is the address at which the peer can be reached.
    case received(Message, from: Address)
    /// Messages to this peer travel again; earlier ones may have been lost.
    case linkUp(Address)
    /// Messages to this peer are lost from some unknown point in the past on, until `linkUp`.
    case linkDown(Address)
    /// A client asked.
    case requested(Request, call: CallID)
    /// The client of this call went away; a reply would be dropped.
    case cancelled(call: CallID)
    /// A disk operation ended.
    case disk(DiskCompletion)
    /// A timer's time came.
    case timerFired(TimerID)
    /// The operator asks for a clean end (SIGTERM): finish what is in flight, then `halt(.finished)`.
    case shutdownRequested
    /// All events of this batch were delivered.
    case batchEnded
}

/// Everything that a node can ask of the world.
public enum NodeEffect<Message: Sendable, Reply: Sendable>: Sendable {
    case coordination(CoordinationEffect)
    /// At most once, in order per link, lost when the link breaks. Opens the link where there is none.
    case send(Message, to: Address)
    /// The node no longer needs its link to this peer.
    case closeLink(Address)
    case reply(Reply, to: CallID)
    case disk(DiskRequest)
    /// Replaces a timer of the same identity.
    case setTimer(TimerID, at: Instant)
    case cancelTimer(TimerID)
    case log(LogLine)
    /// The last effect of a life.
    case halt(Halt)
}

/// Where a node's effects are gathered: one sink through the whole node, no array per sub-machine.
public struct Effects<Message: Sendable, Reply: Sendable>: Sendable {
    @usableFromInline var gathered: [NodeEffect<Message, Reply>] = []
    @usableFromInline var marks = SometimesSet()

    @inlinable public var items: [NodeEffect<Message, Reply>] { gathered }

    @inlinable public init() {}

    @inlinable public mutating func append(_ effect: NodeEffect<Message, Reply>) { gathered.append(effect) }

    /// Takes the effects gathered so far and leaves the sink empty.
    @inlinable public mutating func drain() -> [NodeEffect<Message, Reply>] {
        let taken = gathered
        gathered.removeAll(keepingCapacity: true)
        return taken
    }

    /// Takes the effects gathered so far in place of what `other` held. The space of both is used again, so that a driver that
    /// always hands in the same array allocates nothing.
    @inlinable public mutating func drain(into other: inout [NodeEffect<Message, Reply>]) {
        if !other.isEmpty { other.removeAll(keepingCapacity: true) }
        swap(&gathered, &other)
    }

    /// Says that the node came to a state that a healthy sweep must reach. No effect: a driver may ignore it.
    @inlinable public mutating func reached(_ mark: Sometimes) { marks.insert(mark) }

    /// Takes the marks that were reached since the last time.
    @inlinable public mutating func takeReached() -> SometimesSet {
        let taken = marks
        marks = SometimesSet()
        return taken
    }

    public mutating func log(_ level: LogLevel, _ event: String, _ fields: [LogField] = []) {
        append(.log(LogLine(level: level, event: event, fields: fields)))
    }
}

extension NodeEffect: Equatable where Message: Equatable, Reply: Equatable {}
extension NodeEvent: Equatable where Message: Equatable, Request: Equatable {}
extension Effects: Equatable where Message: Equatable, Reply: Equatable {}

/// A client's call as the driver numbers it. Never reused within a life.
public struct CallID: Hashable, Comparable, Sendable {
    public var number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (a: CallID, b: CallID) -> Bool { a.number < b.number }
}

/// A timer's identity: what it is for, and which one of those.
public struct TimerID: Hashable, Comparable, Sendable {
    public var purpose: UInt32
    public var instance: UInt64

    public init(purpose: UInt32, instance: UInt64 = 0) {
        self.purpose = purpose
        self.instance = instance
    }

    public static func < (a: TimerID, b: TimerID) -> Bool { (a.purpose, a.instance) < (b.purpose, b.instance) }
}

/// Why a life ends.
public enum Halt: Hashable, Sendable {
    /// A clean end that was asked for: exit code 0.
    case finished
    /// The node cannot start as it is configured; the text is one clear line for the operator: exit code 2.
    case refused(String)
    /// The node must not go on (a failed sync, a broken invariant): exit code 1, a supervisor starts it again.
    case broken(String)
}
