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
        var seq: UInt64
        var isDelete: Bool
        var bytes: Int
        var origin: Origin
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

    var isEmpty: Bool { writes.isEmpty && readCount == 0 }
    var readCount: Int { reads.count + confirmed.count }

    mutating func add(_ write: Write) {
        writes.append(write)
        writeBytes += write.bytes
    }

    mutating func add(_ read: Read) { reads.append(read) }

    /// The entry `seq` was committed: its write is done. Entries of earlier terms have no write here.
    /// - Parameter position: of the state that the entry led to.
    mutating func committed(_ seq: UInt64, existed: Bool, at position: GroupPosition, into effects: inout Sink) {
        guard let write = writes.first, write.seq <= seq else { return }
        precondition(write.seq == seq, "writes are answered in the order of the log")
        writes.removeFirst()
        writeBytes -= write.bytes
        write.origin.answer(.done(write.isDelete ? .deleted(existed: existed) : .put, at: position), into: &effects)
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
        while let write = writes.popFirst() {
            write.origin.fail(.aborted, "\(reason) before the write was committed; it may have happened", into: &effects)
        }
        writeBytes = 0
        while let read = reads.popFirst() { read.origin.fail(.unavailable, "\(reason); nothing was read", into: &effects) }
        confirmed.failAll(reason, into: &effects)
    }
}
