import Machine
import Simulation
import Wire

// Property: at any moment at most one process of a group serves as primary, and the terms of those who serve only grow.
//
// That rests on leases, and so on clocks. Where they are wild it is not judged: an old primary may then take itself for the only one.
// Whoever takes office in a new term is still looked at.

/// Who served last in each group.
struct ServingOracle: Sendable {
    struct Reign: Hashable, Sendable {
        var process: Int
        var life: UInt32
        var term: UInt64
    }

    private let trustsClocks: Bool
    private var last: [Reign?]
    /// How often somebody took office.
    private(set) var changes = 0

    init(groups: Int, trustsClocks: Bool = true) {
        self.trustsClocks = trustsClocks
        last = Array(repeating: nil, count: groups)
    }

    /// A process serves. Returns whether its reign is new; `rival` is another one that serves at this very moment.
    mutating func serves(_ reign: Reign, group: Int, rival: Int?) -> (isNew: Bool, Violation?) {
        if !trustsClocks, let before = last[group], reign.term <= before.term { return (false, nil) }
        if let rival, trustsClocks {
            return (
                true,
                Violation(
                    "one primary serves per group and moment",
                    "processes \(reign.process) (term \(reign.term)) and \(rival) both serve group \(ClusterPlan.groupNames[group])"
                )
            )
        }
        if last[group] == reign { return (false, nil) }
        defer { last[group] = reign }
        changes += 1
        if let before = last[group], reign.term <= before.term {
            return (
                true,
                Violation(
                    "terms of serving primaries grow",
                    "process \(reign.process) serves group \(ClusterPlan.groupNames[group]) in term \(reign.term) "
                        + "after process \(before.process) served in term \(before.term)")
            )
        }
        return (true, nil)
    }
}
