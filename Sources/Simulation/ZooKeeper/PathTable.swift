import Machine

/// Values by the paths of znodes: a hash table that can be asked but not walked.
///
/// The model asks for paths more often than for anything else. `LookupTable` guards against keys that somebody chose in order to
/// collide, which costs more than all the rest of a look; the paths of a simulation need no guard.
///
/// Open addressing: an entry stands at its hash's place or in the next free one behind it, and when one goes, those behind it
/// move up.
struct PathTable<Value: Sendable>: Sendable {
    private struct Entry: Sendable {
        var hash: UInt64
        var path: String
        var value: Value
    }

    /// As many as a power of two; a quarter of them at least is free.
    private var entries: [Entry?] = Array(repeating: nil, count: 16)
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    private static func hash(_ path: String) -> UInt64 {
        var hash = TraceHash()
        hash.fold(path)
        return hash.value
    }

    /// Where a path stands, or else the free place that it would take.
    private func place(of path: String, _ hash: UInt64) -> (index: Int, isThere: Bool) {
        let mask = entries.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while true {
            switch entries[index] {
            case nil: return (index, false)
            case let entry?: if entry.hash == hash, entry.path == path { return (index, true) }
            }
            index = (index + 1) & mask
        }
    }

    subscript(path: String) -> Value? {
        get {
            let (index, isThere) = place(of: path, Self.hash(path))
            return isThere ? entries[index]?.value : nil
        }
        set {
            let hash = Self.hash(path)
            let (index, isThere) = place(of: path, hash)
            switch (newValue, isThere) {
            case (let value?, true): entries[index]!.value = value
            case (let value?, false): insert(Entry(hash: hash, path: path, value: value), at: index)
            case (nil, true): remove(at: index)
            case (nil, false): break
            }
        }
    }

    func contains(_ path: String) -> Bool { place(of: path, Self.hash(path)).isThere }

    /// Changes a value in its place; nil where there is none.
    @discardableResult
    mutating func update<Answer>(_ path: String, _ body: (inout Value) -> Answer) -> Answer? {
        let (index, isThere) = place(of: path, Self.hash(path))
        return isThere ? body(&entries[index]!.value) : nil
    }

    @discardableResult
    mutating func removeValue(forKey path: String) -> Value? {
        let (index, isThere) = place(of: path, Self.hash(path))
        guard isThere else { return nil }
        let value = entries[index]?.value
        remove(at: index)
        return value
    }

    mutating func removeAll() { self = PathTable() }

    private mutating func insert(_ entry: Entry, at index: Int) {
        entries[index] = entry
        count += 1
        guard count * 4 > entries.count * 3 else { return }
        var old: [Entry?] = Array(repeating: nil, count: 2 * entries.count)
        swap(&old, &entries)
        for index in old.indices {
            guard let entry = old[index].take() else { continue }
            let free = place(of: entry.path, entry.hash).index
            entries[free] = entry
        }
    }

    private mutating func remove(at index: Int) {
        let mask = entries.count - 1
        var hole = index
        entries[hole] = nil
        count -= 1
        var next = (hole + 1) & mask
        while let hash = entries[next]?.hash {
            // One that stands between its own place and the hole's moves into the hole.
            let home = Int(truncatingIfNeeded: hash) & mask
            if (next - home) & mask >= (next - hole) & mask {
                entries[hole] = entries[next].take()
                hole = next
            }
            next = (next + 1) & mask
        }
    }
}
