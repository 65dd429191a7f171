import Machine
import Wire

/// # The ring
///
/// Consistent hashing (D. Karger et al., "Consistent Hashing and Random Trees", STOC 1997): keys and groups are hashed
/// onto the same circle of 2³² points, and a key belongs to the first token at or after its own point, wrapping around.
/// A group that comes or goes moves only the keys of its own arcs.
///
/// The hash is crc32 (IEEE), so that any program in any language can tell where a key lives. Each group stands on the
/// circle at `crc32("<name>#<i>")` for `i` from 0; more virtual nodes even out the shares, and weigh groups against each
/// other. The ring is a pure function of the groups: the order in which they are given changes nothing.
public struct Ring: Hashable, Sendable {
    /// A group's place on the ring.
    public struct Group: Hashable, Sendable {
        public var name: String
        /// How many tokens the group has; its weight.
        public var virtualNodes: Int

        public init(name: String, virtualNodes: Int = Ring.defaultVirtualNodes) {
            self.name = name
            self.virtualNodes = virtualNodes
        }
    }

    /// Tokens of a group of usual weight.
    public static let defaultVirtualNodes = 2

    /// Every token, clockwise. Where two groups meet on one point, the name that sorts first stands first, and owns it.
    public let tokens: [RingToken]

    public init(groups: [Group]) {
        self.init(
            tokens: groups.flatMap { group in
                (0..<max(0, group.virtualNodes)).map { index in
                    RingToken(token: Ring.hash(of: Array("\(group.name)#\(index)".utf8)), group: group.name)
                }
            })
    }

    /// A ring as somebody else computed it.
    public init(tokens: [RingToken]) {
        self.tokens = tokens.sorted { ($0.token, $0.group) < ($1.token, $1.group) }
    }

    /// The point of a key on the circle.
    public static func hash(of key: [UInt8]) -> UInt32 { CRC32.ieee.checksum(of: key) }

    /// The group that owns `key`; nil on a ring without tokens.
    public func owner(of key: [UInt8]) -> String? { owner(ofHash: Ring.hash(of: key)) }

    /// The group that owns a point of the circle; nil on a ring without tokens.
    public func owner(ofHash hash: UInt32) -> String? {
        var low = 0
        var high = tokens.count
        while low < high {
            let middle = (low + high) / 2
            if tokens[middle].token < hash { low = middle + 1 } else { high = middle }
        }
        return low < tokens.count ? tokens[low].group : tokens.first?.group
    }

    /// The share of the circle that `group` owns, in millionths, rounded to the nearest.
    public func shareMillionths(of group: String) -> UInt64 {
        let circle: UInt64 = 1 << 32
        var owned: UInt64 = 0
        for (index, token) in tokens.enumerated() where token.group == group {
            let before = tokens[index == 0 ? tokens.count - 1 : index - 1].token
            let arc = UInt64(token.token &- before)
            // The only token's arc, from itself to itself, is the whole circle, not nothing.
            let isWholeCircle = index == 0 && tokens[tokens.count - 1].token == token.token
            owned += isWholeCircle ? circle : arc
        }
        return (owned * 1_000_000 + circle / 2) / circle
    }
}
