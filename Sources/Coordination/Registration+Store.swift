import Machine
import Wire

// Which store it is that registers. A store's UUID is in its log, and a disk can be copied, or come back as it was long ago. So each
// registration of a store leaves a nonce in `stores/[uuid]`, in the same transaction, which its log has held durably before. Who
// registers reads it first, and hands it to its owner, who knows whether the log holds it (`Outcome.found`); the transaction names the
// version that was read. And there is `live`, ephemeral, with the address of the process that holds the store: who finds another's holds a
// copy; one of the own address is of an earlier life of this place, and the transaction replaces it.

extension Registration {
    /// A process, and the store that it holds.
    public struct Holder: Hashable, Sendable {
        public var store: StoreID
        public var address: Address

        public init(store: StoreID, address: Address) {
            self.store = store
            self.address = address
        }
    }

    /// What ZooKeeper has of the store; nil where it has nothing.
    struct Known: Hashable {
        var nonce: LifeNonce?
        var version: Int32?
    }

    /// What the transaction does to the store's nodes.
    struct StoreChange: Hashable {
        var known: Known
        var replacesHolder: Bool
        var nonce: LifeNonce
    }

    var storePath: String? {
        guard let holder, case .group(let group) = place else { return nil }
        return Paths.store(holder.store, ofGroup: group)
    }

    var livePath: String? {
        guard let holder, case .group(let group) = place else { return nil }
        return Paths.live(holder.store, ofGroup: group)
    }

    // MARK: What the owner says

    /// The store's log holds the nonce that was found, and, durably, this new one: registration goes on. A nonce that nobody asked for
    /// (any more) changes nothing.
    public mutating func proceed(nonce: LifeNonce, session: Session, at now: Instant, into sink: inout Sink) {
        guard case .awaitingNonce(let known, let replacesHolder) = state, !conversation.adopt(session) else { return }
        change = StoreChange(known: known, replacesHolder: replacesHolder, nonce: nonce)
        state = .locking
        advance(session, at: now, into: &sink)
    }

    /// Asks again in a while what ZooKeeper has of the store: the owner cannot act on it yet.
    public mutating func lookAgain(at now: Instant, into sink: inout Sink) {
        guard case .awaitingNonce = state else { return }
        state = .lookingAtStore
        conversation.pause(at: now, into: &sink)
    }

    // MARK: What ZooKeeper says

    mutating func lookedAtStore(_ reply: CoordinationReply, at now: Instant, into sink: inout Sink) {
        switch reply {
        case .data(let bytes, let stat):
            guard let nonce = LifeNonce(String(decoding: bytes, as: UTF8.self)) else {
                report("\(storePath ?? "") in ZooKeeper does not hold a nonce", into: &sink)
                return conversation.pause(at: now, into: &sink)
            }
            state = .lookingAtHolder(Known(nonce: nonce, version: stat.version))
        case .failed(.noNode, _): state = .lookingAtHolder(Known())
        case .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
        }
    }

    mutating func lookedAtHolder(
        _ known: Known, _ reply: CoordinationReply, _ session: Session, at now: Instant, into sink: inout Sink
    ) -> Outcome? {
        switch reply {
        case .data(let bytes, let stat):
            let isOwn = stat.ephemeralOwner == session.sessionID || bytes == holder.map { Array($0.address.description.utf8) }
            state = .awaitingNonce(known, replacesHolder: isOwn)
            return .found(known.nonce, elsewhere: isOwn ? nil : String(decoding: bytes.prefix(300), as: UTF8.self))
        case .failed(.noNode, _):
            state = .awaitingNonce(known, replacesHolder: false)
            return .found(known.nonce, elsewhere: nil)
        case .failed, .created, .deleted, .set, .existence, .children, .synced, .multi:
            conversation.pause(at: now, into: &sink)
            return nil
        }
    }

    // MARK: What is written

    /// The end of the transaction.
    var storeOperations: [MultiOperation] {
        guard let holder, let change, let store = storePath, let live = livePath else { return [] }
        let nonce = Array(change.nonce.text.utf8)
        return [
            change.known.version.map { .set(path: store, data: nonce, version: $0) }
                ?? .create(path: store, data: nonce, mode: .persistent)
        ] + (change.replacesHolder ? [.delete(path: live, version: -1)] : [])
            + [.create(path: live, data: Array(holder.address.description.utf8), mode: .ephemeral)]
    }
}
