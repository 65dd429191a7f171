import Machine

/// Values by the paths of znodes: a hash table that can be asked but not walked.
///
/// The model asks for paths more often than for anything else. `LookupTable` guards against keys that somebody chose in order to
/// collide, which costs more than all the rest of a look; the paths of a simulation need no guard.
///
/// Open addressing: an entry stands at its hash's place or in the next free one behind it, and when one goes, those behind it
/// move up.
struct PathTable<Value: Sendable>: Sendable {
    // Side by side, so that a look touches no more than it compares.
    /// 0 where the place is free. As many as a power of two; a quarter of them at least is free.
    private var hashes: [UInt64] = Array(repeating: 0, count: 16)
    private var paths: [String] = Array(repeating: "", count: 16)
    private var values: [Value?] = Array(repeating: nil, count: 16)
    private(set) var count = 0

    var isEmpty: Bool { count == 0 }

    // Whoever knows the hash of a path already hands it in.

    /// Never 0.
    static func hash(_ path: String) -> UInt64 {
        var path = path
        return path.withUTF8 { bytes in
            let raw = UnsafeRawBufferPointer(bytes)
            var hash = TraceHash()
            if raw.count >= 8 {
                var offset = 0
                while offset + 8 < raw.count {
                    hash.fold(raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self))
                    offset += 8
                }
                // The last eight, whether or not some of them were folded in before.
                hash.fold(raw.loadUnaligned(fromByteOffset: raw.count - 8, as: UInt64.self))
            } else {
                var word = UInt64(raw.count)
                for byte in raw { word = word << 8 | UInt64(byte) }
                hash.fold(word)
            }
            return hash.value | 1 << 63
        }
    }

    /// Where a path stands, or else the free place that it would take.
    private func place(of path: String, _ hash: UInt64) -> (index: Int, isThere: Bool) {
        let mask = hashes.count - 1
        var index = Int(truncatingIfNeeded: hash) & mask
        while hashes[index] != 0 {
            if hashes[index] == hash, paths[index] == path { return (index, true) }
            index = (index + 1) & mask
        }
        return (index, false)
    }

    subscript(path: String) -> Value? {
        get { self[path, Self.hash(path)] }
        set { self[path, Self.hash(path)] = newValue }
    }

    subscript(path: String, hash: UInt64) -> Value? {
        get {
            let (index, isThere) = place(of: path, hash)
            return isThere ? values[index] : nil
        }
        set {
            let (index, isThere) = place(of: path, hash)
            switch (newValue == nil, isThere) {
            case (false, true): values[index] = newValue
            case (false, false): insert(newValue, path, hash, at: index)
            case (true, true): _ = remove(at: index)
            case (true, false): break
            }
        }
    }

    func contains(_ path: String, _ hash: UInt64) -> Bool { place(of: path, hash).isThere }

    /// Changes a value in its place, or looks at it there; nil where there is none.
    @discardableResult
    mutating func update<Answer>(_ path: String, _ hash: UInt64, _ body: (inout Value) -> Answer) -> Answer? {
        let (index, isThere) = place(of: path, hash)
        return isThere ? body(&values[index]!) : nil
    }

    @discardableResult
    mutating func update<Answer>(_ path: String, _ body: (inout Value) -> Answer) -> Answer? {
        update(path, Self.hash(path), body)
    }

    @discardableResult
    mutating func removeValue(forKey path: String, _ hash: UInt64) -> Value? {
        let (index, isThere) = place(of: path, hash)
        return isThere ? remove(at: index) : nil
    }

    @discardableResult
    mutating func removeValue(forKey path: String) -> Value? { removeValue(forKey: path, Self.hash(path)) }

    mutating func removeAll() { self = PathTable() }

    private mutating func insert(_ value: consuming Value?, _ path: String, _ hash: UInt64, at index: Int) {
        hashes[index] = hash
        paths[index] = path
        values[index] = value
        count += 1
        if count * 4 > hashes.count * 3 { grow() }
    }

    private mutating func grow() {
        let size = 2 * hashes.count
        var old = PathTable()
        swap(&old, &self)
        hashes = Array(repeating: 0, count: size)
        paths = Array(repeating: "", count: size)
        values = Array(repeating: nil, count: size)
        count = old.count
        for index in old.hashes.indices where old.hashes[index] != 0 {
            let free = place(of: old.paths[index], old.hashes[index]).index
            hashes[free] = old.hashes[index]
            paths[free] = old.paths[index]
            values[free] = old.values[index].take()
        }
    }

    private mutating func remove(at index: Int) -> Value? {
        let mask = hashes.count - 1
        let value = values[index].take()
        var hole = index
        count -= 1
        var next = (hole + 1) & mask
        while hashes[next] != 0 {
            // One that stands between its own place and the hole's moves into the hole.
            let home = Int(truncatingIfNeeded: hashes[next]) & mask
            if (next - home) & mask >= (next - hole) & mask {
                hashes[hole] = hashes[next]
                paths[hole] = paths[next]
                values[hole] = values[next].take()
                hole = next
            }
            next = (next + 1) & mask
        }
        hashes[hole] = 0
        paths[hole] = ""
        return value
    }
}
