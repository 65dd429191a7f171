import Machine
import Wire

// An operator gives up the in-sync stores of a group. First a *census*: what is the next number of the group, behind a sync? The
// transaction checks that it still is: a store that registers after the others were asked where their logs end may hold more than
// all of them, and nobody has asked it.

extension Mastership {
    /// What came of an operator's recovery.
    public struct RecoveryOutcome: Hashable, Sendable {
        public var id: UInt64
        public var reply: ClientReply
    }

    /// Before a recovery: the version of the group's `top`; nil where ZooKeeper did not say.
    public struct Census: Hashable, Sendable {
        public var id: UInt64
        public var version: Int32?
    }

    /// Asks for the group's census; `takeCensuses` has the answer.
    public mutating func takeCensus(of group: String, for id: UInt64, session: Session, into sink: inout Sink) {
        guard !isDeposed, session.isConnected, session.token == port.session else {
            return counted.append(Census(id: id, version: nil))
        }
        _ = port.request(.sync(path: Paths.top(ofGroup: group)), into: &sink)
        censuses[id] = port.request(.get(path: Paths.top(ofGroup: group), watch: false), into: &sink)
    }

    /// Whether the reply is to a census.
    mutating func censusTaken(_ id: CoordinationID, _ reply: CoordinationReply) -> Bool {
        guard let recovery = censuses.first(where: { $0.1 == id })?.0 else { return false }
        censuses[recovery] = nil
        let version: Int32? = if case .data(_, let stat) = reply { stat.version } else { nil }
        counted.append(Census(id: recovery, version: version))
        return true
    }

    /// Censuses since the last call.
    public mutating func takeCensuses() -> [Census] {
        guard !counted.isEmpty else { return [] }
        defer { counted.removeAll() }
        return counted
    }

    /// An operator gives up the in-sync stores of a group: `chosen` begins a new history as its only member.
    ///
    /// The transaction proves that none of the in-sync stores is registered in the life that counts, so that none of them can be primary
    /// or be made one; a life that is cut off from ZooKeeper may go on for as long as its session's end is unknown to it, and what it
    /// acknowledges then is lost, too. That the others are gone for good is the operator's word.
    ///
    /// - Parameters:
    ///   - id: by which the outcome is known (`takeRecoveries`).
    ///   - topVersion: from the census that was taken before they were asked.
    ///   - candidates: registered stores that have answered, and where their logs end now.
    /// - Returns: the answer, where it is known at once; nil where the outcome will follow.
    public mutating func recover(
        _ request: RecoverRequest, id: UInt64, topVersion: Int32, candidates: [Recovered.Candidate], _ view: GroupView,
        session: Session, at now: Instant, into sink: inout Sink
    ) -> ClientReply? {
        guard !isDeposed, session.isConnected, session.token == port.session, view.isCurrent(session),
            transactions[request.group] == nil
        else {
            return .failed(ClientError(.unavailable, "group \(request.group) is just being looked at; nothing was done"))
        }
        guard let config = view.config, let choice = GroupRecovery(request, config, view, candidates: candidates) else {
            sink.reached(.recoveryRefused)
            let reason = GroupRecovery.refusal(request, view, candidates: candidates)
            return .failed(
                ClientError(.failedPrecondition, "group \(request.group) is not recovered: \(reason); nothing was done"))
        }
        guard request.acceptsDataLoss else { return .recovered(choice.answer(isDone: false, lineage: Lineage(""))) }
        let next = choice.config(lineage: Lineage(random.uuid()))
        let answer = choice.answer(isDone: true, lineage: next.lineage)
        sink.log(
            .warning, "an operator gives up a group's in-sync stores",
            [
                LogField("group", request.group), LogField("by", request.by), LogField("store", answer.chosen.member),
                LogField("position", answer.chosen.last), LogField("lost", "\(answer.formerInSync.map(\.description))"),
                LogField("lineage", next.lineage), LogField("term", next.term),
            ])
        var operations: [MultiOperation] = [
            .check(path: Paths.serverEpoch, version: epoch),
            .check(path: Paths.top(ofGroup: request.group), version: topVersion),
        ]
        for member in config.inSync {
            let path = Paths.member(member.number, ofGroup: request.group)
            operations += [.create(path: path, data: [], mode: .persistent), .delete(path: path, version: -1)]
        }
        operations += [
            .check(path: Paths.member(answer.chosen.member.number, ofGroup: request.group), version: -1),
            .create(
                path: Paths.recovery(next.term, ofGroup: request.group), data: choice.record(answer), mode: .persistent),
            .set(path: Paths.config(ofGroup: request.group), data: next.bytes, version: view.configVersion),
            .set(path: Paths.primary(ofGroup: request.group), data: next.primaryBytes, version: -1),
        ]
        send(
            operations, request.group, answer.chosen.member, term: next.term, touchesRing: false, isBootstrap: false,
            recovery: (id, answer), into: &sink)
        return nil
    }

    mutating func recoveryFailed(_ id: UInt64, _ error: CoordinationError, group: String) {
        let reply =
            error.isOutcomeUnknown
            ? ClientError(.aborted, "the connection to ZooKeeper broke: group \(group) may be recovered; see its status")
            : ClientError(
                .unavailable, "group \(group) has changed meanwhile (\(error)): look at its status again; nothing was done")
        recoveries.append(RecoveryOutcome(id: id, reply: .failed(reply)))
    }

    /// Outcomes of recoveries since the last call.
    public mutating func takeRecoveries() -> [RecoveryOutcome] {
        guard !recoveries.isEmpty else { return [] }
        defer { recoveries.removeAll() }
        return recoveries
    }
}
