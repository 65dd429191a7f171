import Machine
import Simulation
import Wire

// Property: the stores of a group agree on every entry that any of them ever held to be committed; and what a primary commits of
// its own term beyond the first entry, at least minsync of them hold. Where an operator gave up a group's history, the one that goes on
// begins with what the chosen store had committed when it came to commit more; who holds the old one is not judged any more. A store
// that begins as a copy holds what was committed through the copy's position (`CopyOracle`), and agrees from there on.

/// What each group has committed, as it was first seen, against what every store commits, whenever its commit mark moves and
/// whenever it opens.
///
/// Committed entries soon leave a store's memory. So each store's uncommitted end is followed from batch to batch, while all of
/// it is in memory; a store that opens is read from its file.
struct CommittedPrefixOracle: Sendable {
    /// A store's log, as far as it is known here.
    private struct Mirror: Sendable {
        var life: UInt32 = 0
        var isOpen = false
        /// It holds a history that its group has given up.
        var isFormer = false
        var commit: UInt64 = 0
        /// Entries before this one were copied.
        var oldest: UInt64 = 1
        /// The entries after `commit`.
        var uncommitted: [EntryIdentity] = []

        var last: UInt64 { commit + UInt64(uncommitted.count) }
    }

    /// What a store has held.
    private struct Reach: Sendable {
        var group = -1
        /// By term, the last of its entries. A store that lost its disk, or under a weaker policy its last writes, has held what it
        /// acked, however late the ack arrives; and one that went on in a later term still holds what it has of those before.
        var ends: [Position] = []

        mutating func held(_ entry: Position) {
            var index = ends.count
            while index > 0, ends[index - 1].term > entry.term { index -= 1 }
            if index > 0, ends[index - 1].term == entry.term {
                ends[index - 1].seq = max(ends[index - 1].seq, entry.seq)
            } else {
                ends.insert(entry, at: index)
            }
        }

        func hasHeld(_ entry: Position) -> Bool { ends.contains { $0.term == entry.term && $0.seq >= entry.seq } }
    }

    private var mirrors: [Mirror]
    private var reaches: [Reach]
    /// By group: a new history begins, and nobody has committed anything of it yet.
    private var isBeginning: [Bool]
    /// The group whose history was found to begin since it was asked.
    private var begun: Int?
    private let minSync: Int
    /// By group, from sequence number 1.
    private(set) var committed: [[EntryIdentity]]
    /// What was committed since it was asked, and has to do with client sessions: of each group's history, not of each store's.
    private var memories: [(position: Position, event: SessionEvent)] = []
    /// How many entries were compared with what another store, or another life, had committed.
    private(set) var compared = 0

    init(processes: Int, groups: Int, minSync: Int = 1) {
        self.minSync = minSync
        isBeginning = Array(repeating: false, count: groups)
        reaches = Array(repeating: Reach(), count: processes)
        mirrors = Array(repeating: Mirror(), count: processes)
        committed = Array(repeating: [], count: groups)
    }

    /// Whether a store's log may have changed since it was looked at.
    @inline(__always)
    func isNews(_ process: Int, life: UInt32, isOpen: Bool, oldest: UInt64 = 1, last: UInt64, commit: UInt64) -> Bool {
        let mirror = mirrors[process]
        return mirror.life != life || mirror.isOpen != isOpen
            || isOpen && (mirror.commit != commit || mirror.last != last || mirror.oldest != oldest)
    }

    /// Whether the log must be read as a whole: it was opened, or replaced by a copy.
    func isOpening(_ process: Int, life: UInt32, oldest: UInt64 = 1) -> Bool {
        mirrors[process].life != life || !mirrors[process].isOpen || mirrors[process].oldest != oldest
    }

    /// The end of the part of the log that is known and still there, where the log now ends at `last`.
    func known(_ process: Int, last: UInt64) -> UInt64 { min(mirrors[process].last, last) }

    /// The store was closed, or its process restarted.
    mutating func closed(_ process: Int, life: UInt32) {
        mirrors[process] = Mirror(life: life)
    }

    /// An operator let a group go on in a new history; `former`: the stores that hold the old one.
    mutating func historyEnded(_ group: Int, former: [Int]) {
        isBeginning[group] = true
        for process in former { mirrors[process].isFormer = true }
    }

    /// Takes the group whose new history was seen to begin; what is committed in it from its first entry on is in `committed`.
    mutating func takeBegun() -> Int? {
        guard begun != nil else { return nil }
        defer { begun = nil }
        return begun
    }

    /// The store was opened with these entries, after those that were copied; or a copy has taken its log's place.
    mutating func opened(
        _ process: Int, group: Int, life: UInt32, copied: LogImage? = nil, log: [EntryIdentity], commit: UInt64,
        isFormer: Bool = false
    ) -> Violation? {
        let before = mirrors[process]
        let through = copied?.copiedThrough ?? 0
        if before.life == life, before.isOpen, commit < before.commit {
            return Violation(
                "committed entries stay", "a copy took process \(process) from its commit mark \(before.commit) to \(commit)")
        }
        mirrors[process] = Mirror(
            life: life, isOpen: true, isFormer: isFormer, commit: through, oldest: through + 1, uncommitted: log)
        if let copied, !isFormer, !isBeginning[group], through > 0 {
            compared += Int(through)
            if let found = CopyOracle.difference(copied, process: process, committed: committed[group]) { return found }
        }
        reached(process, group, count: log.count)
        return commits(process, group, through: commit, isOpening: true)
    }

    /// The log now ends at `last`, with `entries` after what was known of it; it is committed through `commit`.
    mutating func stepped(
        _ process: Int, group: Int, last: UInt64, entries: [EntryIdentity], commit: UInt64
    ) -> Violation? {
        let known = known(process, last: last)
        if known < mirrors[process].commit {
            return Violation(
                "committed entries stay", "the log of process \(process) ends at \(last), below its commit mark of before")
        }
        mirrors[process].uncommitted.removeLast(Int(mirrors[process].last - known))
        mirrors[process].uncommitted += entries
        reached(process, group, count: entries.count)
        guard mirrors[process].last == last else {
            return Violation(
                "entries that are not committed are in memory", "process \(process) holds none after \(mirrors[process].last)")
        }
        return commits(process, group, through: commit)
    }

    /// Takes what was committed for the first time in its group, and has to do with client sessions.
    mutating func takeMemories() -> [(position: Position, event: SessionEvent)] {
        guard !memories.isEmpty else { return [] }
        defer { memories.removeAll() }
        return memories
    }

    /// The last `count` of its entries are new to it.
    private mutating func reached(_ process: Int, _ group: Int, count: Int) {
        guard minSync > 1 else { return }
        if reaches[process].group != group { reaches[process] = Reach(group: group) }
        var seq = mirrors[process].last - UInt64(count)
        for entry in mirrors[process].uncommitted.suffix(count) {
            seq += 1
            reaches[process].held(Position(term: entry.term, seq: seq))
        }
    }

    /// An entry is committed for the first time in its group, by a store whose log ends in `term`.
    private func isHeldByTooFew(_ entry: EntryIdentity, _ seq: UInt64, _ group: Int, term: UInt64) -> Violation? {
        // An older term's was inherited; the first of a term names no key and has nothing to do with sessions.
        guard minSync > 1, entry.term == term, entry.key != nil || entry.memory != nil else { return nil }
        let holders = reaches.count { $0.group == group && $0.hasHeld(Position(term: term, seq: seq)) }
        guard holders < minSync else { return nil }
        return Violation(
            "minsync stores hold what is committed",
            "entry \(term):\(seq) of group \(ClusterPlan.groupNames[group]) was committed, and \(holders) held it")
    }

    private func hadBeenCommitted(_ entries: ArraySlice<EntryIdentity>, after seq: UInt64, _ group: Int) -> Bool {
        committed[group].dropFirst(Int(seq)).starts(with: entries)
    }

    /// `isOpening`: what it had committed in an earlier life.
    private mutating func commits(
        _ process: Int, _ group: Int, through commit: UInt64, isOpening: Bool = false
    ) -> Violation? {
        guard commit > mirrors[process].commit else { return nil }
        guard commit <= mirrors[process].last else {
            return Violation("only what is in the log is committed", "process \(process) at \(commit)")
        }
        let count = Int(commit - mirrors[process].commit)
        if mirrors[process].isFormer {
            mirrors[process].uncommitted.removeFirst(count)
            mirrors[process].commit = commit
            return nil
        }
        // A learner may hear of what the old history had committed before the new one commits anything.
        if isBeginning[group], !hadBeenCommitted(mirrors[process].uncommitted[..<count], after: mirrors[process].commit, group)
        {
            // What it had committed before is what the group had: that was judged.
            isBeginning[group] = false
            begun = group
            committed[group].removeLast(committed[group].count - min(committed[group].count, Int(mirrors[process].commit)))
        }
        var seq = mirrors[process].commit
        let term = mirrors[process].uncommitted.last?.term ?? 0
        for entry in mirrors[process].uncommitted[..<count] {
            if seq == UInt64(committed[group].count) {
                if !isOpening, let found = isHeldByTooFew(entry, seq + 1, group, term: term) { return found }
                committed[group].append(entry)
                if let event = entry.memory { memories.append((Position(term: entry.term, seq: seq + 1), event)) }
            } else if seq > UInt64(committed[group].count) {
                return Violation(
                    "stores agree on the committed prefix",
                    "process \(process) committed entry \(seq + 1) of group \(ClusterPlan.groupNames[group]), of which "
                        + "\(committed[group].count) had been committed")
            } else if committed[group][Int(seq)] != entry {
                let first = committed[group][Int(seq)]
                return Violation(
                    "stores agree on the committed prefix",
                    "process \(process) committed entry \(seq + 1) of group \(ClusterPlan.groupNames[group]) as one of term \(entry.term), "
                        + (first.term == entry.term
                            ? "and another entry had been committed there"
                            : "where one of term \(first.term) had been committed"))
            } else {
                compared += 1
            }
            seq += 1
        }
        mirrors[process].uncommitted.removeFirst(count)
        mirrors[process].commit = commit
        return nil
    }
}

extension ClusterRun {
    /// After every batch of a data node.
    @inline(__always)
    mutating func judgeLog(of process: Int, group: Int, life: UInt32, _ status: DataStatus) {
        if prefixes.isNews(
            process, life: life, isOpen: status.isOpen, oldest: status.oldest, last: status.last, commit: status.commit)
        {
            logChanged(of: process, group: group, life: life, status)
            if let group = prefixes.takeBegun() { historyBegan(group) }
            for (position, event) in prefixes.takeMemories() {
                judged(once.committed(event, at: position, group: histories.name(of: group)))
            }
        }
    }

    private mutating func logChanged(of process: Int, group: Int, life: UInt32, _ status: DataStatus) {
        guard status.isOpen else {
            // It may have committed its last entries in the batch that closed it.
            if !prefixes.isOpening(process, life: life, oldest: status.oldest) { logStepped(of: process, group: group, status) }
            return prefixes.closed(process, life: life)
        }
        if prefixes.isOpening(process, life: life, oldest: status.oldest) {
            // What the store read, though the medium may have gone wrong since.
            let log = LogImage(world.disk(process).pristineBytes(of: .log) ?? [])
            return judged(
                prefixes.opened(
                    process, group: group, life: life, copied: log.copied == nil ? nil : log,
                    log: log.ownPart.map { EntryIdentity($0) }, commit: status.commit,
                    isFormer: holdsFormerHistory(process, group)))
        }
        logStepped(of: process, group: group, status)
    }

    private mutating func logStepped(of process: Int, group: Int, _ status: DataStatus) {
        let known = prefixes.known(process, last: status.last)
        let new = known < status.last ? world.entriesInMemory(known + 1...status.last, at: process) : []
        judged(
            prefixes.stepped(
                process, group: group, last: status.last, entries: new.map { EntryIdentity($0) }, commit: status.commit))
    }
}
