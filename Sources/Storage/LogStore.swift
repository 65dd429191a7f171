import Machine
import Wire

/// # The log store
///
/// One store is one log, and the log is the store: entries are appended to `dbfile`, the committed ones are applied to an
/// index in memory, and opening reads the file from its beginning. The store is a machine over disk effects: it asks for
/// operations and is told of their completion, so that a simulated disk can fail it at every single one.
///
/// What it promises:
/// - **Durability.** An entry counts towards `durable` after its sync, never before (unless a weaker `SyncPolicy` says so, and then
///   the log says that it may lack what counted). While a sync runs, whatever is written
///   meanwhile gathers and shares the next one (group commit).
/// - **Order.** Only a prefix of the log can be lost, and only the part beyond `durable`.
/// - **A crash at any operation**, those of opening and rewriting included, leaves a store that opens to the old or the new
///   state, never to a mixture.
/// - **Nothing wrong is ever returned.** Every record is checked when it is read. A torn tail is rolled back; damage to what
///   had been synced is refused, loudly.
/// - **A failed write or sync is final.** The kernel may have dropped the dirty pages and report success next time, so the
///   store stops, and what was not proven synced is written anew when it is opened again.
///
/// What it assumes: the disk performs operations in the order of the requests, except that reads may overtake; a rename is
/// atomic; one store per life.
///
/// How it lives: `open` → `.opened` (or `.refused`), then appends and commits, with `flush` at each batch's end; `truncate`
/// rewrites, and appends wait for it; `close` → `.closed`.
public struct LogStore: Sendable {
    public struct Options: Hashable, Sendable {
        /// The longest key and value that a record may hold. A longer line in the file is damage. These are the format's
        /// bounds, not what clients may store: lowering them makes larger records of old unreadable.
        public var limits: Limits
        /// How much is read or rewritten at a time, in bytes.
        public var chunkBytes: Int
        /// How much memory the newest committed entries may take, in bytes. Older ones are read from the file.
        public var cachedEntryBytes: Int
        /// When an entry counts as durable.
        public var sync: SyncPolicy
        /// What to call the log and the rollback file in messages to the operator.
        public var logName: String
        public var rollbackName: String

        public init(
            limits: Limits = Limits(keyBytes: 1 << 16, valueBytes: 1 << 26), chunkBytes: Int = 1 << 20,
            cachedEntryBytes: Int = 16 << 20, sync: SyncPolicy = .always, logName: String = "dbfile",
            rollbackName: String = "rbfile"
        ) {
            precondition(chunkBytes > 0)
            self.limits = limits
            self.chunkBytes = chunkBytes
            self.cachedEntryBytes = cachedEntryBytes
            self.sync = sync
            self.logName = logName
            self.rollbackName = rollbackName
        }
    }

    /// What the store is doing.
    @usableFromInline enum Phase: Hashable, Sendable {
        case unopened
        case opening
        case open
        /// A rewrite replaces the file: reads go on, appends wait.
        case rewriting
        /// Everything is being synced; then the file is closed.
        case closing
        case closed
        /// Refused or failed: final.
        case stopped
    }

    let options: Options
    var random: SeededRandom
    @usableFromInline var phase = Phase.unopened
    @usableFromInline var contents: LogContents
    var requests = DiskRequests()
    @usableFromInline var writing = LogWriting()
    var reading = LogReading()
    var opening = LogOpening()
    var rewrite: LogRewrite?
    /// The copy that is being taken.
    var taking: CopyTaking?
    /// A copy that was begun has left a rollback file.
    var hasRollbackFile = false
    /// Whether the log has everything that this store ever acknowledged.
    public internal(set) var isWhole = true
    /// Operations that are performed one after the other, each after the success of the one before.
    var script = DiskScript()

    /// A store that was not opened yet. `random` gives it its identity if it turns out to be new.
    public init(options: Options = Options(), random: SeededRandom) {
        self.options = options
        self.random = random
        contents = LogContents(store: StoreID(""), cachedEntryBytes: options.cachedEntryBytes)
    }

    // MARK: Facts

    // Inlinable: these are asked after every batch, and a call from another module would be handed a copy of the store.

    /// Whether entries and terms are taken: from `.opened` until `close`, also while rewriting.
    @inlinable public var isOpen: Bool { phase == .open || phase == .rewriting }
    /// Whether a truncation is under way: `append` and `truncate` must wait for `.truncated`.
    @inlinable public var isRewriting: Bool { phase == .rewriting }
    /// The store's identity; it survives restarts.
    @inlinable public var store: StoreID { contents.store }
    /// The history that the store belongs to; nil where it was never told.
    @inlinable public var lineage: Lineage? { contents.lineage }
    /// The highest term that the store adopted or has an entry of. It may not be durable yet: see `writeMark`.
    @inlinable public var adoptedTerm: UInt64 { contents.adoptedTerm }
    /// The longest lease that any life of this store promised. It may not be durable yet: see `writeMark`.
    @inlinable public var longestLease: Nanoseconds { contents.longestLease }
    /// By which of its registrations ZooKeeper may know the store, oldest first. The last may not be durable yet: see `writeMark`.
    public var nonces: [LifeNonce] { contents.nonces }
    /// The last entry; `.zero` where there is none.
    @inlinable public var last: Position { contents.last }
    /// Entries through this sequence number count as durable: they are synced, or, under a weaker policy, written.
    @inlinable public var durable: UInt64 { writing.counted }
    /// Entries through this sequence number are applied.
    @inlinable public var commit: UInt64 { contents.commit }
    /// Bytes of the log, with what is not written yet.
    public var size: Int64 { writing.encodedEnd }
    /// The number of keys in the committed state.
    public var keyCount: Int { contents.index.count }
    /// Which term made which entries, oldest first.
    @inlinable public var runs: [TermRun] { contents.terms.runs }
    /// Counts what was handed over to the store: each entry, adopted term, lease and lineage. Once `durableMark` has reached a mark,
    /// everything handed over before it was returned is synced.
    @inlinable public var writeMark: UInt64 { writing.writeMark }
    @inlinable public var durableMark: UInt64 { writing.durableMark }
    /// The same of what the disk has done with it, as far as the policy waits for that: where it stands still, the disk hangs.
    public var settledMark: UInt64 {
        let awaitsSync = !options.sync.isWeak || writing.durableMark < writing.wantedMark
        return awaitsSync ? writing.durableMark : writing.writtenMark
    }
    /// Whether anything that was handed over is not synced.
    public var hasUnsynced: Bool { writing.durableMark < writing.writeMark }

    /// The term of an entry: 0 at sequence number 0, nil beyond the end.
    @inlinable public func term(at seq: UInt64) -> UInt64? { contents.terms.term(at: seq) }

    /// The value of a key in the committed state; nil where the key does not exist.
    public func value(of key: [UInt8]) -> [UInt8]? { contents.index.value(of: key) }

    /// What the committed state knows of a mutation.
    public func recollection(of identity: RequestIdentity) -> SessionTable.Recollection {
        contents.sessions.recollection(of: identity)
    }

    /// How many client sessions are open in the committed state.
    public var sessionCount: Int { contents.sessions.count }

    /// What the committed state remembers of client sessions: for those who walk it, or compare replicas.
    public var sessions: SessionTable { contents.sessions }

    /// An entry that is still in memory, as all are that were not committed before the last batch; else nil. For those who
    /// judge a store: who replicates asks for `entries(from:maxBytes:into:)`.
    public func entryInMemory(at seq: UInt64) -> Entry? { contents.tail.entry(at: seq) }

    // MARK: Commit

    /// What became of an entry when it was applied.
    public struct Applied: Hashable, Sendable {
        public var seq: UInt64
        /// Whether the entry's key existed right before it.
        public var existed: Bool

        public init(seq: UInt64, existed: Bool) {
            self.seq = seq
            self.existed = existed
        }
    }

    /// Applies the entries through `seq`, which must be in the log, in order. A mark that was reached before changes nothing.
    public mutating func commit(through seq: UInt64) -> [Applied] {
        guard seq > commit else { return [] }
        var applied: [Applied] = []
        applied.reserveCapacity(Int(min(seq - commit, 4096)))
        contents.commit(through: seq) { applied.append(Applied(seq: $0, existed: $1)) }
        contents.tail.trim(through: min(commit, durable))
        return applied
    }

    // MARK: Completions

    /// A disk operation ended. Completions of operations that are none of the store's are ignored.
    public mutating func completed(_ completion: DiskCompletion, into effects: inout Sink) -> [LogStoreEvent] {
        guard phase != .stopped, phase != .closed else { return [] }
        if completion.id == script.running { return scriptStepEnded(completion.result, into: &effects) }
        if completion.id == writing.syncing?.id { return syncEnded(completion.result, into: &effects) }
        if writing.appending.first?.id == completion.id { return appendEnded(completion.result, into: &effects) }
        if let index = reading.index(of: completion.id) { return readEnded(index, completion.result, into: &effects) }
        if let index = reading.walkIndex(of: completion.id) { return walkReadEnded(index, completion.result, into: &effects) }
        if taking?.appending.first == completion.id { return copyAppendEnded(completion.result, into: &effects) }
        return []
    }

    /// Something failed that the store cannot go on without.
    mutating func stop(_ reason: String) -> [LogStoreEvent] {
        let wasOpening = phase == .opening
        phase = .stopped
        rewrite = nil
        taking = nil
        return [wasOpening ? .refused(reason) : .failed(reason)]
    }

    /// An operation failed: the system's words name the path.
    mutating func stop(doing what: String, _ result: DiskResult) -> [LogStoreEvent] {
        switch result {
        case .failed(let error): stop("cannot \(what): \(error.detail)")
        case .done, .data, .listing: stop("cannot \(what): the disk answered something else than it was asked")
        }
    }
}

/// What the store tells its owner.
public enum LogStoreEvent: Hashable, Sendable {
    case opened(OpenReport)
    /// The store cannot be opened; the text is one clear line for the operator. Final.
    case refused(String)
    /// `durable` or `durableMark` moved.
    case synced
    /// The truncation is durable, and appends are taken again.
    case truncated
    /// The answer to `entries(from:maxBytes:into:)`. Empty where the log was truncated meanwhile: ask again.
    case entriesRead(ticket: UInt64, [Entry])
    /// The answer to `walkOn(_:maxBytes:into:)`: how far it is, and what it found. No walk where the file was written anew
    /// meanwhile: begin again.
    case walked(ticket: UInt64, CopyWalk?, [Entry])
    /// A piece of the copy that is being taken is written.
    case copyWritten
    /// The copy is durable, and has replaced everything.
    case copyTaken
    /// Everything is synced and the file says so. Final.
    case closed
    /// The log has another name, and the next life begins empty. Final.
    case setAside
    /// A write, sync or read failed, or what was read is damaged. Final: nothing may be promised from here on, and the node
    /// must stop.
    case failed(String)
}

/// What opening found and did.
public struct OpenReport: Hashable, Sendable {
    /// There was nothing: the store is new, with a fresh identity.
    public var wasFresh = false
    /// The file was of version 1, and is of version 2 now.
    public var importedVersion1 = false
    /// The store was closed cleanly. If not, the file was written anew, and entries that were not synced may be gone.
    public var wasClosed = false
    /// The log had been missing, and the rollback file took its place.
    public var finishedRename = false
    /// What was cut off at the end, in bytes, and how many records could be recognised in it.
    public var tornBytes: Int64 = 0
    public var tornRecords = 0

    public init() {}
}

/// Numbers the store's disk requests.
struct DiskRequests: Sendable {
    private var next: UInt64 = 1

    mutating func request(_ operation: DiskOperation, into effects: inout Sink) -> DiskID {
        let id = DiskID(next)
        next += 1
        effects.append(.disk(DiskRequest(id: id, operation: operation)))
        return id
    }
}
