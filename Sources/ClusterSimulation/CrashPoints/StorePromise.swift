import Machine
import Storage
import Wire

/// What a log may say: what was copied, and the entries that follow.
struct StoreHistory: Hashable, Sendable {
    /// The pieces of the copy that it begins with.
    var copied: [CopyContent] = []
    var entries: [Entry] = []

    init(_ entries: [Entry] = [], copied: [CopyContent] = []) {
        self.entries = entries
        self.copied = copied
    }

    /// Entries through here were copied.
    var copiedThrough: UInt64 { if case .end(let end)? = copied.last { end.position.seq } else { 0 } }
    /// Those of them that are there.
    var copiedEntries: [Entry] {
        copied.flatMap { (piece: CopyContent) -> [Entry] in
            if case .entries(let entries) = piece { entries } else { [] }
        }
    }
    var memories: [SessionMemory] {
        copied.flatMap { (piece: CopyContent) -> [SessionMemory] in
            if case .sessions(let memories) = piece { memories } else { [] }
        }
    }

    func through(_ seq: UInt64) -> StoreHistory {
        StoreHistory(Array(entries.prefix { $0.position.seq <= seq }), copied: copied)
    }

    func starts(with other: StoreHistory) -> Bool { copied == other.copied && entries.starts(with: other.entries) }
}

/// What the world was told by the lives of a store so far, and what it may therefore find in the next one.
struct StorePromise: Hashable, Sendable {
    /// What was reported durable.
    var durable = StoreHistory()
    /// Everything a right log can be a prefix of: the log as it is, and, while a truncation is under way, as it was.
    var histories = [StoreHistory()]
    /// The copy that is being taken: the log is as it was, or all of this.
    var copying: StoreHistory?
    var adoptedTerm: UInt64 = 0
    var highestTerm: UInt64 = 0
    /// The longest lease that was reported durable, and the longest that it was told.
    var lease = Nanoseconds.zero
    var highestLease = Nanoseconds.zero
    /// The lineage that was last reported durable, and those that were set since: it is one of them.
    var lineages: [Lineage?] = [nil]
    /// The same of its registrations' nonces.
    var nonces: [[LifeNonce]] = [[]]
    /// Which store it is, or becomes.
    var stores: [StoreID] = []
    /// Whether entries were reported durable that had not been synced: then a store that says that it is not whole may lack them.
    var wasWeak = false
    /// The highest commit mark that any life had; and the one that is in the file, because a life opened with it or closed.
    var commit: UInt64 = 0
    var writtenCommit: UInt64 = 0

    /// What is wrong with a store that was opened; nil where nothing is.
    func violation(by life: inout StoreLife) -> String? {
        if let trouble = life.trouble { return "it would not open: \(trouble)" }
        guard life.report != nil else { return "it did not open: \(life.events)" }
        let store = life.store
        guard let entries = life.entries() else { return "it does not give its entries: \(life.trouble ?? "")" }
        let candidates = histories + [copying].compactMap { $0 }
        guard
            let history = candidates.first(where: { $0.copiedThrough + 1 == store.oldest && $0.entries.starts(with: entries) })
        else { return "it holds \(brief(entries)), no prefix of \(candidates.map { brief($0.entries) })" }
        let found = StoreHistory(entries, copied: history.copied)
        // What a copy has replaced is not asked for any more.
        let isReplaced = history.copied != durable.copied
        let commit = max(commit, history.copiedThrough)
        if !store.isWhole, !wasWeak { return "it says that it may lack something" }
        if store.isWhole, !isReplaced, !found.starts(with: durable) {
            return "it holds \(brief(entries)), but \(brief(durable.entries)) was synced"
        }
        if store.isWhole, store.last.seq < commit { return "it ends at \(store.last), but had committed \(commit)" }
        if store.commit > commit { return "its commit mark is \(store.commit), but \(commit) was the highest ever" }
        if store.commit < writtenCommit { return "its commit mark is \(store.commit), but \(writtenCommit) was written" }
        if store.adoptedTerm < adoptedTerm { return "its term is \(store.adoptedTerm), but \(adoptedTerm) was synced" }
        if store.adoptedTerm > highestTerm { return "its term is \(store.adoptedTerm), which nobody told it" }
        if store.longestLease < lease { return "its longest lease is \(store.longestLease), but \(lease) was synced" }
        if store.longestLease > highestLease { return "its longest lease is \(store.longestLease), which nobody told it" }
        if !lineages.contains(store.lineage) { return "its lineage is none of \(lineages)" }
        if !nonces.contains(store.nonces) { return "its nonces \(store.nonces) are none of \(nonces)" }
        if !stores.isEmpty, !stores.contains(store.store) { return "it is another store" }
        if stores.count > 1, store.store != stores.first, !store.nonces.isEmpty {
            return "a new store has nonces of the old one"
        }
        if store.durable != store.last.seq { return "of what it opened with, \(store.last), only \(store.durable) counts" }
        return wrongState(store, found) ?? wrongFile(life.disk, found)
    }

    /// The state must be what the committed entries make.
    private func wrongState(_ store: LogStore, _ history: StoreHistory) -> String? {
        var keys: [[UInt8]] = []
        var values: [[UInt8]] = []
        for entry in history.copiedEntries + history.through(store.commit).entries {
            let (key, value): ([UInt8], [UInt8]?)
            switch entry.operation {
            case .put(let name, let content): (key, value) = (name, content)
            case .delete(let name): (key, value) = (name, nil)
            case .beginTerm, .openSession, .closeSession: continue
            }
            if let index = keys.firstIndex(of: key) {
                keys.remove(at: index)
                values.remove(at: index)
            }
            if let value {
                keys.append(key)
                values.append(value)
            }
        }
        if store.keyCount != keys.count { return "it has \(store.keyCount) keys instead of \(keys.count)" }
        for (key, value) in zip(keys, values) where store.value(of: key) != value { return "a value of its state is wrong" }
        return wrongMemory(store, history)
    }

    /// What it remembers of sessions must be what the committed entries say.
    private func wrongMemory(_ store: LogStore, _ history: StoreHistory) -> String? {
        let committed = history.through(store.commit).entries
        let closed = committed.compactMap { entry in
            if case .closeSession(let session) = entry.operation { session } else { nil }
        }
        let opened =
            history.memories.map(\.session)
            + committed.filter { $0.operation == .openSession }.map { SessionID(opened: $0.position) }
        let open = opened.filter { !closed.contains($0) }
        if store.sessions.ids != open { return "it has the sessions \(store.sessions.ids) instead of \(open)" }
        for memory in history.memories where open.contains(memory.session) {
            let lowestOpen =
                committed.compactMap(\.identity).filter { $0.session == memory.session }.map(\.lowestOpen).max() ?? 0
            for outcome in memory.outcomes where outcome.sequence >= lowestOpen {
                let identity = RequestIdentity(session: memory.session, sequence: outcome.sequence, lowestOpen: 1)
                let result = outcome.existed.map { KeyResult.deleted(existed: $0) } ?? .put
                guard store.recollection(of: identity) == .happened(seq: outcome.seq, result) else {
                    return "it does not remember \(identity) as the copy said"
                }
            }
        }
        for entry in committed {
            guard let identity = entry.identity else { continue }
            let others = committed.compactMap(\.identity).filter { $0.session == identity.session }
            let lowestOpen = others.map(\.lowestOpen).max() ?? 0
            switch store.recollection(of: identity) {
            case .unknownSession where !open.contains(identity.session): continue
            case .forgotten where identity.sequence < lowestOpen: continue
            case .happened(entry.position.seq, _) where identity.sequence >= lowestOpen: continue
            case .unknownSession, .forgotten, .happened, .new: return "it does not remember \(identity) as it should"
            }
        }
        return nil
    }

    /// The file must say the same to a reader who knows nothing of the store, from its first byte to its last.
    private func wrongFile(_ disk: CrashDisk, _ history: StoreHistory) -> String? {
        guard let bytes = disk[.log] else { return "its log has no name" }
        if disk[.rollback] != nil { return "a rollback file was left" }
        let (image, end) = LogImage.read(bytes)
        if end != bytes.count { return "its log ends with \(bytes.count - end) bytes that are no record" }
        if image.copiedThrough != history.copiedThrough { return "its log is another copy than it says" }
        if image.records != (history.copiedEntries + history.entries).map(LogImage.Record.init) {
            return "its log holds other records than it says"
        }
        return nil
    }

    private func brief(_ entries: [Entry]) -> String { "\(entries.count) entries to \(entries.last?.position ?? .zero)" }
}

extension LogImage.Record {
    /// How an entry must look in the file.
    init(_ entry: Entry) {
        let content: [UInt8]
        switch entry.operation {
        case .put(let key, let value):
            content = LogImage.base64(key) + [UInt8(ascii: "\n")] + LogImage.base64(value)
        case .delete(let key): content = LogImage.base64(key) + Array("\n-".utf8)
        case .beginTerm: content = []
        case .openSession: content = Array("%session".utf8)
        case .closeSession(let session): content = Array(session.description.utf8)
        }
        let identity = entry.identity.map { "\($0.session) \($0.sequence) \($0.lowestOpen)" } ?? ""
        self.init(
            term: entry.position.term, seq: entry.position.seq, content: content[...], identity: Array(identity.utf8)[...])
    }
}

extension LogImage {
    /// RFC 4648, section 4, without the store's help.
    static func base64(_ bytes: [UInt8]) -> [UInt8] {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            let word = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for digit in 0..<4 {
                text.append(digit <= group.count ? alphabet[word >> (18 - 6 * digit) & 63] : UInt8(ascii: "="))
            }
        }
        return text
    }
}
