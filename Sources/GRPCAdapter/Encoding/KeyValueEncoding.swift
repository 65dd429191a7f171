import Wire

// The messages of `aviary.v1.KV`.

extension KeyRequest: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        switch self {
        case .put(let key, let value, let identity):
            sink.field(1, key)
            sink.field(2, value)
            if let identity { sink.message(10, identity) }
        case .get(let key, let mode):
            sink.field(1, key)
            switch mode {
            case .linearizable: break
            case .confirmed: sink.field(10, 1 as UInt64)
            case .stale(let position):
                sink.field(10, 2 as UInt64)
                if let position { sink.message(11, position) }
            }
        case .delete(let key, let identity):
            sink.field(1, key)
            if let identity { sink.message(10, identity) }
        case .openSession(let key):
            sink.field(1, key)
        }
    }
}

extension KeyRequest {
    /// Which of the service's methods a request is for.
    enum Kind { case put, get, delete, openSession }

    var kind: Kind {
        switch self {
        case .put: .put
        case .get: .get
        case .delete: .delete
        case .openSession: .openSession
        }
    }

    init(_ kind: Kind, decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        try self.init(kind, from: ProtobufReader(bytes))
    }

    init(_ kind: Kind, from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var key: [UInt8] = []
        var value: [UInt8] = []
        var identity: RequestIdentity?
        var mode: UInt64 = 0
        var position: GroupPosition?
        while let field = try reader.next() {
            switch field {
            case 1: key = try reader.bytes()
            case 2 where kind == .put: value = try reader.bytes()
            case 10 where kind == .put || kind == .delete: identity = try RequestIdentity(from: reader.message())
            case 10 where kind == .get: mode = try reader.unsigned()
            case 11 where kind == .get: position = try GroupPosition(from: reader.message())
            default: try reader.skip()
            }
        }
        switch kind {
        case .put: self = .put(key: key, value: value, identity: identity)
        case .get: self = .get(key: key, mode: try ReadMode(mode, atLeast: position))
        case .delete: self = .delete(key: key, identity: identity)
        case .openSession: self = .openSession(key: key)
        }
    }
}

extension ReadMode {
    /// A mode that this version does not know asks for something that it cannot promise.
    fileprivate init(_ number: UInt64, atLeast position: GroupPosition?) throws(Malformed) {
        switch number {
        case 0: self = .linearizable
        case 1: self = .confirmed
        case 2: self = .stale(atLeast: position)
        default: throw Malformed()
        }
    }
}

extension GroupPosition: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, lineage.text)
        sink.field(3, seq)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(group: "", lineage: Lineage(""), seq: 0)
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2: lineage = Lineage(try reader.string())
            case 3: seq = try reader.quantity()
            default: try reader.skip()
            }
        }
    }
}

extension SessionID: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, opened.term)
        sink.field(2, opened.seq)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        self.init(opened: try Position(from: reader))
    }
}

extension RequestIdentity: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.message(1, session)
        sink.field(2, sequence)
        sink.field(3, lowestOpen)
        sink.field(4, group)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(session: SessionID(opened: .zero), sequence: 0, lowestOpen: 0)
        while let field = try reader.next() {
            switch field {
            case 1: session = try SessionID(from: reader.message())
            case 2: sequence = try reader.quantity()
            case 3: lowestOpen = try reader.quantity()
            case 4: group = try reader.string()
            default: try reader.skip()
            }
        }
    }
}

/// A reply of the service that is not a failure.
struct KeyReply: ProtobufEncodable {
    var result: KeyResult
    var position: GroupPosition

    func encode(into sink: inout some ProtobufSink) {
        switch result {
        case .put: break
        case .value(let value?):
            sink.field(1, true)
            sink.field(2, value)
        case .value(nil): break
        case .deleted(let existed):
            sink.field(1, existed)
        case .opened(let session):
            sink.message(1, session)
        }
        sink.message(10, position)
    }

    init(result: KeyResult, position: GroupPosition) {
        self.result = result
        self.position = position
    }

    init(to kind: KeyRequest.Kind, decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        try self.init(to: kind, from: ProtobufReader(bytes))
    }

    init(to kind: KeyRequest.Kind, from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var flag = false
        var value: [UInt8] = []
        var session: SessionID?
        var position = GroupPosition(group: "", lineage: Lineage(""), seq: 0)
        while let field = try reader.next() {
            switch field {
            case 1 where kind == .openSession: session = try SessionID(from: reader.message())
            case 1 where kind != .put: flag = try reader.bool()
            case 2 where kind == .get: value = try reader.bytes()
            case 10: position = try GroupPosition(from: reader.message())
            default: try reader.skip()
            }
        }
        self.position = position
        switch kind {
        case .put: result = .put
        case .get: result = .value(flag ? value : nil)
        case .delete: result = .deleted(existed: flag)
        case .openSession: result = .opened(try session.required())
        }
    }
}

extension ClientReply {
    init(_ reply: KeyReply) { self = .done(reply.result, at: reply.position) }

    /// What became of a request about a key; nil in every other reply.
    var result: KeyResult? {
        switch self {
        case .done(let result, _): result
        case .status, .routes, .transferred, .recovered, .failed: nil
        }
    }
}
