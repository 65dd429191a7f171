import Machine

/// The folder of a store: which name leads to which file, now and after a power loss.
///
/// Creations, renames and removals are durable only by `sync`. A power loss keeps some of the later ones: mostly a prefix
/// (a journal), sometimes any selection in which each change still follows the earlier ones about the same name or file.
struct Directory: Hashable, Sendable {
    enum Change: Hashable, Sendable {
        case link(FileName, inode: Int)
        case rename(FileName, to: FileName, inode: Int)
        case unlink(FileName, inode: Int)
    }

    private(set) var entries = SortedMap<FileName, Int>()
    private var durable = SortedMap<FileName, Int>()
    private var pending: [Change] = []

    subscript(file: FileName) -> Int? { entries[file] }
    var durableEntries: SortedMap<FileName, Int> { durable }

    mutating func change(_ change: Change) {
        Directory.apply(change, to: &entries)
        pending.append(change)
    }

    mutating func sync() {
        durable = entries
        pending.removeAll(keepingCapacity: true)
    }

    /// Returns whether a change was lost.
    mutating func losePower(_ random: inout SeededRandom) -> Bool {
        var lost = false
        if random.chance(7, in: 10) {
            let kept = random.below(pending.count + 1)
            lost = kept < pending.count
            for change in pending[..<kept] { Directory.apply(change, to: &durable) }
        } else {
            var lostChanges: [Change] = []
            for change in pending {
                if lostChanges.contains(where: { Directory.depends(change, on: $0) }) || random.chance(1, in: 2) {
                    lostChanges.append(change)
                } else {
                    Directory.apply(change, to: &durable)
                }
            }
            lost = !lostChanges.isEmpty
        }
        entries = durable
        pending.removeAll(keepingCapacity: true)
        return lost
    }

    /// The names that a power loss can leave: those that are durable, and those after each of the changes since.
    var remains: [SortedMap<FileName, Int>] {
        var all = [durable]
        for change in pending {
            var next = all[all.count - 1]
            Directory.apply(change, to: &next)
            all.append(next)
        }
        return all
    }

    private static func apply(_ change: Change, to entries: inout SortedMap<FileName, Int>) {
        switch change {
        case .link(let name, let inode): entries[name] = inode
        case .rename(let name, let new, let inode):
            entries[name] = nil
            entries[new] = inode
        case .unlink(let name, _): entries[name] = nil
        }
    }

    private static func depends(_ change: Change, on earlier: Change) -> Bool {
        let (a, b) = (facts(change), facts(earlier))
        return a.inode == b.inode || a.names.contains(where: b.names.contains)
    }

    private static func facts(_ change: Change) -> (names: [FileName], inode: Int) {
        switch change {
        case .link(let name, let inode), .unlink(let name, let inode): ([name], inode)
        case .rename(let name, let new, let inode): ([name, new], inode)
        }
    }
}
