import Coordination
import Machine
import Wire

// As which store this node registers. Its disk says so, and a disk can be an old image, or a copy of another's: ZooKeeper has the nonce
// of the store's last registration, and the log must have it, too (`Registration+Store`).

extension DataNode {
    /// Takes a number for a new life of this store, as soon as ZooKeeper is there.
    mutating func register(now: Instant, into effects: inout Sink) {
        guard phase == .running, store.isOpen, !becomesAnother else { return }
        let content = StoreRegistration(
            address: address, store: store.store, whole: store.isWhole, lineage: store.lineage, last: store.last,
            keys: store.keyCount > 0, guid: random.uuid()
        )
        let isBegun = registration.begin(
            content: content.bytes, holder: Registration.Holder(store: store.store, address: address), session: session,
            at: now, into: &effects)
        guard isBegun else { return }
        guid = content.guid
        nonce = nil
    }

    /// What ZooKeeper has of this store is its last registration's, if this disk is the one that had it; and nobody else holds it.
    mutating func storeFound(_ known: LifeNonce?, elsewhere: String?, now: Instant, into effects: inout Sink) {
        if let known, !store.nonces.contains(known) {
            return becomeAnother("it has registered since as \(known)", now: now, into: &effects)
        }
        // To wait until the other is gone would be to take its place, with what a copy of its disk has.
        if let elsewhere { return becomeAnother("\(elsewhere) holds it", now: now, into: &effects) }
        guard let new = LifeNonce(guid) else { preconditionFailure("\(guid) is no UUID") }
        nonce = (new, store.remember(nonce: new, after: known))
    }

    mutating func proceedWithNonce(now: Instant, into effects: inout Sink) {
        guard let (text, mark) = nonce, store.durableMark >= mark, phase == .running else { return }
        nonce = nil
        registration.proceed(nonce: text, session: session, at: now, into: &effects)
    }

    /// What this store acknowledged since, another disk has, or had: it must not count for that store's. But what it holds is good for a
    /// learner, and for an operator who has nothing better: so it goes on, as a store that nobody counts on yet.
    private mutating func becomeAnother(_ reason: String, now: Instant, into effects: inout Sink) {
        guard !store.isRewriting else { return registration.lookAgain(at: now, into: &effects) }
        registration.reset(session: session, at: now, into: &effects)
        effects.reached(.becameAnotherStore)
        let former = store.store
        store.becomeAnother(into: &effects)
        becomesAnother = true
        effects.log(
            .warning, "this disk is a copy or an old image of the store's: it goes on as another store",
            [
                LogField("group", group), LogField("store", former), LogField("reason", reason),
                LogField("position", store.last), LogField("as", store.store),
            ])
    }

    mutating func storeRewritten(now: Instant, into effects: inout Sink) {
        guard becomesAnother else { return }
        becomesAnother = false
        register(now: now, into: &effects)
    }
}
