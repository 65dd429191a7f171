import Machine

/// One fault with everything that was chosen about it: the same value does the same thing again, in the same world or in a
/// smaller one. It is a flat record, so that a schedule can hold it as a line of text and a shrinker can take parts away.
public struct Fault: Hashable, Sendable {
    /// An ordered pair of endpoints (processes first, then clients).
    public struct Path: Hashable, Sendable {
        public var from: Int
        public var to: Int

        public init(from: Int, to: Int) {
            self.from = from
            self.to = to
        }
    }

    public var kind: FaultKind
    /// The processes that it hits.
    public var processes: [Int]
    /// The ways that it cuts or slows down.
    public var paths: [Path]
    /// The ZooKeeper servers that it concerns.
    public var servers: [Int]
    /// How strong it is, in the kind's own unit: nanoseconds for a slow process and for the time between the restarts of a
    /// bulk; a factor for slow paths, for what is left of a host's, and for disks; chances in 65,536 for failing operations; parts per million for clock rates; nanoseconds
    /// for a clock's step.
    public var amount: Int64
    /// After how long it ends; zero for what is over at once. A crash ends with a restart.
    public var lasts: Nanoseconds
    /// A crash that waits for a moment at which the disk has something to lose: at most moments there is nothing.
    public var isTrap: Bool

    public init(
        _ kind: FaultKind, processes: [Int] = [], paths: [Path] = [], servers: [Int] = [], amount: Int64 = 0,
        lasts: Nanoseconds = .zero, isTrap: Bool = false
    ) {
        self.kind = kind
        self.processes = processes
        self.paths = paths
        self.servers = servers
        self.amount = amount
        self.lasts = lasts
        self.isTrap = isTrap
    }
}

// MARK: As text

extension Fault: CustomStringConvertible {
    /// `partition paths=0>1,1>0 lasts=0.5`: words that have their default are left out; durations in seconds.
    public var description: String {
        var words = [kind.name]
        if !processes.isEmpty { words.append("processes=" + processes.map(String.init).joined(separator: ",")) }
        if !paths.isEmpty { words.append("paths=" + paths.map { "\($0.from)>\($0.to)" }.joined(separator: ",")) }
        if !servers.isEmpty { words.append("servers=" + servers.map(String.init).joined(separator: ",")) }
        if amount != 0 { words.append("amount=\(amount)") }
        if lasts != .zero { words.append("lasts=" + lasts.seconds) }
        if isTrap { words.append("trap") }
        return words.joined(separator: " ")
    }

    /// Reads what `description` writes; nil where a word is not known.
    public init?(_ text: some StringProtocol) {
        var words = text.split(separator: " ")[...]
        guard let first = words.popFirst(), let kind = FaultKind(name: String(first)) else { return nil }
        self.init(kind)
        for word in words {
            if word == "trap" {
                isTrap = true
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1)
            guard parts.count == 2 else { return nil }
            let items = parts[1].split(separator: ",")
            switch parts[0] {
            case "processes":
                processes = items.compactMap { Int($0) }
                guard processes.count == items.count else { return nil }
            case "servers":
                servers = items.compactMap { Int($0) }
                guard servers.count == items.count else { return nil }
            case "paths":
                for item in items {
                    let ends = item.split(separator: ">").compactMap { Int($0) }
                    guard ends.count == 2 else { return nil }
                    paths.append(Path(from: ends[0], to: ends[1]))
                }
            case "amount":
                guard let number = Int64(parts[1]) else { return nil }
                amount = number
            case "lasts":
                guard let length = Nanoseconds(seconds: parts[1]) else { return nil }
                lasts = length
            default: return nil
            }
        }
    }
}

extension Nanoseconds {
    /// Exact decimal seconds: `0.5`, `12`, `0.000000001`.
    public var seconds: String {
        let magnitude = count.magnitude
        let fraction = magnitude % 1_000_000_000
        let sign = count < 0 ? "-" : ""
        guard fraction > 0 else { return "\(sign)\(magnitude / 1_000_000_000)" }
        var digits = String(fraction)
        digits = String(repeating: "0", count: 9 - digits.utf8.count) + digits
        while digits.hasSuffix("0") { digits.removeLast() }
        return "\(sign)\(magnitude / 1_000_000_000).\(digits)"
    }

    /// Reads what `seconds` writes; nil for anything else.
    public init?(seconds text: some StringProtocol) {
        let isNegative = text.first == "-"
        let parts = (isNegative ? text.dropFirst() : text[...]).split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 1 || parts.count == 2, let whole = Int64(parts[0]), whole >= 0, whole < 1 << 32 else { return nil }
        var fraction: Int64 = 0
        if parts.count == 2 {
            guard parts[1].utf8.count <= 9, !parts[1].isEmpty, let number = Int64(parts[1]), number >= 0 else { return nil }
            fraction = number
            for _ in parts[1].utf8.count..<9 { fraction *= 10 }
        }
        self.init((isNegative ? -1 : 1) * (whole * 1_000_000_000 + fraction))
    }
}
