import Coordination
import Machine
import Replication
import Wire

// An operator has given up the in-sync stores of this node's group (`GroupRecovery`): a new history began. The store that was
// chosen takes it up, with what it holds; whoever else holds the old one puts its log aside, deletes nothing, and begins again as
// a new and empty store, which takes a copy.

extension DataNode {
    /// What this store holds belongs to a history that its group has given up.
    private func isFormer(_ config: GroupConfig) -> Bool {
        guard let own = store.lineage, own != config.lineage else { return false }
        return config.former.contains(own)
    }

    /// Config names this life as primary of another history than its log's: whether it may serve.
    mutating func takesUpLineage(_ config: GroupConfig, into effects: inout Sink) -> Bool {
        guard let own = store.lineage, own != config.lineage else { return true }
        guard isFormer(config) else {
            effects.log(
                .error, "elected, but this store holds another history",
                [LogField("group", group), LogField("lineage", own), LogField("expected", config.lineage)]
            )
            return false
        }
        effects.reached(.newLineageTakenUp)
        effects.log(
            .warning, "elected by an operator, a new history begins here",
            [
                LogField("group", group), LogField("lineage", config.lineage), LogField("former", own),
                LogField("position", store.last),
            ])
        // They wait for a position of the old history.
        stale.failAll("group \(group) goes on in another history", into: &effects)
        store.set(lineage: config.lineage)
        return true
    }

    /// - Returns: whether the log is being put aside.
    mutating func setsAsideFormerLog(_ config: GroupConfig, now: Instant, into effects: inout Sink) -> Bool {
        // The chosen store in a later life has not taken the new history up before, and may be elected once more.
        guard phase == .running, isFormer(config), !config.inSync.contains(where: { $0.store == store.store }),
            !store.isRewriting
        else { return false }
        effects.reached(.logSetAside)
        leave("its group has given up the history that this store holds", now: now, into: &effects)
        stale.failAll("group \(group): this node puts its log aside", into: &effects)
        let name = store.setAside(into: &effects)
        effects.log(
            .warning, "the group went on in another history: the log is put aside",
            [
                LogField("group", group), LogField("store", store.store), LogField("lineage", store.lineage ?? Lineage("")),
                LogField("position", store.last), LogField("expected", config.lineage), LogField("as", name),
            ])
        return true
    }

    mutating func logWasSetAside(now: Instant, into effects: inout Sink) {
        stop(
            "group \(group): this store's history was given up, and its log is put aside; it joins as a new store when it is started again",
            now: now, into: &effects)
    }

    func refuseRecovery(_ origin: Origin, into effects: inout Sink) {
        origin.fail(
            .failedPrecondition, "this is a data node of group \(group); ask a server; nothing was done", into: &effects)
    }
}
