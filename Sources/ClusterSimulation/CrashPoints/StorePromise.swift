import Machine
import Storage
import Wire

/// What the world was told by the lives of a store so far, and what it may therefore find in the next one.
struct StorePromise: Hashable, Sendable {
    /// Entries that were reported durable.
    var durable: [Entry] = []
    /// Everything a right log can be a prefix of: the log as it is, and, while a truncation is under way, as it was.
    var histories: [[Entry]] = [[]]
    var adoptedTerm: UInt64 = 0
    var highestTerm: UInt64 = 0
    /// The longest lease that was reported durable, and the longest that it was told.
    var lease = Nanoseconds.zero
    var highestLease = Nanoseconds.zero
    /// The lineage that was last reported durable, and those that were set since: it is one of them.
    var lineages: [Lineage?] = [nil]
    var store: StoreID?
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
        if !histories.contains(where: { $0.starts(with: entries) }) {
            return "it holds \(brief(entries)), no prefix of \(histories.map(brief))"
        }
        if !store.isWhole, !wasWeak { return "it says that it may lack something" }
        if store.isWhole, !entries.starts(with: durable) {
            return "it holds \(brief(entries)), but \(brief(durable)) was synced"
        }
        if store.isWhole, store.last.seq < commit { return "it ends at \(store.last), but had committed \(commit)" }
        if store.commit > commit { return "its commit mark is \(store.commit), but \(commit) was the highest ever" }
        if store.commit < writtenCommit { return "its commit mark is \(store.commit), but \(writtenCommit) was written" }
        if store.adoptedTerm < adoptedTerm { return "its term is \(store.adoptedTerm), but \(adoptedTerm) was synced" }
        if store.adoptedTerm > highestTerm { return "its term is \(store.adoptedTerm), which nobody told it" }
        if store.longestLease < lease { return "its longest lease is \(store.longestLease), but \(lease) was synced" }
        if store.longestLease > highestLease { return "its longest lease is \(store.longestLease), which nobody told it" }
        if !lineages.contains(store.lineage) { return "its lineage is none of \(lineages)" }
        if let id = self.store, store.store != id { return "it is another store" }
        if store.durable != store.last.seq { return "of what it opened with, \(store.last), only \(store.durable) counts" }
        return wrongState(store, entries) ?? wrongFile(life.disk, entries)
    }

    /// The state must be what the committed entries make.
    private func wrongState(_ store: LogStore, _ entries: [Entry]) -> String? {
        var keys: [[UInt8]] = []
        var values: [[UInt8]] = []
        for entry in entries.prefix(Int(store.commit)) {
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
        return wrongMemory(store, entries)
    }

    /// What it remembers of sessions must be what the committed entries say.
    private func wrongMemory(_ store: LogStore, _ entries: [Entry]) -> String? {
        let committed = entries.prefix(Int(store.commit))
        let closed = committed.compactMap { entry in
            if case .closeSession(let session) = entry.operation { session } else { nil }
        }
        let opened = committed.filter { $0.operation == .openSession }.map { SessionID(opened: $0.position) }
        let open = opened.filter { !closed.contains($0) }
        if store.sessions.ids != open { return "it has the sessions \(store.sessions.ids) instead of \(open)" }
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
    private func wrongFile(_ disk: CrashDisk, _ entries: [Entry]) -> String? {
        guard let bytes = disk[.log] else { return "its log has no name" }
        if disk[.rollback] != nil { return "a rollback file was left" }
        let (image, end) = LogImage.read(bytes)
        if end != bytes.count { return "its log ends with \(bytes.count - end) bytes that are no record" }
        if image.records != entries.map(LogImage.Record.init) { return "its log holds other records than it says" }
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
