import DequeModule
import Machine
import Wire

/// A copy of another store's state that is being taken: what it says so far, and how far the rollback file has it.
struct CopyTaking: Sendable {
    var part = CopiedPart()
    var encoder = LogEncoder()
    var takenBytes: Int64 = 0
    /// Appends to the rollback file that have not ended, oldest first.
    var appending: Deque<DiskID> = []
    /// Pieces that were taken, and those of them that are written.
    var received: UInt64 = 0
    var written: UInt64 = 0
    /// Set with the last piece.
    var end: CopyEnd?
}

// # Taking a copy
//
// A learner that cannot be fed from the primary's log takes a copy of the primary's state. It goes into the rollback file piece
// by piece, beside whatever the log itself is told, and replaces the log only when it is complete: the file ends with the store's own
// facts (history, term, lease) and `%closed`, is synced, takes the log's name, and the directory is synced. Until then the store is
// what it was, with everything that it had; from then on it is what the copy says, and nothing of before is left.
//
//     beginCopy → take(piece) … take(end) → everything is written → the switch, during which the store is rewriting → .copyTaken
//
// A copy can be dropped until the switch begins. A rollback file that is left of one is removed before the next is begun, or when
// the store is opened again: beside a log it counts for nothing.

extension LogStore {
    /// How far the copy is that is being taken: its pieces that were taken, and that are written. nil where there is none.
    public var copyTaken: (received: UInt64, written: UInt64)? { taking.map { ($0.received, $0.written) } }

    /// Begins to take a copy; what there is of an earlier one is dropped.
    ///
    /// - Precondition: the store is open and not rewriting.
    public mutating func beginCopy(into effects: inout Sink) {
        precondition(phase == .open, "a copy for a store that is \(phase)")
        dropCopy(into: &effects)
        var taking = CopyTaking()
        taking.encoder.header(store)
        taking.encoder.copy()
        if hasRollbackFile { taking.appending.append(requests.request(.remove(.rollback), into: &effects)) }
        hasRollbackFile = false
        self.taking = taking
    }

    /// Drops the copy that is being taken. The store is what it is.
    public mutating func dropCopy(into effects: inout Sink) {
        guard taking != nil, phase != .rewriting else { return }
        effects.reached(.copyDropped)
        taking = nil
    }

    /// What comes of a piece.
    public enum CopyVerdict: Hashable, Sendable {
        case taken
        /// It is no piece that could come next: a clause.
        case malformed(String)
    }

    /// Takes the next piece of the copy that was begun. After the last one the switch follows by itself, and then `.copyTaken`.
    ///
    /// - Precondition: a copy was begun.
    public mutating func take(_ content: CopyContent, into effects: inout Sink) -> CopyVerdict {
        guard var taking = self.taking else { preconditionFailure("no copy is being taken") }
        guard taking.end == nil else { return .malformed("it goes on after its end") }
        // Not two of them at once: it is as large as the log.
        self.taking = nil
        defer { self.taking = taking }
        do throws(CopiedPart.Fault) {
            switch content {
            case .entries(let entries):
                for entry in entries {
                    guard entry.isConsistent, fits(entry.operation) else {
                        throw CopiedPart.Fault("entry \(entry.position) is too large")
                    }
                    try taking.part.take(entry)
                    let seq = entry.position.seq
                    taking.encoder.entry(
                        entry.operation,
                        EntryMarks(position: entry.position, commit: 0, durable: seq - 1, identity: entry.identity))
                }
            case .runs(let runs):
                for run in runs {
                    try taking.part.take(run)
                    taking.encoder.run(run)
                }
            case .sessions(let memories):
                for memory in memories {
                    try taking.part.begin(memory.session, lowestOpen: memory.lowestOpen)
                    taking.encoder.memory(memory.session, lowestOpen: memory.lowestOpen)
                    for outcome in memory.outcomes {
                        try taking.part.take(outcome)
                        taking.encoder.result(outcome)
                    }
                }
            case .end(let end):
                try taking.part.take(end)
                taking.encoder.copied(end)
                taking.end = end
            case .nothing: return .taken
            }
        } catch {
            return .malformed(error.text)
        }
        taking.received += 1
        let bytes = taking.encoder.take()
        taking.takenBytes += Int64(bytes.count)
        taking.appending.append(requests.request(.append(.rollback, bytes), into: &effects))
        hasRollbackFile = true
        return .taken
    }

    /// Whether all of the copy that is being taken was taken.
    public var copyIsComplete: Bool { taking?.end != nil }

    /// Whether the copy that is being taken can end so.
    public func copyCanEnd(_ end: CopyEnd) -> Bool {
        guard var part = taking?.part else { return false }
        do throws(CopiedPart.Fault) { try part.take(end) } catch { return false }
        return true
    }

    /// Whether the copy that is being taken, whose end has not come, is one in which that entry was.
    public func copyHolds(_ position: Position) -> Bool { taking?.part.holds(position) ?? false }

    mutating func copyAppendEnded(_ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        guard case .done = result else { return stop(doing: "write \(options.rollbackName)", result) }
        taking?.appending.removeFirst()
        return copyWritten(into: &effects)
    }

    private mutating func copyWritten(into effects: inout Sink) -> [LogStoreEvent] {
        guard let taking = self.taking else { return [] }
        let underWay = min(UInt64(taking.appending.count), taking.received)
        // The end counts when the copy has taken the log's place.
        let written = taking.end == nil ? taking.received - underWay : min(taking.received - underWay, taking.received - 1)
        self.taking?.written = max(taking.written, written)
        if taking.end != nil, taking.appending.isEmpty { switchToCopy(into: &effects) }
        return [.copyWritten]
    }

    /// Everything but the store's own facts is written: those end the file, and it takes the log's place.
    private mutating func switchToCopy(into effects: inout Sink) {
        guard let end = taking?.end, var encoder = taking?.encoder else { preconditionFailure("a copy without its end") }
        handOver(into: &effects)
        phase = .rewriting
        if let lineage { encoder.lineage(lineage) }
        if adoptedTerm > 0 { encoder.adopt(term: adoptedTerm) }
        if longestLease > .zero { encoder.lease(longestLease) }
        if !contents.nonces.isEmpty { encoder.nonces(contents.nonces) }
        if !contents.isWholeAsItStands { encoder.whole(false) }
        encoder.closed(last: end.position.seq, commit: end.position.seq)
        let bytes = encoder.take()
        taking?.encoder = encoder
        taking?.takenBytes += Int64(bytes.count)
        run(
            [.append(.rollback, bytes), .sync(.rollback), .rename(.rollback, to: .log), .syncDirectory], then: .copySwitched,
            into: &effects)
    }

    mutating func copySwitched(into effects: inout Sink) -> [LogStoreEvent] {
        guard let taking, let end = taking.end else { preconditionFailure("no copy is being switched in") }
        self.taking = nil
        hasRollbackFile = false
        var new = LogContents(store: store, cachedEntryBytes: options.cachedEntryBytes)
        new.lineage = lineage
        new.adoptedTerm = adoptedTerm
        new.longestLease = longestLease
        new.nonces = contents.nonces
        new.isWholeAsItStands = contents.isWholeAsItStands
        new.begin(with: taking.part, end)
        contents = new
        return [.copyTaken]
            + fileReplaced(
                end: taking.takenBytes, chain: taking.encoder.chain, commit: end.position.seq, into: &effects)
    }
}
