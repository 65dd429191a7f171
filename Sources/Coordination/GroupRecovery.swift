import Machine
import Wire

/// # When an operator gives up a group's in-sync stores
///
/// A group whose in-sync stores are all gone has nobody who is known to hold every acknowledged write, and stays without a primary:
/// nothing that Aviary can find out makes another store as good. An operator may know that the others will not come back, and may
/// rather have what there is. Then one of the stores that are there begins a new *lineage* with what it holds, as the only member.
///
/// It is refused where the group can go on by itself, where an in-sync store is registered, and where no store that holds the
/// group's history, or is empty, answers.
struct GroupRecovery {
    private let request: RecoverRequest
    private let former: GroupConfig
    private let chosen: Recovered.Candidate
    private let others: [Recovered.Candidate]

    /// nil where it is refused.
    init?(
        _ request: RecoverRequest, _ config: GroupConfig, _ view: GroupView, candidates: [Recovered.Candidate]
    ) {
        guard Self.obstacle(view) == nil else { return nil }
        guard request.store != nil || Self.silent(candidates, config, view).isEmpty else { return nil }
        let able = Self.able(candidates, config, view)
        let wanted = able.filter { request.store == nil || $0.member.store == request.store }
        // Of several lives of one store all but the newest are dying sessions.
        guard let chosen = wanted.max(by: { ($0.last, $0.member.number) < ($1.last, $1.member.number) }) else { return nil }
        self.request = request
        self.chosen = chosen
        former = config
        others = able.filter { $0.member.store != chosen.member.store }
    }

    private static func able(
        _ candidates: [Recovered.Candidate], _ config: GroupConfig, _ view: GroupView
    ) -> [Recovered.Candidate] {
        candidates.filter { isAble($0.member, config, view) }
    }

    private static func isAble(_ candidate: MemberID, _ config: GroupConfig, _ view: GroupView) -> Bool {
        guard let member = view.members[candidate.number], member.store == candidate.store else { return false }
        guard let lineage = member.lineage else { return !member.isImported }
        // One that was chosen before, and ended before it could take the new history up, holds the one before it still.
        let wasChosen = config.inSync.count == 1 && config.inSync[0].store == member.store
        return lineage == config.lineage || (wasChosen && config.former.contains(lineage))
    }

    /// Registered stores that may hold more than those that answered: which goes furthest is not known without them. Of a store that
    /// answered as another life nothing more is to be heard.
    private static func silent(_ candidates: [Recovered.Candidate], _ config: GroupConfig, _ view: GroupView) -> [MemberID] {
        view.members.map { MemberID(store: $1.store, number: $0) }.filter { member in
            !candidates.contains { $0.member.store == member.store } && isAble(member, config, view)
        }
    }

    /// Why no store at all may be chosen, as a clause.
    private static func obstacle(_ view: GroupView) -> String? {
        guard let config = view.config else { return "it has no configuration that can be read" }
        if let there = config.inSync.first(where: { view.isRegistered($0.number) }) {
            return "in-sync store \(there) is registered, and has everything that was acknowledged"
        }
        switch GroupPlan(view) {
        case .stuck: return nil
        case .settled, .bootstrap, .replace, .depose: return "it can go on by itself, without any loss"
        }
    }

    static func refusal(_ request: RecoverRequest, _ view: GroupView, candidates: [Recovered.Candidate]) -> String {
        if let obstacle = obstacle(view) { return obstacle }
        let members = view.config.map { config in able(candidates, config, view).map { $0.member.description } } ?? []
        let there = members.isEmpty ? "none" : members.joined(separator: ", ")
        if let store = request.store { return "store \(store) is not there, or holds another history (there are: \(there))" }
        let silent = view.config.map { Self.silent(candidates, $0, view) } ?? []
        if let one = silent.first {
            return "store \(one.store) (number \(one.number)) is registered and does not answer, and may go further than "
                + "others: ask again, or name the store that shall go on (there are: \(there))"
        }
        return "no registered store answers that holds its history"
    }

    func config(lineage: Lineage) -> GroupConfig {
        GroupConfig(
            lineage: lineage, term: former.term + 1, primary: chosen.member, inSync: [chosen.member],
            former: Array((former.former + [former.lineage]).suffix(GroupConfig.mostFormer)))
    }

    func answer(isDone: Bool, lineage: Lineage) -> Recovered {
        Recovered(
            isDone: isDone, chosen: chosen, others: others, formerLineage: former.lineage, formerTerm: former.term,
            formerInSync: former.inSync, lineage: lineage, term: former.term + 1)
    }

    /// What is kept of it in ZooKeeper, whose clock says when.
    func record(_ answer: Recovered) -> [UInt8] {
        // One line, whatever the operator is called.
        let name = request.by.unicodeScalars.filter { $0.isASCII && $0.value >= 32 && $0.value < 127 }
        return RecordText.bytes(
            [
                "by=\(String(String.UnicodeScalarView(name.prefix(RecoverRequest.longestName))))",
                "lineage=\(answer.lineage)", "term=\(answer.term)", "primary=\(answer.chosen.member)",
                "position=\(answer.chosen.last)", "former-lineage=\(answer.formerLineage)", "former-term=\(answer.formerTerm)",
            ] + answer.formerInSync.map { "former-insync=\($0)" }
                + answer.others.map { "other=\($0.member) \($0.last)" })
    }
}
