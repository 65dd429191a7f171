import Wire

// An operator's recovery of a group: the messages of `aviary.v1.Cluster/Recover`, which also travel between nodes.

extension RecoverRequest: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, store?.text ?? "")
        sink.field(3, acceptsDataLoss)
        sink.field(4, by)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(group: "", store: nil, acceptsDataLoss: false, by: "")
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2:
                let text = try reader.string()
                store = text.isEmpty ? nil : StoreID(text)
            case 3: acceptsDataLoss = try reader.bool()
            case 4: by = try reader.string()
            default: try reader.skip()
            }
        }
    }
}

extension Recovered.Candidate: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, member.store.text)
        sink.field(2, member.number)
        sink.field(3, last.term)
        sink.field(4, last.seq)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(member: MemberID(store: StoreID(""), number: 0), last: .zero)
        while let field = try reader.next() {
            switch field {
            case 1: member.store = StoreID(try reader.string())
            case 2: member.number = try reader.quantity()
            case 3: last.term = try reader.quantity()
            case 4: last.seq = try reader.quantity()
            default: try reader.skip()
            }
        }
    }
}

extension Recovered: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, isDone)
        sink.message(2, chosen)
        for other in others { sink.message(3, other) }
        sink.field(4, formerLineage.text)
        sink.field(5, formerTerm)
        for member in formerInSync { sink.message(6, Candidate(member: member, last: .zero)) }
        sink.field(7, lineage.text)
        sink.field(8, term)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var chosen: Candidate?
        self.init(
            isDone: false, chosen: Candidate(member: MemberID(store: StoreID(""), number: 0), last: .zero), others: [],
            formerLineage: Lineage(""), formerTerm: 0, formerInSync: [], lineage: Lineage(""), term: 0)
        while let field = try reader.next() {
            switch field {
            case 1: isDone = try reader.bool()
            case 2: chosen = try Candidate(from: reader.message())
            case 3: others.append(try Candidate(from: reader.message()))
            case 4: formerLineage = Lineage(try reader.string())
            case 5: formerTerm = try reader.quantity()
            case 6: formerInSync.append(try Candidate(from: reader.message()).member)
            case 7: lineage = Lineage(try reader.string())
            case 8: term = try reader.quantity()
            default: try reader.skip()
            }
        }
        self.chosen = try chosen.required()
    }
}

/// A recovery on its way to the master.
struct RecoverMessage: ProtobufEncodable {
    var id: UInt64
    var request: RecoverRequest

    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, id)
        sink.message(2, request)
    }

    init(id: UInt64, request: RecoverRequest) {
        self.id = id
        self.request = request
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        var request: RecoverRequest?
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            case 2: request = try RecoverRequest(from: reader.message())
            default: try reader.skip()
            }
        }
        self.init(id: id, request: try request.required())
    }
}
