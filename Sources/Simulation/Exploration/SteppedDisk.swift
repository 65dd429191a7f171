import Machine

// Fault model. A disk without time, with the page cache and medium of the timed model (`FileImage`, `Directory`). Requests end
// in their order, one at a time or several at once. A crash comes between any two ends, and what it leaves is chosen from
// `remains`, each possibility a case of its own. Nothing fails while the disk runs.

/// A disk that is stepped by hand.
public struct SteppedDisk: Sendable {
    private var directory = Directory()
    private var inodes = SortedMap<Int, FileImage>()
    private var made = 0
    private var pending: [DiskRequest] = []

    public init() {}

    public var isIdle: Bool { pending.isEmpty }
    public var next: DiskOperation? { pending.first?.operation }
    public var isDirty: Bool { inodes.values.contains { $0.isDirty } }

    public mutating func accept(_ request: DiskRequest) { pending.append(request) }

    /// The oldest request ends.
    public mutating func finishNext() -> DiskCompletion? {
        guard !pending.isEmpty else { return nil }
        let request = pending.removeFirst()
        return DiskCompletion(id: request.id, result: perform(request.operation))
    }

    public func bytes(of file: FileName) -> [UInt8]? { directory[file].flatMap { inodes[$0]?.bytes } }
    /// What no crash can take.
    public func durableBytes(of file: FileName) -> [UInt8]? {
        directory.durableEntries[file].flatMap { inodes[$0]?.durableBytes }
    }

    private mutating func perform(_ operation: DiskOperation) -> DiskResult {
        func missing(_ file: FileName) -> DiskResult { .failed(DiskError(.notFound, "\(file): no such file")) }
        switch operation {
        case .lock: return .done
        case .list:
            return .listing(directory.entries.map { FileEntry(file: $0, size: Int64(inodes[$1]?.size ?? 0)) })
        case .append(let file, let bytes):
            if directory[file] == nil {
                inodes[made] = FileImage()
                directory.change(.link(file, inode: made))
                made += 1
            }
            guard let inode = directory[file] else { return missing(file) }
            inodes.update(inode) { $0.append(bytes) }
            return .done
        case .sync(let file):
            guard let inode = directory[file] else { return missing(file) }
            inodes.update(inode) { $0.sync(pageBytes: 4096) }
            return .done
        case .read(let file, let offset, let length):
            guard let inode = directory[file], let image = inodes[inode] else { return missing(file) }
            let start = min(max(0, Int(offset)), image.size)
            return .data(Array(image.bytes[start..<min(image.size, start + max(0, length))]))
        case .truncate(let file, let size):
            guard let inode = directory[file] else { return missing(file) }
            inodes.update(inode) { $0.truncate(to: Int(size)) }
            return .done
        case .rename(let file, let new):
            guard let inode = directory[file] else { return missing(file) }
            directory.change(.rename(file, to: new, inode: inode))
            return .done
        case .remove(let file):
            guard let inode = directory[file] else { return missing(file) }
            directory.change(.unlink(file, inode: inode))
            return .done
        case .syncDirectory:
            directory.sync()
            return .done
        }
    }

    // MARK: Crashes

    /// The process dies; everything that it had asked for happens all the same.
    public mutating func processEnded() {
        while finishNext() != nil {}
    }

    /// The power goes: only what is durable is left.
    public mutating func powerLost() {
        var after = SteppedDisk()
        for (name, inode) in directory.durableEntries { after.place(name, inodes[inode]?.durableBytes ?? []) }
        self = after
    }

    /// All that a power loss at this moment can leave: of every file any of the `unit`s that were written since its last sync,
    /// and any prefix of the directory's changes.
    public func remains(unit: Int) -> [SteppedDisk] {
        var results: [SteppedDisk] = []
        for entries in directory.remains {
            var partial = [SteppedDisk()]
            for (name, inode) in entries {
                let images = inodes[inode]?.remains(unit: unit) ?? [[]]
                partial = partial.flatMap { disk in
                    images.map { image in
                        var disk = disk
                        disk.place(name, image)
                        return disk
                    }
                }
            }
            results += partial
        }
        return results
    }

    /// Puts a durable file there.
    public mutating func place(_ name: FileName, _ bytes: [UInt8]) {
        var image = FileImage()
        if !bytes.isEmpty { image.append(bytes) }
        image.sync(pageBytes: 4096)
        inodes[made] = image
        directory.change(.link(name, inode: made))
        directory.sync()
        made += 1
    }

    // MARK: Telling states apart

    public func fold(into digest: inout Fingerprint) {
        for (name, inode) in directory.entries {
            digest.fold(name.name)
            digest.foldContent(of: inodes[inode] as Any)
        }
        for (name, inode) in directory.durableEntries {
            digest.fold(name.name)
            digest.foldContent(of: inodes[inode] as Any)
        }
        // Changes of names that are not durable yet: how many possibilities there are, and which.
        for entries in directory.remains {
            for (name, inode) in entries {
                digest.fold(name.name)
                digest.fold(inodes[inode]?.size ?? 0)
            }
            digest.fold(-1)
        }
        for request in pending { digest.foldContent(of: request.operation) }
    }
}

extension FileImage {
    /// What a power loss can leave: the old content, or the new size with any of the new units, or that with only some.
    fileprivate func remains(unit: Int) -> [[UInt8]] {
        let old = durableBytes
        guard isDirty else { return [old] }
        let first = untouched / unit
        let units = max(0, (bytes.count + unit - 1) / unit - first)
        precondition(units <= 12, "subsets of \(units) units are too many")
        var images: [[UInt8]] = [old]
        for kept in 0..<(1 << units) {
            var image = bytes
            for index in 0..<units where kept & 1 << index == 0 {
                let start = max((first + index) * unit, untouched)
                for offset in start..<max(start, min((first + index + 1) * unit, image.count)) {
                    image[offset] = offset < old.count ? old[offset] : 0
                }
            }
            if !images.contains(image) { images.append(image) }
        }
        // The size did not grow all the way: a prefix of the writes.
        for size in sizes.dropLast() where size >= untouched && size <= bytes.count && !images.contains(Array(bytes[..<size])) {
            images.append(Array(bytes[..<size]))
        }
        return images
    }
}
