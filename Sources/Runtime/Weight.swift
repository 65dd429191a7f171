import Wire

// How many bytes a request or message holds on to, near enough for the bounds of queues and frames.

extension KeyRequest {
    var weight: Int { payloadBytes }
}

extension ClientRequest {
    var weight: Int {
        switch self {
        case .key(let request, _): request.weight
        case .status, .routes, .transfer, .recover: 0
        }
    }
}

extension PeerMessage {
    /// Rough size of a message without its payload.
    private static var frame: Int { 160 }

    var weight: Int {
        switch self {
        case .append(let append): append.entries.reduce(Self.frame) { $0 + 32 + $1.operation.payloadBytes }
        case .copyPiece(let piece): Self.frame + piece.content.weight
        case .appendReply, .transfer, .recover, .statusQuery, .statusReply, .suspicion, .probe, .probeReply, .ping, .pong:
            Self.frame
        case .forward(_, let request): Self.frame + request.weight
        case .forwardReply(_, .done(.value(let value?), _)): Self.frame + value.count
        case .forwardReply: Self.frame
        }
    }
}

extension CopyContent {
    fileprivate var weight: Int {
        switch self {
        case .entries(let entries): entries.reduce(0) { $0 + 32 + $1.operation.payloadBytes }
        case .runs(let runs): runs.count * 24
        case .sessions(let memories): memories.reduce(0) { $0 + 24 + $1.outcomes.count * 24 }
        case .end, .nothing: 24
        }
    }
}
