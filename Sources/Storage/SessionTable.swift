import Machine
import Wire

/// # What a group remembers of its clients
///
/// A client that gets no answer to a mutation cannot know whether it happened, and sends it again. So that the second arrival is
/// answered and not executed, the group remembers the results of each client session's latest mutations. This memory is part
/// of the replicated state: made by committed entries and nothing else, in their order, so every replica has the same, and who
/// opens a log has it again. (B. Liskov, J. Cowling, "Viewstamped Replication Revisited", 2012, has one result per client; a
/// window of them, as in D. Ongaro's thesis, section 6.3, lets a client have several mutations under way.)
///
/// - An entry that opens a session begins its memory; its position is the session's name.
/// - A mutation with an identity adds its result. The client says with it which the lowest sequence number is whose answer it
///   still waits for; what is below is forgotten.
/// - An entry that closes a session ends its memory. From then on nobody can tell its repeats from new mutations, so all of
///   them are refused.
///
/// There are no bounds here: whether one more session or result may be remembered is decided before its entry is appended (by the
/// primary, `SessionKeeper`). The table does what the log says, so replicas with different settings do not differ.
public struct SessionTable: Hashable, Sendable {
    /// What the state knows of a mutation.
    public enum Recollection: Hashable, Sendable {
        /// The session was closed, or never opened.
        case unknownSession
        /// Its client has said that it waits for no answer to this one any more: whether it happened is forgotten.
        case forgotten
        /// It happened: its entry, and what it did.
        case happened(seq: UInt64, KeyResult)
        /// It did not happen in what is committed. `lowestOpen`: the lowest sequence number that is remembered, and so the
        /// beginning of the window.
        case new(lowestOpen: UInt64)
    }

    /// What became of one mutation.
    struct Outcome: Hashable, Sendable {
        var sequence: UInt64
        var seq: UInt64
        var result: KeyResult
    }

    struct Memory: Hashable, Sendable {
        var lowestOpen: UInt64 = 1
        /// By their sequence numbers, ascending.
        var outcomes: [Outcome] = []

        /// Where an outcome is, or would be. Most are asked for, and added, near the end.
        func index(of sequence: UInt64) -> Int {
            var index = outcomes.count
            while index > 0, outcomes[index - 1].sequence >= sequence { index -= 1 }
            return index
        }
    }

    private var memories = SortedMap<SessionID, Memory>()

    init() {}

    public var count: Int { memories.count }
    /// The sessions that are open, oldest first.
    public var ids: [SessionID] { memories.keys }

    public func contains(_ session: SessionID) -> Bool { memories.contains(session) }

    public func recollection(of identity: RequestIdentity) -> Recollection {
        guard let index = memories.index(of: identity.session) else { return .unknownSession }
        let memory = memories.values[index]
        guard identity.sequence >= memory.lowestOpen else { return .forgotten }
        let place = memory.index(of: identity.sequence)
        guard place < memory.outcomes.count, memory.outcomes[place].sequence == identity.sequence else {
            return .new(lowestOpen: memory.lowestOpen)
        }
        return .happened(seq: memory.outcomes[place].seq, memory.outcomes[place].result)
    }

    /// All of it, oldest session first: for copies.
    var all: [SessionMemory] {
        zip(memories.keys, memories.values).map { session, memory in
            let outcomes = memory.outcomes.map { outcome in
                let existed: Bool? = if case .deleted(let existed) = outcome.result { existed } else { nil }
                return SessionMemory.Outcome(sequence: outcome.sequence, seq: outcome.seq, existed: existed)
            }
            return SessionMemory(session: session, lowestOpen: memory.lowestOpen, outcomes: outcomes)
        }
    }

    /// A session of a copy.
    mutating func insert(_ memory: SessionMemory) {
        let outcomes = memory.outcomes.map { outcome in
            Outcome(
                sequence: outcome.sequence, seq: outcome.seq,
                result: outcome.existed.map { .deleted(existed: $0) } ?? .put)
        }
        memories[memory.session] = Memory(lowestOpen: memory.lowestOpen, outcomes: outcomes)
    }

    /// The next committed entry. `existed`: whether its key did, right before it.
    mutating func apply(_ entry: Entry, existed: Bool) {
        switch entry.operation {
        case .openSession: memories[SessionID(opened: entry.position)] = Memory()
        case .closeSession(let session): memories[session] = nil
        case .put: remember(entry, .put)
        case .delete: remember(entry, .deleted(existed: existed))
        case .beginTerm: break
        }
    }

    private mutating func remember(_ entry: Entry, _ result: KeyResult) {
        guard let identity = entry.identity else { return }
        memories.update(identity.session) { memory in
            if identity.lowestOpen > memory.lowestOpen {
                memory.lowestOpen = identity.lowestOpen
                memory.outcomes.removeFirst(memory.index(of: identity.lowestOpen))
            }
            guard identity.sequence >= memory.lowestOpen else { return }
            let outcome = Outcome(sequence: identity.sequence, seq: entry.position.seq, result: result)
            memory.outcomes.insert(outcome, at: memory.index(of: identity.sequence))
        }
    }
}
