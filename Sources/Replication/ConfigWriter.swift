import Coordination
import Machine
import Wire

/// # Changing the group's config from the primary
///
/// A config write is a multi that checks the primary's own registration and sets config at the version that the primary
/// knows. Its outcome may be unknown; and then it is decided by one thing only: seeing a version above the one that it
/// named. Until that, the write is repeated, and every set that may be in force counts (see `mayBeInForce`). Otherwise a
/// growth that is believed failed could be applied late, and its member, which lacks acknowledged entries, be elected.
public struct ConfigWriter: Sendable {
    public enum Outcome: Equatable {
        /// Config is now this, at this version, by this writer's doing.
        case decided(GroupConfig, version: Int32)
        /// Config has moved by another's hand, or the own registration is gone: this primary is over.
        case deposed(String)
        /// The write was refused, config is as it was.
        case refused
        /// This primary is over by its own will: config names the store that it handed over to.
        case handedOver(MemberID)
    }

    private enum State: Hashable, Sendable {
        case idle
        case writing(CoordinationID)
        /// Reading config to learn what became of writes.
        case reading(CoordinationID)
        /// Without a connection; goes on at `reconnected`.
        case waiting
    }

    private let group: String
    private let me: MemberID
    /// Handed on from writer to writer, so that no reply is taken for another's.
    public private(set) var port: CoordinationPort
    private var state = State.idle

    private var base: GroupConfig
    private var version: Int32
    /// What is being written.
    private var target: GroupConfig
    /// A registration that must exist for the write to be right (the grown member's).
    private var mustBeRegistered: UInt64?
    /// Everything that was written at `version` with unknown outcome.
    private var undecided: [GroupConfig] = []

    public init(group: String, me: MemberID, config: GroupConfig, version: Int32, port: CoordinationPort) {
        self.group = group
        self.me = me
        base = config
        target = config
        self.version = version
        self.port = port
    }

    public var isBusy: Bool {
        @inline(__always) get {
            switch state {
            case .idle: false
            case .writing, .reading, .waiting: true
            }
        }
    }
    /// Whether the outcome of something that was written is unknown.
    public var isUndecided: Bool { !undecided.isEmpty }
    public var config: GroupConfig { base }
    public var configVersion: Int32 { version }

    /// Lets the config name a member by this text, which is equal to its own.
    mutating func shareName(_ member: MemberID) {
        if let index = base.inSync.firstIndex(of: member) { base.inSync[index] = member }
    }

    /// The union of the in-sync sets that may be in force right now.
    public var mayBeInForce: [MemberID] {
        @inline(__always) get { isBusy ? unionOfAll : base.inSync }
    }

    /// How many stores the smallest of the sets has that may be in force: so many at least hold what all of them hold. (Their union may
    /// name more; two lives of one store, too.)
    public var fewestInForce: Int {
        let fewest = isBusy ? (undecided + [target, base]).map { Self.stores($0.inSync) }.min() : nil
        return fewest ?? Self.stores(base.inSync)
    }

    private static func stores(_ members: [MemberID]) -> Int {
        members.indices.count { index in !members[..<index].contains { $0.store == members[index].store } }
    }

    private var unionOfAll: [MemberID] {
        var union = base.inSync
        for config in undecided + [target] {
            for member in config.inSync where !union.contains(member) { union.append(member) }
        }
        return union
    }

    /// Starts a write. Precondition: not busy.
    public mutating func write(_ config: GroupConfig, mustBeRegistered number: UInt64?, into effects: inout Sink) {
        precondition(!isBusy, "one config change at a time")
        precondition(!config.inSync.isEmpty && config.inSync.contains(me), "the primary stays in its own in-sync set")
        begin(config, mustBeRegistered: number, into: &effects)
    }

    /// Starts the write that makes `heir` primary of the next term. Precondition: not busy; it is in-sync, and not this store.
    public mutating func handOver(to heir: MemberID, leaving: Bool, into effects: inout Sink) {
        precondition(!isBusy, "one config change at a time")
        precondition(heir != me && base.inSync.contains(heir), "only an in-sync store can succeed")
        let next = base.next(
            primary: heir, inSync: base.inSync.filter { !leaving || $0 != me },
            released: GroupConfig.Office(number: me.number, term: base.term))
        begin(next, mustBeRegistered: heir.number, into: &effects)
    }

    private mutating func begin(_ config: GroupConfig, mustBeRegistered number: UInt64?, into effects: inout Sink) {
        target = config
        mustBeRegistered = number
        undecided = []
        send(into: &effects)
    }

    private mutating func send(into effects: inout Sink) {
        var operations: [MultiOperation] = [.check(path: Paths.member(me.number, ofGroup: group), version: -1)]
        if let number = mustBeRegistered { operations.append(.check(path: Paths.member(number, ofGroup: group), version: -1)) }
        operations.append(.set(path: Paths.config(ofGroup: group), data: target.bytes, version: version))
        if target.primary != me {
            operations.append(.set(path: Paths.primary(ofGroup: group), data: target.primaryBytes, version: -1))
        }
        state = .writing(port.request(.multi(operations), into: &effects))
    }

    private mutating func read(into effects: inout Sink) {
        _ = port.request(.sync(path: Paths.config(ofGroup: group)), into: &effects)
        state = .reading(port.request(.get(path: Paths.config(ofGroup: group), watch: false), into: &effects))
    }

    /// The session is connected again.
    public mutating func reconnected(into effects: inout Sink) {
        if state == .waiting { read(into: &effects) }
    }

    /// A watch showed config at a version.
    public mutating func observed(_ config: GroupConfig, version seen: Int32, into effects: inout Sink) -> Outcome? {
        guard seen > version else { return nil }
        return moved(to: config, version: seen, into: &effects)
    }

    /// Offers a reply; nil where it is another's, or where nothing is decided yet.
    public mutating func replied(_ id: CoordinationID, _ reply: CoordinationReply, into effects: inout Sink) -> Outcome? {
        switch state {
        case .writing(id): return written(reply, into: &effects)
        case .reading(id): return read(reply, into: &effects)
        case .idle, .waiting, .writing, .reading: return nil
        }
    }

    private mutating func written(_ reply: CoordinationReply, into effects: inout Sink) -> Outcome? {
        switch reply {
        case .multi(let results):
            // A version-checked set leads to the version after.
            return moved(to: target, version: version + 1, into: &effects)
        case .failed(let error, _) where error.isOutcomeUnknown:
            effects.reached(.configWriteUnknown)
            if !undecided.contains(target) { undecided.append(target) }
            if error == .operationTimeout { read(into: &effects) } else { state = .waiting }
            return nil
        case .failed(let error, let operations):
            if error == .noNode, operations.first == .some(.some(.noNode)) {
                state = .idle
                effects.reached(.configWriteWithoutRegistration)
                return .deposed("its registration is gone")
            }
            if error == .badVersion {
                // Either an earlier write of this one was applied, or another's: reading tells.
                read(into: &effects)
                return nil
            }
            if undecided.isEmpty {
                state = .idle
                target = base
                effects.reached(.configWriteRefused)
                return .refused
            }
            // This attempt failed for good, an earlier one may still come: force a decision with what stands.
            target = base
            mustBeRegistered = nil
            send(into: &effects)
            return nil
        case .created, .deleted, .set, .data, .existence, .children, .synced:
            state = .waiting
            return nil
        }
    }

    private mutating func read(_ reply: CoordinationReply, into effects: inout Sink) -> Outcome? {
        switch reply {
        case .data(let bytes, let stat):
            guard stat.version > version else {
                effects.reached(.configWriteRepeated)
                send(into: &effects)
                return nil
            }
            guard let config = GroupConfig(bytes) else {
                state = .idle
                return .deposed("its group's config cannot be read")
            }
            if undecided.contains(config) { effects.reached(.configWriteFoundApplied) }
            return moved(to: config, version: stat.version, into: &effects)
        case .failed(.operationTimeout, _):
            read(into: &effects)
            return nil
        case .failed(let error, _) where error.isOutcomeUnknown:
            state = .waiting
            return nil
        case .failed(let error, _):
            state = .idle
            return .deposed("its group's config cannot be read: \(error)")
        case .created, .deleted, .set, .existence, .children, .synced, .multi:
            state = .waiting
            return nil
        }
    }

    private mutating func moved(to config: GroupConfig, version seen: Int32, into effects: inout Sink) -> Outcome {
        state = .idle
        undecided = []
        mustBeRegistered = nil
        if let heir = config.primary, heir != me, config.released == GroupConfig.Office(number: me.number, term: base.term) {
            return .handedOver(heir)
        }
        guard config.primary == me, config.term == base.term, config.lineage == base.lineage else {
            return .deposed("config names \(config.primary.map(\.description) ?? "nobody") in term \(config.term)")
        }
        base = config
        target = config
        version = seen
        return .decided(config, version: seen)
    }
}
