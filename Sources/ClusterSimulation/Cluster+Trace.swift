import Machine
import Simulation
import Wire

// What of Aviary's messages tells two runs apart. Identities that are the same in every message of a run are left out.

extension PeerMessage: Traceable {
    public var brief: String {
        switch self {
        case .append(let append): append.brief
        case .appendReply(let reply): reply.brief
        case .copyPiece(let piece): piece.brief
        case .forward(let id, let request): "forward #\(id & 0xFFFF): \(request.brief)"
        case .forwardReply(let id, let reply): "forwarded #\(id & 0xFFFF): \(reply.brief)"
        case .transfer(_, let request): request.brief
        case .recover(_, let request): request.brief
        case .statusQuery: "status?"
        case .statusReply(_, let status):
            "status: \(status.role), term \(status.term) (last \(status.last), commit \(status.commit))"
        case .suspicion(let suspicion):
            "does not hear primary \(suspicion.primary.number) of term \(suspicion.term) (from \(suspicion.by.number))"
        case .probe: "who is there?"
        case .ping: "does anybody hear me?"
        case .pong: "you are heard"
        case .probeReply(let reply):
            "number \(reply.member.number) is, " + (reply.term == 0 ? "no primary" : "primary of term \(reply.term)")
        }
    }

    public func fold(into hash: inout TraceHash) {
        switch self {
        case .append(let append):
            hash.fold(append.term)
            hash.fold(append.from.number)
            hash.fold(append.to)
            append.previous.fold(into: &hash)
            for entry in append.entries { entry.fold(into: &hash) }
            hash.fold(append.commit)
            hash.fold(append.sentAt)
            hash.fold(append.round)
        case .appendReply(let reply):
            hash.fold(reply.term)
            hash.fold(reply.from.number)
            hash.fold(reply.verified)
            hash.fold(reply.echo)
            hash.fold(reply.round)
            switch reply.outcome {
            case .accepted: hash.fold(1 as UInt64)
            case .olderTerm: hash.fold(2 as UInt64)
            case .mismatch(let last, let runs):
                last.fold(into: &hash)
                for run in runs {
                    hash.fold(run.term)
                    hash.fold(run.first)
                    hash.fold(run.last)
                }
            case .busy: hash.fold(3 as UInt64)
            case .otherLineage(let lineage): hash.fold(lineage.text)
            case .copying(let copy, let received, let written):
                hash.fold(copy)
                hash.fold(received)
                hash.fold(written)
            }
        case .copyPiece(let piece): piece.fold(into: &hash)
        case .forward(let id, let request):
            hash.fold(id)
            request.fold(into: &hash)
        case .forwardReply(let id, let reply):
            hash.fold(id)
            reply.fold(into: &hash)
        case .transfer(let id, let request):
            hash.fold(id)
            request.fold(into: &hash)
        case .recover(let id, let request):
            hash.fold(id)
            request.fold(into: &hash)
        case .statusQuery(let id): hash.fold(id)
        case .statusReply(let id, let status):
            hash.fold(id)
            hash.fold(status.term)
            status.last.fold(into: &hash)
            hash.fold(status.commit)
        case .suspicion(let suspicion):
            hash.fold(suspicion.term)
            hash.fold(suspicion.primary.number)
            hash.fold(suspicion.by.number)
            hash.fold(suspicion.silence.count)
        case .probe(let id), .ping(let id), .pong(let id): hash.fold(id)
        case .probeReply(let reply):
            hash.fold(reply.id)
            hash.fold(reply.member.number)
            hash.fold(reply.term)
            hash.fold(reply.coordinated ? 1 : 0 as UInt64)
        }
    }
}

// What stands in parentheses at the end of a message is no news by itself (`StoryText.plot`).

extension Append {
    fileprivate var brief: String {
        let details = "(\(from.number) to \(to), after \(previous), commit \(commit))"
        guard let last = entries.last else { return "heartbeat, term \(term) \(details)" }
        let few = entries.prefix(3).map { "\($0.position) \($0.brief)" }.joined(separator: ", ")
        return entries.count <= 3
            ? "append, term \(term): \(few) \(details)"
            : "append, term \(term): \(entries.count) entries to \(last.position) \(details)"
    }
}

extension AppendReply {
    fileprivate var brief: String {
        switch outcome {
        case .accepted: "ack through \(verified), term \(term) (from \(from.number))"
        case .olderTerm: "refused: its term is \(term) (from \(from.number))"
        case .mismatch(let last, _): "refused: its log ends with \(last) and must be compared first (from \(from.number))"
        case .busy: "not now, it is busy (from \(from.number))"
        case .copying(let copy, let received, let written): "copy \(copy): has \(received), wrote \(written)"
        case .otherLineage(let lineage): "refused: it holds another history, \(lineage.text) (from \(from.number))"
        }
    }
}

extension Entry {
    fileprivate var brief: String { operation.brief + (identity.map { " as \($0)" } ?? "") }
}

extension Operation {
    fileprivate var brief: String {
        switch self {
        case .put(let key, let value): KeyRequest.put(key: key, value: value).brief
        case .delete(let key): KeyRequest.delete(key: key).brief
        case .beginTerm: "begin of term"
        case .openSession: "open a session"
        case .closeSession(let session): "close session \(session)"
        }
    }
}

/// What a workload's value says, without its padding.
private func briefValue(_ value: [UInt8]) -> String {
    let head = value.prefix { $0 != UInt8(ascii: " ") }
    guard value.count > head.count, value[head.count...].dropFirst().allSatisfy({ $0 == UInt8(ascii: ".") }) else {
        return Simulation.brief(value)
    }
    return String(decoding: head, as: UTF8.self)
}

extension Position {
    func fold(into hash: inout TraceHash) {
        hash.fold(term)
        hash.fold(seq)
    }
}

extension Entry {
    func fold(into hash: inout TraceHash) {
        position.fold(into: &hash)
        switch operation {
        case .put(let key, let value):
            hash.fold(key)
            hash.fold(value)
        case .delete(let key): hash.fold(key)
        case .beginTerm: hash.fold(1 as UInt64)
        case .openSession: hash.fold(2 as UInt64)
        case .closeSession(let session): session.opened.fold(into: &hash)
        }
        identity?.fold(into: &hash)
    }
}

extension KeyRequest {
    var brief: String {
        switch self {
        case .put(let key, let value, let identity):
            "put \(String(decoding: key, as: UTF8.self)) as \(briefValue(value))\(brief(identity))"
        case .get(let key, let mode): "get \(String(decoding: key, as: UTF8.self))\(mode.brief)"
        case .delete(let key, let identity): "delete \(String(decoding: key, as: UTF8.self))\(brief(identity))"
        case .openSession(let key): "open a session for \(String(decoding: key, as: UTF8.self))"
        }
    }

    private func brief(_ identity: RequestIdentity?) -> String { identity.map { " as \($0)" } ?? "" }

    func fold(into hash: inout TraceHash) {
        switch self {
        case .put(let key, let value, let identity):
            hash.fold(1 as UInt64)
            hash.fold(key)
            hash.fold(value)
            identity?.fold(into: &hash)
        case .get(let key, let mode):
            hash.fold(2 as UInt64)
            hash.fold(key)
            mode.fold(into: &hash)
        case .delete(let key, let identity):
            hash.fold(3 as UInt64)
            hash.fold(key)
            identity?.fold(into: &hash)
        case .openSession(let key):
            hash.fold(4 as UInt64)
            hash.fold(key)
        }
    }
}

extension RequestIdentity {
    func fold(into hash: inout TraceHash) {
        session.opened.fold(into: &hash)
        hash.fold(sequence)
        hash.fold(lowestOpen)
    }
}

extension ReadMode {
    fileprivate var brief: String {
        switch self {
        case .linearizable: ""
        case .confirmed: ", confirmed"
        case .stale(nil): ", stale"
        case .stale(let position?): ", stale at \(position.seq)"
        }
    }

    func fold(into hash: inout TraceHash) {
        switch self {
        case .linearizable: break
        case .confirmed: hash.fold(5 as UInt64)
        case .stale(let position): hash.fold(position?.seq ?? 6)
        }
    }
}

extension ClientRequest: Traceable {
    public var brief: String {
        switch self {
        case .key(let request, let patience): request.brief + (patience.map { " within \($0.milliseconds) ms" } ?? "")
        case .status: "status"
        case .routes: "routes"
        case .transfer(let request): request.brief
        case .recover(let request): request.brief
        }
    }

    public func fold(into hash: inout TraceHash) {
        switch self {
        case .key(let request, let patience):
            request.fold(into: &hash)
            hash.fold(patience?.count ?? -1)
        case .status: hash.fold(4 as UInt64)
        case .routes: hash.fold(5 as UInt64)
        case .transfer(let request): request.fold(into: &hash)
        case .recover(let request): request.fold(into: &hash)
        }
    }
}

extension ClientReply: Traceable {
    public var brief: String {
        switch self {
        case .done(let result, _): result.brief
        case .status: "status"
        case .routes: "routes"
        case .transferred(let result): "\(result.primary.number) is primary of term \(result.term)"
        case .recovered(let result):
            "\(result.chosen.member.number) \(result.isDone ? "begins" : "would begin") a new history in term \(result.term)"
        case .failed(let error): "\(error.code): \(error.message)"
        }
    }

    public func fold(into hash: inout TraceHash) {
        switch self {
        case .done(let result, let position):
            result.fold(into: &hash)
            hash.fold(position.seq)
        case .status(let status): hash.fold(status.groups.count)
        case .routes(let routes): hash.fold(routes.groups.count)
        case .transferred(let result): hash.fold(result.term)
        case .recovered(let result):
            hash.fold(result.term)
            hash.fold(result.chosen.member.number)
        case .failed(let error):
            hash.fold(error.code.rawValue)
            hash.fold(error.message)
        }
    }
}

extension KeyResult {
    fileprivate var brief: String {
        switch self {
        case .put: "done"
        case .value(let value): value.map { "found \(briefValue($0))" } ?? "not found"
        case .deleted(let existed): existed ? "deleted" : "nothing to delete"
        case .opened(let session): "session \(session)"
        }
    }

    fileprivate func fold(into hash: inout TraceHash) {
        switch self {
        case .put: hash.fold(1 as UInt64)
        case .value(let value): if let value { hash.fold(value) } else { hash.fold(2 as UInt64) }
        case .deleted(let existed): hash.fold(existed ? 3 : 4 as UInt64)
        case .opened(let session): session.opened.fold(into: &hash)
        }
    }
}

extension TransferRequest {
    fileprivate var brief: String { "transfer \(group)\(to.map { " to \($0)" } ?? "")" }

    fileprivate func fold(into hash: inout TraceHash) {
        hash.fold(group)
        hash.fold(to ?? 0)
    }
}

extension RecoverRequest {
    fileprivate var brief: String { "recover \(group)\(store.map { " with \($0)" } ?? "")" }

    fileprivate func fold(into hash: inout TraceHash) {
        hash.fold(group)
        hash.fold(store?.text ?? "")
    }
}
