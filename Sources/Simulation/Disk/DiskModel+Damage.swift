import Machine

/// Where chance lets the medium go wrong, as `Damage` says how.
extension DiskModel {
    /// Something that was done to the disk behind its process's back.
    public struct Harm: Hashable, Sendable {
        public enum Kind: Hashable, Sendable {
            case damaged(Damage.Kind)
            /// The whole disk is another one: an empty one, or one with the files of an earlier moment.
            case lost, restored
        }

        public var kind: Kind
        /// What the file was called then; nil where it had lost its name, or where the whole disk is meant.
        public var file: FileName?
        public var range: Range<Int>
        var inode: Int
    }

    /// How many harms the disk has seen: a point in time to which a later state can be compared.
    public var harmCount: Int { harms.count }

    /// Whether the disk was exchanged for another one since it had seen so many harms: nothing of what was there is owed.
    public func wasExchanged(since count: Int) -> Bool { harms[count...].contains { $0.kind == .lost || $0.kind == .restored } }

    /// Whether any file is damaged, or was since the disk had seen so many harms, so that a store may refuse to open, or open
    /// with less than was synced. (What a failed sync dropped is not meant: nobody was told that it is safe.)
    public func isHarmed(since count: Int) -> Bool {
        count < harms.count || inodes.values.contains { $0.damages.contains { $0.kind != .droppedBySync } }
    }

    /// What of a life's remains is still on the medium and right, as far as it is known.
    public func soundBytes(of remains: Remains) -> [UInt8] {
        var end = Int.max
        for harm in harms[remains.harms...] { end = min(end, harm.inode == remains.inode ? harm.range.lowerBound : 0) }
        let durable = remains.durable
        return end < durable.count ? Array(durable[..<end]) : durable
    }

    // MARK: Damaging

    /// Flips a few bits somewhere. Returns whether there was anything to hit.
    @usableFromInline mutating func rot() -> Bool {
        guard let (inode, sectors) = somewhere(most: 1) else { return false }
        var luck = random.fork()
        inodes.update(inode) { $0.rot(sectors, &luck) }
        harm(.rot, inode, sectors)
        marks.append(.bitsRotted)
        return true
    }

    /// Makes a few sectors unreadable. Returns whether there was anything to hit.
    @usableFromInline mutating func loseSectors() -> Bool {
        guard let (inode, sectors) = somewhere(most: 8) else { return false }
        inodes.update(inode) { $0.loseSectors(sectors) }
        harm(.badSector, inode, sectors)
        marks.append(.sectorsLost)
        return true
    }

    /// The page cache lets go of what is synced.
    mutating func forgetCache() {
        noteShownForeignWrites()
        var showed = false
        for index in inodes.keys.indices { showed = inodes.update(at: index) { $0.forgetCache() } || showed }
        if showed { marks.append(.cacheLetGoOfDamage) }
    }

    /// A sync of which one page goes elsewhere, to another page of this disk.
    mutating func syncAstray(_ inode: Int) {
        guard let image = inodes[inode] else { return }
        let pageBytes = options.pageBytes
        let pages = image.dirtyPages(pageBytes)
        inodes.update(inode) { $0.sync(pageBytes: pageBytes) }
        guard !pages.isEmpty else { return }
        let page = pages[random.below(pages.count)]
        // The whole page is written, with what it had before.
        let content = Array(image.bytes[(page.lowerBound / pageBytes * pageBytes)..<page.upperBound])
        if let (victim, place) = anotherPage(than: page, of: inode) {
            let landed = place.lowerBound..<min(place.upperBound, place.lowerBound + content.count)
            inodes.update(victim) { $0.hide(.foreignWrite, landed, medium: Array(content.prefix(landed.count))) }
            harm(.foreignWrite, victim, landed)
        }
        if options.damageLimit == .none {
            inodes.update(inode) { $0.hide(.writtenElsewhere, page, medium: Array(repeating: 0, count: page.count)) }
            harm(.writtenElsewhere, inode, page)
        }
        marks.append(.writeMisdirected)
    }

    private mutating func harm(_ kind: Damage.Kind, _ inode: Int, _ range: Range<Int>) {
        let name = directory.entries.first { $0.1 == inode }?.0
        harms.append(Harm(kind: .damaged(kind), file: name, range: range, inode: inode))
    }

    /// The cache is about to let go: notes whether a misdirected write comes to light.
    mutating func noteShownForeignWrites() {
        if inodes.values.contains(where: { $0.damages.contains { $0.isHidden && $0.kind == .foreignWrite } }) {
            marks.append(.misdirectedWriteShown)
        }
    }

    /// How much of a file damage can hit; nothing, where there is a limit and the file has lost its name.
    private func damageEnd(_ inode: Int, _ image: FileImage) -> Int {
        if options.damageLimit == .none { return image.untouched }
        guard let name = directory.entries.first(where: { $0.1 == inode })?.0 else { return 0 }
        let end = min(options.damageLimit.end(name, image.durableBytes), image.untouched)
        return end / FileImage.sector * FileImage.sector
    }

    /// One sector or a few, of what is synced.
    private mutating func somewhere(most: Int) -> (inode: Int, Range<Int>)? {
        let sectors = inodes.map {
            (inode: $0, count: (damageEnd($0, $1) + FileImage.sector - 1) / FileImage.sector)
        }
        let total = sectors.reduce(0) { $0 + $1.count }
        guard total > 0 else { return nil }
        var at = random.below(total)
        for (inode, count) in sectors {
            guard at >= count else {
                let end = min(at + 1 + random.below(most), count) * FileImage.sector
                return (inode, at * FileImage.sector..<min(end, inodes[inode]?.untouched ?? 0))
            }
            at -= count
        }
        return nil
    }

    /// A page of what is synced, other than the one that is meant.
    private mutating func anotherPage(than page: Range<Int>, of inode: Int) -> (inode: Int, Range<Int>)? {
        var places: [(Int, Range<Int>)] = []
        for (candidate, image) in inodes {
            let end = damageEnd(candidate, image)
            for start in stride(from: 0, to: end, by: options.pageBytes) {
                let place = start..<min(start + options.pageBytes, end)
                if candidate != inode || !place.overlaps(page) { places.append((candidate, place)) }
            }
        }
        return places.isEmpty ? nil : places[random.below(places.count)]
    }
}
