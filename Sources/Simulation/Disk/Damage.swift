import Machine

// Fault model. Without a crash, and without anybody being told, the medium of a file may come to hold something else than
// what was written and synced:
// - *rot*: bits flip. Reading the place gives the same wrong bytes every time, and writing behind it, even in the same page,
//   leaves them wrong: a page is read before a part of it is written. Only other bytes in their place, or another file, help;
// - a *bad sector*: reading it fails with an input/output error, every time, until it is written again (a disk puts such a
//   sector elsewhere when it is written);
// - a *misdirected write*: a sync says yes, but one page went elsewhere. Its own place keeps what it had (zeros, where the file
//   grew), and another page of the same disk is overwritten;
// - a page that a *failed sync* dropped: its place keeps what it had, and later syncs say yes.
// The page cache goes on showing what was written, and so hides the last two until it lets the pages go: by a power loss, or
// at any time, for want of memory. A hidden wrong page that is written again is right again.
//
// Damage hits only what was synced: what was not is in the cache, and there it is right.

/// A part of a file that the medium holds wrong.
public struct Damage: Hashable, Sendable {
    public enum Kind: Hashable, Sendable {
        case rot, badSector
        /// Of a misdirected write: the place that it was meant for, and the place where it landed.
        case writtenElsewhere, foreignWrite
        /// A failed sync dropped it. The process was told.
        case droppedBySync
    }

    public let kind: Kind
    public internal(set) var range: Range<Int>
    /// Whether the page cache still shows what was written.
    public internal(set) var isHidden = false
    /// The version that reads do not see: what the medium has as long as that is hidden, from then on what was written.
    /// Empty for a bad sector.
    var other: [UInt8] = []

    /// Exchanges the version that reads see for the other one, as far as `end`.
    mutating func exchange(in image: inout [UInt8], end: Int) {
        for (index, offset) in range.enumerated() where offset < end && index < other.count {
            swap(&image[offset], &other[index])
        }
    }

    /// The part before `end`; nil where there is none.
    func clamped(to end: Int) -> Damage? {
        guard range.lowerBound < end else { return nil }
        guard range.upperBound > end else { return self }
        var part = self
        part.range = range.lowerBound..<end
        part.other = Array(other.prefix(part.range.count))
        return part
    }
}

extension FileImage {
    /// Whether a read of this range meets a bad sector.
    func isUnreadable(_ range: Range<Int>) -> Bool {
        !damages.isEmpty
            && damages.contains {
                $0.kind == .badSector && $0.range.overlaps(range) && $0.range.lowerBound < untouched
            }
    }

    /// Whether a read of this range returns what nobody wrote there.
    func isWrong(_ range: Range<Int>) -> Bool {
        !damages.isEmpty
            && damages.contains {
                !$0.isHidden && !$0.other.isEmpty && $0.range.overlaps(range) && $0.range.lowerBound < untouched
            }
    }

    /// What was written, whatever the medium made of it.
    var pristineBytes: [UInt8] {
        guard damages.contains(where: { !$0.isHidden && !$0.other.isEmpty }) else { return bytes }
        var image = bytes
        for var damage in damages.reversed() where !damage.isHidden { damage.exchange(in: &image, end: untouched) }
        return image
    }

    /// Flips bits of some bytes in a range of what was synced.
    mutating func rot(_ range: Range<Int>, _ random: inout SeededRandom) {
        var damage = Damage(kind: .rot, range: range)
        damage.other = range.map { bytes[$0] }
        for _ in 0..<(1 + random.below(3)) {
            let at = random.below(range.count)
            damage.other[at] ^= 1 << UInt8(random.below(8))
        }
        if damage.other.elementsEqual(bytes[range]) { damage.other[0] ^= 1 }
        damage.exchange(in: &bytes, end: untouched)
        damages.append(damage)
    }

    mutating func loseSectors(_ range: Range<Int>) { damages.append(Damage(kind: .badSector, range: range)) }

    /// The medium has this here, and the cache does not show it.
    mutating func hide(_ kind: Damage.Kind, _ range: Range<Int>, medium: [UInt8]) {
        damages.append(Damage(kind: kind, range: range, isHidden: true, other: medium))
    }

    /// The cache lets go of every page that is not waiting to be written: reads see the medium. Returns whether they see
    /// anything new.
    mutating func forgetCache() -> Bool {
        guard damages.contains(where: \.isHidden) else { return false }
        // What reads come to see last stands last, so that it is the first to be undone.
        let shown = damages.filter { $0.isHidden && $0.range.upperBound <= untouched }
        damages.removeAll { $0.isHidden && $0.range.upperBound <= untouched }
        for var damage in shown {
            damage.exchange(in: &bytes, end: untouched)
            damage.isHidden = false
            damages.append(damage)
        }
        return !shown.isEmpty
    }
}

/// How much of a file damage may hit.
///
/// At the end of a log damage cannot be told from a write that a crash tore: a single copy has no way to know that it was ever
/// whole. Whoever tests a machine that cannot ask another copy says how far a file shows by itself that it was durable.
public struct DamageLimit: Hashable, Sendable {
    private let name: String
    let end: @Sendable (FileName, [UInt8]) -> Int

    /// - Parameters:
    ///   - name: what makes it equal to another one.
    ///   - end: where the part of a file ends that may be damaged, from the file's durable bytes.
    public init(_ name: String, end: @escaping @Sendable (FileName, [UInt8]) -> Int) {
        self.name = name
        self.end = end
    }

    /// Everything that is durable may be damaged.
    public static let none = DamageLimit("none") { _, bytes in bytes.count }

    public static func == (a: DamageLimit, b: DamageLimit) -> Bool { a.name == b.name }
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }
}
