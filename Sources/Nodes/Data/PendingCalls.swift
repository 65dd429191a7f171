import DequeModule
import Machine
import Wire

/// Whom an answer goes to: a client of this node, or a server that forwarded for one of its own.
enum Origin: Hashable, Sendable {
    case call(CallID)
    case forwarded(id: UInt64, by: Address)

    func answer(_ reply: ClientReply, into effects: inout Sink) {
        switch self {
        case .call(let call): effects.append(.reply(reply, to: call))
        case .forwarded(let id, let server): effects.append(.send(.forwardReply(id: id, reply), to: server))
        }
    }

    func fail(_ code: ClientError.Code, _ message: String, redirect: Address? = nil, into effects: inout Sink) {
        answer(.failed(ClientError(code, message, redirect: redirect)), into: &effects)
    }
}

/// The requests that a primary has taken and not answered: writes in the order of their entries, reads in the order of
/// arrival. Each is answered exactly once.
struct PendingCalls: Sendable {
    struct Write: Hashable, Sendable {
        enum Kind: Hashable, Sendable {
            case put, delete
            case open(SessionID)

            func result(existed: Bool) -> KeyResult {
                switch self {
                case .put: .put
                case .delete: .deleted(existed: existed)
                case .open(let session): .opened(session)
                }
            }
        }

        var seq: UInt64
        var kind: Kind
        var bytes: Int
        var origin: Origin
        /// Which mutation of a client session it is, if it is one: then all who wait for it are in `callersOf`.
        var mutation: Mutation?

        var isOpening: Bool {
            switch kind {
            case .put, .delete: false
            case .open: true
            }
        }
    }

    /// What a repeat has in common with the mutation that it repeats.
    struct Mutation: Hashable, Sendable {
        var session: SessionID
        var sequence: UInt64

        init(_ identity: RequestIdentity) {
            session = identity.session
            sequence = identity.sequence
        }
    }

    struct Read: Hashable, Sendable {
        var key: [UInt8]
        var arrived: Instant
        var origin: Origin
    }

    private(set) var writes: Deque<Write> = []
    private(set) var writeBytes = 0
    private(set) var reads: Deque<Read> = []
    /// Reads that wait for a round of the in-sync stores.
    var confirmed = ConfirmedReads()
    /// Who waits for each mutation that has an identity, first come first.
    private var callersOf = LookupTable<Mutation, [Origin]>()
    /// Those of them that came after the first.
    private var repeats = 0
    /// Sessions that are being opened.
    private(set) var openings = 0

    /// How many wait for writes.
    var callers: Int { writes.count + repeats }

    var isEmpty: Bool { writes.isEmpty && readCount == 0 }
    var readCount: Int { reads.count + confirmed.count }

    mutating func add(_ write: Write) {
        writes.append(write)
        writeBytes += write.bytes
        if write.isOpening { openings += 1 }
        if let mutation = write.mutation { callersOf[mutation] = [write.origin] }
    }

    enum Joining: Hashable, Sendable {
        /// The mutation is under way, and its answer goes to this caller, too.
        case joined
        case unknown
        case atBound
    }

    /// One more caller for a mutation, if it is among those that wait here. Who waits already (a server says everything again
    /// when a link broke) is not answered twice.
    mutating func join(_ mutation: Mutation, _ origin: Origin, atMost bound: Int) -> Joining {
        guard let waiting = callersOf[mutation] else { return .unknown }
        if waiting.contains(origin) { return .joined }
        guard callers < bound else { return .atBound }
        callersOf.update(mutation) { $0.append(origin) }
        repeats += 1
        return .joined
    }

    /// Takes the first write out, and tells who waits for it.
    private mutating func removeFirst() -> (write: Write, callers: [Origin]) {
        let write = writes.removeFirst()
        writeBytes -= write.bytes
        if write.isOpening { openings -= 1 }
        guard let mutation = write.mutation, let callers = callersOf.removeValue(forKey: mutation) else {
            return (write, [write.origin])
        }
        repeats -= callers.count - 1
        return (write, callers)
    }

    mutating func add(_ read: Read) { reads.append(read) }

    /// The entry `seq` was committed: its write is done. Entries of earlier terms have no write here.
    /// - Parameter position: of the state that the entry led to.
    mutating func committed(_ seq: UInt64, existed: Bool, at position: GroupPosition, into effects: inout Sink) {
        guard let write = writes.first, write.seq <= seq else { return }
        precondition(write.seq == seq, "writes are answered in the order of the log")
        let reply = ClientReply.done(write.kind.result(existed: existed), at: position)
        for caller in removeFirst().callers { caller.answer(reply, into: &effects) }
    }

    mutating func answerReads(
        at position: GroupPosition, into effects: inout Sink, _ value: (_ key: [UInt8]) -> [UInt8]?
    ) {
        while let read = reads.popFirst() { read.origin.answer(.done(.value(value(read.key)), at: position), into: &effects) }
    }

    /// Reads that arrived before `instant` have waited long enough.
    mutating func failReads(before instant: Instant, group: String, into effects: inout Sink) {
        while let read = reads.first, read.arrived < instant {
            reads.removeFirst()
            effects.reached(.readRefusedWithoutLease)
            read.origin.fail(
                .unavailable, "group \(group): the primary holds no lease of its in-sync stores; nothing was read",
                into: &effects
            )
        }
        confirmed.fail(before: instant, group: group, into: &effects)
    }

    /// The primary is over: what was appended may still come to be, what was not did not happen.
    mutating func failAll(_ reason: String, into effects: inout Sink) {
        if !writes.isEmpty { effects.reached(.writesLeftUndecided) }
        while !writes.isEmpty {
            for caller in removeFirst().callers {
                caller.fail(.aborted, "\(reason) before the write was committed; it may have happened", into: &effects)
            }
        }
        while let read = reads.popFirst() { read.origin.fail(.unavailable, "\(reason); nothing was read", into: &effects) }
        confirmed.failAll(reason, into: &effects)
    }
}
