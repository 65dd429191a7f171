import Machine
import Testing
import Wire

@testable import Storage

@Suite("Base64")
struct Base64Tests {
    private func encode(_ text: String) -> String {
        var buffer: [UInt8] = []
        Base64.encode(Array(text.utf8), onto: &buffer)
        return String(decoding: buffer, as: UTF8.self)
    }

    private func decode(_ text: String) -> [UInt8]? { Array(text.utf8).withUnsafeBytes { Base64.decode($0) } }

    @Test("RFC 4648's examples")
    func examples() {
        let examples = [
            ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ]
        for (plain, encoded) in examples {
            #expect(encode(plain) == encoded)
            #expect(decode(encoded) == Array(plain.utf8))
        }
    }

    @Test("Every byte value comes back, at every length")
    func roundTrip() {
        var random = SeededRandom(seed: 3)
        for count in 0...300 {
            let bytes = randomBytes(count...count, &random)
            var buffer = Array("before".utf8)
            Base64.encode(bytes, onto: &buffer)
            #expect(buffer.count == 6 + Base64.encodedCount(count))
            #expect(buffer.dropFirst(6).withUnsafeBytes { Base64.decode($0) } == bytes)
        }
    }

    @Test(
        "Text that is no base64, or not the one text of its bytes, is refused",
        arguments: ["Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9", "Zm9\n", "-", "Zm9v\0\0\0\0", "Zm-_"])
    func strict(_ text: String) {
        #expect(decode(text) == nil)
    }
}

@Suite("The log's lines")
struct LogLineTests {
    static let store = StoreID("01234567-89ab-4cde-8f01-23456789abcd")

    private func control(_ line: String) -> (line: ControlLine, checksum: UInt32)? {
        Array(line.utf8).withUnsafeBytes { bytes in
            var reader = LineReader(bytes)
            return reader.controlLine()
        }
    }

    private func closing(_ line: String) -> EntryMarks? {
        Array(line.utf8).withUnsafeBytes { bytes in
            var reader = LineReader(bytes)
            return reader.closingLine()?.marks
        }
    }

    @Test("The format is what the documentation says, byte for byte")
    func golden() {
        var encoder = LogEncoder()
        encoder.header(LogLineTests.store)
        encoder.lineage(Lineage("first"))
        encoder.adopt(term: 3)
        encoder.lease(.milliseconds(400))
        encoder.entry(.beginTerm, EntryMarks(position: Position(term: 3, seq: 1), commit: 0, durable: 0))
        encoder.entry(.put("key", "value"), EntryMarks(position: Position(term: 3, seq: 2), commit: 1, durable: 1))
        encoder.entry(.put("empty", ""), EntryMarks(position: Position(term: 3, seq: 3), commit: 1, durable: 1))
        encoder.entry(.delete("key"), EntryMarks(position: Position(term: 3, seq: 4), commit: 2, durable: 3))
        encoder.entry(.openSession, EntryMarks(position: Position(term: 3, seq: 5), commit: 4, durable: 4))
        let session = SessionID(opened: Position(term: 3, seq: 5))
        encoder.entry(
            .put("key", "value"),
            EntryMarks(
                position: Position(term: 3, seq: 6), commit: 5, durable: 5,
                identity: RequestIdentity(session: session, sequence: 2, lowestOpen: 1)))
        encoder.entry(.closeSession(session), EntryMarks(position: Position(term: 3, seq: 7), commit: 6, durable: 6))
        encoder.closed(last: 7, commit: 7)
        #expect(
            String(decoding: encoder.bytes, as: UTF8.self) == """
                %aviary 2 01234567-89ab-4cde-8f01-23456789abcd bf1dec94
                %lineage first 4dbefe54
                %adopt 3 228ff6f4
                %lease 400000000 01eeca1f
                %term 3 1 0 0 84b086dd
                a2V5
                dmFsdWU=
                # 3 2 1 1 e1de9630
                ZW1wdHk=

                # 3 3 1 1 71ed7be6
                a2V5
                -
                # 3 4 2 3 297d5a1d
                %session 3 5 4 4 e4ca694f
                a2V5
                dmFsdWU=
                # 3 6 5 5 3:5 2 1 8ab6e624
                %forget 3 7 6 6 3:5 6aa08962
                %closed 7 7 452c9fc9

                """)
    }

    @Test("A closing line's fields")
    func closingLine() {
        let marks = EntryMarks(position: Position(term: 1, seq: 20), commit: 0, durable: 18_446_744_073_709_551_615)
        #expect(closing("# 1 20 0 18446744073709551615 0123cdef") == marks)
    }

    @Test("A closing line with an identity")
    func closingLineWithIdentity() {
        let session = SessionID(opened: Position(term: 3, seq: 5))
        let marks = EntryMarks(
            position: Position(term: 4, seq: 20), commit: 1, durable: 2,
            identity: RequestIdentity(session: session, sequence: 9, lowestOpen: 7))
        #expect(closing("# 4 20 1 2 3:5 9 7 0123cdef") == marks)
    }

    @Test(
        "Closing lines that nobody wrote",
        arguments: [
            "", "#", "# ", "# 1 2 3 4", "# 1 2 3 4 ", "# 1 2 3 4 0123cde", "# 1 2 3 4 0123cdefa", "# 1 2 3 4 0123CDEF",
            "# 1 2 3 4 5 0123cdef", "# 1 2 3 4 5:6 0123cdef", "# 1 2 3 4 5:6 7 0123cdef", "# 1 2 3 4 5 6 7 0123cdef",
            "# 1 2 3 4 5: 6 7 0123cdef", "# 1 2 3 4 5:06 7 8 0123cdef", "# 1 2 3 4 5:6 7 8 9 0123cdef",
            "# 1 2 3 4 5:6 7 8  0123cdef", "#1 2 3 4 0123cdef", "# 01 2 3 4 0123cdef", "# 1  2 3 4 0123cdef",
            "# 1 2 3 18446744073709551616 0123cdef", "# 1 2 -3 4 0123cdef", "# 1 2 3 4 0123cdef ", "% 1 2 3 4 0123cdef",
        ])
    func wrongClosingLines(_ line: String) {
        #expect(closing(line) == nil)
    }

    @Test("Control lines")
    func controlLines() {
        #expect(control("%adopt 7 0123cdef")?.line == .adopt(term: 7))
        #expect(control("%lease 400000000 0123cdef")?.line == .lease(.milliseconds(400)))
        #expect(control("%lease 9223372036854775808 0123cdef") == nil)
        let uuids = (0..<17).map { "01234567-89ab-4cde-8f01-\(100_000_000_000 + $0)" }
        for count in [1, 2, 16] {
            let nonces = uuids.prefix(count).compactMap { LifeNonce($0) }
            #expect(control("%nonce \(uuids.prefix(count).joined(separator: " ")) 0123cdef")?.line == .nonces(nonces))
        }
        for wrong in ["", uuids.joined(separator: " "), "\(uuids[0].dropLast())", "\(uuids[0].dropLast())G", "\(uuids[0]) "] {
            #expect(control("%nonce \(wrong) 0123cdef") == nil, "\(wrong)")
        }
        #expect(control("%whole no 0123cdef")?.line == .whole(false))
        #expect(control("%whole yes 0123cdef")?.line == .whole(true))
        #expect(control("%whole maybe 0123cdef") == nil)
        #expect(control("%closed 7 6 0123cdef")?.line == .closed(last: 7, commit: 6))
        let marks = EntryMarks(position: Position(term: 2, seq: 7), commit: 5, durable: 6)
        #expect(control("%session 2 7 5 6 0123cdef")?.line == .openSession(marks))
        let session = SessionID(opened: Position(term: 1, seq: 4))
        #expect(control("%forget 2 7 5 6 1:4 0123cdef")?.line == .closeSession(session, marks))
        #expect(control("%lineage ab%20c 0123cdef")?.line == .lineage(Lineage("ab c")))
        #expect(control("%aviary 2 \(LogLineTests.store) 0123cdef")?.line == .header(version: 2, LogLineTests.store))
        #expect(control("%aviary 3 whatever it says 0123cdef")?.line == .header(version: 3, StoreID("")))
        #expect(control("%x-remark of no weight 0123cdef")?.line == .note(word: "x-remark"))
        #expect(control("%own 1 2 0123cdef")?.line == .unknown(word: "own"))
        #expect(control("%own 0123cdef")?.line == .unknown(word: "own"))
        #expect(control("%own 0123cdef")?.checksum == 0x0123_CDEF)
        for line in [
            "%", "%own", "%adopt 7", "%adopt 0123cdef", "%lineage a%2 0123cdef", "%lineage a%ZZ 0123cdef", "%adopt x 0123cdef",
            "%session 2 7 5 0123cdef", "%session 2 7 5 6 1:4 0123cdef", "%forget 2 7 5 6 0123cdef",
            "%forget 2 7 5 6 14 0123cdef", "%forget 2 7 5 6 1:4 5 0123cdef",
        ] {
            #expect(control(line) == nil, "\(line)")
        }
    }

    @Test("A lineage of any text is one field", arguments: ["", "plain", "with space", "100 %", "zeile\n", "ünïcode", "%41"])
    func lineageText(_ text: String) {
        var encoder = LogEncoder()
        encoder.lineage(Lineage(text))
        let line = String(decoding: encoder.bytes.dropLast(), as: UTF8.self)
        #expect(line.split(separator: " ", omittingEmptySubsequences: false).count == 3)
        #expect(control(line)?.line == .lineage(Lineage(text)))
    }
}

@Suite("The scanner")
struct LogScannerTests {
    /// Entries with what the encoder writes for them.
    private func sample(_ count: Int, seed: UInt64) -> (entries: [Entry], bytes: [UInt8]) {
        var random = SeededRandom(seed: seed)
        var encoder = LogEncoder()
        encoder.header(LogLineTests.store)
        var entries: [Entry] = []
        var term: UInt64 = 1
        for seq in 1...UInt64(count) {
            let operation: Operation
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                term += UInt64.random(in: 1...3, using: &random)
                operation = .beginTerm
            case 1: operation = .delete(key: randomBytes(1...30, &random))
            case 2: operation = .put(key: randomBytes(1...1024, &random), value: [])
            case 3: operation = .openSession
            case 4: operation = .closeSession(SessionID(opened: Position(term: term, seq: seq - 1)))
            default: operation = .put(key: randomBytes(1...30, &random), value: randomBytes(0...300, &random))
            }
            var entry = Entry(term, seq, operation)
            let session = SessionID(opened: Position(term: 1, seq: seq / 3))
            entry.identity = RequestIdentity(session: session, sequence: seq, lowestOpen: seq / 2)
            if !entry.isConsistent || random.chance(1, in: 2) { entry.identity = nil }
            entries.append(entry)
            encoder.entry(
                operation,
                EntryMarks(
                    position: Position(term: term, seq: seq), commit: seq / 2, durable: seq / 2, identity: entry.identity))
            if random.chance(1, in: 10) { encoder.adopt(term: term) }
            if random.chance(1, in: 20) { encoder.lease(.milliseconds(Int64(term))) }
        }
        return (entries, encoder.bytes)
    }

    @Test("What was written is read, in pieces of any size", arguments: 1...20)
    func roundTrip(_ seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        let (entries, bytes) = sample(60, seed: UInt64(seed))
        var scanner = LogScanner(limits: Limits())
        var rest = bytes[...]
        var read: [Entry] = []
        while true {
            switch scanner.next() {
            case .entry(let entry):
                guard let operation = scanner.operation(of: entry) else {
                    Issue.record("no base64")
                    return
                }
                read.append(Entry(position: entry.marks.position, operation: operation, identity: entry.marks.identity))
                continue
            case .header(let store):
                #expect(store == LogLineTests.store)
                continue
            case .control: continue
            case .incomplete: break
            case let other:
                Issue.record("\(other)")
                return
            }
            if rest.isEmpty { break }
            let piece = rest.prefix(Int.random(in: 1...(seed % 2 == 0 ? 7 : 700), using: &random))
            scanner.feed(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        #expect(read == entries)
        #expect(scanner.offset == Int64(bytes.count))
    }

    @Test("A line that never ends is wrong as soon as it is longer than any record")
    func endlessLine() {
        var scanner = LogScanner(limits: Limits(keyBytes: 100, valueBytes: 1000))
        var fed = 0
        while fed < 10_000 {
            if scanner.next() == .wrong { break }
            scanner.feed(Array(repeating: UInt8(ascii: "A"), count: 10))
            fed += 10
        }
        #expect(fed < 200)
    }
}
