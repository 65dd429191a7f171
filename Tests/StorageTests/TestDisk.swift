import Machine

/// # A disk for the tests of the store
///
/// Fault model. Every file has a durable image and a current one. At a crash any subset of the pages that differ survives, in
/// no order, and the size may grow without the content (it then reads as zeros). Names are durable only by `syncDirectory`;
/// each creation, rename and removal since then is kept or lost on its own. Pages are small, so that a torn write is a subset
/// of pages like any other.
///
/// It is a value: a copy is the disk at that moment.
struct TestDisk {
    struct File {
        var current: [UInt8] = []
        var durable: [UInt8] = []
    }

    enum NameChange {
        case link(FileName, Int)
        case rename(FileName, FileName, Int)
        case remove(FileName)
    }

    var pageBytes = 16
    /// Pretends to sync, and does not.
    var liesAboutSync = false
    private var files: [File] = []
    private var names = SortedMap<FileName, Int>()
    private var durableNames = SortedMap<FileName, Int>()
    private var nameChanges: [NameChange] = []
    private var isLocked = false

    init() {}

    /// A disk on which these files are safe.
    init(_ contents: [(FileName, [UInt8])]) {
        for (name, bytes) in contents {
            names[name] = files.count
            files.append(File(current: bytes, durable: bytes))
        }
        durableNames = names
    }

    subscript(name: FileName) -> [UInt8]? { names[name].map { files[$0].current } }
    var text: String { String(decoding: self[.log] ?? [], as: UTF8.self) }

    /// Whether a power cut would change anything.
    var hasUnsynced: Bool { !nameChanges.isEmpty || files.contains { $0.current != $0.durable } }

    mutating func perform(_ operation: DiskOperation) -> DiskResult {
        switch operation {
        case .lock:
            if isLocked { return .failed(DiskError(.locked, "db.txt: held by another process")) }
            isLocked = true
            return .done
        case .list:
            return .listing(names.map { FileEntry(file: $0, size: Int64(files[$1].current.count)) })
        case .append(let name, let bytes):
            if names[name] == nil {
                names[name] = files.count
                nameChanges.append(.link(name, files.count))
                files.append(File())
            }
            files[names[name]!].current += bytes
            return .done
        case .sync(let name):
            guard let file = names[name] else { return notFound(name) }
            if !liesAboutSync { files[file].durable = files[file].current }
            return .done
        case .read(let name, let offset, let length):
            guard let file = names[name] else { return notFound(name) }
            return .data(Array(files[file].current.dropFirst(Int(offset)).prefix(length)))
        case .truncate(let name, let size):
            guard let file = names[name] else { return notFound(name) }
            files[file].current.removeSubrange(Int(size)...)
            return .done
        case .rename(let from, let to):
            guard let file = names[from] else { return notFound(from) }
            names[from] = nil
            names[to] = file
            nameChanges.append(.rename(from, to, file))
            return .done
        case .remove(let name):
            guard names[name] != nil else { return notFound(name) }
            names[name] = nil
            nameChanges.append(.remove(name))
            return .done
        case .syncDirectory:
            durableNames = names
            nameChanges.removeAll()
            return .done
        }
    }

    private func notFound(_ name: FileName) -> DiskResult { .failed(DiskError(.notFound, "\(name): no such file")) }

    // MARK: Crashes

    /// The process is gone and the machine lives: everything that was written is still there, in the page cache.
    func afterProcessCrash() -> TestDisk {
        var disk = self
        disk.isLocked = false
        return disk
    }

    /// What a power cut can leave: every possibility where there are few, else `samples` of them; always the two extremes.
    func afterPowerCut(samples: Int, random: inout SeededRandom) -> [TestDisk] {
        var choices = nameChanges.count
        for file in files.indices { choices += dirtyPages(of: file).count + 1 }
        if choices < 60, 1 << choices <= samples {
            return (0..<(1 << choices)).map { bits in afterPowerCut { bits >> $0 & 1 == 1 } }
        }
        var images = [afterPowerCut { _ in false }, afterPowerCut { _ in true }]
        for _ in 2..<max(3, samples) {
            let density = UInt64.random(in: 1...7, using: &random)
            let kept = (0..<choices).map { _ in random.chance(density, in: 8) }
            images.append(afterPowerCut { kept[$0] })
        }
        return images
    }

    private func dirtyPages(of file: Int) -> [Range<Int>] {
        let (current, durable) = (files[file].current, files[file].durable)
        guard current.count >= durable.count else { return [] }
        return stride(from: 0, to: current.count, by: pageBytes).compactMap { start in
            let page = start..<min(start + pageBytes, current.count)
            if page.upperBound <= durable.count, current[page] == durable[page] { return nil }
            return page
        }
    }

    private func afterPowerCut(keeps: (Int) -> Bool) -> TestDisk {
        var disk = TestDisk()
        disk.pageBytes = pageBytes
        disk.liesAboutSync = liesAboutSync
        var choice = 0
        func kept() -> Bool {
            defer { choice += 1 }
            return keeps(choice)
        }
        for index in files.indices {
            let (current, durable) = (files[index].current, files[index].durable)
            var image = durable
            for page in dirtyPages(of: index) where kept() {
                if image.count < page.upperBound { image += Array(repeating: 0, count: page.upperBound - image.count) }
                image.replaceSubrange(page, with: current[page])
            }
            if kept() {
                // The size reached the disk, whatever became of the content.
                if current.count > image.count {
                    image += Array(repeating: 0, count: current.count - image.count)
                } else if current.count < durable.count {
                    image = current
                }
            }
            disk.files.append(File(current: image, durable: image))
        }
        disk.names = durableNames
        for change in nameChanges where kept() {
            switch change {
            case .link(let name, let file): disk.names[name] = file
            case .rename(let from, let to, let file):
                disk.names[from] = nil
                disk.names[to] = file
            case .remove(let name): disk.names[name] = nil
            }
        }
        disk.durableNames = disk.names
        return disk
    }
}
