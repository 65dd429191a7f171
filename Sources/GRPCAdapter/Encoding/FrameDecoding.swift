import Machine
import Wire

// The messages of `aviary.internal.v1.Peers`, the reading half.
//
// Every conversion is total. A frame that is not Protocol Buffers is `Malformed`; a message in it that is of an unknown
// kind, lacks what it must have, or holds numbers that no right peer sends is dropped and counted, and the others go
// on.

/// A frame as it was received.
struct Frame {
    /// Where its sender can be reached; nil where the frame does not say, or says nonsense.
    var from: Address?
    var messages: [PeerMessage] = []
    /// How many messages were dropped.
    var dropped = 0

    init(decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        var reader = ProtobufReader(bytes)
        while let field = try reader.next() {
            switch field {
            case 1: from = Address(try reader.string())
            case 2:
                let message = try reader.message()
                if let message = try? PeerMessage(from: message) { messages.append(message) } else { dropped += 1 }
            default: try reader.skip()
            }
        }
    }
}

extension ProtobufReader {
    /// A term, sequence number, count or other quantity. The upper half of the range is refused: no right peer gets
    /// there, and what counts on from such a number, or subtracts it, would overflow.
    mutating func quantity() throws(Malformed) -> UInt64 {
        let value = try unsigned()
        guard value <= UInt64(Int64.max) else { throw Malformed() }
        return value
    }

    /// A moment or a length of time in nanoseconds, within a century or so.
    mutating func nanoseconds() throws(Malformed) -> Int64 {
        let value = try signed()
        guard (0...(1 << 62)).contains(value) else { throw Malformed() }
        return value
    }
}

extension Optional {
    /// The value of a field that must be there.
    func required() throws(Malformed) -> Wrapped {
        guard let self else { throw Malformed() }
        return self
    }
}

extension PeerMessage {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var message: PeerMessage?
        while let field = try reader.next() {
            switch field {
            case 1: message = .append(try Append(from: reader.message()))
            case 2: message = .appendReply(try AppendReply(from: reader.message()))
            case 3: message = try PeerMessage(forwardFrom: reader.message())
            case 4: message = try PeerMessage(forwardReplyFrom: reader.message())
            case 5: message = try PeerMessage(statusQueryFrom: reader.message())
            case 6: message = try PeerMessage(statusReplyFrom: reader.message())
            case 7: message = .suspicion(try Suspicion(from: reader.message()))
            case 8: message = .probe(id: try Call(from: reader.message()).id)
            case 9: message = .probeReply(try ProbeReply(from: reader.message()))
            case 10:
                let transfer = try TransferMessage(from: reader.message())
                message = .transfer(id: transfer.id, transfer.request)
            case 11:
                let recover = try RecoverMessage(from: reader.message())
                message = .recover(id: recover.id, recover.request)
            case 12: message = .ping(id: try Call(from: reader.message()).id)
            case 13: message = .pong(id: try Call(from: reader.message()).id)
            case 14: message = .copyPiece(try CopyPiece(from: reader.message()))
            default: try reader.skip()
            }
        }
        self = try message.required()
    }

    private init(forwardFrom reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        var request: KeyRequest?
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            case 2: request = try KeyRequest(.put, from: reader.message())
            case 3: request = try KeyRequest(.get, from: reader.message())
            case 4: request = try KeyRequest(.delete, from: reader.message())
            case 5: request = try KeyRequest(.openSession, from: reader.message())
            default: try reader.skip()
            }
        }
        self = .forward(id: id, try request.required())
    }

    private init(forwardReplyFrom reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        var reply: ClientReply?
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            case 2: reply = ClientReply(try KeyReply(to: .put, from: reader.message()))
            case 3: reply = ClientReply(try KeyReply(to: .get, from: reader.message()))
            case 4: reply = ClientReply(try KeyReply(to: .delete, from: reader.message()))
            case 5: reply = .failed(try ClientError(from: reader.message()))
            case 6: reply = ClientReply(try KeyReply(to: .openSession, from: reader.message()))
            case 7: reply = .transferred(try Transferred(from: reader.message()))
            case 8: reply = .recovered(try Recovered(from: reader.message()))
            default: try reader.skip()
            }
        }
        self = .forwardReply(id: id, try reply.required())
    }

    private init(statusQueryFrom reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            default: try reader.skip()
            }
        }
        self = .statusQuery(id: id)
    }

    private init(statusReplyFrom reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        var status: ReplicaStatus?
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            case 2: status = try ReplicaStatus(from: reader.message())
            default: try reader.skip()
            }
        }
        self = .statusReply(id: id, try status.required())
    }
}

extension Append {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var group = ""
        var lineage = ""
        var term: UInt64 = 0
        var from: MemberID?
        var to: UInt64 = 0
        var previous: Position?
        var entries: [Entry] = []
        var commit: UInt64 = 0
        var sentAt: Int64 = 0
        var lease: Int64 = 0
        var round: UInt64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2: lineage = try reader.string()
            case 3: term = try reader.quantity()
            case 4: from = try MemberID(from: reader.message())
            case 5: to = try reader.quantity()
            case 6: previous = try Position(from: reader.message())
            case 7: entries.append(try Entry(from: reader.message()))
            case 8: commit = try reader.quantity()
            case 9: sentAt = try reader.nanoseconds()
            case 10: lease = try reader.nanoseconds()
            case 11: round = try reader.quantity()
            default: try reader.skip()
            }
        }
        self.init(
            group: group, lineage: Lineage(lineage), term: term, from: try from.required(), to: to,
            previous: try previous.required(), entries: entries, commit: commit, sentAt: sentAt, lease: Nanoseconds(lease),
            round: round
        )
    }
}

extension AppendReply {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var group = ""
        var term: UInt64 = 0
        var from: MemberID?
        var verified: UInt64 = 0
        var echo: Int64 = 0
        var round: UInt64 = 0
        var outcome: Outcome?
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2: term = try reader.quantity()
            case 3: from = try MemberID(from: reader.message())
            case 4: verified = try reader.quantity()
            case 5: echo = try reader.nanoseconds()
            case 6:
                _ = try reader.message()
                outcome = .accepted
            case 7:
                _ = try reader.message()
                outcome = .olderTerm
            case 8: outcome = try Outcome(mismatchFrom: reader.message())
            case 9:
                _ = try reader.message()
                outcome = .busy
            case 10: outcome = try Outcome(otherLineageFrom: reader.message())
            case 11: round = try reader.quantity()
            case 12:
                let copying = try CopyingMessage(from: reader.message())
                outcome = .copying(copy: copying.copy, received: copying.received, written: copying.written)
            default: try reader.skip()
            }
        }
        self.init(
            group: group, term: term, from: try from.required(), verified: verified, echo: echo, round: round,
            outcome: try outcome.required()
        )
    }
}

extension AppendReply.Outcome {
    fileprivate init(mismatchFrom reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var last: Position?
        var runs: [TermRun] = []
        while let field = try reader.next() {
            switch field {
            case 1: last = try Position(from: reader.message())
            case 2: runs.append(try TermRun(from: reader.message()))
            default: try reader.skip()
            }
        }
        self = .mismatch(last: try last.required(), runs: runs)
    }

    fileprivate init(otherLineageFrom reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var lineage = ""
        while let field = try reader.next() {
            switch field {
            case 1: lineage = try reader.string()
            default: try reader.skip()
            }
        }
        self = .otherLineage(Lineage(lineage))
    }
}

extension Entry {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var position = Position.zero
        var operation: Operation?
        var identity: RequestIdentity?
        while let field = try reader.next() {
            switch field {
            case 1: position.term = try reader.quantity()
            case 2: position.seq = try reader.quantity()
            case 3: operation = Operation(try KeyRequest(.put, from: reader.message()))
            case 4: operation = Operation(try KeyRequest(.delete, from: reader.message()))
            case 5:
                _ = try reader.message()
                operation = .beginTerm
            case 6:
                _ = try reader.message()
                operation = .openSession
            case 7: operation = .closeSession(try SessionID(from: reader.message()))
            case 10: identity = try RequestIdentity(from: reader.message())
            default: try reader.skip()
            }
        }
        self.init(position: position, operation: try operation.required(), identity: identity)
    }
}

extension Operation {
    /// What a request does to the store; nil for a read.
    fileprivate init?(_ request: KeyRequest) {
        switch request {
        case .put(let key, let value, _): self = .put(key: key, value: value)
        case .delete(let key, _): self = .delete(key: key)
        case .get, .openSession: return nil
        }
    }
}

extension MemberID {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var store = ""
        var number: UInt64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: store = try reader.string()
            case 2: number = try reader.quantity()
            default: try reader.skip()
            }
        }
        self.init(store: StoreID(store), number: number)
    }
}

extension Position {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self = .zero
        while let field = try reader.next() {
            switch field {
            case 1: term = try reader.quantity()
            case 2: seq = try reader.quantity()
            default: try reader.skip()
            }
        }
    }
}

extension TermRun {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(term: 0, first: 0, last: 0)
        while let field = try reader.next() {
            switch field {
            case 1: term = try reader.quantity()
            case 2: first = try reader.quantity()
            case 3: last = try reader.quantity()
            default: try reader.skip()
            }
        }
    }
}

extension ClientError {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        // A code that this version does not know claims nothing: it may have happened.
        self.init(.aborted, "")
        while let field = try reader.next() {
            switch field {
            case 1: code = Code(rawValue: Int(clamping: try reader.unsigned())) ?? .aborted
            case 2: message = try reader.string()
            case 3: redirect = Address(try reader.string())
            default: try reader.skip()
            }
        }
    }
}

extension ReplicaStatus {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var role: Role?
        self.init(
            group: "", member: MemberID(store: StoreID(""), number: 0), role: .starting, term: 0, last: .zero, commit: 0,
            keys: 0,
            leased: false, coordinated: false
        )
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2: member.store = StoreID(try reader.string())
            case 3: member.number = try reader.quantity()
            case 4: role = Role(rawValue: Int(clamping: try reader.unsigned()))
            case 5: term = try reader.quantity()
            case 6: last.term = try reader.quantity()
            case 7: last.seq = try reader.quantity()
            case 8: commit = try reader.quantity()
            case 9: keys = try reader.quantity()
            case 10: leased = try reader.bool()
            case 11: coordinated = try reader.bool()
            default: try reader.skip()
            }
        }
        self.role = try role.required()
    }
}
