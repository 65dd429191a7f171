import Coordination
import Machine
import Storage
import Wire

// # Taking a copy, as a learner
//
// Pieces come in their order, each once; what is lost is asked for by saying which is the next. The store writes them beside its log
// and switches to the copy when it has the last. What the copy must not do is checked before that one is taken:
// - what this store had committed is in it: its group never takes that back, so a copy without it is of another history than it says;
//   the node stops, as at a cut below its commit mark.
// - what this store has acked in this term is below its end: the primary may count on it. (A copy that was begun before that, whose
//   pieces were late, is dropped.)

/// A copy that a learner takes, or has taken.
struct CopyReceipt: Hashable, Sendable {
    var id: UInt64
    /// When its newest piece was sent, by the primary's clock.
    var newest: Int64
    /// The pieces that came, and those that are written; the end is among these when it has taken the log's place.
    var received: UInt64 = 0
    var written: UInt64 = 0
    /// Those of which the primary was told that they are written.
    var told: UInt64 = 0

    mutating func sawPiece(sentAt: Int64) { newest = max(newest, sentAt) }

    var outcome: AppendReply.Outcome { .copying(copy: id, received: received, written: written) }
}

extension Follower {
    /// A piece of a copy arrived. `address` is where its sender can be reached.
    public mutating func received(
        _ piece: CopyPiece, from address: Address, store: inout LogStore, now: Instant, into effects: inout Sink
    ) -> Verdict {
        guard piece.group == group, piece.to == me.number, piece.from != me, isWellFormed(piece) else { return .dropped }
        let sender = Sender(
            member: piece.from, address: address, lineage: piece.lineage, term: piece.term,
            echo: Echo(sentAt: piece.sentAt, round: 0))
        guard accepts(sender, store: &store, now: now, into: &effects) else { return .dropped }
        return take(piece, store: &store, into: &effects)
    }

    private mutating func take(_ piece: CopyPiece, store: inout LogStore, into effects: inout Sink) -> Verdict {
        guard piece.sentAt >= newestAppend, piece.copy >= copy?.id ?? 0 else { return .dropped }
        let echo = Echo(sentAt: piece.sentAt, round: 0)
        if copy?.id != piece.copy {
            guard piece.index == 0, piece.content != .nothing, !store.isRewriting else {
                // It is to begin at the beginning.
                owed = (echo, .zero, .copying(copy: piece.copy, received: 0, written: 0))
                return .dropped
            }
            effects.log(
                .notice, "taking a copy of the primary's store",
                [
                    LogField("group", group), LogField("term", piece.term), LogField("copy", piece.copy),
                    LogField("from", piece.from), LogField("last", store.last), LogField("commit", store.commit),
                ])
            store.beginCopy(into: &effects)
            copy = CopyReceipt(id: piece.copy, newest: piece.sentAt)
        }
        copy?.sawPiece(sentAt: piece.sentAt)
        defer { if let copy { owed = (echo, .zero, copy.outcome) } }
        guard piece.content != .nothing, piece.index == copy?.received, !store.isRewriting, store.copyTaken != nil,
            !store.copyIsComplete
        else { return .dropped }
        // What is malformed is not looked at: the store says so.
        if case .end(let end) = piece.content, store.copyCanEnd(end) {
            if let loss = committedLoss(store, end, piece) { return .broken(loss) }
            guard end.position.seq >= told else {
                effects.log(
                    .warning, "a copy that is older than what was acked is dropped",
                    [LogField("group", group), LogField("position", end.position), LogField("acked", told)])
                dropCopy(store: &store, into: &effects)
                return .dropped
            }
            if store.last.seq > 0 { effects.reached(.copyReplacedLog) }
        }
        switch store.take(piece.content, into: &effects) {
        case .taken:
            copy?.received += 1
            return .taken
        case .malformed(let why):
            effects.log(
                .error, "a copy is malformed and was dropped",
                [LogField("group", group), LogField("copy", piece.copy), LogField("from", piece.from), LogField("why", why)])
            dropCopy(store: &store, into: &effects)
            return .dropped
        }
    }

    /// Why the copy must not replace this store's log: it would take back what was committed.
    private func committedLoss(_ store: LogStore, _ end: CopyEnd, _ piece: CopyPiece) -> String? {
        guard store.commit > 0, let term = store.term(at: store.commit) else { return nil }
        let committed = Position(term: term, seq: store.commit)
        guard committed.seq > end.position.seq || !store.copyHolds(committed) else { return nil }
        return
            "primary \(piece.from) of term \(piece.term) sends a copy as of \(end.position), which does not hold \(committed); "
            + "that entry is committed here"
    }

    mutating func dropCopy(store: inout LogStore, into effects: inout Sink) {
        store.dropCopy(into: &effects)
        copy = nil
    }

    /// The copy has taken the log's place: everything in it came from this term's primary.
    public mutating func copyTaken(store: LogStore, into effects: inout Sink) {
        effects.reached(.copySwitched)
        effects.log(
            .notice, "the copy has taken the log's place",
            [
                LogField("group", group), LogField("position", store.last), LogField("keys", store.keyCount),
                LogField("bytes", store.size),
            ])
        guard let primary, store.adoptedTerm == primary.term, let received = copy?.received else { return }
        copy?.written = received
        // What was taken of this term's entries beyond it is gone; nothing of it was acked.
        verifiedEnd = store.last.seq
    }

    /// Owes an answer where the disk has written more of a copy than was told.
    mutating func copyAdvanced(written: UInt64?) {
        if let written { copy?.written = written }
        guard let copy, copy.written > copy.told || owed?.outcome.isCopying == true else { return }
        self.copy?.told = copy.written
        owed = (Echo(sentAt: copy.newest, round: 0), .zero, copy.outcome)
    }

    private func isWellFormed(_ piece: CopyPiece) -> Bool {
        guard piece.term > 0 else { return false }
        switch piece.content {
        case .entries(let entries): return entries.allSatisfy { $0.position.seq > 0 && $0.position.term <= piece.term }
        case .runs(let runs): return runs.allSatisfy { $0.term <= piece.term }
        case .end(let end): return end.position.term <= piece.term
        case .sessions, .nothing: return true
        }
    }
}

extension AppendReply.Outcome {
    fileprivate var isCopying: Bool { if case .copying = self { true } else { false } }
}
