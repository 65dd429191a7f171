import Machine

/// One file (an inode): what reads see, and what would be left of it after a power loss.
///
/// Files only grow at the end and shrink at the end, so that no second copy of the content is needed: the durable image is
/// a prefix of the visible one, plus what was cut off since the last sync.
struct FileImage: Hashable, Sendable {
    /// What reads see: the page cache.
    private(set) var bytes: [UInt8] = []
    /// How much of `bytes` is as it was at the last sync.
    private(set) var untouched = 0
    /// What followed `untouched` at the last sync and was truncated since.
    private(set) var cutOff: [UInt8] = []
    /// The size after each write or truncation since the last sync.
    private(set) var sizes: [Int] = []
    /// Parts that a failed sync dropped: readable from the page cache, not on the medium, and no later sync writes them.
    private(set) var dropped: [Range<Int>] = []

    var size: Int { bytes.count }
    var isDirty: Bool { !sizes.isEmpty }
    /// What a power loss cannot take.
    var durableBytes: [UInt8] {
        var image = Array(bytes[..<untouched])
        image += cutOff
        for range in dropped { FileImage.fillWithZeros(&image, range) }
        return image
    }

    /// The durable image up to the first part that a failed sync dropped.
    var soundBytes: [UInt8] {
        let image = durableBytes
        let end = dropped.reduce(image.count) { min($0, $1.lowerBound) }
        return Array(image[..<end])
    }

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
        dropped = dropped.compactMap { $0.lowerBound < size ? $0.lowerBound..<min($0.upperBound, size) : nil }
        sizes.append(size)
    }

    /// - Parameter pageBytes: the unit of writing: a page that was written to again goes to the medium as a whole, with what
    ///   an earlier failed sync had dropped of it.
    mutating func sync(pageBytes: Int) {
        if isDirty {
            let rewritten = untouched / pageBytes * pageBytes
            dropped = dropped.compactMap { $0.lowerBound < rewritten ? $0.lowerBound..<min($0.upperBound, rewritten) : nil }
        }
        markClean()
    }

    private mutating func markClean() {
        untouched = bytes.count
        cutOff = []
        sizes.removeAll(keepingCapacity: true)
    }

    /// A sync that failed: some pages reached the medium, the others were dropped and are taken for clean from now on.
    mutating func failSync(pageBytes: Int, _ random: inout SeededRandom) {
        var start = untouched / pageBytes * pageBytes
        while start < bytes.count {
            let page = max(start, untouched)..<min(start + pageBytes, bytes.count)
            if random.chance(2, in: 3) { dropped.append(page) }
            start += pageBytes
        }
        markClean()
    }

    // MARK: Power loss

    /// What a power loss leaves, which then is durable.
    mutating func losePower(_ random: inout SeededRandom) -> Mark? {
        guard isDirty else {
            settle(durableBytes)
            return nil
        }
        let old = Array(bytes[..<untouched]) + cutOff
        let isPlainGrowth = cutOff.isEmpty && zip(sizes, sizes.dropFirst()).allSatisfy { $0 <= $1 }
        let result: [UInt8]
        let mark: Mark
        switch random.below(5) {
        case 0:
            result = old
            mark = .powerLossKeptNothing
        case 1 where isPlainGrowth:
            result = Array(bytes[..<sizes[random.below(sizes.count)]])
            mark = .powerLossKeptPrefix
        case 2 where isPlainGrowth:
            // One write torn: the sectors of it that reached the medium are a prefix.
            let index = random.below(sizes.count)
            let start = index == 0 ? untouched : sizes[index - 1]
            let sectors = start / 512...max(start, sizes[index] - 1) / 512
            let end = (sectors.lowerBound + 1 + random.below(sectors.count)) * 512
            result = Array(bytes[..<max(start, min(end, sizes[index]))])
            mark = .powerLossToreWrite
        case 3:
            // The new size reached the medium, the content did not.
            let size = sizes[random.below(sizes.count)]
            var image = old
            if size < image.count { image.removeLast(image.count - size) }
            image += repeatElement(0, count: size - image.count)
            result = image
            mark = .powerLossGrewWithoutContent
        default:
            result = subset(over: old, unit: random.chance(1, in: 2) ? 512 : 4096, &random)
            mark = .powerLossKeptSubset
        }
        var image = result
        for range in dropped { FileImage.fillWithZeros(&image, range) }
        settle(image)
        return mark
    }

    /// The final size, with any subset of the pages (or sectors) written since the last sync; the others show what the
    /// medium had there: the old content, or zeros.
    private func subset(over old: [UInt8], unit: Int, _ random: inout SeededRandom) -> [UInt8] {
        var image = bytes
        var start = untouched / unit * unit
        while start < image.count {
            if random.chance(1, in: 2) {
                for offset in max(start, untouched)..<min(start + unit, image.count) {
                    image[offset] = offset < old.count ? old[offset] : 0
                }
            }
            start += unit
        }
        return image
    }

    private mutating func settle(_ image: [UInt8]) {
        bytes = image
        dropped = []
        markClean()
    }

    private static func fillWithZeros(_ image: inout [UInt8], _ range: Range<Int>) {
        for offset in range.clamped(to: 0..<image.count) { image[offset] = 0 }
    }
}
