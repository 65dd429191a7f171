import Machine
import Simulation

/// Everything that a run's plan leaves to chance, written down: when processes start, what clients do, which faults happen.
///
/// A seed is the shortest name of a run, and dies with the next change of the code that draws from it. A schedule says what
/// happens in the run's own terms: it survives such changes, it can be made smaller (`ScheduleShrinker`), and a person can
/// read and edit it. What it leaves open (latencies, what a crash leaves on a disk) comes from its seed.
public struct ClusterSchedule: Hashable, Sendable {
    /// A client's operation. `at` is when it begins at the earliest: a client has one operation at a time.
    public struct Operation: Hashable, Sendable {
        /// `wrong`: a request outside the limits, which must be refused; its padding says in which way.
        public enum Kind: String, Hashable, Sendable { case put, delete, get, wrong }

        public var at: Nanoseconds
        public var client: Int
        public var kind: Kind
        public var key: String
        /// Bytes that a put's value has beside what tells it from others.
        public var padding = 0
        /// The process that is called.
        public var process: Int
        /// After how long the client gives up.
        public var patience: Nanoseconds
        /// Whether it tells the process so.
        public var tellsPatience: Bool
        /// How a `get` reads.
        public var reading = Reading.linearizable

        public enum Reading: String, Hashable, Sendable {
            case linearizable, confirmed, stale
            /// Stale, and at least what its client has seen of the key's group.
            case seen
        }
        /// Whether a put or delete is one of a client session, and repeated until its client knows what became of it.
        public var isOnce = false
        /// How long after its answer it is repeated all the same.
        public var again: Nanoseconds?
        /// Whether the client says that it waits for its answer until that repeat is answered, too, or for ever where none came.
        public var isKept = false
        /// Whether the client has forgotten its sessions before, as one that was started anew.
        public var isFresh = false
    }

    public struct Start: Hashable, Sendable {
        public var process: Int
        public var at: Nanoseconds
    }

    public struct TimedFault: Hashable, Sendable {
        public var at: Nanoseconds
        public var fault: Fault
    }

    /// Where everything else comes from.
    public var seed: UInt64
    /// Another one of the worlds that the seed stands for: all else equal, chance decides differently.
    public var salt: UInt64 = 0
    /// Each option's text, in the order of `ClusterPlan.settings`.
    private var options: [String]
    /// When each process starts; those that never do are left out.
    public var starts: [Start] = []
    public var operations: [Operation] = []
    public var faults: [TimedFault] = []
    /// The fingerprint of the failure that it shows; nil where it must be green.
    public var fingerprint: String?

    public init(seed: UInt64, plan: ClusterPlan) {
        self.seed = seed
        options = ClusterPlan.settings.map { $0.text(plan) }
    }

    public var plan: ClusterPlan {
        get {
            var plan = ClusterPlan()
            for (setting, text) in zip(ClusterPlan.settings, options) { _ = setting.set(&plan, Substring(text)) }
            plan.world.clients = plan.clients
            return plan
        }
        set { options = ClusterPlan.settings.map { $0.text(newValue) } }
    }

    /// How much there is in it: what a shrinker makes smaller.
    public var size: (processes: Int, clients: Int, faults: Int, operations: Int) {
        (starts.count, clientsAtWork.count, faults.count, operations.count)
    }

    var clientsAtWork: [Int] {
        var clients: [Int] = []
        for operation in operations where !clients.contains(operation.client) { clients.append(operation.client) }
        return clients.sorted()
    }
}

// MARK: As text

extension ClusterSchedule: CustomStringConvertible {
    private static let firstLine = "aviary schedule 1"

    /// One line for each option that is not as usual, each start, fault and operation; `#` begins a comment, but not in the line
    /// of the fingerprint.
    public var description: String {
        let usual = ClusterSchedule(seed: seed, plan: ClusterPlan())
        var lines = [ClusterSchedule.firstLine, "seed \(seed)"]
        if salt != 0 { lines.append("salt \(salt)") }
        if let fingerprint { lines.append("shows \(fingerprint)") }
        for (index, setting) in ClusterPlan.settings.enumerated() where options[index] != usual.options[index] {
            lines.append("plan \(setting.name) \(options[index])")
        }
        for start in starts { lines.append("start \(start.process) \(start.at.seconds)") }
        for timed in faults { lines.append("fault \(timed.at.seconds) \(timed.fault)") }
        for operation in operations {
            var words = ["client \(operation.client) \(operation.at.seconds) \(operation.kind) \(operation.key)"]
            words.append("to=\(operation.process) within=\(operation.patience.seconds)")
            if operation.tellsPatience { words.append("told") }
            if operation.reading != .linearizable { words.append("reading=\(operation.reading)") }
            if operation.isOnce { words.append("once") }
            if let again = operation.again { words.append("again=\(again.seconds)") }
            if operation.isKept { words.append("kept") }
            if operation.isFresh { words.append("fresh") }
            if operation.padding > 0 { words.append("padding=\(operation.padding)") }
            lines.append(words.joined(separator: " "))
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// A line that is not understood.
    public struct Unreadable: Error, CustomStringConvertible {
        public let line: Int
        public let text: String
        public var description: String { "line \(line) of the schedule is not understood: \(text)" }
    }

    /// Reads what `description` writes. Options that are not named are as usual; those of another version of the simulator
    /// that it does not know are an error, like everything else that it does not know.
    public init(text: String) throws {
        self.init(seed: 0, plan: ClusterPlan())
        for (number, raw) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            // A fingerprint has that sign in it.
            let line = raw.hasPrefix("shows ") ? raw : raw.prefix { $0 != "#" }
            let words = line.split(separator: " ")
            guard let first = words.first else { continue }
            guard read(first, words.dropFirst(), line, isFirst: number == 0) else {
                throw Unreadable(line: number + 1, text: String(raw))
            }
        }
        order()
    }

    /// By time, as in a file that was read.
    mutating func order() {
        operations.sort { $0.at < $1.at }
        faults.sort { $0.at < $1.at }
    }

    private mutating func read(
        _ first: Substring, _ rest: ArraySlice<Substring>, _ line: Substring, isFirst: Bool
    ) -> Bool {
        let words = Array(rest)
        if isFirst { return line == ClusterSchedule.firstLine }
        switch first {
        case "seed":
            guard words.count == 1, let number = UInt64(words[0]) else { return false }
            seed = number
        case "salt":
            guard words.count == 1, let number = UInt64(words[0]) else { return false }
            salt = number
        case "shows": fingerprint = words.joined(separator: " ")
        case "plan":
            guard words.count == 2, let index = ClusterPlan.settings.firstIndex(where: { $0.name == words[0] }) else {
                return false
            }
            var plan = ClusterPlan()
            guard ClusterPlan.settings[index].set(&plan, words[1]) else { return false }
            options[index] = String(words[1])
        case "start":
            guard words.count == 2, let process = Int(words[0]), process >= 0, let time = Nanoseconds(seconds: words[1]) else {
                return false
            }
            starts.append(Start(process: process, at: time))
        case "fault":
            guard words.count >= 2, let time = Nanoseconds(seconds: words[0]),
                let fault = Fault(words[1...].joined(separator: " "))
            else { return false }
            faults.append(TimedFault(at: time, fault: fault))
        case "client":
            guard let operation = Operation(words) else { return false }
            operations.append(operation)
        default: return false
        }
        return true
    }
}

extension ClusterSchedule.Operation {
    fileprivate init?(_ words: [Substring]) {
        guard words.count >= 6, let client = Int(words[0]), client >= 0, let at = Nanoseconds(seconds: words[1]),
            let kind = Kind(rawValue: String(words[2]))
        else { return nil }
        self.init(
            at: at, client: client, kind: kind, key: String(words[3]), process: 0, patience: .seconds(1), tellsPatience: false)
        for word in words[4...] {
            let parts = word.split(separator: "=", maxSplits: 1)
            switch (parts[0], parts.count) {
            case ("told", 1): tellsPatience = true
            case ("once", 1): isOnce = true
            case ("kept", 1): isKept = true
            case ("fresh", 1): isFresh = true
            case ("again", 2):
                guard let delay = Nanoseconds(seconds: parts[1]), delay >= .zero else { return nil }
                again = delay
            case ("to", 2):
                guard let number = Int(parts[1]), number >= 0 else { return nil }
                process = number
            case ("within", 2):
                guard let length = Nanoseconds(seconds: parts[1]), length > .zero else { return nil }
                patience = length
            case ("padding", 2):
                guard let number = Int(parts[1]), (0...1 << 20).contains(number) else { return nil }
                padding = number
            case ("reading", 2):
                guard let known = Reading(rawValue: String(parts[1])) else { return nil }
                reading = known
            default: return nil
            }
        }
    }
}
