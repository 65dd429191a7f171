import Machine

extension SteppedEnsemble {
    /// What a step does in this state, for people.
    package func brief(_ step: Step) -> String {
        let client = owner(ofStep: step)
        let what =
            switch step {
            case .connect: connecting(client)
            case .execute: "ZooKeeper does its \(clients[client].requests.first.map { brief($0.operation) } ?? "request")"
            case .deliver: "hears \(clients[client].packets.first.map { brief($0) } ?? "something")"
            case .lose(_, let surviving):
                isAlive(clients[client].sessionID)
                    ? "the connection breaks" + lost(client, surviving) : "the connection of its dead session ends"
            case .late(let session): "what it had sent before, a \(brief(sessions[session].late[0])), is done now"
            case .expire(let session): "its session \(sessions[session].isUsed ? "" : "of before ")expires"
            case .catchUp: "its server catches up"
            }
        return "node \(client): \(what)"
    }

    private func connecting(_ client: Int) -> String {
        if clients[client].sessionID == 0 { return "is granted a session" }
        return isAlive(clients[client].sessionID) ? "its session is resumed" : "learns that its session has expired"
    }

    private func lost(_ client: Int, _ surviving: Int) -> String {
        var parts: [String] = []
        if !clients[client].answering.isEmpty { parts.append("\(clients[client].answering.count) answers are lost") }
        let requests = clients[client].requests
        if !requests.isEmpty {
            parts.append("of \(requests.map { brief($0.operation) }.joined(separator: ", ")) \(surviving) still on the way")
        }
        return parts.isEmpty ? "" : ": " + parts.joined(separator: "; ")
    }

    private func brief(_ packet: Packet) -> String {
        switch packet.event {
        case .connected: "that it is connected"
        case .watchFired(let path, let kind): "\(kind) of \(path)"
        case .reply(_, .failed(let error, _)): "that its \(packet.answered.map { brief($0) } ?? "request") failed: \(error)"
        case .reply: "the answer to its \(packet.answered.map { brief($0) } ?? "request")"
        case .disconnected, .expired, .closed: "\(packet.event)"
        }
    }

    private func brief(_ operation: CoordinationOperation) -> String {
        switch operation {
        case .create(let path, _, _): "create \(path)"
        case .delete(let path, _): "delete \(path)"
        case .set(let path, _, _): "set \(path)"
        case .get(let path, _): "get \(path)"
        case .exists(let path, _): "exists \(path)"
        case .children(let path, _): "children \(path)"
        case .sync: "sync"
        case .multi(let operations): "multi [\(operations.map { brief($0) }.joined(separator: ", "))]"
        }
    }

    private func brief(_ operation: MultiOperation) -> String {
        switch operation {
        case .check(let path, let version): "check \(path) v\(version)"
        case .create(let path, _, _): "create \(path)"
        case .delete(let path, _): "delete \(path)"
        case .set(let path, _, let version): "set \(path) v\(version)"
        }
    }
}
