import Machine
import Placement
import Wire

// The cluster beside its groups, as ZooKeeper shows it. What `GroupView` says of its facts holds for these too.

/// The groups that exist: the children of `/data`.
public struct CatalogView: Hashable, Sendable {
    private var children: ChildrenView

    public init(owner: UInt32, timer: TimerID, random: SeededRandom) {
        children = ChildrenView(path: Paths.data, owner: owner, timer: timer, random: random)
    }

    public var isLoaded: Bool { children.names != nil }

    /// Names of the groups, in order.
    public var groups: [String] { (children.names ?? []).filter { GroupName.problem($0) == nil } }

    /// True where the groups changed.
    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        children.step(event, session, at: now, into: &sink)
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        children.timerFired(timer, session, into: &sink)
    }
}

/// The servers that are registered.
public struct ServersView: Hashable, Sendable {
    private var registry: RegistryView<ServerRegistration>

    public init(owner: UInt32, timer: TimerID, random: SeededRandom) {
        registry = RegistryView(path: Paths.server, owner: owner, timer: timer, random: random)
    }

    public var isLoaded: Bool { registry.isLoaded }

    public func isCurrent(_ session: Session) -> Bool { registry.isCurrent(session) }

    /// What the registered servers said of themselves, by number.
    public var servers: SortedMap<UInt64, ServerRegistration> { registry.members }

    public func isRegistered(_ number: UInt64) -> Bool { registry.isRegistered(number) }

    /// Reads anew; until then it is not current.
    public mutating func refresh(session: Session, at now: Instant, into sink: inout Sink) {
        registry.refresh(session, into: &sink)
    }

    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        registry.step(event, session, at: now, into: &sink)
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        registry.timerFired(timer, session, into: &sink)
    }
}

/// Who is master: the node `/server/0`.
public struct MasterView: Hashable, Sendable {
    private var node: DataView

    public private(set) var record: MasterRecord?

    public init(owner: UInt32, timer: TimerID, random: SeededRandom) {
        node = DataView(path: Paths.master, owner: owner, timer: timer, random: random)
    }

    /// Whether it was read, or found missing, and no change was announced since.
    public func isCurrent(_ session: Session) -> Bool { node.isCurrent(session) && node.value != .unknown }

    /// Whether there is no master as far as is known, and no change was announced since.
    public func isVacant(_ session: Session) -> Bool { node.value == .missing && node.isCurrent(session) }

    /// Whether the master's node belongs to this session.
    public func isOurs(_ session: Session) -> Bool {
        guard case .present(_, let stat) = node.value else { return false }
        return session.sessionID != 0 && stat.ephemeralOwner == session.sessionID
    }

    public mutating func refresh(session: Session, at now: Instant, into sink: inout Sink) {
        node.refresh(session, into: &sink)
    }

    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        guard node.step(event, session, at: now, into: &sink) else { return false }
        switch node.value {
        case .unknown, .missing: record = nil
        case .present(let bytes, _): record = MasterRecord(bytes)
        }
        return true
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        node.timerFired(timer, session, into: &sink)
    }
}

/// The ring: the node `/ring`.
public struct RingView: Hashable, Sendable {
    private var node: DataView

    /// nil where there is no ring, or none that can be read.
    public private(set) var record: RingRecord?
    /// The ring of `record`; without tokens where there is none.
    public private(set) var ring = Ring(groups: [])

    public init(owner: UInt32, timer: TimerID, random: SeededRandom) {
        node = DataView(path: Paths.ring, owner: owner, timer: timer, random: random)
    }

    /// Whether the ring was read, or found missing, at least once.
    public var isLoaded: Bool { node.value != .unknown }

    public func isCurrent(_ session: Session) -> Bool { node.isCurrent(session) && isLoaded }

    /// Whether the node is there, readable or not.
    public var exists: Bool {
        switch node.value {
        case .unknown, .missing: false
        case .present: true
        }
    }

    /// The version of the node, for compare-and-set; −1 where there is none.
    public var version: Int32 {
        switch node.value {
        case .unknown, .missing: -1
        case .present(_, let stat): stat.version
        }
    }

    public mutating func refresh(session: Session, at now: Instant, into sink: inout Sink) {
        node.refresh(session, into: &sink)
    }

    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        guard node.step(event, session, at: now, into: &sink) else { return false }
        switch node.value {
        case .unknown, .missing: record = nil
        case .present(let bytes, _):
            record = RingRecord(bytes)
            if record == nil { sink.log(.error, "the ring is unreadable", [LogField("path", Paths.ring)]) }
        }
        ring = record?.ring ?? Ring(groups: [])
        return true
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        node.timerFired(timer, session, into: &sink)
    }
}
