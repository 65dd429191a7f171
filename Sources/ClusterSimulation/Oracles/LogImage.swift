import Machine

/// The entries of a log file, read from its bytes by a reader that shares no code with the store's: it trusts every
/// complete record and checks no checksum, so it is for bytes that are known to be sound.
struct LogImage: Hashable, Sendable {
    struct Record: Hashable, Sendable {
        var term: UInt64
        var seq: UInt64
        /// Key line and value line; of an entry that has one line the words that say what it does: none for the first of a term.
        var content: ArraySlice<UInt8>
        /// What stands between the marks and the checksum: the identity of a mutation.
        var identity: ArraySlice<UInt8> = []

        /// Key and value are two.
        var isOneLine: Bool { content.withUnsafeBytes { $0.firstIndex(of: UInt8(ascii: "\n"), from: 0) == nil } }

        static func == (a: Record, b: Record) -> Bool {
            a.term == b.term && a.seq == b.seq && a.content.isSame(as: b.content) && a.identity.isSame(as: b.identity)
        }
    }

    /// What a log begins with that was copied, beside its records: lines without their words and checksums.
    struct Copied: Hashable, Sendable {
        /// The term and the first and last number of each run.
        var runs: [[UInt64]] = []
        /// Of sessions: each with the lowest mutation that is remembered, and behind it what became of its mutations.
        var memories: [String] = []
        /// The term, the number and the highest delete that was left out.
        var end: [UInt64] = []
    }

    private enum Words {
        static let session = Array("%session".utf8)[...]
        static let term = Array("%term".utf8)[...]
        static let forget = Array("%forget".utf8)[...]
        static let run = Array("%run".utf8)[...]
        static let memory = Array("%memory".utf8)[...]
        static let result = Array("%result".utf8)[...]
        static let copied = Array("%copied".utf8)[...]
        static let lineage = Array("%lineage".utf8)[...]
    }

    /// All records, those of a copied part first: among these there are gaps.
    private(set) var records: [Record] = []
    /// What was copied; nil where nothing was, or its end is missing.
    private(set) var copied: Copied?
    private(set) var copiedRecords = 0

    /// The number of the last entry.
    var last: UInt64 { max(records.last?.seq ?? 0, copiedThrough) }
    /// Entries up to here were copied.
    var copiedThrough: UInt64 { copied?.end[1] ?? 0 }
    var copiedPart: ArraySlice<Record> { records.prefix(copiedRecords) }
    var ownPart: ArraySlice<Record> { records.dropFirst(copiedRecords) }

    init(_ bytes: [UInt8]) { self = LogImage.read(bytes).image }

    private init() {}

    /// The records, and where the last complete one ends.
    static func read(_ bytes: [UInt8]) -> (image: LogImage, end: Int) {
        var image = LogImage()
        var lines = Lines(bytes)
        var end = 0
        var copied = Copied()
        while let line = lines.next() {
            if line.first == UInt8(ascii: "%") {
                let kind = word(line)
                let isSession = kind.isSame(as: Words.session)
                if isSession || kind.isSame(as: Words.term) || kind.isSame(as: Words.forget) {
                    guard let marks = LogImage.marks(line) else { break }
                    let content = isSession ? kind : marks.rest
                    image.records.append(Record(term: marks.term, seq: marks.seq, content: content))
                } else {
                    image.readCopy(kind, line, &copied)
                }
            } else {
                guard let value = lines.next(), let closing = lines.next(), closing.first == UInt8(ascii: "#"),
                    let marks = LogImage.marks(closing)
                else { break }
                image.records.append(
                    Record(
                        term: marks.term, seq: marks.seq, content: bytes[line.startIndex..<value.endIndex], identity: marks.rest
                    ))
            }
            end = lines.start
        }
        return (image, end)
    }

    /// The history that a log says it belongs to.
    static func lineage(in bytes: [UInt8]) -> [UInt8]? {
        var lines = Lines(bytes)
        var found: [UInt8]?
        while let line = lines.next() {
            guard line.first == UInt8(ascii: "%") else { continue }
            let kind = word(line)
            if kind.isSame(as: Words.lineage) { found = Array(word(line[kind.endIndex...])) }
        }
        return found
    }

    private mutating func readCopy(_ kind: ArraySlice<UInt8>, _ line: ArraySlice<UInt8>, _ copied: inout Copied) {
        // Every log is read, and few have copied parts: nothing is taken apart before it is known to be of one.
        func words() -> ArraySlice<ArraySlice<UInt8>> { line.split(separator: UInt8(ascii: " ")).dropFirst().dropLast() }
        func numbers() -> [UInt64] { words().compactMap { LogImage.number($0) } }
        if kind.isSame(as: Words.run) {
            copied.runs.append(numbers())
        } else if kind.isSame(as: Words.memory) || kind.isSame(as: Words.result) {
            copied.memories.append(words().map { String(decoding: $0, as: UTF8.self) }.joined(separator: " "))
        } else if kind.isSame(as: Words.copied), case let end = numbers(), end.count == 3 {
            copied.end = end
            self.copied = copied
            copiedRecords = records.count
        }
    }

    /// Whether both logs end alike, and say the same as far as neither was copied.
    func agrees(with other: LogImage) -> Bool {
        let from = max(copiedThrough, other.copiedThrough)
        return last == other.last
            && ownPart.drop { $0.seq <= from }.elementsEqual(other.ownPart.drop { $0.seq <= from })
    }

    func isPrefix(of other: LogImage) -> Bool {
        (copied == nil || copied == other.copied) && records.count <= other.records.count
            && records.elementsEqual(other.records[..<records.count])
    }

    var summary: String { records.last.map { "\(records.count) records, last \($0.term):\($0.seq)" } ?? "no records" }

    /// The second and the third word, and what stands between the fifth and the last.
    private static func marks(_ line: ArraySlice<UInt8>) -> (term: UInt64, seq: UInt64, rest: ArraySlice<UInt8>)? {
        let term = word(line[word(line).endIndex...])
        let seq = word(line[term.endIndex...])
        let durable = word(line[word(line[seq.endIndex...]).endIndex...])
        let end = line.lastIndex(of: UInt8(ascii: " ")) ?? line.endIndex
        guard let term = number(term), let seq = number(seq), durable.endIndex <= end else { return nil }
        return (term, seq, line[durable.endIndex..<end].drop { $0 == UInt8(ascii: " ") })
    }

    /// The first word of a line, or of what is left of it.
    private static func word(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let begin = line.firstIndex { $0 != UInt8(ascii: " ") } ?? line.endIndex
        return line[begin..<(line[begin...].firstIndex(of: UInt8(ascii: " ")) ?? line.endIndex)]
    }

    static func number(_ digits: some Collection<UInt8>) -> UInt64? {
        guard !digits.isEmpty, digits.count < 19, digits.allSatisfy({ (48...57).contains($0) }) else { return nil }
        return digits.reduce(0) { $0 * 10 + UInt64($1 - 48) }
    }

    /// Complete lines, without their newlines.
    private struct Lines {
        let bytes: [UInt8]
        var start = 0

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        mutating func next() -> ArraySlice<UInt8>? {
            guard let end = bytes.withUnsafeBytes({ $0.firstIndex(of: UInt8(ascii: "\n"), from: start) }) else { return nil }
            defer { start = end + 1 }
            return bytes[start..<end]
        }
    }
}
