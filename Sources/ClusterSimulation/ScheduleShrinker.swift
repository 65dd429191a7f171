import Machine
import Simulation

/// Makes the schedule of a failure smaller, while the same failure still happens: fewer faults, nodes, clients and
/// operations, plainer options, shorter faults. What is left is a short story.
///
/// A smaller schedule meets another chance: with fewer messages on the network every latency is drawn anew. So each candidate
/// is tried in several worlds (`ClusterSchedule.salt`), and one in which the failure happens is enough.
public final class ScheduleShrinker {
    /// Runs a schedule; gives the fingerprint of its failure and when it happened, or nil where it is green. The default runs
    /// it in this process; a failure that ends the process needs one that does not.
    public typealias Judge = (ClusterSchedule) -> (fingerprint: String, at: Nanoseconds)?

    public private(set) var smallest: ClusterSchedule
    /// How many runs it has taken so far.
    public private(set) var runs = 0
    private let fingerprint: String
    /// Whether something did not come true: that alone can be had more cheaply, by leaving out those who could make it true.
    private let isDemand: Bool
    private let budget: Int
    /// In how many worlds a candidate is tried.
    private let worlds: UInt64
    private let judge: Judge
    private let progress: (String) -> Void

    public static func run(_ schedule: ClusterSchedule) -> (fingerprint: String, at: Nanoseconds)? {
        var run = ClusterRun(schedule: schedule)
        run.run()
        return run.violation.map { ($0.fingerprint, run.world.now - .zero) }
    }

    /// - Parameters:
    ///   - schedule: one that shows the failure that its `fingerprint` names.
    ///   - budget: how many runs it may take.
    ///   - progress: is told a line after each step.
    public init(
        _ schedule: ClusterSchedule, budget: Int = 3_000, worlds: UInt64 = 3, judge: @escaping Judge = ScheduleShrinker.run,
        progress: @escaping (String) -> Void = { _ in }
    ) {
        self.judge = judge
        self.worlds = max(1, worlds)
        self.progress = progress
        self.budget = budget
        let fingerprint = schedule.fingerprint ?? ""
        self.fingerprint = fingerprint
        isDemand = Demand.allCases.contains { fingerprint.hasPrefix($0.rawValue) }
        smallest = schedule
    }

    /// Shrinks until nothing gets smaller, or the budget is spent.
    public func shrink() -> ClusterSchedule {
        tell("as it was found")
        var before: ClusterSchedule
        repeat {
            before = smallest
            step("cut the end off", cutEnd)
            step("fewer faults", { reduce(\.faults) })
            step("fewer processes", dropProcesses)
            step("fewer operations", { reduce(\.operations) })
            step("fewer clients", dropClients)
            step("plainer options", plainOptions)
            step("weaker faults", weakenFaults)
            step("rounder times", roundTimes)
        } while smallest != before && runs < budget
        return smallest
    }

    private func step(_ name: String, _ body: () -> Void) {
        body()
        tell(name)
    }

    private func tell(_ name: String) {
        let size = smallest.size
        progress(
            "\(name): \(size.processes) processes, \(size.clients) clients, \(size.faults) faults, \(size.operations) operations "
                + "after \(runs) runs")
    }

    /// Whether the same failure happens in one of the worlds of a candidate; then that becomes the smallest.
    private func take(_ candidate: ClusterSchedule) -> Bool {
        guard candidate != smallest, !isDemand || candidate.plan.isFair || !smallest.plan.isFair else { return false }
        for turn in 0..<worlds where runs < budget {
            var other = candidate
            other.salt = smallest.salt &+ turn
            runs += 1
            if judge(other)?.fingerprint == fingerprint {
                smallest = other
                return true
            }
        }
        return false
    }

    private func tryChange(_ change: (inout ClusterSchedule) -> Void) -> Bool {
        var candidate = smallest
        change(&candidate)
        return take(candidate)
    }

    private func tryPlan(_ change: (inout ClusterPlan) -> Void) {
        _ = tryChange { schedule in
            var plan = schedule.plan
            change(&plan)
            schedule.plan = plan
        }
    }

    // MARK: Steps

    /// What lies behind the failure, or behind the last fault and operation, is not needed.
    private func cutEnd() {
        guard let (_, at) = judge(smallest) else { return }
        _ = tryChange { schedule in
            schedule.faults.removeAll { $0.at > at }
            schedule.operations.removeAll { $0.at > at }
        }
        let last = max(smallest.faults.map(\.at).max() ?? .zero, smallest.operations.map(\.at).max() ?? .zero)
        for end in [last + .milliseconds(1), last + .seconds(2), at + .milliseconds(1)] where end < smallest.plan.faultTime {
            tryPlan { $0.faultTime = end }
        }
    }

    private func reduce<Element>(_ part: WritableKeyPath<ClusterSchedule, [Element]>) {
        _ = Reduction.fewest(smallest[keyPath: part]) { kept in tryChange { $0[keyPath: part] = kept } }
    }

    private func dropProcesses() {
        for start in smallest.starts {
            _ = tryChange { schedule in
                schedule.starts.removeAll { $0.process == start.process }
                var plan = schedule.plan
                plan.absent = (plan.absent + [start.process]).sorted()
                schedule.plan = plan
            }
        }
        // Everybody from the beginning, at once.
        _ = tryChange { schedule in for index in schedule.starts.indices { schedule.starts[index].at = .zero } }
    }

    /// Those that are not in the schedule come to life after the faults, and then make most of the noise.
    private func dropClients() {
        let needed = (smallest.clientsAtWork.last ?? -1) + 1
        for clients in [needed, 1] where clients >= needed && clients < smallest.plan.clients {
            tryPlan { $0.clients = clients }
        }
    }

    private func plainOptions() {
        for setting in ClusterPlan.settings where ClusterPlan.plainSettings.contains(setting.name) {
            let plain = setting.text(ClusterPlan.plain)
            guard setting.text(smallest.plan) != plain else { continue }
            tryPlan { _ = setting.set(&$0, Substring(plain)) }
        }
        // Of the load, the operations are written down: the options decide only what clients do after the faults.
        let usual = ClusterPlan()
        _ = tryChange { schedule in
            var plan = schedule.plan
            for setting in ClusterPlan.settings where ClusterPlan.loadSettings.contains(setting.name) {
                _ = setting.set(&plan, Substring(setting.text(usual)))
            }
            schedule.plan = plan
        }
        _ = tryChange { schedule in for index in schedule.operations.indices { schedule.operations[index].padding = 0 } }
        _ = tryChange { schedule in
            for index in schedule.operations.indices { schedule.operations[index].tellsPatience = false }
        }
    }

    private func weakenFaults() {
        for index in smallest.faults.indices {
            let fault = smallest.faults[index].fault
            if fault.isTrap { _ = tryChange { $0.faults[index].fault.isTrap = false } }
            if fault.amount != 0 { _ = tryChange { $0.faults[index].fault.amount = 0 } }
            if fault.paths.count > 1 {
                _ = Reduction.fewest(fault.paths) { kept in
                    !kept.isEmpty && tryChange { $0.faults[index].fault.paths = kept }
                }
            }
            if fault.processes.count > 1 {
                _ = Reduction.fewest(fault.processes) { kept in
                    !kept.isEmpty && tryChange { $0.faults[index].fault.processes = kept }
                }
            }
            if fault.lasts > .milliseconds(1) {
                _ = Reduction.smallest(fault.lasts.count, least: Nanoseconds.milliseconds(1).count) { length in
                    // Whole milliseconds read better.
                    let rounded = Nanoseconds.milliseconds(max(1, length / 1_000_000))
                    return tryChange { $0.faults[index].fault.lasts = rounded }
                }
            }
        }
    }

    /// Times that a person can read and keep in mind: whole seconds where that will do, else fewer and fewer zeros at the end.
    func roundTimes() {
        let units: [Nanoseconds] = [.seconds(1), .milliseconds(100), .milliseconds(10), .milliseconds(1)]
        var times: [WritableKeyPath<ClusterSchedule, Nanoseconds>] = [\.faultTime]
        times += smallest.starts.indices.map { \.starts[$0].at }
        times += smallest.faults.indices.map { \.faults[$0].at }
        times += smallest.operations.indices.flatMap { [\.operations[$0].at, \.operations[$0].patience] }
        // What is tried is in order, which a new time may change; here everything keeps its place, so that a path leads to the same.
        var unordered = smallest
        func rounded(_ times: [WritableKeyPath<ClusterSchedule, Nanoseconds>], to unit: Nanoseconds) -> Bool {
            var changed = unordered
            for time in times { changed[keyPath: time].round(to: unit) }
            var candidate = changed
            candidate.order()
            // The world in which it last failed.
            candidate.salt = smallest.salt
            guard take(candidate) else { return false }
            unordered = changed
            return true
        }
        if units.contains(where: { rounded(times, to: $0) }) { return }
        for time in times { _ = units.contains { rounded([time], to: $0) } }
    }
}

extension ClusterSchedule {
    /// Of its plan.
    fileprivate var faultTime: Nanoseconds {
        get { plan.faultTime }
        set {
            var plan = plan
            plan.faultTime = newValue
            self.plan = plan
        }
    }
}

extension Nanoseconds {
    /// To the next multiple of a unit, and up.
    fileprivate mutating func round(to unit: Nanoseconds) {
        self = Nanoseconds((count + unit.count - 1) / unit.count * unit.count)
    }
}
