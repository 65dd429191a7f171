import Coordination
import Machine
import Storage
import Wire

// # Copies
//
// A store that has nothing in common with this log, or is so far behind that what it lacks of the log is more than all that the log
// still says, takes a copy of the committed state instead (`CopyWalk` is how one is made), and is fed from its position on.
//
// A copy replaces all that a store has, so it is sent only where nothing can be lost by that:
// - by a primary in office: what its predecessors acknowledged is in its commit mark by then, and the copy's position is not below.
// - to a store of which no life is in any in-sync set that may be in force, and for which commits do not wait: nothing that counts
//   rests on what it has beyond the copy.
// - not below what it has acked in this term. It watches over that itself, as it does over its own commit mark: pieces may be late.
//
// Pieces go out within the same window as appends, and are kept until they are written: a lost one is sent again, from there on. What
// the learner has lost with a life, or dropped, begins with the question what is common: if that leads to a copy, it has a new number, and a
// newer position.

extension Primary {
    private enum Feeding: Equatable {
        case tail
        case copy(reason: String)
        /// It must wait: it cannot be fed from the log, and may not be sent a copy yet.
        case nothing
    }

    /// Whether a store whose log parts from this one after `common` is fed from the log; if not, a copy begins, or it has to wait:
    /// appends to it name the end of the log, and it is looked at again with every answer.
    mutating func feeds(
        _ member: MemberID, from common: Position, store: LogStore, now: Instant, into effects: inout Sink
    ) -> Bool {
        switch feeding(from: common, member, store: store) {
        case .tail: return true
        case .nothing:
            effects.reached(.learnerWaitedForCopy)
            peers.update(member.number) { $0.becameBusy(end: store.last.seq) }
            return false
        case .copy(let reason):
            beginCopy(to: member.number, reason: reason, store: store, now: now, into: &effects)
            return false
        }
    }

    /// A store has accepted an append: it has what is before the next one.
    mutating func isMatched(_ member: MemberID, store: LogStore, now: Instant, into effects: inout Sink) {
        guard let peer = peers[member.number], peer.copy == nil else { return }
        let before = min(peer.next - 1, store.last.seq)
        guard before < store.last.seq, let term = store.term(at: before) else { return }
        _ = feeds(member, from: Position(term: term, seq: before), store: store, now: now, into: &effects)
    }

    /// How a store is brought level whose log parts from this one after `common`.
    private func feeding(from common: Position, _ member: MemberID, store: LogStore) -> Feeding {
        let isInLog = common.seq + 1 >= store.oldest
        let reason: String
        if common.seq == 0 {
            reason = "nothing in common"
        } else if !isInLog {
            reason = "what it lacks is not in the log any more"
        } else {
            let tail = store.tailBytes(from: common.seq + 1)
            // What is written while a copy is sent may be more than another one, and again. Then it must be fed from the log, which it
            // reads faster and faster (`FeedPace`): so each copy that it has taken makes the next one twice as hard to have.
            let copies = min(peers[member.number]?.copiesTaken ?? 0, 32)
            guard tail > options.tailBytes, tail >> copies > store.copyBytes else { return .tail }
            reason = "what it lacks of the log is more than a copy"
        }
        if mayTakeCopy(member, store: store) { return .copy(reason: reason) }
        return isInLog ? .tail : .nothing
    }

    private func mayTakeCopy(_ member: MemberID, store: LogStore) -> Bool {
        guard office == .serving, handover == nil, store.commit > 0, let peer = peers[member.number] else { return false }
        return !peer.isJoining && peer.acked <= store.commit && !writer.mayBeInForce.contains { $0.store == member.store }
    }

    mutating func beginCopy(
        to number: UInt64, reason: String, store: LogStore, now: Instant, into effects: inout Sink
    ) {
        copies += 1
        effects.reached(.copyBegan)
        effects.log(
            .notice, "a learner is sent a copy",
            [
                LogField("group", group), LogField("term", term), LogField("number", number), LogField("copy", copies),
                LogField("reason", reason), LogField("commit", store.commit), LogField("keys", store.keyCount),
                LogField("bytes", store.copyBytes),
            ])
        let copy = CopyProgress(id: copies, walk: store.beginWalk(), now: now)
        peers.update(number) {
            $0.isMatched = false
            $0.rewind(to: store.last.seq)
            $0.copy = copy
        }
    }

    /// Sends what the window allows, or, when it is time, a sign of life.
    mutating func sendCopy(toPeerAt index: Int, store: inout LogStore, now: Instant, into effects: inout Sink) {
        var spoke = false
        let window = window(forPeerAt: index, size: store.size, now: now, into: &effects)
        while let piece = peers.update(
            at: index,
            {
                $0.copy?.nextPiece(windowBytes: window, windowPieces: options.windowPieces, now: now)
            })
        {
            send(piece.content, piece.index, toPeerAt: index, now: now, into: &effects)
            spoke = true
        }
        if let copy = peers.values[index].copy {
            if copy.wantsToRead {
                let ticket = store.walkOn(copy.walk, maxBytes: min(options.pieceBytes, window), into: &effects)
                peers.update(at: index) { $0.copy?.reading = ticket }
            }
            if heartbeatDue {
                if !spoke { send(.nothing, copy.next, toPeerAt: index, now: now, into: &effects) }
                tellProgress(of: copy, toPeerAt: index, store: store, now: now, into: &effects)
            }
        }
    }

    private func send(
        _ content: CopyContent, _ place: UInt64, toPeerAt index: Int, now: Instant, into effects: inout Sink
    ) {
        guard let copy = peers.values[index].copy else { return }
        let piece = CopyPiece(
            group: group, lineage: lineage, term: term, from: me, to: peers.values[index].member.number, copy: copy.id,
            index: place, content: content, sentAt: now.nanoseconds)
        effects.append(.send(.copyPiece(piece), to: peers.values[index].address))
    }

    private mutating func tellProgress(
        of copy: CopyProgress, toPeerAt index: Int, store: LogStore, now: Instant, into effects: inout Sink
    ) {
        guard now - copy.toldAt >= .seconds(5) else { return }
        peers.update(at: index) { $0.copy?.toldAt = now }
        effects.log(
            .info, "a copy is under way",
            [
                LogField("group", group), LogField("number", peers.values[index].member.number), LogField("copy", copy.id),
                LogField("entries", copy.entries), LogField("bytes", copy.bytes), LogField("read", copy.walk.readBytes),
                LogField("of", store.size),
            ])
    }

    /// The log was read for a copy.
    public mutating func walked(
        ticket: UInt64, _ walk: CopyWalk?, _ entries: [Entry], store: LogStore, now: Instant, into effects: inout Sink
    ) {
        for index in peers.keys.indices where peers.values[index].copy?.reading == ticket {
            guard let walk else {
                return copyEnded(toPeerAt: index, "the log was written anew", store: store, into: &effects)
            }
            if walk.wasUnderWrites { effects.reached(.copyUnderWrites) }
            peers.update(at: index) {
                $0.copy?.reading = nil
                $0.copy?.walked(walk, entries, runs: store.runs)
            }
        }
    }

    /// Nothing comes of a copy. The learner is asked again what is common, and may be fed instead: what it has acked meanwhile a copy must
    /// hold, and where commits wait for this very learner there is none that does.
    private mutating func copyEnded(toPeerAt index: Int, _ reason: String, store: LogStore, into effects: inout Sink) {
        effects.log(
            .notice, "a copy for a learner has come to nothing",
            [
                LogField("group", group), LogField("number", peers.keys[index]),
                LogField("copy", peers.values[index].copy?.id ?? 0), LogField("reason", reason),
            ])
        peers.update(at: index) {
            $0.copy = nil
            $0.becameBusy(end: store.last.seq)
        }
    }

    mutating func copyAnswered(
        _ answer: CopyProgress.Answer, by number: UInt64, store: LogStore, now: Instant, into effects: inout Sink
    ) {
        guard let index = peers.index(of: number), peers.values[index].copy?.id == answer.copy else { return }
        let kept = peers.values[index].copy?.bytesKept ?? 0
        let consequence = peers.update(at: index) { $0.copy?.answered(answer) }
        let written = kept - (peers.values[index].copy?.bytesKept ?? 0)
        if written > 0 {
            peers.update(at: index) {
                $0.movedAt = now
                $0.bytesAcked += Int64(written)
            }
        }
        switch consequence {
        case .goesOn, nil: break
        case .mustBeginAnew:
            copyEnded(toPeerAt: index, "the learner has dropped it", store: store, into: &effects)
        case .isTaken(let position):
            let copy = peers.values[index].copy
            effects.log(
                .notice, "a learner has taken its copy",
                [
                    LogField("group", group), LogField("number", number), LogField("copy", answer.copy),
                    LogField("position", position), LogField("entries", copy?.entries ?? 0),
                    LogField("bytes", copy?.bytes ?? 0),
                    LogField("ms", copy.map { (now - $0.began).milliseconds } ?? 0),
                ])
            peers.update(at: index) {
                $0.copy = nil
                $0.copiesTaken += 1
                $0.isMatched = true
                $0.common = max($0.common, position.seq)
                $0.rewind(to: position.seq)
            }
        }
    }
}
