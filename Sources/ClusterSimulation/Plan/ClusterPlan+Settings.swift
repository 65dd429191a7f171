import Machine
import Simulation
import Storage

/// A value that a line of a schedule can hold.
protocol SettingValue: Sendable {
    var settingText: String { get }
    init?(settingText: Substring)
}

extension Int: SettingValue {
    var settingText: String { String(self) }
    init?(settingText: Substring) { self.init(settingText) }
}

extension Int64: SettingValue {
    var settingText: String { String(self) }
    init?(settingText: Substring) { self.init(settingText) }
}

extension UInt64: SettingValue {
    var settingText: String { String(self) }
    init?(settingText: Substring) { self.init(settingText) }
}

extension Bool: SettingValue {
    var settingText: String { self ? "yes" : "no" }
    init?(settingText: Substring) {
        guard settingText == "yes" || settingText == "no" else { return nil }
        self = settingText == "yes"
    }
}

extension RunMode: SettingValue {
    var settingText: String { rawValue }
    init?(settingText: Substring) { self.init(rawValue: String(settingText)) }
}

extension Nanoseconds: SettingValue {
    var settingText: String { seconds }
    init?(settingText: Substring) { self.init(seconds: settingText) }
}

/// `always`, `none`, or the interval in seconds.
extension SyncPolicy: SettingValue {
    var settingText: String {
        switch self {
        case .always: "always"
        case .none: "none"
        case .interval(let length): length.seconds
        }
    }
    init?(settingText: Substring) {
        switch settingText {
        case "always": self = .always
        case "none": self = .none
        default:
            guard let length = Nanoseconds(seconds: settingText), length > .zero else { return nil }
            self = .interval(length)
        }
    }
}

/// Least, usual and worst in seconds, and how many of 1024 are in the tail.
extension Spread: SettingValue {
    var settingText: String { "\(least.seconds),\(usual.seconds),\(worst.seconds),\(tailPer1024)" }
    init?(settingText: Substring) {
        let parts = settingText.split(separator: ",")
        guard parts.count == 4, let least = Nanoseconds(seconds: parts[0]), let usual = Nanoseconds(seconds: parts[1]),
            let worst = Nanoseconds(seconds: parts[2]), let tail = UInt64(parts[3]), least <= usual, usual <= worst
        else { return nil }
        self.init(least: least, usual: usual, worst: worst, tailPer1024: tail)
    }
}

extension [Int]: SettingValue {
    var settingText: String { isEmpty ? "none" : map(String.init).joined(separator: ",") }
    init?(settingText: Substring) {
        let parts = settingText == "none" ? [] : settingText.split(separator: ",")
        self = parts.compactMap { Int($0) }
        guard count == parts.count else { return nil }
    }
}

/// One option of a plan by its name: how schedules write it down, how people read it, and how a shrinker sets it to its plain
/// value. Every option that a seed may draw is here; what is not here has its default in every run.
struct Setting: Sendable {
    let name: String
    let text: @Sendable (ClusterPlan) -> String
    /// Returns whether the text was understood.
    let set: @Sendable (inout ClusterPlan, Substring) -> Bool

    init<Value: SettingValue>(_ name: String, _ path: WritableKeyPath<ClusterPlan, Value> & Sendable) {
        self.name = name
        text = { $0[keyPath: path].settingText }
        set = { plan, text in
            guard let value = Value(settingText: text) else { return false }
            plan[keyPath: path] = value
            return true
        }
    }
}

extension ClusterPlan {
    static let settings: [Setting] = [
        Setting("mode", \.mode),
        Setting("servers", \.servers),
        Setting("stores", \.stores),
        Setting("absent", \.absent),
        Setting("clients", \.clients),
        Setting("fault-time", \.faultTime),
        Setting("keys-per-client", \.keysPerClient),
        Setting("shared-keys", \.sharedKeys),
        Setting("shared-percent", \.sharedPercent),
        Setting("read-percent", \.readPercent),
        Setting("delete-percent", \.deletePercent),
        Setting("stale-percent", \.stalePercent),
        Setting("confirmed-percent", \.confirmedPercent),
        Setting("wild-clocks", \.wildClocks),
        Setting("padding", \.padding),
        Setting("operations", \.operations),
        Setting("patience", \.patience),
        Setting("direct-percent", \.directPercent),
        Setting("session-percent", \.sessionPercent),
        Setting("library-clients", \.libraryClients),
        Setting("transfers", \.transfers),
        Setting("recovers", \.recovers),
        Setting("settings-change", \.changesSettings),
        Setting("clock-drift", \.world.clockDrift),
        Setting("faulty-clock-drift", \.world.faultyClockDrift),
        Setting("random-batches", \.world.batchesAreRandom),
        Setting("reaction", \.world.reaction),
        Setting("timer-lateness", \.world.timerLateness),
        Setting("network-latency", \.world.network.latency),
        Setting("link-capacity", \.world.network.capacity),
        Setting("zookeeper-servers", \.world.zooKeeper.servers),
        Setting("zookeeper-tick", \.world.zooKeeper.tick),
        Setting("zookeeper-timeout", \.world.zooKeeper.requestedTimeout),
        Setting("zookeeper-lag", \.world.zooKeeper.lag),
        Setting("page-bytes", \.world.disk.pageBytes),
        Setting("sync-time", \.world.disk.syncTime),
        Setting("window-bytes", \.data.replication.windowBytes),
        Setting("learner-window-bytes", \.data.replication.learnerWindowBytes),
        Setting("append-bytes", \.data.replication.appendBytes),
        Setting("join-distance", \.data.replication.joinDistance),
        Setting("tail-bytes", \.data.replication.tailBytes),
        Setting("piece-bytes", \.data.replication.pieceBytes),
        Setting("window-pieces", \.data.replication.windowPieces),
        Setting("min-sync", \.data.replication.minSync),
        Setting("chunk-bytes", \.data.storage.chunkBytes),
        Setting("cached-bytes", \.data.storage.cachedEntryBytes),
        Setting("sync-policy", \.data.storage.sync),
        Setting("pending-writes", \.data.pendingWrites),
        Setting("pending-reads", \.data.pendingReads),
        Setting("pending-requests", \.server.pendingRequests),
        Setting("data-drain-time", \.data.drainTime),
        Setting("server-drain-time", \.server.drainTime),
        Setting("session-idle-time", \.data.sessions.idleTime),
        Setting("session-eviction-time", \.data.sessions.evictionTime),
        Setting("most-sessions", \.data.sessions.mostSessions),
        Setting("most-results", \.data.sessions.mostResults),
    ]

    /// Options that a shrinker may set to their plain values without a change of the cast.
    static let plainSettings = [
        "transfers", "settings-change",
        "clock-drift", "faulty-clock-drift", "random-batches", "reaction", "timer-lateness", "network-latency", "link-capacity",
        "zookeeper-servers",
        "zookeeper-tick", "zookeeper-timeout", "zookeeper-lag", "page-bytes", "sync-time", "window-bytes", "append-bytes",
        "join-distance", "tail-bytes", "piece-bytes", "window-pieces", "min-sync", "chunk-bytes", "cached-bytes", "sync-policy",
        "pending-writes", "pending-reads",
        "pending-requests",
        "data-drain-time", "server-drain-time", "session-idle-time", "session-eviction-time", "most-sessions", "most-results",
    ]

    /// Options of the load, which a schedule leaves to chance after the faults only.
    static let loadSettings = [
        "keys-per-client", "shared-keys", "shared-percent", "read-percent", "delete-percent", "stale-percent",
        "confirmed-percent", "padding", "operations", "patience", "direct-percent", "session-percent",
    ]

    /// The plain world: nothing late, nothing odd.
    static let plain: ClusterPlan = {
        var plan = ClusterPlan()
        plan.world.clockDrift = 0
        plan.world.batchesAreRandom = false
        plan.world.reaction = Spread(.zero)
        plan.world.timerLateness = Spread(.zero)
        plan.world.network.latency = Spread(.microseconds(500))
        plan.world.zooKeeper.servers = 1
        plan.world.zooKeeper.lag = Spread(.milliseconds(1))
        plan.world.disk.syncTime = Spread(.milliseconds(2))
        return plan
    }()

    /// The expanded options that are not as usual, for people who look at a failure.
    public var summary: String {
        let usual = ClusterPlan()
        let always = ["mode", "servers", "stores", "clients", "fault-time", "operations"]
        let options = ClusterPlan.settings.filter { always.contains($0.name) || $0.text(self) != $0.text(usual) }
        let words = options.map { "\($0.name)=\($0.text(self))" }
        var lines: [String] = []
        for word in words + mix.shares.map({ "\($0.kind)/\($0.interval.seconds)s" }) {
            if let last = lines.last, last.utf8.count + word.utf8.count < 110 {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(word)
            }
        }
        return lines.joined(separator: "\n")
    }
}
