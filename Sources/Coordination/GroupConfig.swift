import Machine
import Wire

/// The content of `/data/[group]/config`: who is primary, in which term, and which stores hold every committed entry.
///
/// Changed only by compare-and-set on the node's version: by the master to replace a primary that is gone, by the
/// primary to shrink, grow or hand over.
public struct GroupConfig: Hashable, Sendable {
    /// Most in-sync stores that a configuration can name.
    public static let mostInSync = 64
    /// Most histories that were given up that a configuration names; the oldest ones go.
    public static let mostFormer = 64
    /// No group gets there by itself; beyond it there would be no next term.
    public static let highestTerm = UInt64(Int64.max)

    /// The group's history; changes only when an operator accepts the loss of data.
    public var lineage: Lineage
    /// Grows by one with every primary.
    public var term: UInt64
    /// The life that serves this term.
    public var primary: MemberID?
    /// Where the primary of the term before handed over: that office, which ended before this configuration was written. Promises
    /// given to it bind nobody any more.
    public var released: Office?
    /// Histories that an operator gave up for this one, oldest first. Who holds one of them puts it aside.
    public var former: [Lineage]
    /// Stores that have, durably, every entry that was ever committed, each in the life in which that was so. Never empty.
    public var inSync: [MemberID]

    /// One life's time as primary.
    public struct Office: Hashable, Sendable, CustomStringConvertible {
        /// The life's number.
        public var number: UInt64
        public var term: UInt64

        public init(number: UInt64, term: UInt64) {
            self.number = number
            self.term = term
        }

        public var description: String { "\(number):\(term)" }
    }

    public init(
        lineage: Lineage, term: UInt64, primary: MemberID?, inSync: [MemberID], released: Office? = nil,
        former: [Lineage] = []
    ) {
        self.former = former
        self.lineage = lineage
        self.term = term
        self.primary = primary
        self.inSync = inSync
        self.released = released
    }

    /// The configuration of the next term of this history.
    public func next(primary: MemberID, inSync: [MemberID], released: Office? = nil) -> GroupConfig {
        GroupConfig(
            lineage: lineage, term: term + 1, primary: primary, inSync: inSync, released: released, former: former)
    }

    public init?(_ bytes: [UInt8]) {
        do {
            let text = try RecordText(bytes)
            var inSync: [MemberID] = []
            for value in text.all("insync") {
                guard let member = MemberID(value), inSync.count < Self.mostInSync,
                    !inSync.contains(where: { $0.store == member.store })
                else { return nil }
                inSync.append(member)
            }
            guard !inSync.isEmpty else { return nil }
            var primary: MemberID?
            if let value = try text.optional("primary"), !value.isEmpty {
                primary = MemberID(value)
                if primary == nil { return nil }
            }
            // A primary is always in its own in-sync set; whoever wrote this was not Aviary.
            if let primary, !inSync.contains(primary) { return nil }
            let term = try text.number("term")
            guard term <= Self.highestTerm else { return nil }
            var released: Office?
            if let value = try text.optional("released") {
                released = Office(value)
                if released == nil { return nil }
            }
            var former: [Lineage] = []
            for value in text.all("former") {
                guard GroupName.isPlainName(value), former.count < Self.mostFormer else { return nil }
                former.append(Lineage(String(decoding: value, as: UTF8.self)))
            }
            self.init(
                lineage: Lineage(try text.name("lineage")), term: term, primary: primary, inSync: inSync, released: released,
                former: former)
        } catch {
            return nil
        }
    }

    public var bytes: [UInt8] {
        RecordText.bytes(
            ["lineage=\(lineage)", "term=\(term)", "primary=\(primary?.description ?? "")"] + inSync.map { "insync=\($0)" }
                + (released.map { ["released=\($0)"] } ?? []) + former.map { "former=\($0)" }
        )
    }

    /// The content of `/data/[group]/primary` that belongs to this configuration.
    public var primaryBytes: [UInt8] { Array((primary.map { String($0.number) } ?? "").utf8) }
}

extension GroupConfig.Office {
    /// Reads `number:term`.
    init?(_ text: RecordText.Value) {
        guard let colon = text.firstIndex(of: UInt8(ascii: ":")), let number = UInt64(decimal: text[..<colon]), number > 0,
            let term = UInt64(decimal: text[(colon + 1)...]), term > 0
        else { return nil }
        self.init(number: number, term: term)
    }
}
