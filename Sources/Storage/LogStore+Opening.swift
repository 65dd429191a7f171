import Machine
import Wire

/// How far opening has come.
struct LogOpening: Sendable {
    var recovery: Recovery?
    var report = OpenReport()
    /// The sizes of the files that were there; nil for one that was not.
    var logSize: Int64?
    var rollbackSize: Int64?
    var readOffset: Int64 = 0
}

/// # Opening
///
///     lock → list → read the log to its end → verdict
///
/// | log | rollback file | what it means | what is done |
/// | --- | --- | --- | --- |
/// | none, or no header yet | none | a new store | write a header |
/// | none, or no header yet | complete | the rename had not happened | rename, then as after an unclean close |
/// | none, or empty | torn | the log is lost | refuse |
/// | a part of a header | torn, no entries | a failed sync dropped the header of a new store, and recovery did not know | write a header |
/// | right, closed | any | nothing to do | remove the rollback file, open in place |
/// | right, not closed | any | a crash | remove the rollback file, rewrite the right part |
/// | of version 1 | any | an old store | remove the rollback file, rewrite as version 2 |
/// | damaged, or foreign | any | | refuse, and touch nothing |
///
/// The store counts only after the directory was synced too: whoever ran before may have crashed right before doing so.
extension LogStore {
    /// Opens the store, or creates it where there is none. Answered by `.opened` or `.refused`.
    ///
    /// - Precondition: it was not opened before.
    public mutating func open(into effects: inout Sink) {
        precondition(phase == .unopened, "opening a store that is \(phase)")
        phase = .opening
        run([.lock], then: .locked, into: &effects)
    }

    mutating func openingStepEnded(
        _ step: DiskScript.Sequel, _ result: DiskResult, into effects: inout Sink
    ) -> [LogStoreEvent] {
        switch step {
        case .locked:
            run([.list], then: .listed, into: &effects)
            return []
        case .listed:
            guard case .listing(let files) = result else { return stop(doing: "list the store's files", result) }
            opening.logSize = files.first { $0.file == .log }?.size
            opening.rollbackSize = files.first { $0.file == .rollback }?.size
            if (opening.logSize ?? 0) > 0 { return scan(.log, into: &effects) }
            return logIsMissing(into: &effects)
        case .scanned(let file):
            guard case .data(let bytes) = result else { return stop(doing: "read", result) }
            return scanned(file, bytes, into: &effects)
        case .renameFinished:
            opening.logSize = opening.rollbackSize
            opening.rollbackSize = nil
            opening.report.finishedRename = true
            effects.log(.warning, "log was missing and the rollback file complete: it took the log's place")
            return scan(.log, into: &effects)
        case .cleanedUp:
            beginRewrite(into: &effects)
            return []
        case .created, .opened: return opened(into: &effects)
        case .rewriteRead, .rewriteWritten, .rewritten, .rollbackRemoved, .copySwitched, .closed, .setAside:
            preconditionFailure("not a step of opening")
        }
    }

    private mutating func opened(into effects: inout Sink) -> [LogStoreEvent] {
        phase = .open
        let report = opening.report
        opening = LogOpening()
        effects.log(
            .info, report.wasFresh ? "log created" : "log opened",
            [
                LogField("store", store), LogField("last", last), LogField("commit", commit), LogField("keys", keyCount),
                LogField("term", adoptedTerm), LogField("closed", report.wasClosed),
                LogField("whole", isWhole),
            ])
        return [.opened(report)]
    }

    // MARK: Reading

    private mutating func scan(_ file: FileName, into effects: inout Sink) -> [LogStoreEvent] {
        opening.recovery = Recovery(
            name: file == .log ? options.logName : options.rollbackName, limits: options.limits,
            cachedEntryBytes: options.cachedEntryBytes, importedAs: StoreID(random.uuid()))
        opening.readOffset = 0
        run([.read(file, offset: 0, length: options.chunkBytes)], then: .scanned(file), into: &effects)
        return []
    }

    private mutating func scanned(_ file: FileName, _ bytes: [UInt8], into effects: inout Sink) -> [LogStoreEvent] {
        opening.recovery?.absorb(bytes)
        opening.readOffset += Int64(bytes.count)
        guard bytes.isEmpty || opening.recovery?.refusal != nil else {
            run([.read(file, offset: opening.readOffset, length: options.chunkBytes)], then: .scanned(file), into: &effects)
            return []
        }
        let skippedNotes = opening.recovery?.skippedNotes ?? 0
        let verdict = opening.recovery?.finish(size: opening.readOffset)
        opening.recovery = nil
        guard let verdict else { preconditionFailure("no recovery is under way") }
        if skippedNotes > 0 {
            effects.log(.warning, "log has optional lines of a later version", [LogField("lines", skippedNotes)])
        }
        return file == .log ? logScanned(verdict, into: &effects) : rollbackScanned(verdict, into: &effects)
    }

    private mutating func logScanned(_ verdict: Recovery.Verdict, into effects: inout Sink) -> [LogStoreEvent] {
        switch verdict {
        case .refused(let reason): return stop(reason)
        case .fresh: return logIsMissing(into: &effects)
        case .usable(let found):
            contents = found.contents
            // What is gone may have said that entries counted before they were synced. (Under `always` only what was never
            // acknowledged is torn.)
            if options.sync.isWeak, found.tornBytes > 0 { contents.isWholeAsItStands = false }
            isWhole = contents.isWholeAsItStands
            if !isWhole { effects.reached(.openedNotWhole) }
            // From here on entries may count that a crash takes away: the log says so first.
            let goesWeak = options.sync.isWeak && isWhole
            if goesWeak { contents.isWholeAsItStands = false }
            report(found, into: &effects)
            let cleanUp: [DiskOperation] = opening.rollbackSize == nil ? [] : [.remove(.rollback)]
            if !cleanUp.isEmpty { effects.reached(.rollbackFileDiscarded) }
            if opening.report.wasClosed {
                writing.encoder = LogEncoder(chain: found.chain)
                writing.end = found.end
                writing.allIsDurable(through: last.seq)
                writing.closedAtCommit = commit
                effects.reached(.logOpenedAsClosed)
                var operations = cleanUp
                if goesWeak {
                    writing.encoder.whole(false)
                    let line = writing.encoder.take()
                    writing.end += Int64(line.count)
                    writing.closedAtCommit = nil
                    operations += [.append(.log, line), .sync(.log)]
                }
                run(operations + [.syncDirectory], then: .opened, into: &effects)
            } else {
                // Before there is a rollback file again, the log itself must be safe under its name: else a power cut
                // could leave half a copy and no log.
                run([.sync(.log)] + cleanUp + [.syncDirectory], then: .cleanedUp, into: &effects)
            }
            return []
        }
    }

    private mutating func report(_ found: Recovery.Found, into effects: inout Sink) {
        opening.report.importedVersion1 = found.version == .version1
        // What was renamed just now may be in the page cache only, whatever it says.
        opening.report.wasClosed = found.wasClosed && !opening.report.finishedRename
        opening.report.tornBytes = found.tornBytes
        opening.report.tornRecords = found.tornRecords
        if found.tornBytes > 0 {
            effects.reached(.tornTailRolledBack)
            effects.log(
                .warning, "log ends in a torn write, which is rolled back",
                [
                    LogField("offset", found.end), LogField("bytes", found.tornBytes),
                    LogField("records", found.tornRecords), LogField("last", last),
                ])
        }
        if opening.report.importedVersion1 {
            effects.log(.notice, "log of version 1 is rewritten as version 2", [LogField("entries", last.seq)])
        }
    }

    // MARK: A log that is not there

    private mutating func logIsMissing(into effects: inout Sink) -> [LogStoreEvent] {
        if opening.rollbackSize != nil { return scan(.rollback, into: &effects) }
        create(cleaningUp: [], into: &effects)
        return []
    }

    private mutating func create(cleaningUp: [DiskOperation], into effects: inout Sink) {
        contents = LogContents(store: StoreID(random.uuid()), cachedEntryBytes: options.cachedEntryBytes)
        opening.report.wasFresh = true
        writing.encoder.header(store)
        let header = writing.encoder.take()
        writing.end = Int64(header.count)
        var first: [DiskOperation] = [.append(.log, header), .sync(.log)]
        if options.sync.isWeak {
            // In a write of its own: what a crash leaves of a new store is known by its size, which is at most a header's.
            contents.isWholeAsItStands = false
            writing.encoder.whole(false)
            let line = writing.encoder.take()
            writing.end += Int64(line.count)
            first += [.append(.log, line), .sync(.log)]
        }
        // What an earlier attempt left must be gone for good, or a power cut could mix the two headers.
        let emptied: [DiskOperation] = (opening.logSize ?? 0) > 0 ? [.truncate(.log, size: 0), .sync(.log)] : []
        run(
            cleaningUp + emptied + first + [.syncDirectory], then: .created, into: &effects)
    }

    private mutating func rollbackScanned(_ verdict: Recovery.Verdict, into effects: inout Sink) -> [LogStoreEvent] {
        guard case .usable(let found) = verdict,
            found.version == .version1 ? found.tornBytes == 0 : found.wasClosed
        else {
            if (opening.logSize ?? 0) > 0, !hasEntries(verdict) {
                // A header that is there in part was never synced, so this store never held anything. It had been read from
                // the page cache after a failed sync, and was being rewritten. The order matters: a torn rollback file
                // beside an empty log would be refused.
                create(cleaningUp: [.remove(.rollback), .syncDirectory], into: &effects)
                return []
            }
            return stop(
                """
                \(options.logName) is missing and \(options.rollbackName) is not complete: nothing was changed; restore \
                \(options.logName) from a copy, or move \(options.rollbackName) away and let the store join its group empty
                """)
        }
        run([.sync(.rollback), .rename(.rollback, to: .log), .syncDirectory], then: .renameFinished, into: &effects)
        return []
    }

    private func hasEntries(_ verdict: Recovery.Verdict) -> Bool {
        switch verdict {
        case .usable(let found): found.contents.last.seq > 0
        case .fresh, .refused: false
        }
    }
}
