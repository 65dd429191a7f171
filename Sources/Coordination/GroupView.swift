import Machine
import Wire

/// A group as ZooKeeper shows it: the lives of stores that are registered, and the configuration.
///
/// Everything here may be old by the time it is read. It is good for routes, for status and for finding out *that*
/// something should be done; what is then done is a transaction that checks what it builds on. A newer configuration is
/// never replaced by an older one.
///
/// The node offers every coordination event to `step`; the view starts at the first one, and keeps itself current.
public struct GroupView: Hashable, Sendable {
    public let group: String
    /// Whose requests are this view's.
    public let owner: UInt32
    @usableFromInline var registry: RegistryView<StoreRegistration>
    private var configNode: DataView

    /// The last configuration that was read; nil where there is none, or none that can be read.
    public private(set) var config: GroupConfig?

    /// `timer` paces retries, as that of a `Registration` does.
    public init(group: String, owner: UInt32, timer: TimerID, random: SeededRandom) {
        self.group = group
        self.owner = owner
        var random = random
        registry = RegistryView(path: Paths.group(group), owner: owner, lane: 0, timer: timer, random: random.fork())
        configNode = DataView(
            path: Paths.config(ofGroup: group), owner: owner, lane: 2, timer: timer, random: random.fork())
    }

    /// Whether members and configuration were all read at least once. From then on the view shows something, old or new.
    public private(set) var isLoaded = false

    /// Whether everything is as the connected server shows it: no change was announced that has not been read.
    public func isCurrent(_ session: Session) -> Bool {
        isLoaded && registry.isCurrent(session) && configNode.isCurrent(session)
    }

    /// Whether the configuration's node is there, readable or not.
    public var configExists: Bool {
        switch configNode.value {
        case .unknown, .missing: false
        case .present: true
        }
    }

    /// The version of the configuration's node, for compare-and-set; −1 where there is none. Beware: to ZooKeeper a −1
    /// matches any.
    public var configVersion: Int32 {
        switch configNode.value {
        case .unknown, .missing: -1
        case .present(_, let stat): stat.version
        }
    }

    /// What the registered stores said of themselves, by number.
    @inlinable public var members: SortedMap<UInt64, StoreRegistration> { registry.members }

    /// The registered numbers in order, those included whose node holds something unreadable.
    public var registered: [UInt64] { registry.registered }

    /// Whether this number is registered: its life's session has not ended, as far as is known.
    public func isRegistered(_ number: UInt64) -> Bool { registry.isRegistered(number) }

    /// Where the primary of the configuration can be reached; nil where there is none, or it is not registered.
    public private(set) var primaryAddress: Address?

    /// Whether the primary of the configuration is registered, readable or not: nearly always.
    private(set) var isPrimaryRegistered = false

    /// Starts reading; harmless if it has started.
    public mutating func begin(session: Session, at now: Instant, into sink: inout Sink) {
        guard !isLoaded else { return }
        refresh(session: session, at: now, into: &sink)
    }

    /// Reads everything again, after a sync.
    public mutating func refresh(session: Session, at now: Instant, into sink: inout Sink) {
        registry.refresh(session, into: &sink)
        configNode.refresh(session, into: &sink)
    }

    /// True where something changed.
    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        let membersChanged = registry.step(event, session, at: now, into: &sink)
        let configChanged = configNode.step(event, session, at: now, into: &sink)
        if configChanged { readConfig(into: &sink) }
        if membersChanged || configChanged {
            primaryAddress = config?.primary.flatMap { registry.members[$0.number]?.address }
            isPrimaryRegistered = config?.primary.map { registry.isRegistered($0.number) } ?? false
        }
        if !isLoaded, registry.isLoaded, configNode.value != .unknown { isLoaded = true }
        return membersChanged || configChanged
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        registry.timerFired(timer, session, into: &sink)
        configNode.timerFired(timer, session, into: &sink)
    }

    private mutating func readConfig(into sink: inout Sink) {
        switch configNode.value {
        case .unknown, .missing: config = nil
        case .present(let bytes, let stat):
            config = GroupConfig(bytes)
            if config == nil {
                let fields = [LogField("path", configNode.path), LogField("version", stat.version)]
                sink.log(.error, "the group's configuration is unreadable", fields)
            }
        }
    }
}
