import Coordination
import DequeModule
import Machine
import Placement
import Wire

/// # Which keys a primary answers for
///
/// A ring takes groups in until keys may exist, and none after that: the keys that would become the new group's own are
/// elsewhere, and nothing moves them yet. The line between the two is drawn in ZooKeeper: before its first write a primary
/// *seals* `/ring`, at the version that it knows. The master adds a group at the version that it knows, and only while the
/// ring is not sealed; so one of the two fails and looks again.
///
/// On a sealed ring ownership is settled, and the check is a local one. On an open ring there is no key anywhere: a read is
/// answered "not found" as soon as a transaction has proved that the ring which this node knows was still the open one
/// after the read arrived. (Reading it instead would not do: a lagging ZooKeeper server shows the past.)
struct RingGate: Sendable {
    enum Admission: Equatable {
        case admitted
        /// The ring is open or not known yet: kept, and given back by `takeReady`.
        case waits
        case refused(ClientError)
    }

    struct Waiting: Hashable, Sendable {
        var request: KeyRequest
        var arrived: Instant
        var origin: Origin
    }

    private enum Proof: Hashable, Sendable {
        case sealing(CoordinationID, RingRecord)
        /// Proves to the first `reads` waiting requests, all reads, that the ring was open.
        case checking(CoordinationID, reads: Int)
        /// The outcome is unknown or was a refusal: tried again at the next `tick`, with what was read of the ring until then.
        case stale
    }

    static let mostWaiting = 4096
    static let mostWaitingBytes = 32 << 20

    private let group: String
    private var port: CoordinationPort
    private var known: (record: RingRecord, version: Int32)?
    private var ring = Ring(groups: [])
    private(set) var waiting: Deque<Waiting> = []
    /// Bytes of the keys and values that wait.
    private var waitingBytes = 0
    private var proof: Proof?

    init(group: String, owner: UInt32) {
        self.group = group
        port = CoordinationPort(owner: owner)
    }

    /// A new session: what was asked on the old one is void.
    mutating func begin(session: SessionToken) {
        port.session = session
        proof = nil
    }

    /// The ring was read (again).
    mutating func ringRead(_ record: RingRecord, version: Int32) {
        guard known.map({ version > $0.version }) ?? true else { return }
        learn(record, version: version)
    }

    /// Whether ZooKeeper has been asked something, and the answer counts.
    var isAsking: Bool { proof != nil }

    /// A little time has passed.
    mutating func tick() { if proof == .stale { proof = nil } }

    private mutating func learn(_ record: RingRecord, version: Int32) {
        known = (record, version)
        ring = record.ring
    }

    mutating func admit(_ request: KeyRequest, origin: Origin, now: Instant) -> Admission {
        guard let known, known.record.sealed else {
            let bytes = waitingBytes + request.payloadBytes
            guard waiting.count < RingGate.mostWaiting, bytes <= RingGate.mostWaitingBytes else {
                let message = "\(waiting.count) requests wait for the ring to be sealed already; nothing was done"
                return .refused(ClientError(.resourceExhausted, message))
            }
            waitingBytes = bytes
            waiting.append(Waiting(request: request, arrived: now, origin: origin))
            return .waits
        }
        return settledOwnership(of: request.key)
    }

    /// What is known of a key's owner, without waiting for a proof.
    enum Ownership: Equatable {
        /// The ring was never read.
        case unknown
        /// As far as is known groups may still come, and no key exists.
        case open
        case ours
        case refused(ClientError)
    }

    func ownership(of key: [UInt8]) -> Ownership {
        guard let known else { return .unknown }
        guard known.record.sealed else { return .open }
        switch settledOwnership(of: key) {
        case .admitted, .waits: return .ours
        case .refused(let error): return .refused(error)
        }
    }

    /// Whether its group is not on the ring, as far as it knows.
    var isPending: Bool { known?.record.contains(group) == false }

    private func settledOwnership(of key: [UInt8]) -> Admission {
        let owner = ring.owner(of: key)
        if owner == group { return .admitted }
        guard known?.record.contains(group) == true else {
            return .refused(
                ClientError(
                    .failedPrecondition, "group \(group) is pending: it registered after keys were written and owns none")
            )
        }
        return .refused(
            ClientError(.failedPrecondition, "the key belongs to group \(owner ?? "none"), not to \(group); nothing was done")
        )
    }

    /// Starts the proof that the waiting requests need. Returns whether the ring must be read again first.
    mutating func batchEnded(isServing: Bool, into effects: inout Sink) -> Bool {
        guard isServing, proof == nil, let first = waiting.first else { return false }
        guard let known else { return true }
        guard !known.record.sealed else { return false }
        if first.request.isRead {
            let reads = waiting.prefix { $0.request.isRead }.count
            let id = port.request(.multi([.check(path: Paths.ring, version: known.version)]), into: &effects)
            proof = .checking(id, reads: reads)
        } else {
            let sealed = known.record.sealing()
            let id = port.request(.set(path: Paths.ring, data: sealed.bytes, version: known.version), into: &effects)
            proof = .sealing(id, sealed)
        }
        return false
    }

    /// Offers a reply. Returns whether the ring must be read again.
    ///
    /// - Parameter position: of the state that reads are answered from.
    mutating func replied(
        _ id: CoordinationID, _ reply: CoordinationReply, at position: GroupPosition, into effects: inout Sink
    ) -> Bool {
        switch proof {
        case .sealing(id, let sealed):
            guard case .set(let stat) = reply else {
                effects.reached(.ringSealFailed)
                proof = .stale
                return true
            }
            proof = nil
            learn(sealed, version: stat.version)
            effects.reached(.ringSealed)
            effects.log(
                .notice, "ring is sealed: keys are about to be written",
                [LogField("by", group), LogField("groups", "\(sealed.groups.map(\.name))")]
            )
            return false
        case .checking(id, let reads):
            guard case .multi = reply else {
                effects.reached(.openRingProofFailed)
                proof = .stale
                return true
            }
            proof = nil
            if reads > 0 { effects.reached(.openRingProved) }
            for _ in 0..<min(reads, waiting.count) {
                removeFirst().origin.answer(.done(.value(nil), at: position), into: &effects)
            }
            return false
        case .sealing, .checking, .stale, nil:
            return false
        }
    }

    private mutating func removeFirst() -> Waiting {
        let first = waiting.removeFirst()
        waitingBytes -= first.request.payloadBytes
        return first
    }

    /// The requests that need wait no more, in the order of their arrival, each with the verdict on it.
    mutating func takeReady() -> [(Waiting, Admission)] {
        guard !waiting.isEmpty, let known, known.record.sealed else { return [] }
        // Reads whose proof is under way stay out of its count.
        proof = nil
        let ready = waiting.map { ($0, settledOwnership(of: $0.request.key)) }
        waiting.removeAll()
        waitingBytes = 0
        return ready
    }

    /// Nothing that waits here has been executed.
    mutating func failAll(before instant: Instant?, _ reason: @autoclosure () -> String, into effects: inout Sink) {
        var removed = 0
        while let first = waiting.first, instant.map({ first.arrived < $0 }) ?? true {
            _ = removeFirst()
            removed += 1
            first.origin.fail(.unavailable, "\(reason()); nothing was done", into: &effects)
        }
        // Those that went were the first of those that it counts.
        if removed > 0, case .checking(let id, let reads) = proof {
            proof = reads > removed ? .checking(id, reads: reads - removed) : nil
        }
    }
}
