import Wire

// An operator's transfer: the messages of `aviary.v1.Cluster/Transfer`, which also travel between nodes.

extension TransferRequest: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, to ?? 0)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(group: "", to: nil)
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2:
                let number = try reader.quantity()
                to = number == 0 ? nil : number
            default: try reader.skip()
            }
        }
    }
}

extension Transferred: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, primary.store.text)
        sink.field(2, primary.number)
        sink.field(3, term)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(primary: MemberID(store: StoreID(""), number: 0), term: 0)
        while let field = try reader.next() {
            switch field {
            case 1: primary.store = StoreID(try reader.string())
            case 2: primary.number = try reader.quantity()
            case 3: term = try reader.quantity()
            default: try reader.skip()
            }
        }
    }
}

/// A transfer on its way to the primary.
struct TransferMessage: ProtobufEncodable {
    var id: UInt64
    var request: TransferRequest

    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, id)
        sink.message(2, request)
    }

    init(id: UInt64, request: TransferRequest) {
        self.id = id
        self.request = request
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        var request: TransferRequest?
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            case 2: request = try TransferRequest(from: reader.message())
            default: try reader.skip()
            }
        }
        self.init(id: id, request: try request.required())
    }
}
