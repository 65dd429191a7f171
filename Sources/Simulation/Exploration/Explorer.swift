/// How far an exploration goes.
public struct ExplorationLimits: Sendable {
    public var depth: Int
    public var states: Int
    /// Whether to look, where the whole space was walked, for states from which nothing comes right any more.
    public var judgesProgress: Bool

    public init(depth: Int = .max, states: Int = .max, judgesProgress: Bool = true) {
        self.depth = depth
        self.states = states
        self.judgesProgress = judgesProgress
    }
}

/// Walks the states of a system breadth first, so that what it finds it finds on a shortest path.
///
/// A state is known by its fingerprint alone (64 bits: among ten million states two are mixed up with a chance of one in
/// 370,000). Paths are not stored: each state knows the one before it and the place of the action that led on, and the
/// path is told by walking it again.
public struct Explorer<System: Explorable> {
    private struct Origin {
        var state: UInt32
        /// Its place in the list of actions of that state.
        var action: UInt32
    }

    private let start: System
    private let limits: ExplorationLimits
    private var known = FingerprintMap()
    private var memo = FingerprintMemo()
    private var origins: [Origin] = []
    /// The ways on without a fault, as pairs of states.
    private var edges: [(from: UInt32, to: UInt32)] = []
    private var settled: [UInt32] = []
    private var report = Exploration()

    public static func explore(_ start: System, limits: ExplorationLimits = ExplorationLimits()) -> Exploration {
        var explorer = Explorer(start: start, limits: limits)
        explorer.walk()
        explorer.report.readings = explorer.memo.readings
        return explorer.report
    }

    private init(start: System, limits: ExplorationLimits) {
        self.start = start
        self.limits = limits
    }

    private mutating func walk() {
        var first = start
        var layer: [(system: System, state: UInt32)] = []
        _ = enter(&first, from: Origin(state: 0, action: 0))
        layer.append((first, 0))
        while !layer.isEmpty {
            report.widest = max(report.widest, layer.count)
            guard report.depth < limits.depth, report.states < limits.states else { return }
            var next: [(system: System, state: UInt32)] = []
            for (system, state) in layer {
                if expand(system, state, into: &next) { return }
            }
            layer = next
            if !layer.isEmpty { report.depth += 1 }
        }
        report.isExhausted = true
        if limits.judgesProgress { judgeProgress() }
    }

    /// Performs every action of a state. True where something is broken.
    private mutating func expand(
        _ system: System, _ state: UInt32, into next: inout [(system: System, state: UInt32)]
    ) -> Bool {
        for (index, action) in system.actions().enumerated() {
            var successor = system
            let origin = Origin(state: state, action: UInt32(index))
            report.transitions += 1
            if let violation = successor.perform(action) {
                report.depth += 1
                report.finding = Exploration.Finding(violation: violation, path: path(through: origin))
                return true
            }
            let (number, isNew) = enter(&successor, from: origin)
            if limits.judgesProgress, !system.isFault(action) { edges.append((state, number)) }
            if isNew { next.append((successor, number)) }
        }
        return false
    }

    private mutating func enter(_ system: inout System, from origin: Origin) -> (number: UInt32, isNew: Bool) {
        var digest = Fingerprint()
        system.fold(into: &digest, memo: &memo)
        let (number, isNew) = known.number(of: digest.value)
        if isNew {
            origins.append(origin)
            report.states += 1
            report.reached |= system.reached
            if system.isSettled { settled.append(number) }
        }
        return (number, isNew)
    }

    // MARK: Progress

    /// Walks back from the settled states; whoever is not met can never come right by itself.
    private mutating func judgeProgress() {
        // The ways back, as a list per state: `heads` is where each state's part of `sources` begins.
        var heads = [Int](repeating: 0, count: report.states + 1)
        for edge in edges { heads[Int(edge.to) + 1] += 1 }
        for state in 0..<report.states { heads[state + 1] += heads[state] }
        var filled = heads
        var sources = [UInt32](repeating: 0, count: edges.count)
        for edge in edges {
            sources[filled[Int(edge.to)]] = edge.from
            filled[Int(edge.to)] += 1
        }
        var canSettle = [Bool](repeating: false, count: report.states)
        var waiting = settled
        for state in settled { canSettle[Int(state)] = true }
        while let state = waiting.popLast() {
            for source in sources[heads[Int(state)]..<heads[Int(state) + 1]] where !canSettle[Int(source)] {
                canSettle[Int(source)] = true
                waiting.append(source)
            }
        }
        guard let stuck = canSettle.firstIndex(of: false) else { return }
        let violation = Violation("everything can come right without further faults", "from here on it never does")
        report.finding = Exploration.Finding(
            violation: violation, path: stuck == 0 ? [] : path(through: origins[stuck]))
    }

    // MARK: Telling

    private func path(through last: Origin) -> [String] {
        var steps = [last]
        while let first = steps.last, first.state != 0 { steps.append(origins[Int(first.state)]) }
        var system = start
        var lines: [String] = []
        for step in steps.reversed() {
            let action = system.actions()[Int(step.action)]
            lines.append(system.brief(action))
            _ = system.perform(action)
        }
        return lines
    }
}

/// Numbers fingerprints in the order in which they come: a hash table in two arrays, because there are millions.
struct FingerprintMap {
    private var slots: [UInt32] = Array(repeating: 0, count: 1 << 12)
    private var prints: [UInt64] = []

    mutating func number(of digest: UInt64) -> (UInt32, isNew: Bool) {
        if prints.count * 2 >= slots.count { grow() }
        let slot = slot(of: digest)
        if slots[slot] != 0 { return (slots[slot] - 1, false) }
        prints.append(digest)
        slots[slot] = UInt32(prints.count)
        return (UInt32(prints.count - 1), true)
    }

    /// Where the fingerprint is, or would be; a slot holds one more than a number.
    private func slot(of digest: UInt64) -> Int {
        let mask = slots.count - 1
        var slot = Int(truncatingIfNeeded: digest) & mask
        while slots[slot] != 0, prints[Int(slots[slot]) - 1] != digest { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        slots = Array(repeating: 0, count: slots.count * 2)
        for (index, digest) in prints.enumerated() { slots[slot(of: digest)] = UInt32(index + 1) }
    }
}
