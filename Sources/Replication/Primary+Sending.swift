import Machine
import Storage
import Wire

// What goes to the other stores, once per batch: new entries, and a heartbeat when one is due. Entries are sent while the
// local sync runs; a peer that lacks older ones is fed from the log, within a window of bytes.

extension Primary {
    mutating func sendAll(store: inout LogStore, now: Instant, into effects: inout Sink) {
        if case .adopting = office { return }
        if handover?.isSilent == true { return }
        for index in peers.keys.indices where !peers.values[index].isAlien {
            if peers.values[index].isCopying {
                sendCopy(toPeerAt: index, store: &store, now: now, into: &effects)
                continue
            }
            let spoke = feed(peerAt: index, store: &store, now: now, into: &effects)
            if heartbeatDue, !spoke { send([], toPeerAt: index, store: &store, now: now, into: &effects) }
        }
        heartbeatDue = false
        sentEnd = store.last.seq
    }

    /// Sends what the window allows. Returns whether anything was sent.
    private mutating func feed(peerAt index: Int, store: inout LogStore, now: Instant, into effects: inout Sink) -> Bool {
        guard peers.values[index].isMatched, peers.values[index].reading == nil, peers.values[index].next <= store.last.seq
        else {
            return false
        }
        var spoke = false
        let window = window(forPeerAt: index, size: store.size, now: now, into: &effects)
        while peers.values[index].isMatched, peers.values[index].reading == nil,
            peers.values[index].next <= store.last.seq, peers.values[index].bytesUnderWay < window,
            peers.values[index].appendsUnderWay < options.windowAppends
        {
            let budget = min(options.appendBytes, window - peers.values[index].bytesUnderWay)
            switch store.entries(from: peers.values[index].next, maxBytes: budget, into: &effects) {
            case .entries(let entries):
                guard !entries.isEmpty else { return spoke }
                send(entries, toPeerAt: index, store: &store, now: now, into: &effects)
                spoke = true
            case .reading(let ticket):
                peers.update(at: index) { $0.reading = ticket }
            }
        }
        if peers.values[index].isMatched, peers.values[index].reading == nil, peers.values[index].next <= store.last.seq {
            effects.reached(.windowWasFull)
        }
        return spoke
    }

    /// How many bytes may be under way to a store. Whoever waits for it waits for every byte; a learner takes what is left over.
    mutating func window(
        forPeerAt index: Int, size: Int64, now: Instant, into effects: inout Sink
    ) -> Int {
        if peers.values[index].isJoining || writer.mayBeInForce.contains(peers.values[index].member) {
            return options.windowBytes
        }
        let range = min(options.learnerWindowBytes, options.windowBytes)...options.windowBytes
        let hasGrown = peers.update(at: index) { $0.pace.look(fed: $0.bytesAcked, size: size, range: range, now: now) }
        if hasGrown { effects.reached(.learnerFedFaster) }
        return peers.values[index].pace.window
    }

    /// The store is only looked at; `inout`, so that it is not copied for that.
    mutating func send(
        _ entries: [Entry], toPeerAt index: Int, store: inout LogStore, now: Instant, into effects: inout Sink
    ) {
        let before = min(peers.values[index].next - 1, store.last.seq)
        guard let previousTerm = store.term(at: before) else { return }
        let append = Append(
            group: group, lineage: lineage, term: term, from: me, to: peers.values[index].member.number,
            previous: Position(term: previousTerm, seq: before), entries: entries, commit: store.commit,
            sentAt: now.nanoseconds, lease: options.lease, round: round
        )
        effects.append(.send(.append(append), to: peers.values[index].address))
        guard let last = entries.last else { return }
        let bytes = entries.reduce(0) { $0 + $1.operation.payloadBytes + 32 }
        peers.update(at: index) { $0.sent(through: last.position.seq, bytes: bytes) }
    }
}
