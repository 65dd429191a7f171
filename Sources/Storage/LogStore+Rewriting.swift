import Machine
import Wire

/// Disk operations that are performed one after the other, each only after the success of the one before: a rename must not
/// be under way while the sync before it may still fail.
struct DiskScript: Sendable {
    /// What a finished script leads to.
    enum Sequel: Hashable, Sendable {
        case locked, listed
        /// A piece of the file that recovery reads.
        case scanned(FileName)
        /// The rollback file has taken the log's name.
        case renameFinished
        case created
        /// The log is safe under its name, and an unfinished rewrite of an earlier life is gone.
        case cleanedUp
        /// A piece of the source of a rewrite was read; its copy was written.
        case rewriteRead, rewriteWritten
        /// The copy is synced and has the log's name.
        case rewritten
        /// What a copy before it left is gone.
        case rollbackRemoved
        /// The copy that was taken is synced and has the log's name.
        case copySwitched
        case opened
        case closed
        /// The log has another name, durably.
        case setAside
    }

    var running: DiskID?
    /// The operations after the running one, last first.
    var rest: [DiskOperation] = []
    var sequel = Sequel.opened
    /// `close` was asked for during a rewrite.
    var closesAfterwards = false
}

extension LogStore {
    /// Begins a script. There is one at a time.
    mutating func run(_ operations: [DiskOperation], then sequel: DiskScript.Sequel, into effects: inout Sink) {
        precondition(script.running == nil, "two scripts at once")
        script.rest = operations.reversed()
        script.sequel = sequel
        let first = script.rest.removeLast()
        script.running = requests.request(first, into: &effects)
    }

    mutating func scriptStepEnded(_ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        script.running = nil
        if case .failed = result { return scriptFailed(result, into: &effects) }
        if let next = script.rest.popLast() {
            script.running = requests.request(next, into: &effects)
            return []
        }
        switch script.sequel {
        case .locked, .listed, .scanned, .renameFinished, .created, .cleanedUp, .opened:
            return openingStepEnded(script.sequel, result, into: &effects)
        case .rewriteRead: return rewriteRead(result, into: &effects)
        case .rewriteWritten: return rewriteReads(into: &effects)
        case .rewritten: return rewritten(into: &effects)
        case .rollbackRemoved: return rewriteReads(into: &effects)
        case .copySwitched: return copySwitched(into: &effects)
        case .closed:
            phase = .closed
            return [.closed]
        case .setAside:
            phase = .closed
            return [.setAside]
        }
    }

    private mutating func scriptFailed(_ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        if phase == .opening { effects.reached(.openingFailed) }
        if rewrite != nil || taking != nil { effects.reached(.rewriteFailed) }
        return switch script.sequel {
        case .locked: stop(doing: "open the store", result)
        case .listed: stop(doing: "list the store's files", result)
        case .scanned, .rewriteRead: stop(doing: "read", result)
        case .renameFinished, .rewritten, .copySwitched:
            stop(doing: "replace \(options.logName) by \(options.rollbackName)", result)
        case .cleanedUp: stop(doing: "prepare the rewrite of \(options.logName)", result)
        case .created: stop(doing: "create \(options.logName)", result)
        case .rewriteWritten, .rollbackRemoved: stop(doing: "write \(options.rollbackName)", result)
        case .opened: stop(doing: "open \(options.logName)", result)
        case .closed: stop(doing: "close \(options.logName)", result)
        case .setAside: stop(doing: "put \(options.logName) aside", result)
        }
    }

    // MARK: Truncation

    /// Cuts off the entries after `seq`. The facts change at once; the file is rewritten through the rollback file, and until
    /// `.truncated` no entries are taken.
    ///
    /// - Precondition: the store is open and not rewriting; `seq` is in the log and not below the commit mark.
    public mutating func truncate(after seq: UInt64, into effects: inout Sink) {
        precondition(phase == .open, "truncation of a store that is \(phase)")
        precondition(seq <= last.seq, "truncation after \(seq), beyond the end of the log at \(last)")
        // The copy is made from the file, so everything must be there; the rewrite's own sync covers it.
        dropCopy(into: &effects)
        handOver(into: &effects)
        effects.log(
            .notice, "log is being truncated",
            [LogField("after", seq), LogField("entries", last.seq - seq), LogField("last", last)])
        contents.truncate(after: seq)
        writing.durable = min(writing.durable, seq)
        writing.counted = min(writing.counted, seq)
        phase = .rewriting
        beginRewrite(into: &effects)
    }

    // MARK: Another identity

    /// Becomes another store, which holds the same: its log is rewritten through the rollback file under a new identity; answered by
    /// `.truncated`. Until then no entries are taken.
    ///
    /// - Precondition: the store is open and not rewriting.
    public mutating func becomeAnother(into effects: inout Sink) {
        precondition(phase == .open, "another identity for a store that is \(phase)")
        // The copy is made from the file, so everything must be there; the rewrite's own sync covers it.
        dropCopy(into: &effects)
        handOver(into: &effects)
        contents.store = StoreID(random.uuid())
        contents.nonces = []
        phase = .rewriting
        beginRewrite(into: &effects)
    }

    // MARK: Rewriting

    /// Copies what `contents` says from the log into the rollback file, and puts that in the log's place.
    mutating func beginRewrite(into effects: inout Sink) {
        rewrite = LogRewrite(contents, limits: options.limits)
        if hasRollbackFile {
            hasRollbackFile = false
            return run([.remove(.rollback)], then: .rollbackRemoved, into: &effects)
        }
        _ = rewriteReads(into: &effects)
    }

    /// Reads the next piece, or, where everything is written, makes the copy durable under the log's name.
    private mutating func rewriteReads(into effects: inout Sink) -> [LogStoreEvent] {
        guard let rewrite else { preconditionFailure("no rewrite is under way") }
        if rewrite.isFinished {
            run([.sync(.rollback), .rename(.rollback, to: .log), .syncDirectory], then: .rewritten, into: &effects)
        } else {
            run(
                [.read(.log, offset: rewrite.readOffset, length: options.chunkBytes)], then: .rewriteRead, into: &effects)
        }
        return []
    }

    private mutating func rewriteRead(_ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        guard case .data(let bytes) = result else { return stop(doing: "read", result) }
        if case .wrong(let offset) = rewrite?.absorb(bytes) {
            return stop("\(options.logName) is damaged at byte \(offset): it was right a moment ago; nothing was changed")
        }
        let copied = rewrite?.take() ?? []
        if copied.isEmpty { return rewriteReads(into: &effects) }
        run([.append(.rollback, copied)], then: .rewriteWritten, into: &effects)
        return []
    }

    private mutating func rewritten(into effects: inout Sink) -> [LogStoreEvent] {
        guard let rewrite else { preconditionFailure("no rewrite is under way") }
        self.rewrite = nil
        contents.marks = rewrite.marks
        let commit = rewrite.commit
        let events = fileReplaced(end: rewrite.takenBytes, chain: rewrite.encoder.chain, commit: commit, into: &effects)
        if phase == .opening { return openingStepEnded(.opened, .done, into: &effects) }
        return [.truncated] + events
    }

    /// Another file has the log's name, durably; it ends with `%closed`, and says all that `contents` says, but for facts that came
    /// since.
    mutating func fileReplaced(end: Int64, chain: UInt32, commit: UInt64, into effects: inout Sink) -> [LogStoreEvent] {
        writing.encoder = LogEncoder(chain: chain)
        writing.end = end
        writing.allIsDurable(through: last.seq)
        writing.appending.removeAll()
        writing.syncing = nil
        writing.closedAtCommit = commit
        guard phase == .rewriting else { return [] }

        // What was handed over before is in the new file; what came since is written now.
        writing.durableMark = writing.handedMark
        writing.writtenMark = writing.handedMark
        if writing.owesLineage, let lineage { writing.encoder.lineage(lineage) }
        if writing.owesTerm { writing.encoder.adopt(term: adoptedTerm) }
        if writing.owesLease { writing.encoder.lease(longestLease) }
        if writing.owesWhole { writing.encoder.whole(contents.isWholeAsItStands) }
        if writing.owesNonces { writing.encoder.nonces(contents.nonces) }
        writing.owesLease = false
        writing.owesWhole = false
        writing.owesLineage = false
        writing.owesTerm = false
        writing.owesNonces = false
        phase = .open
        contents.tail.trim(through: self.commit)
        let events = readsResume(into: &effects)
        if script.closesAfterwards {
            close(into: &effects)
        } else {
            flush(into: &effects)
        }
        return events
    }
}
