import Machine

/// One file (an inode): what reads see, and what would be left of it after a power loss.
///
/// Files only grow at the end and shrink at the end, so that no second copy of the content is needed: the durable image is
/// a prefix of the visible one, plus what was cut off since the last sync, but for what is damaged (`Damage`).
struct FileImage: Hashable, Sendable {
    /// What reads see: the page cache, and the medium where the cache has let go.
    var bytes: [UInt8] = []
    /// How much of `bytes` is as it was at the last sync.
    private(set) var untouched = 0
    /// What followed `untouched` at the last sync and was truncated since.
    private(set) var cutOff: [UInt8] = []
    /// The size after each write or truncation since the last sync.
    private(set) var sizes: [Int] = []
    /// Parts of the durable image that are not as they were written, in the order in which reads came to see them.
    var damages: [Damage] = []

    var size: Int { bytes.count }
    var isDirty: Bool { !sizes.isEmpty }
    var durableCount: Int { untouched + cutOff.count }

    /// What a power loss cannot take.
    var durableBytes: [UInt8] {
        var image = Array(bytes[..<untouched])
        image += cutOff
        for var damage in damages where damage.isHidden { damage.exchange(in: &image, end: image.count) }
        return image
    }

    /// How far the durable image is as it was written.
    var soundCount: Int { damages.reduce(durableCount) { min($0, $1.range.lowerBound) } }

    mutating func append(_ new: [UInt8]) {
        bytes += new
        sizes.append(bytes.count)
    }

    mutating func append(_ new: ArraySlice<UInt8>) {
        bytes += new
        sizes.append(bytes.count)
    }

    mutating func truncate(to size: Int) {
        if size < untouched {
            cutOff = Array(bytes[size..<untouched]) + cutOff
            untouched = size
        }
        if size < bytes.count {
            bytes.removeLast(bytes.count - size)
        } else {
            bytes += repeatElement(0, count: size - bytes.count)
        }
        sizes.append(size)
    }

    /// - Parameter pageBytes: the unit of writing: a page that was written to again goes to the medium as a whole, with what
    ///   the medium had wrong of it and the cache right.
    mutating func sync(pageBytes: Int) {
        guard isDirty else { return }
        if !damages.isEmpty {
            let rewritten = untouched / pageBytes * pageBytes
            damages = damages.compactMap { $0.isHidden || $0.kind == .badSector ? $0.clamped(to: rewritten) : $0 }
        }
        markClean()
    }

    private mutating func markClean() {
        // What was cut off is gone, with what was wrong with it.
        if !damages.isEmpty { damages = damages.compactMap { $0.clamped(to: untouched) } }
        untouched = bytes.count
        cutOff = []
        sizes.removeAll(keepingCapacity: true)
    }

    /// A sync that failed: some pages reached the medium, the others were dropped and are taken for clean from now on.
    mutating func failSync(pageBytes: Int, _ random: inout SeededRandom) {
        var dropped: [Range<Int>] = []
        for page in dirtyPages(pageBytes) where random.chance(2, in: 3) { dropped.append(page) }
        markClean()
        for page in dropped { hide(.droppedBySync, page, medium: Array(repeating: 0, count: page.count)) }
    }

    /// The parts of pages that a sync would write.
    func dirtyPages(_ pageBytes: Int) -> [Range<Int>] {
        guard isDirty else { return [] }
        return stride(from: untouched / pageBytes * pageBytes, to: bytes.count, by: pageBytes).map {
            max($0, untouched)..<min($0 + pageBytes, bytes.count)
        }
    }

    /// The file as reads see it, all of it durable.
    var settled: FileImage {
        var image = self
        image.damages = damages.filter { !$0.isHidden }
        image.settle(bytes, damagedBefore: untouched)
        return image
    }

    // MARK: Power loss

    /// What a power loss leaves, which then is durable.
    mutating func losePower(_ random: inout SeededRandom) -> Mark? {
        guard isDirty else {
            _ = forgetCache()
            return nil
        }
        var old = Array(bytes[..<untouched])
        old += cutOff
        damages =
            damages.filter { !$0.isHidden }
            + damages.filter(\.isHidden).map { damage in
                var shown = damage
                shown.exchange(in: &old, end: old.count)
                shown.isHidden = false
                return shown
            }
        let isPlainGrowth = cutOff.isEmpty && zip(sizes, sizes.dropFirst()).allSatisfy { $0 <= $1 }
        switch random.below(5) {
        case 0:
            settle(old, damagedBefore: old.count)
            return .powerLossKeptNothing
        case 1 where isPlainGrowth:
            settle(old + bytes[untouched..<sizes[random.below(sizes.count)]], damagedBefore: untouched)
            return .powerLossKeptPrefix
        case 2 where isPlainGrowth:
            // One write torn: the sectors of it that reached the medium are a prefix.
            let index = random.below(sizes.count)
            let start = index == 0 ? untouched : sizes[index - 1]
            let sectors = start / FileImage.sector...max(start, sizes[index] - 1) / FileImage.sector
            let end = (sectors.lowerBound + 1 + random.below(sectors.count)) * FileImage.sector
            settle(old + bytes[untouched..<max(start, min(end, sizes[index]))], damagedBefore: untouched)
            return .powerLossToreWrite
        case 3:
            // The new size reached the medium, the content did not.
            let size = sizes[random.below(sizes.count)]
            var image = old
            if size < image.count { image.removeLast(image.count - size) }
            image += repeatElement(0, count: size - image.count)
            settle(image, damagedBefore: min(size, old.count))
            return .powerLossGrewWithoutContent
        default:
            settle(subset(over: old, unit: random.chance(1, in: 2) ? 512 : 4096, &random), damagedBefore: untouched)
            return .powerLossKeptSubset
        }
    }

    /// The unit that a disk writes whole or not at all.
    static let sector = 512

    /// The final size, with any subset of the pages (or sectors) written since the last sync; the others show what the
    /// medium had there: the old content, or zeros.
    private func subset(over old: [UInt8], unit: Int, _ random: inout SeededRandom) -> [UInt8] {
        var image = old[..<untouched] + bytes[untouched...]
        var start = untouched / unit * unit
        while start < image.count {
            if random.chance(1, in: 2) {
                for offset in max(start, untouched)..<min(start + unit, image.count) {
                    image[offset] = offset < old.count ? old[offset] : 0
                }
            }
            start += unit
        }
        return Array(image)
    }

    private mutating func settle(_ image: [UInt8], damagedBefore end: Int) {
        bytes = image
        damages = damages.compactMap { $0.clamped(to: end) }
        untouched = image.count
        cutOff = []
        sizes.removeAll(keepingCapacity: true)
    }
}
