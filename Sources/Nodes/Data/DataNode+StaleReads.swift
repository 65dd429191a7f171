import Machine
import Wire

// # Stale reads
//
// Any replica answers them: primary, standby or learner, in office or not, registered or not, with ZooKeeper or without. What it
// shows is its committed prefix, and the answer says which one: (group, lineage, seq). Who demands at least a position that it has
// from an earlier answer sees what it saw then, so a client reads its own writes at any replica.
//
// Why what is shown is a prefix of the group's history, always:
// - The index holds exactly the entries through the commit mark. An entry is marked as committed only when it was durable on every
//   store that counted; from then on every primary of that lineage has it, at that place. So whatever is shown is never taken
//   back, at this replica or at another, and two replicas at one position show the same.
// - A replica's log may end with entries that its group never committed, and may be cut there. They are not in the index, and a
//   cut below the commit mark stops the node. While the file is rewritten, the index stays as it is.
// - A store that has just been started has not been told in this life how far its group is. Its log has a mark of its own, written
//   when that much *was* committed; being committed does not end with a life, so this is a prefix, perhaps an old one. That is what
//   a stale read asks for.
// - A store without a lineage has been told of no history, and its (empty, or imported) log is a prefix of none: it answers
//   nothing. Nor does one of another lineage than its group's, of whose history it holds nothing.
//
// Ownership is judged by the ring as this replica knows it. A sealed ring is settled. On an open one no key exists; the ring may
// have been sealed since, but a stale read does not ask about since, and what is in the index is true at its position anyway. So
// there is no proof to wait for. Where two groups are, positions of the one say nothing about the other: a demand that does not fit
// the key is INVALID_ARGUMENT once ownership is settled.

extension DataNode {
    mutating func readStale(
        _ key: [UInt8], atLeast: GroupPosition?, origin: Origin, now: Instant, into effects: inout Sink
    ) {
        if let refusal = staleRefusal(of: key, atLeast: atLeast, into: &effects) {
            return origin.answer(.failed(refusal), into: &effects)
        }
        guard let seq = atLeast?.seq, seq > store.commit else {
            return answerStale(key, origin: origin, into: &effects)
        }
        guard stale.count < options.pendingReads else {
            effects.reached(.readsAtBound)
            let message = "\(options.pendingReads) stale reads wait at this replica of group \(group) already; nothing was read"
            return origin.fail(.resourceExhausted, message, into: &effects)
        }
        stale.add(StaleReads.Read(key: key, seq: seq, until: now + options.stalePatience, origin: origin))
        if stale.count == 1 { effects.append(.setTimer(Timer.stale, at: now + options.stalePatience)) }
    }

    /// Why this replica cannot answer, however long one waits; nil where it can.
    private func staleRefusal(of key: [UInt8], atLeast: GroupPosition?, into effects: inout Sink) -> ClientError? {
        switch gate.ownership(of: key) {
        case .unknown:
            return ClientError(.unavailable, "this node of group \(group) has not read the ring yet; nothing was read")
        case .refused(let error):
            effects.reached(gate.isPending ? .requestForPendingGroup : .keyOfAnotherGroup)
            return error
        case .open, .ours: break
        }
        guard let config = view.config, let lineage = store.lineage else {
            return ClientError(.unavailable, "this node has not joined the history of group \(group) yet; nothing was read")
        }
        guard lineage == config.lineage else {
            return ClientError(
                .unavailable,
                "this node holds the history \(lineage), and that of group \(group) is \(config.lineage); nothing was read")
        }
        guard let atLeast else { return nil }
        guard atLeast.group == group else {
            // On an open ring it may be this node that is behind.
            return ClientError(
                gate.ownership(of: key) == .open ? .failedPrecondition : .invalidArgument,
                "\(atLeast) is a position of group \(atLeast.group), and the key belongs to group \(group); nothing was read")
        }
        guard atLeast.lineage == lineage else {
            return ClientError(
                .failedPrecondition,
                "\(atLeast) is of the history \(atLeast.lineage), and that of group \(group) is \(lineage); nothing was read")
        }
        return nil
    }

    private mutating func answerStale(_ key: [UInt8], origin: Origin, into effects: inout Sink) {
        if view.primaryAddress == nil { effects.reached(.staleReadWithoutPrimary) }
        if primary == nil, let number {
            let me = MemberID(store: store.store, number: number)
            effects.reached(view.config?.inSync.contains(me) == true ? .staleReadAtStandby : .staleReadAtLearner)
        }
        origin.answer(.done(.value(store.value(of: key)), at: position(store.commit)), into: &effects)
    }

    /// The commit mark may have moved.
    mutating func answerStale(into effects: inout Sink) {
        guard stale.count > 0, store.isOpen else { return }
        for read in stale.takeReached(store.commit) {
            effects.reached(.staleReadWaited)
            answerStale(read.key, origin: read.origin, into: &effects)
        }
    }

    mutating func stalePatienceEnded(now: Instant, into effects: inout Sink) {
        for read in stale.takeDue(at: now) {
            effects.reached(.staleReadRefusedBelowPosition)
            read.origin.fail(
                .unavailable,
                "this replica is at \(position(store.commit)), below \(read.seq), which is demanded; nothing was read",
                into: &effects)
        }
        if let due = stale.due { effects.append(.setTimer(Timer.stale, at: due)) }
    }
}
