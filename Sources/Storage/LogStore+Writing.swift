import DequeModule
import Machine
import Wire

/// What was written, handed to the disk, and synced. Each step may lag behind the one before.
@usableFromInline struct LogWriting: Sendable {
    /// An append or a sync under way, and what is written or synced once it ends.
    struct Step: Sendable {
        var id: DiskID
        var mark: UInt64
        var seq: UInt64
    }

    var encoder = LogEncoder()
    /// Where the file ends once everything handed over is written.
    var end: Int64 = 0
    @usableFromInline var writeMark: UInt64 = 0
    /// What the appends so far cover.
    var handedMark: UInt64 = 0
    var handedSeq: UInt64 = 0
    var appending: Deque<Step> = []
    var writtenMark: UInt64 = 0
    var syncing: Step?
    /// What somebody waits for to be synced, whatever the policy says.
    var wantedMark: UInt64 = 0
    @usableFromInline var durableMark: UInt64 = 0
    /// Entries through this sequence number are synced, and those through the other count as durable.
    var durable: UInt64 = 0
    @usableFromInline var counted: UInt64 = 0
    /// The file ends with a `%closed` line that says this commit mark.
    var closedAtCommit: UInt64?
    /// A term, lease, lineage or nonce came during a rewrite, and is written after it.
    var owesTerm = false
    var owesLease = false
    var owesWhole = false
    var owesLineage = false
    var owesNonces = false

    /// The file was made anew, or opened as it is: all of it is synced.
    mutating func allIsDurable(through seq: UInt64) {
        durable = seq
        counted = seq
        handedSeq = seq
    }

    /// The file's end once everything encoded is written.
    var encodedEnd: Int64 { end + Int64(encoder.bytes.count) }
}

extension LogStore {
    /// Adds the next entry. It is written at the next `flush`, and synced when `durable` says so.
    ///
    /// - Precondition: the store is open and not rewriting; the sequence number follows `last`, and the term is not older; the
    ///   operation ``fits(_:)``.
    public mutating func append(_ entry: Entry) {
        precondition(phase == .open || phase == .stopped, "append to a store that is \(phase)")
        precondition(entry.isConsistent, "an identity of what cannot be repeated")
        precondition(fits(entry.operation), "an entry of \(entry.operation.payloadBytes) bytes")
        let marks = EntryMarks(position: entry.position, commit: commit, durable: writing.durable, identity: entry.identity)
        contents.append(entry, offset: writing.encodedEnd, chain: writing.encoder.chain)
        writing.encoder.entry(entry.operation, marks)
        writing.writeMark += 1
    }

    /// Whether a record can hold the operation, so that it can be read again.
    public func fits(_ operation: Operation) -> Bool {
        switch operation {
        case .put(let key, let value): key.count <= options.limits.keyBytes && value.count <= options.limits.valueBytes
        case .delete(let key): key.count <= options.limits.keyBytes
        case .beginTerm, .openSession, .closeSession: true
        }
    }

    /// Remembers the highest term heard of. An older one changes nothing. Once `durableMark` reaches the mark that is
    /// returned, the term is synced.
    ///
    /// - Precondition: the store is open (a rewrite may be under way).
    @discardableResult
    public mutating func adopt(term: UInt64) -> UInt64 {
        precondition(isOpen || phase == .stopped, "adopting a term in a store that is \(phase)")
        guard term > contents.adoptedTerm else { return writing.writeMark }
        contents.adoptedTerm = term
        noteFact()
        if isRewriting {
            writing.owesTerm = true
        } else {
            writing.encoder.adopt(term: term)
        }
        return writing.writeMark
    }

    /// Remembers how long a lease the store promises, for the lives after this one: they cannot know when it was given, but what
    /// cannot reach further than this beyond their start. A shorter one changes nothing. Once `durableMark` reaches the mark that
    /// is returned, it is synced; before, none may be promised.
    ///
    /// - Precondition: the store is open (a rewrite may be under way).
    @discardableResult
    public mutating func remember(lease: Nanoseconds) -> UInt64 {
        precondition(isOpen || phase == .stopped, "remembering a lease in a store that is \(phase)")
        guard lease > contents.longestLease else { return writing.writeMark }
        contents.longestLease = lease
        noteFact()
        if isRewriting {
            writing.owesLease = true
        } else {
            writing.encoder.lease(lease)
        }
        return writing.writeMark
    }

    /// The longest lineage that the log's lines can hold, in bytes.
    public static let lineageLimit = 256

    /// Remembers the history that the store belongs to. Once `durableMark` reaches the mark that is returned, it is synced.
    ///
    /// A lineage of more than ``lineageLimit`` bytes is none that Aviary gave out, and changes nothing.
    ///
    /// - Precondition: the store is open (a rewrite may be under way).
    @discardableResult
    public mutating func set(lineage: Lineage) -> UInt64 {
        precondition(isOpen || phase == .stopped, "setting the lineage of a store that is \(phase)")
        guard lineage != contents.lineage, lineage.text.utf8.count <= LogStore.lineageLimit else { return writing.writeMark }
        contents.lineage = lineage
        noteFact()
        if isRewriting {
            writing.owesLineage = true
        } else {
            writing.encoder.lineage(lineage)
        }
        return writing.writeMark
    }

    /// Remembers that ZooKeeper may come to know the store by this registration. Those before `found`, which it has now, it has done
    /// with; where it has none, all may still come. Once `durableMark` reaches the mark that is returned, it is synced; before, nobody
    /// may write it to ZooKeeper.
    ///
    /// - Precondition: the store is open (a rewrite may be under way); it holds `found`.
    @discardableResult
    public mutating func remember(nonce: LifeNonce, after found: LifeNonce?) -> UInt64 {
        precondition(isOpen || phase == .stopped, "remembering a nonce in a store that is \(phase)")
        var nonces = contents.nonces
        if let found {
            guard let index = nonces.firstIndex(of: found) else { preconditionFailure("nonce \(found) is not held") }
            nonces.removeFirst(index)
        }
        nonces.removeAll { $0 == nonce }
        // Those in between were never seen there, and the lives that sent them are gone. (Should one of them come to be after all, this
        // disk counts as an old image, and loses nothing but its place.)
        if nonces.count >= LogFormat.nonceLimit { nonces.removeSubrange(1...(nonces.count - LogFormat.nonceLimit + 1)) }
        nonces.append(nonce)
        contents.nonces = nonces
        noteFact()
        if isRewriting {
            writing.owesNonces = true
        } else {
            writing.encoder.nonces(nonces)
        }
        return writing.writeMark
    }

    /// The store is in-sync: what others committed it has, whatever a crash under a weaker policy had taken from it.
    ///
    /// - Precondition: the store is open (a rewrite may be under way).
    public mutating func becameWhole() {
        precondition(isOpen || phase == .stopped, "a store becomes whole that is \(phase)")
        isWhole = true
        guard !options.sync.isWeak, !contents.isWholeAsItStands else { return }
        contents.isWholeAsItStands = true
        noteFact()
        if isRewriting {
            writing.owesWhole = true
        } else {
            writing.encoder.whole(true)
        }
    }

    /// What is no entry is synced under every policy.
    private mutating func noteFact() {
        writing.writeMark += 1
        writing.wantedMark = writing.writeMark
    }

    /// Has everything so far synced, whatever the policy says, with the next `flush`.
    /// - Returns: the mark that `durableMark` reaches then.
    @discardableResult
    public mutating func demandSync() -> UInt64 {
        writing.wantedMark = writing.writeMark
        return writing.writeMark
    }

    /// Hands everything gathered since the last call to the disk in one write, and asks for a sync unless one is running; the
    /// next one begins when that ends. To be called at the end of each batch.
    public mutating func flush(into effects: inout Sink) {
        guard phase == .open else { return }
        handOver(into: &effects)
        syncIfNeeded(into: &effects)
    }

    mutating func handOver(into effects: inout Sink) {
        guard !writing.encoder.bytes.isEmpty else { return }
        let bytes = writing.encoder.take()
        writing.end += Int64(bytes.count)
        writing.handedMark = writing.writeMark
        writing.handedSeq = last.seq
        writing.closedAtCommit = nil
        let id = requests.request(.append(.log, bytes), into: &effects)
        writing.appending.append(LogWriting.Step(id: id, mark: writing.handedMark, seq: writing.handedSeq))
    }

    mutating func syncIfNeeded(into effects: inout Sink) {
        guard writing.syncing == nil, writing.durableMark < writing.handedMark else { return }
        guard !options.sync.isWeak || phase == .closing || writing.durableMark < writing.wantedMark else { return }
        let id = requests.request(.sync(.log), into: &effects)
        writing.syncing = LogWriting.Step(id: id, mark: writing.handedMark, seq: writing.handedSeq)
    }

    mutating func appendEnded(_ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        let append = writing.appending.removeFirst()
        guard case .done = result else {
            effects.reached(.writeFailedForGood)
            return stop(doing: "write", result)
        }
        writing.writtenMark = append.mark
        if options.sync.isWeak {
            writing.counted = max(writing.counted, min(append.seq, last.seq))
            if writing.counted > writing.durable { effects.reached(.countedBeforeSync) }
            contents.tail.trim(through: min(commit, durable))
        }
        return []
    }

    mutating func syncEnded(_ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        guard case .done = result, let sync = writing.syncing else {
            effects.reached(.syncFailedForGood)
            return stop(doing: "sync", result)
        }
        writing.syncing = nil
        writing.durableMark = max(writing.durableMark, sync.mark)
        writing.durable = max(writing.durable, min(sync.seq, last.seq))
        writing.counted = max(writing.counted, writing.durable)
        contents.tail.trim(through: min(commit, durable))
        switch phase {
        case .open:
            if writing.handedSeq > sync.seq + 1 { effects.reached(.syncWasShared) }
            syncIfNeeded(into: &effects)
        // The rewrite ends with a sync of its own.
        case .rewriting: break
        case .closing: closeIfSynced(into: &effects)
        case .unopened, .opening, .closed, .stopped: preconditionFailure("a sync ended while \(phase)")
        }
        return [.synced]
    }

    // MARK: Closing

    /// Syncs everything and ends the file with `%closed`, so that it opens again without being written anew; answered by
    /// `.closed`. Waits for a rewrite to end.
    ///
    /// - Returns: false where the store is not open: there is nothing to close and no answer.
    @discardableResult
    public mutating func close(into effects: inout Sink) -> Bool {
        switch phase {
        case .open:
            dropCopy(into: &effects)
            phase = .closing
            handOver(into: &effects)
            closeIfSynced(into: &effects)
            return true
        case .rewriting:
            script.closesAfterwards = true
            return true
        case .closing: return true
        case .unopened, .opening, .closed, .stopped: return false
        }
    }

    /// Puts the log aside under another name, so that the next life of this place begins as a new and empty store; answered by
    /// `.setAside`. Nothing is deleted.
    ///
    /// - Precondition: the store is open and not rewriting.
    /// - Returns: the name.
    public mutating func setAside(into effects: inout Sink) -> FileName {
        precondition(phase == .open, "putting the log of a store aside that is \(phase)")
        dropCopy(into: &effects)
        // Part of a copy, and no log beside it, could not be opened: it must be gone before the log is.
        let cleanUp: [DiskOperation] = hasRollbackFile ? [.remove(.rollback), .syncDirectory] : []
        hasRollbackFile = false
        handOver(into: &effects)
        writing.appending.removeAll()
        writing.syncing = nil
        phase = .closing
        let name = FileName.aside("\(store)-\(last.term)-\(last.seq)")
        run(cleanUp + [.sync(.log), .rename(.log, to: name), .syncDirectory], then: .setAside, into: &effects)
        return name
    }

    /// The line is written only after everything before it is synced, so that it is true wherever it is seen, even if it is
    /// never synced itself.
    mutating func closeIfSynced(into effects: inout Sink) {
        guard writing.durableMark == writing.writeMark, writing.syncing == nil else {
            syncIfNeeded(into: &effects)
            return
        }
        if isWhole, !contents.isWholeAsItStands {
            // Everything that counted before it was synced is synced now, and nothing comes after it.
            effects.reached(.closedAsWhole)
            contents.isWholeAsItStands = true
            noteFact()
            writing.encoder.whole(true)
            handOver(into: &effects)
            return syncIfNeeded(into: &effects)
        }
        var operations: [DiskOperation] = []
        if writing.closedAtCommit != commit {
            writing.encoder.closed(last: last.seq, commit: commit)
            let line = writing.encoder.take()
            if LogStore.sharesBlock(with: line.count, at: writing.end) {
                operations.append(.append(.log, line))
            } else {
                effects.reached(.closedWithoutItsLine)
            }
        }
        run(operations + [.sync(.log)], then: .closed, into: &effects)
    }

    /// Whether a line that is written at `offset` shares its block with what will be written behind it.
    ///
    /// If the last sync fails, the line may be dropped from the medium while the next life still reads it, believes it, and
    /// writes on behind it. That write takes the line's block with it, and so mends the hole: if it is in that block. (A file
    /// that ends without the line is written anew when it is opened, as after a crash.)
    private static func sharesBlock(with count: Int, at offset: Int64) -> Bool {
        let block: Int64 = 512
        return offset / block == (offset + Int64(count)) / block
    }
}
