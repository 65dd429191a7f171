import Machine

// Fault model. Every file has what reads see (the page cache) and what is on the medium; names likewise.
// - A kill leaves the cache.
// - A power cut leaves the medium with *any subset* of what is not synced: of the pages that differ, of the growth of a file
//   (without content it reads as zeros), and of the changes of names, each by itself.
// - An append that fails leaves a part. A sync that fails leaves its pages doubtful: the cache goes on showing them, later
//   syncs say yes without writing them, and a power cut may take them; until they are written to again.
//
// Where `DiskModel` draws one of these by chance, this disk lists them all. Its pages are small, so that a record spans
// several and a torn write is a subset like any other.

/// A disk that tells everything that a crash at this moment could leave. A value: a copy is the disk at that moment.
struct CrashDisk: Hashable, Sendable {
    private struct File: Hashable, Sendable {
        var cache: [UInt8] = []
        var medium: [UInt8] = []
        /// Pages that a failed sync left, ascending.
        var doubtful: [Int] = []
        /// Where the writes since the last sync begin.
        var dirtyFrom: Int?
    }

    private enum NameChange: Hashable, Sendable {
        case link(FileName, Int)
        case rename(FileName, FileName, Int)
        case remove(FileName)
    }

    /// Syncs that say yes and do nothing, for testing who relies on them.
    enum Lie: Hashable, Sendable { case sync, syncDirectory }

    let pageBytes: Int
    var lie: Lie?
    private var files: [File] = []
    private var names = SortedMap<FileName, Int>()
    private var durableNames = SortedMap<FileName, Int>()
    private var nameChanges: [NameChange] = []

    /// A disk on which these files are safe.
    init(_ contents: [(FileName, [UInt8])] = [], pageBytes: Int) {
        self.pageBytes = pageBytes
        for (name, bytes) in contents {
            names[name] = files.count
            files.append(File(cache: bytes, medium: bytes))
        }
        durableNames = names
    }

    /// What reads see of a file.
    subscript(name: FileName) -> [UInt8]? { names[name].map { files[$0].cache } }

    /// The files by their names.
    var contents: [(FileName, [UInt8])] { names.map { ($0, files[$1].cache) } }

    // MARK: Operations

    mutating func perform(_ operation: DiskOperation) -> DiskResult {
        switch operation {
        case .lock: return .done
        case .list: return .listing(names.map { FileEntry(file: $0, size: Int64(files[$1].cache.count)) })
        case .append(let name, let bytes):
            append(bytes, to: name)
            return .done
        case .sync(let name):
            guard let file = names[name] else { return notFound(name) }
            if lie != .sync { sync(file) }
            return .done
        case .read(let name, let offset, let length):
            guard let file = names[name] else { return notFound(name) }
            return .data(Array(files[file].cache.dropFirst(Int(offset)).prefix(length)))
        case .truncate(let name, let size):
            guard let file = names[name] else { return notFound(name) }
            files[file].cache.removeSubrange(Int(size)...)
            files[file].dirtyFrom = min(files[file].dirtyFrom ?? Int(size), Int(size))
            return .done
        case .rename(let name, let new):
            guard let file = names[name] else { return notFound(name) }
            names[name] = nil
            names[new] = file
            nameChanges.append(.rename(name, new, file))
            return .done
        case .remove(let name):
            guard names[name] != nil else { return notFound(name) }
            names[name] = nil
            nameChanges.append(.remove(name))
            return .done
        case .syncDirectory:
            guard lie != .syncDirectory else { return .done }
            durableNames = names
            nameChanges.removeAll()
            // What no name leads to any more is of no interest.
            for file in files.indices where !names.values.contains(file) { files[file] = File() }
            return .done
        }
    }

    /// The operation fails with an input/output error; of an append, this share (in eighths) is written.
    mutating func fail(_ operation: DiskOperation, eighths: Int) -> DiskResult {
        switch operation {
        case .append(let name, let bytes): append(bytes[..<(bytes.count * eighths / 8)], to: name)
        case .sync(let name):
            guard let file = names[name] else { return notFound(name) }
            files[file].doubtful = wrongPages(of: file)
            files[file].dirtyFrom = nil
        case .lock, .list, .read, .truncate, .rename, .remove, .syncDirectory: break
        }
        return .failed(DiskError(.inputOutput, "input/output error"))
    }

    private mutating func append(_ bytes: some Collection<UInt8>, to name: FileName) {
        let file: Int
        if let found = names[name] {
            file = found
        } else {
            file = files.count
            names[name] = file
            nameChanges.append(.link(name, file))
            files.append(File())
        }
        files[file].dirtyFrom = files[file].dirtyFrom ?? files[file].cache.count
        files[file].cache += bytes
    }

    private mutating func sync(_ file: Int) {
        let rewritten = (files[file].dirtyFrom ?? .max) / pageBytes
        files[file].doubtful.removeAll { $0 >= rewritten }
        var medium = files[file].cache
        for page in files[file].doubtful {
            for offset in range(ofPage: page, in: medium.count) {
                medium[offset] = offset < files[file].medium.count ? files[file].medium[offset] : 0
            }
        }
        files[file].medium = medium
        files[file].dirtyFrom = nil
    }

    private func notFound(_ name: FileName) -> DiskResult { .failed(DiskError(.notFound, "\(name): no such file")) }

    private func range(ofPage page: Int, in count: Int) -> Range<Int> {
        min(page * pageBytes, count)..<min((page + 1) * pageBytes, count)
    }

    /// The pages of the cache that the medium has not.
    private func wrongPages(of file: Int) -> [Int] {
        let (cache, medium) = (files[file].cache, files[file].medium)
        return (0..<((cache.count + pageBytes - 1) / pageBytes)).filter { page in
            let range = range(ofPage: page, in: cache.count)
            return range.upperBound > medium.count || cache[range] != medium[range]
        }
    }

    // MARK: Crashes

    /// A killed process leaves everything as reads saw it. A part of an append that was under way may be there.
    func killed(during part: (FileName, ArraySlice<UInt8>)? = nil) -> CrashDisk {
        var disk = self
        if let (name, bytes) = part { disk.append(bytes, to: name) }
        return disk
    }

    /// The same, and then everything reaches the medium.
    var settled: CrashDisk {
        var disk = CrashDisk(contents, pageBytes: pageBytes)
        disk.lie = lie
        return disk
    }

    /// Whether a power cut would change anything.
    var hasUnsynced: Bool { choiceCount > 0 }

    /// Whether reads see what a failed sync may have dropped.
    var isDoubtful: Bool { files.contains { !$0.doubtful.isEmpty } }

    /// How many things a power cut takes or leaves, each by itself.
    var choiceCount: Int { choiceGroups.reduce(0, +) }

    /// How many of them are the pages of each file, its size, and each change of a name, in this order.
    private var choiceGroups: [Int] {
        var groups: [Int] = []
        for file in files.indices where files[file].cache != files[file].medium {
            groups.append(wrongPages(of: file).count)
            if files[file].cache.count != files[file].medium.count { groups.append(1) }
        }
        return groups + nameChanges.map { _ in 1 }
    }

    /// What a power cut can leave: every possibility where there are at most `choices` things to decide, else `samples` of
    /// them: the two extremes; then by turns some of the files, sizes and names whole and the others not at all, and some of
    /// everything.
    func afterPowerCut(choices: Int, samples: Int, _ random: inout SeededRandom) -> [CrashDisk] {
        let count = choiceCount
        if count <= choices { return (0..<(1 << count)).map { bits in afterPowerCut { bits >> $0 & 1 == 1 } } }
        var images = [afterPowerCut { _ in false }, afterPowerCut { _ in true }]
        let groups = choiceGroups
        for sample in 2..<max(2, samples) {
            var kept: [Bool] = []
            if sample.isMultiple(of: 2) {
                for group in groups { kept += Array(repeating: random.chance(1, in: 2), count: group) }
            } else {
                let density = 1 + random.next(upperBound: UInt64(7))
                kept = (0..<count).map { _ in random.chance(density, in: 8) }
            }
            images.append(afterPowerCut { kept[$0] })
        }
        return images
    }

    private func afterPowerCut(keeps: (Int) -> Bool) -> CrashDisk {
        var choice = 0
        func isKept() -> Bool {
            defer { choice += 1 }
            return keeps(choice)
        }
        var images: [[UInt8]] = []
        for file in files.indices {
            let (cache, medium) = (files[file].cache, files[file].medium)
            var image = medium
            if cache != medium {
                for page in wrongPages(of: file) where isKept() {
                    let range = range(ofPage: page, in: cache.count)
                    if image.count < range.upperBound {
                        image += Array(repeating: 0, count: range.upperBound - image.count)
                    }
                    image.replaceSubrange(range, with: cache[range])
                }
                if cache.count != medium.count, isKept() {
                    // The size reached the medium, whatever became of the content.
                    if cache.count > image.count {
                        image += Array(repeating: 0, count: cache.count - image.count)
                    } else {
                        image.removeSubrange(cache.count...)
                    }
                }
            }
            images.append(image)
        }
        var names = durableNames
        for change in nameChanges where isKept() {
            switch change {
            case .link(let name, let file): names[name] = file
            case .rename(let name, let new, let file):
                names[name] = nil
                names[new] = file
            case .remove(let name): names[name] = nil
            }
        }
        var disk = CrashDisk(names.map { ($0, images[$1]) }, pageBytes: pageBytes)
        disk.lie = lie
        return disk
    }
}
