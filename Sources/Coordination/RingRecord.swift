import Machine
import Placement
import Wire

/// The content of `/ring`: which groups share the hash space.
public struct RingRecord: Hashable, Sendable {
    /// Most virtual nodes that one group can have.
    public static let mostVirtualNodes = 1024
    /// Most groups that one ring can have.
    public static let mostGroups = 4096

    /// Counts the changes of the ring, from 1 on.
    public var version: UInt64
    /// Whether keys may have been written. A sealed ring takes no group in: the keys that would be its own are elsewhere.
    public var sealed: Bool
    /// In the order in which they came.
    public var groups: [Ring.Group]

    public init(version: UInt64, sealed: Bool, groups: [Ring.Group]) {
        self.version = version
        self.sealed = sealed
        self.groups = groups
    }

    public init?(_ bytes: [UInt8]) {
        do {
            let text = try RecordText(bytes)
            var groups: [Ring.Group] = []
            for value in text.all("group") {
                let words = value.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false)
                guard words.count == 2, let nodes = UInt64(decimal: words[1]),
                    (1...UInt64(Self.mostVirtualNodes)).contains(nodes), groups.count < Self.mostGroups
                else { return nil }
                let name = String(decoding: words[0], as: UTF8.self)
                guard GroupName.problem(name) == nil, !groups.contains(where: { $0.name == name }) else { return nil }
                groups.append(Ring.Group(name: name, virtualNodes: Int(nodes)))
            }
            self.init(version: try text.number("version"), sealed: try text.flag("sealed"), groups: groups)
        } catch {
            return nil
        }
    }

    public var bytes: [UInt8] {
        RecordText.bytes(
            ["version=\(version)", "sealed=\(RecordText.text(sealed))"] + groups.map { "group=\($0.name) \($0.virtualNodes)" }
        )
    }

    /// The ring that this describes.
    public var ring: Ring { Ring(groups: groups) }

    public func contains(_ group: String) -> Bool { groups.contains { $0.name == group } }

    /// The next version of this ring, with the group in it.
    public func adding(_ group: String, virtualNodes: Int = Ring.defaultVirtualNodes, sealed: Bool) -> RingRecord {
        RingRecord(
            version: version &+ 1, sealed: self.sealed || sealed,
            groups: groups + [Ring.Group(name: group, virtualNodes: virtualNodes)]
        )
    }

    /// The next version of this ring, closed to groups that come later.
    public func sealing() -> RingRecord { RingRecord(version: version &+ 1, sealed: true, groups: groups) }
}
