import Machine
import Wire

// A copy of a store on its way to a learner, both halves. Every conversion is total, as in `FrameDecoding`; whether the pieces of a
// copy fit each other is for who takes them.

extension CopyPiece: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, lineage.text)
        sink.field(3, term)
        sink.message(4, from)
        sink.field(5, to)
        sink.field(6, copy)
        sink.field(7, index)
        sink.field(8, sentAt)
        switch content {
        case .entries(let entries): sink.message(9, List(elements: entries))
        case .runs(let runs): sink.message(10, List(elements: runs))
        case .sessions(let memories): sink.message(11, List(elements: memories))
        case .end(let end): sink.message(12, end)
        case .nothing: sink.message(13, EmptyMessage())
        }
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var from: MemberID?
        var content: CopyContent?
        self.init(
            group: "", lineage: Lineage(""), term: 0, from: MemberID(store: StoreID(""), number: 0), to: 0, copy: 0, index: 0,
            content: .nothing, sentAt: 0)
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2: lineage = Lineage(try reader.string())
            case 3: term = try reader.quantity()
            case 4: from = try MemberID(from: reader.message())
            case 5: to = try reader.quantity()
            case 6: copy = try reader.quantity()
            case 7: index = try reader.quantity()
            case 8: sentAt = try reader.nanoseconds()
            case 9:
                content = .entries(
                    try reader.list { (element: ProtobufReader) throws(Malformed) in try Entry(from: element) })
            case 10:
                content = .runs(
                    try reader.list { (element: ProtobufReader) throws(Malformed) in try TermRun(from: element) })
            case 11:
                content = .sessions(
                    try reader.list { (element: ProtobufReader) throws(Malformed) in try SessionMemory(from: element) })
            case 12: content = .end(try CopyEnd(from: reader.message()))
            case 13:
                _ = try reader.message()
                content = .nothing
            default: try reader.skip()
            }
        }
        self.from = try from.required()
        self.content = try content.required()
    }
}

/// A message whose only field repeats.
private struct List<Element: ProtobufEncodable>: ProtobufEncodable {
    var elements: [Element]

    func encode(into sink: inout some ProtobufSink) { for element in elements { sink.message(1, element) } }
}

extension ProtobufReader {
    /// The elements of a message whose only field repeats.
    fileprivate mutating func list<Element>(
        _ read: (ProtobufReader) throws(Malformed) -> Element
    ) throws(Malformed) -> [Element] {
        var list = try message()
        var elements: [Element] = []
        while let field = try list.next() {
            switch field {
            case 1: elements.append(try read(try list.message()))
            default: try list.skip()
            }
        }
        return elements
    }
}

extension CopyEnd: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.message(1, position)
        sink.field(2, dropped)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var position: Position?
        var dropped: UInt64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: position = try Position(from: reader.message())
            case 2: dropped = try reader.quantity()
            default: try reader.skip()
            }
        }
        self.init(position: try position.required(), dropped: dropped)
    }
}

extension SessionMemory: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.message(1, session)
        sink.field(2, lowestOpen)
        for outcome in outcomes { sink.message(3, outcome) }
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var session: SessionID?
        var lowestOpen: UInt64 = 0
        var outcomes: [Outcome] = []
        while let field = try reader.next() {
            switch field {
            case 1: session = try SessionID(from: reader.message())
            case 2: lowestOpen = try reader.quantity()
            case 3: outcomes.append(try Outcome(from: reader.message()))
            default: try reader.skip()
            }
        }
        self.init(session: try session.required(), lowestOpen: lowestOpen, outcomes: outcomes)
    }
}

extension SessionMemory.Outcome: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, sequence)
        sink.field(2, seq)
        let result: UInt64 =
            switch existed {
            case nil: 0
            case true?: 1
            case false?: 2
            }
        sink.field(3, result)
    }

    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(sequence: 0, seq: 0, existed: nil)
        while let field = try reader.next() {
            switch field {
            case 1: sequence = try reader.quantity()
            case 2: seq = try reader.quantity()
            case 3:
                switch try reader.unsigned() {
                case 0: existed = nil
                case 1: existed = true
                case 2: existed = false
                case _: throw Malformed()
                }
            default: try reader.skip()
            }
        }
    }
}

/// The body of `AppendReply.copying`.
struct CopyingMessage: ProtobufEncodable {
    var copy: UInt64
    var received: UInt64
    var written: UInt64

    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, copy)
        sink.field(2, received)
        sink.field(3, written)
    }
}

extension CopyingMessage {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        self.init(copy: 0, received: 0, written: 0)
        while let field = try reader.next() {
            switch field {
            case 1: copy = try reader.quantity()
            case 2: received = try reader.quantity()
            case 3: written = try reader.quantity()
            default: try reader.skip()
            }
        }
    }
}
