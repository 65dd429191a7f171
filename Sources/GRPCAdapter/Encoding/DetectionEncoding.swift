import Machine
import Wire

// The messages by which a dead primary is found out, both ways. What is said of conversions in `FrameDecoding` holds here.

// MARK: Writing

extension Suspicion: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, group)
        sink.field(2, term)
        sink.message(3, primary)
        sink.message(4, by)
        sink.field(5, silence.count)
    }
}

/// A probe, a ping or a pong: an identity and nothing else.
struct Call: ProtobufEncodable {
    var id: UInt64

    func encode(into sink: inout some ProtobufSink) { sink.field(1, id) }
}

extension ProbeReply: ProtobufEncodable {
    func encode(into sink: inout some ProtobufSink) {
        sink.field(1, id)
        sink.field(2, group)
        sink.message(3, member)
        sink.field(4, term)
        sink.field(5, coordinated)
        sink.field(6, yieldsTo)
    }
}

// MARK: Reading

extension Call {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            default: try reader.skip()
            }
        }
        self.init(id: id)
    }
}

extension Suspicion {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var group = ""
        var term: UInt64 = 0
        var primary: MemberID?
        var by: MemberID?
        var silence: Int64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: group = try reader.string()
            case 2: term = try reader.quantity()
            case 3: primary = try MemberID(from: reader.message())
            case 4: by = try MemberID(from: reader.message())
            case 5: silence = try reader.nanoseconds()
            default: try reader.skip()
            }
        }
        self.init(
            group: group, term: term, primary: try primary.required(), by: try by.required(), silence: Nanoseconds(silence))
    }
}

extension ProbeReply {
    init(from reader: ProtobufReader) throws(Malformed) {
        var reader = reader
        var id: UInt64 = 0
        var group = ""
        var member: MemberID?
        var term: UInt64 = 0
        var coordinated = false
        var yieldsTo: UInt64 = 0
        while let field = try reader.next() {
            switch field {
            case 1: id = try reader.unsigned()
            case 2: group = try reader.string()
            case 3: member = try MemberID(from: reader.message())
            case 4: term = try reader.quantity()
            case 5: coordinated = try reader.bool()
            case 6: yieldsTo = try reader.unsigned()
            default: try reader.skip()
            }
        }
        self.init(
            id: id, group: group, member: try member.required(), term: term, coordinated: coordinated, yieldsTo: yieldsTo)
    }
}
