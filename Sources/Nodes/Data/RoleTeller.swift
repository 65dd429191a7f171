import Coordination
import Machine
import Wire

/// What a data node has said in its log of the part that it plays, so that it says every change of it once.
///
/// A primary's own changes (election, office, in-sync set, end) are said where they happen. Here is what happens to it from
/// outside: that its leases lapse, looked at with each heartbeat; and what a store that is not primary sees of config.
struct RoleTeller: Hashable, Sendable {
    /// What config last said of this life, where it is not the primary.
    private var standing: Standing?
    private var hadLease = true

    private struct Standing: Hashable, Sendable {
        var term: UInt64
        var isInSync: Bool
    }

    /// A new life, or a new office: nothing was said of it yet.
    mutating func begin() {
        standing = nil
        hadLease = true
    }

    /// Config shows this life as a standby or a learner.
    mutating func observed(_ config: GroupConfig, group: String, me: MemberID, into effects: inout Sink) {
        let now = Standing(term: config.term, isInSync: config.inSync.contains(me))
        guard now != standing else { return }
        let before = standing
        standing = now
        effects.log(
            .notice, now.isInSync ? "standby, in-sync" : "learner, not in-sync",
            [
                LogField("group", group), LogField("term", config.term), LogField("number", me.number),
                LogField("primary", config.primary.map { "\($0.number)" } ?? "none"),
                LogField("insync", "\(config.inSync.map(\.number))"),
                LogField("before", before.map { "\($0.isInSync ? "standby" : "learner") in term \($0.term)" } ?? "none"),
            ])
    }

    /// With each heartbeat of a primary in office. `missing`: why no lease holds; nil where it does.
    mutating func looked(_ missing: String?, group: String, term: UInt64, into effects: inout Sink) {
        guard hadLease != (missing == nil) else { return }
        hadLease = missing == nil
        if let missing {
            effects.reached(.leaseLapsed)
            effects.log(
                .warning, "lease has lapsed, linearizable reads wait",
                [LogField("group", group), LogField("term", term), LogField("reason", missing)])
        } else {
            effects.log(.notice, "lease is back", [LogField("group", group), LogField("term", term)])
        }
    }
}
