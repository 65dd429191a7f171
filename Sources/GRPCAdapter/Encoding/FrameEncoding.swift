import Machine
import Wire

// The messages of `aviary.internal.v1.Peers`, the writing half.
//
// A `Frame` is never built as a value: its fields are written one after the other, and because Protocol Buffers merge
// repeated fields, frames that wait for the network are joined by putting their bytes together.

/// The first bytes on every link: where its sender can be reached.
struct FrameOpening: ProtobufEncodable {
    var from: Address

    func encode(into sink: inout some ProtobufSink) { sink.field(1, from.description) }
}

/// Part of a frame: some messages.
struct FrameMessages: ProtobufEncodable {
    var messages: ArraySlice<PeerMessage>

    func encode(into sink: inout some ProtobufSink) {
        for message in messages { sink.message(2, message) }
    }
}

extension PeerMessage: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        switch self {
        case .append(let append): sink.message(1, append)
        case .appendReply(let reply): sink.message(2, reply)
        case .forward(let id, let request): sink.message(3, Forward(id: id, request: request))
        case .forwardReply(let id, let reply): sink.message(4, ForwardReply(id: id, reply: reply))
        case .statusQuery(let id): sink.message(5, StatusQuery(id: id))
        case .statusReply(let id, let status): sink.message(6, StatusReply(id: id, status: status))
        case .suspicion(let suspicion): sink.message(7, suspicion)
        case .probe(let id): sink.message(8, Call(id: id))
        case .probeReply(let reply): sink.message(9, reply)
        case .transfer(let id, let request): sink.message(10, TransferMessage(id: id, request: request))
        case .recover(let id, let request): sink.message(11, RecoverMessage(id: id, request: request))
        case .ping(let id): sink.message(12, Call(id: id))
        case .pong(let id): sink.message(13, Call(id: id))
        case .copyPiece(let piece): sink.message(14, piece)
        }
    }
}

extension MemberID: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, store.text)
        sink.field(2, number)
    }
}

extension Position: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, term)
        sink.field(2, seq)
    }
}

extension TermRun: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, term)
        sink.field(2, first)
        sink.field(3, last)
    }
}

extension Entry: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, position.term)
        sink.field(2, position.seq)
        switch operation {
        case .put(let key, let value): sink.message(3, KeyRequest.put(key: key, value: value))
        case .delete(let key): sink.message(4, KeyRequest.delete(key: key))
        case .beginTerm: sink.message(5, EmptyMessage())
        case .openSession: sink.message(6, EmptyMessage())
        case .closeSession(let session): sink.message(7, session)
        }
        if let identity { sink.message(10, identity) }
    }
}

extension Append: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, lineage.text)
        sink.field(3, term)
        sink.message(4, from)
        sink.field(5, to)
        sink.message(6, previous)
        for entry in entries { sink.message(7, entry) }
        sink.field(8, commit)
        sink.field(9, sentAt)
        sink.field(10, lease.count)
        sink.field(11, round)
    }
}

extension AppendReply: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, term)
        sink.message(3, from)
        sink.field(4, verified)
        sink.field(5, echo)
        switch outcome {
        case .accepted: sink.message(6, EmptyMessage())
        case .olderTerm: sink.message(7, EmptyMessage())
        case .mismatch(let last, let runs): sink.message(8, Mismatch(last: last, runs: runs))
        case .busy: sink.message(9, EmptyMessage())
        case .otherLineage(let lineage): sink.message(10, OtherLineage(lineage: lineage))
        case .copying: break
        }
        sink.field(11, round)
        if case .copying(let copy, let received, let written) = outcome {
            sink.message(12, CopyingMessage(copy: copy, received: received, written: written))
        }
    }

    private struct Mismatch: ProtobufEncodable {
        var last: Position
        var runs: [TermRun]

        func encode(into sink: inout some ProtobufSink) {
            sink.message(1, last)
            for run in runs { sink.message(2, run) }
        }
    }

    private struct OtherLineage: ProtobufEncodable {
        var lineage: Lineage

        func encode(into sink: inout some ProtobufSink) { sink.field(1, lineage.text) }
    }
}

private struct Forward: ProtobufEncodable {
    var id: UInt64
    var request: KeyRequest

    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, id)
        switch request {
        case .put: sink.message(2, request)
        case .get: sink.message(3, request)
        case .delete: sink.message(4, request)
        case .openSession: sink.message(5, request)
        }
    }
}

private struct ForwardReply: ProtobufEncodable {
    var id: UInt64
    var reply: ClientReply

    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, id)
        switch reply {
        case .done(let result, let position):
            let reply = KeyReply(result: result, position: position)
            switch result {
            case .put: sink.message(2, reply)
            case .value: sink.message(3, reply)
            case .deleted: sink.message(4, reply)
            case .opened: sink.message(6, reply)
            }
        case .failed(let error): sink.message(5, Failed(error: error))
        case .transferred(let result): sink.message(7, result)
        case .recovered(let result): sink.message(8, result)
        case .status, .routes:
            // Only requests about keys are forwarded, so this is the node's own mistake; the asker gets an
            // answer.
            sink.message(5, Failed(error: ClientError(.aborted, "a forwarded request was answered with a status")))
        }
    }

    private struct Failed: ProtobufEncodable {
        var error: ClientError

        func encode(into sink: inout some ProtobufSink) {
            sink.field(1, UInt64(error.code.rawValue))
            sink.field(2, error.message)
            if let redirect = error.redirect { sink.field(3, redirect.description) }
        }
    }
}

private struct StatusQuery: ProtobufEncodable {
    var id: UInt64

    func encode(into sink: inout some ProtobufSink) { sink.field(1, id) }
}

private struct StatusReply: ProtobufEncodable {
    var id: UInt64
    var status: ReplicaStatus

    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, id)
        sink.message(2, status)
    }
}

extension ReplicaStatus: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, member.store.text)
        sink.field(3, member.number)
        sink.field(4, UInt64(role.rawValue))
        sink.field(5, term)
        sink.field(6, last.term)
        sink.field(7, last.seq)
        sink.field(8, commit)
        sink.field(9, keys)
        sink.field(10, leased)
        sink.field(11, coordinated)
    }
}
