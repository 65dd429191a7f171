import DequeModule
import Machine
import Wire

/// Everything that a log says, as of its last record: what opening rebuilds and what writing carries on.
@usableFromInline struct LogContents: Sendable {
    @usableFromInline var store: StoreID
    @usableFromInline var lineage: Lineage?
    /// The highest term heard of, in an adopt line or an entry.
    @usableFromInline var adoptedTerm: UInt64 = 0
    /// The longest lease that the store has promised.
    @usableFromInline var longestLease = Nanoseconds.zero
    /// By which of its registrations ZooKeeper may know the store, oldest first.
    var nonces: [LifeNonce] = []
    /// Whether a store whose file ends here has everything that it acknowledged: what the log says of it after a crash.
    var isWholeAsItStands = true
    @usableFromInline var terms = TermTable()
    /// Where the log begins with a copied part: its end. Entries up to there that were superseded are not in the log.
    @usableFromInline private(set) var copied: CopyEnd?
    var tail: EntryTail
    var index = KeyIndex()
    /// What the committed state remembers of client sessions.
    var sessions = SessionTable()
    var marks = OffsetIndex()
    /// Entries through here are applied to the index.
    @usableFromInline private(set) var commit: UInt64 = 0

    init(store: StoreID, cachedEntryBytes: Int) {
        self.store = store
        tail = EntryTail(byteBudget: cachedEntryBytes)
    }

    @inlinable var last: Position { terms.last }

    /// Adds the next entry, whose record begins at `offset` after one with the checksum `chain`.
    mutating func append(_ entry: Entry, offset: Int64, chain: UInt32) {
        terms.append(entry.position)
        adoptedTerm = max(adoptedTerm, entry.position.term)
        marks.note(OffsetIndex.Mark(seq: entry.position.seq, offset: offset, chain: chain))
        tail.append(entry)
    }

    /// The log begins with a copied part, which ends here: all of it is committed.
    mutating func begin(with part: CopiedPart, _ end: CopyEnd) {
        precondition(last == .zero, "a copied part after entry \(last)")
        copied = end
        terms = TermTable(part.runs)
        adoptedTerm = max(adoptedTerm, end.position.term)
        index = part.index
        sessions = part.sessions
        commit = end.position.seq
    }

    /// Applies entries in order through `seq`, which is in the log, and tells for each whether its key existed before.
    mutating func commit(through seq: UInt64, _ applied: (UInt64, Bool) -> Void) {
        precondition(seq <= last.seq, "commit \(seq) beyond the end of the log at \(last)")
        while commit < seq {
            let entry = tail[commit + 1]
            let existed = index.apply(entry.operation, at: entry.position.seq)
            sessions.apply(entry, existed: existed)
            commit += 1
            applied(commit, existed)
        }
    }

    /// Forgets the entries after `seq`. They were never committed.
    mutating func truncate(after seq: UInt64) {
        precondition(seq >= commit, "truncation after \(seq), below the commit mark \(commit)")
        terms.truncate(after: seq)
        tail.truncate(after: seq)
    }
}

/// Which term made which entries: consecutive runs, oldest first. It comes from entries that are in the log and from nothing
/// else; a term that was merely heard of makes no claim here.
@usableFromInline struct TermTable: Hashable, Sendable {
    @usableFromInline private(set) var runs: [TermRun] = []

    /// `runs` follow each other without gaps from sequence number 1.
    init(_ runs: [TermRun] = []) { self.runs = runs }

    @inlinable var last: Position { runs.last.map { Position(term: $0.term, seq: $0.last) } ?? .zero }

    mutating func append(_ position: Position) {
        precondition(position.seq == last.seq + 1, "entry \(position) cannot follow \(last)")
        precondition(position.term >= last.term, "entry \(position) is of an older term than \(last)")
        if let run = runs.last, run.term == position.term {
            runs[runs.count - 1].last = position.seq
        } else {
            runs.append(TermRun(term: position.term, first: position.seq, last: position.seq))
        }
    }

    mutating func truncate(after seq: UInt64) {
        while let run = runs.last, run.first > seq { runs.removeLast() }
        if let run = runs.last, run.last > seq { runs[runs.count - 1].last = seq }
    }

    /// The term of an entry; 0 before the first, nil after the last.
    @inlinable func term(at seq: UInt64) -> UInt64? {
        guard seq > 0 else { return 0 }
        guard seq <= last.seq else { return nil }
        var low = 0
        var high = runs.count
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].last < seq { low = middle + 1 } else { high = middle }
        }
        return runs[low].term
    }
}

/// The newest entries, in memory: all that are not committed, and as many committed ones as fit the budget, for the standbys
/// that are nearly level.
struct EntryTail: Sendable {
    private var entries: Deque<Entry> = []
    private var bytes = 0
    private let byteBudget: Int

    /// What an entry weighs beside its key and value.
    private static let overheadBytes = 64

    init(byteBudget: Int) { self.byteBudget = byteBudget }

    private static func weight(_ entry: Entry) -> Int { entry.operation.payloadBytes + overheadBytes }

    /// The sequence number of the oldest entry here; nil where there is none.
    var first: UInt64? { entries.first?.position.seq }

    subscript(seq: UInt64) -> Entry {
        guard let first, seq >= first, seq - first < UInt64(entries.count) else {
            preconditionFailure("entry \(seq) is not in memory")
        }
        return entries[Int(seq - first)]
    }

    /// An entry, if it is here.
    func entry(at seq: UInt64) -> Entry? {
        guard let first, seq >= first, seq - first < UInt64(entries.count) else { return nil }
        return entries[Int(seq - first)]
    }

    mutating func append(_ entry: Entry) {
        entries.append(entry)
        bytes += EntryTail.weight(entry)
    }

    /// Lets the oldest entries go while the budget is exceeded, through `seq` at most.
    mutating func trim(through seq: UInt64) {
        while bytes > byteBudget, let oldest = entries.first, oldest.position.seq <= seq {
            bytes -= EntryTail.weight(oldest)
            entries.removeFirst()
        }
    }

    mutating func truncate(after seq: UInt64) {
        while let newest = entries.last, newest.position.seq > seq {
            bytes -= EntryTail.weight(newest)
            entries.removeLast()
        }
    }

    /// Entries from `seq` on, at least one if there is one, then no more than `maxBytes`; nil where `seq` is not in memory.
    func entries(from seq: UInt64, maxBytes: Int) -> [Entry]? {
        guard let first, seq >= first else { return nil }
        var taken: [Entry] = []
        var budget = maxBytes
        for index in Int(seq - first)..<max(Int(seq - first), entries.count) {
            budget -= EntryTail.weight(entries[index])
            guard taken.isEmpty || budget >= 0 else { break }
            taken.append(entries[index])
        }
        return taken
    }
}

/// The committed state: each key's value, in memory.
struct KeyIndex: Sendable {
    private struct Stored: Sendable {
        /// The entry that put it.
        var seq: UInt64
        var value: [UInt8]
    }

    private var values = LookupTable<[UInt8], Stored>()
    /// How long the records of all keys would be in a file, about.
    private(set) var recordBytes: Int64 = 0

    var count: Int { values.count }

    func value(of key: [UInt8]) -> [UInt8]? { values[key]?.value }

    /// The entry that put a key's value.
    func seq(of key: [UInt8]) -> UInt64? { values[key]?.seq }

    /// Base64, and a closing line.
    private static func recordBytes(_ key: [UInt8], _ value: [UInt8]) -> Int64 {
        Int64((key.count + 2) / 3 * 4 + (value.count + 2) / 3 * 4 + 40)
    }

    /// Whether the key existed before.
    mutating func apply(_ operation: Operation, at seq: UInt64) -> Bool {
        switch operation {
        case .put(let key, let value):
            recordBytes += KeyIndex.recordBytes(key, value)
            guard let before = KeyIndex.exchange(&values[key], Stored(seq: seq, value: value)) else { return false }
            recordBytes -= KeyIndex.recordBytes(key, before.value)
            return true
        case .delete(let key):
            guard let before = values.removeValue(forKey: key) else { return false }
            recordBytes -= KeyIndex.recordBytes(key, before.value)
            return true
        case .beginTerm, .openSession, .closeSession: return false
        }
    }

    private static func exchange(_ slot: inout Stored?, _ value: Stored) -> Stored? {
        let before = slot
        slot = value
        return before
    }
}

/// Where in the file an entry begins: one mark every so many bytes, from which a reader scans on.
struct OffsetIndex: Sendable {
    struct Mark: Hashable, Sendable {
        var seq: UInt64
        /// Where the entry's record begins.
        var offset: Int64
        /// The checksum of the record before it, so that what is read there can be checked.
        var chain: UInt32
    }

    static let spacing: Int64 = 1 << 16

    private var marks: [Mark] = []

    mutating func note(_ mark: Mark) {
        if let newest = marks.last, mark.offset - newest.offset < OffsetIndex.spacing { return }
        marks.append(mark)
    }

    /// The nearest mark at or before an entry.
    func mark(before seq: UInt64) -> Mark? {
        var low = 0
        var high = marks.count
        while low < high {
            let middle = (low + high) / 2
            if marks[middle].seq <= seq { low = middle + 1 } else { high = middle }
        }
        return low > 0 ? marks[low - 1] : nil
    }
}
