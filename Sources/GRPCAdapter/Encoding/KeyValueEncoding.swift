import Wire

// The messages of `aviary.v1.KV`.

extension KeyRequest: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        switch self {
        case .put(let key, let value):
            sink.field(1, key)
            sink.field(2, value)
        case .get(let key), .delete(let key):
            sink.field(1, key)
        }
    }
}

extension KeyRequest {
    /// Which of the service's methods a request is for.
    enum Kind { case put, get, delete }

    var kind: Kind {
        switch self {
        case .put: .put
        case .get: .get
        case .delete: .delete
        }
    }

    init(_ kind: Kind, decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        try self.init(kind, from: ProtobufReader(bytes))
    }

    init(_ kind: Kind, from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var key: [UInt8] = []
        var value: [UInt8] = []
        while let field = try reader.next() {
            switch field {
            case 1: key = try reader.bytes()
            case 2 where kind == .put: value = try reader.bytes()
            default: try reader.skip()
            }
        }
        switch kind {
        case .put: self = .put(key: key, value: value)
        case .get: self = .get(key: key)
        case .delete: self = .delete(key: key)
        }
    }
}

/// A reply of the service that is not a failure.
enum KeyReply: ProtobufEncodable {
    case put
    case value([UInt8]?)
    case deleted(existed: Bool)

    func encode(into sink: inout some ProtobufSink) {
        switch self {
        case .put: break
        case .value(let value?):
            sink.field(1, true)
            sink.field(2, value)
        case .value(nil): break
        case .deleted(let existed):
            sink.field(1, existed)
        }
    }

    init(to kind: KeyRequest.Kind, decoding bytes: UnsafeRawBufferPointer) throws(Malformed) {
        try self.init(to: kind, from: ProtobufReader(bytes))
    }

    init(to kind: KeyRequest.Kind, from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var flag = false
        var value: [UInt8] = []
        while let field = try reader.next() {
            switch field {
            case 1 where kind != .put: flag = try reader.bool()
            case 2 where kind == .get: value = try reader.bytes()
            default: try reader.skip()
            }
        }
        switch kind {
        case .put: self = .put
        case .get: self = .value(flag ? value : nil)
        case .delete: self = .deleted(existed: flag)
        }
    }

    var reply: ClientReply {
        switch self {
        case .put: .put
        case .value(let value): .value(value)
        case .deleted(let existed): .deleted(existed: existed)
        }
    }
}
