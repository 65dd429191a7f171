import Machine

// Fault model. Nodes talk over connections (in production: one gRPC stream from each sender to each receiver, over TCP).
//
// - Within one connection messages arrive at most once and in order. Messages of a broken connection can still arrive after
//   those of the next one: they were in the receiver's hands already. There is no duplication: the transport cannot do it.
// - A connection is opened by the first send, and that takes time. To a node that is down it is refused; through a cut it
//   fails after a while. Either way the sender hears `linkDown`, and sends into the void until a back-off has passed.
// - Breaking loses a suffix of what is in flight. The sender learns of it at once (a reset) or late.
// - A cut loses nothing by itself: TCP repeats. What was sent waits, and arrives when the cut ends, unless the connection
//   has been given up before. Cuts have a direction: with only the way back cut, messages arrive, yet the connection is
//   given up in the end, because nobody confirms them.
// - A slow path multiplies latency. Latency has a tail.
// - A receiver that dies takes what it has not read with it. A sender that dies leaves a prefix of what it sent.

/// The paths between endpoints (processes first, then clients) and the connections over them.
///
/// It holds the messages and decides when they arrive; the world asks it and delivers.
public struct NetworkModel<Message: Sendable>: Sendable {
    public struct Options: Hashable, Sendable {
        public var latency = Spread(
            least: .microseconds(50), usual: .microseconds(400), worst: .milliseconds(20), tailPer1024: 8)
        /// How long after a cut a connection is given up.
        public var givingUp = Spread(least: .milliseconds(150), usual: .seconds(2), worst: .seconds(15), tailPer1024: 200)
        /// How long after a reset the other side hears of it.
        public var noticing = Spread(least: .microseconds(50), usual: .milliseconds(2), worst: .seconds(1), tailPer1024: 50)
        /// What a slow path takes at most.
        public var slowest = Nanoseconds.seconds(3)
        public var backOff = Spread(
            least: .milliseconds(5), usual: .milliseconds(100), worst: .milliseconds(400), tailPer1024: 100)
        /// Messages that a connection holds before it is dropped.
        public var capacity = 4_096

        public init() {}
    }

    /// One connection's life.
    @usableFromInline struct Connection: Sendable {
        @usableFromInline var from: Int
        @usableFromInline var to: Int
        /// Grows with each use of this slot, so that plans for an earlier connection are known as such.
        @usableFromInline var generation: UInt32 = 0
        @usableFromInline var state = State.free
        @usableFromInline var inFlight = Queue<(arrival: Instant, sent: Instant, message: Message)>()
        @usableFromInline var lastArrival = Instant.zero
        /// Whether an arrival is on the agenda.
        @usableFromInline var arrivalPlanned = false

        @inlinable init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }

        @usableFromInline enum State: Sendable {
            case free
            /// Messages wait until it is open.
            case opening
            case open
            /// Closed or broken at the sender's side; what is left still arrives.
            case draining
        }
    }

    /// What the sender knows of its way to a receiver.
    @usableFromInline struct Link: Sendable {
        @usableFromInline var connection: Int?
        @usableFromInline var retryAt = Instant.zero
    }

    public var options: Options
    @usableFromInline let endpoints: Int
    @usableFromInline var connections: [Connection] = []
    @usableFromInline var freeConnections: [Int] = []
    @usableFromInline var links: [Link]
    /// How many cuts lie on the path, per ordered pair.
    @usableFromInline var cuts: [UInt16]
    /// By how much latency is multiplied, per ordered pair.
    @usableFromInline var slowness: [Int64]
    @usableFromInline var random: SeededRandom

    init(endpoints: Int, options: Options, random: SeededRandom) {
        self.endpoints = endpoints
        self.options = options
        self.random = random
        links = Array(repeating: Link(), count: endpoints * endpoints)
        cuts = Array(repeating: 0, count: endpoints * endpoints)
        slowness = Array(repeating: 1, count: endpoints * endpoints)
    }

    @inlinable @inline(__always) func path(_ from: Int, _ to: Int) -> Int { from * endpoints + to }

    // MARK: Paths

    @inlinable public func isCut(from: Int, to: Int) -> Bool { cuts[path(from, to)] > 0 }

    @inlinable mutating func cut(from: Int, to: Int) { cuts[path(from, to)] += 1 }

    @inlinable mutating func mend(from: Int, to: Int) {
        precondition(cuts[path(from, to)] > 0, "only a cut path can be mended")
        cuts[path(from, to)] -= 1
    }

    @inlinable mutating func setSlowness(from: Int, to: Int, factor: Int64) { slowness[path(from, to)] = factor }

    @inlinable mutating func latency(from: Int, to: Int) -> Nanoseconds {
        let usual = options.latency.draw(&random)
        let factor = slowness[path(from, to)]
        return factor == 1 ? usual : max(usual, min(usual * factor, options.slowest))
    }

    /// The paths over which a connection is open.
    @inlinable var openPaths: [Fault.Path] {
        connections.filter { $0.state == .open }.map { Fault.Path(from: $0.from, to: $0.to) }
    }

    // MARK: Connections

    @inlinable func isCurrent(_ connection: Int, _ generation: UInt32) -> Bool {
        connections[connection].generation == generation && connections[connection].state != .free
    }

    /// A new connection in the state `opening`.
    @inlinable mutating func open(from: Int, to: Int) -> Int {
        let slot: Int
        if let free = freeConnections.popLast() {
            slot = free
            connections[slot].from = from
            connections[slot].to = to
        } else {
            slot = connections.count
            connections.append(Connection(from: from, to: to))
        }
        connections[slot].state = .opening
        connections[slot].lastArrival = .zero
        connections[slot].arrivalPlanned = false
        links[path(from, to)].connection = slot
        return slot
    }

    /// Queues a message; nil where nothing new has to be planned, else when the connection's next arrival is due.
    @inlinable mutating func send(_ message: Message, over slot: Int, now: Instant) -> Instant? {
        switch connections[slot].state {
        case .opening:
            connections[slot].inFlight.append((now, now, message))
            return nil
        case .open:
            let arrival = max(
                now + latency(from: connections[slot].from, to: connections[slot].to), connections[slot].lastArrival)
            connections[slot].lastArrival = arrival
            connections[slot].inFlight.append((arrival, now, message))
            return planArrival(slot, notBefore: now)
        case .free, .draining:
            preconditionFailure("messages are sent over the current connection")
        }
    }

    /// When the next message of the connection arrives, where that is not on the agenda already and the path is not cut.
    @inlinable mutating func planArrival(_ slot: Int, notBefore now: Instant) -> Instant? {
        guard !connections[slot].arrivalPlanned, !connections[slot].inFlight.isEmpty,
            !isCut(from: connections[slot].from, to: connections[slot].to)
        else { return nil }
        connections[slot].arrivalPlanned = true
        return max(connections[slot].inFlight.look(at: 0) { $0.arrival }, now)
    }

    /// The connection is open: what was sent meanwhile is on its way. Returns when the first of it arrives.
    @inlinable mutating func opened(_ slot: Int, now: Instant) -> Instant? {
        connections[slot].state = .open
        var arrival = now
        for index in 0..<connections[slot].inFlight.count {
            arrival = max(arrival, now + latency(from: connections[slot].from, to: connections[slot].to))
            connections[slot].inFlight[index].arrival = arrival
        }
        connections[slot].lastArrival = arrival
        return planArrival(slot, notBefore: now)
    }

    /// The sender no longer uses the connection; `keeping` of what is in flight still arrive.
    @inlinable mutating func detach(_ slot: Int, keeping: Int) {
        let link = path(connections[slot].from, connections[slot].to)
        if links[link].connection == slot { links[link].connection = nil }
        if connections[slot].state == .open {
            connections[slot].inFlight.keepFirst(keeping)
        } else {
            connections[slot].inFlight.removeAll()
        }
        connections[slot].state = .draining
        if connections[slot].inFlight.isEmpty { free(slot) }
    }

    @inlinable mutating func free(_ slot: Int) {
        let link = path(connections[slot].from, connections[slot].to)
        if links[link].connection == slot { links[link].connection = nil }
        connections[slot].inFlight.removeAll()
        connections[slot].state = .free
        connections[slot].generation &+= 1
        freeConnections.append(slot)
    }
}
