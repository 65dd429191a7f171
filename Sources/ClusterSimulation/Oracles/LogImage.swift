/// The entries of a log file, read from its bytes by a reader that shares no code with the store's: it trusts every
/// complete record and checks no checksum, so it is for bytes that are known to be sound.
struct LogImage: Hashable, Sendable {
    struct Record: Hashable, Sendable {
        var term: UInt64
        var seq: UInt64
        /// Key line and value line; empty for the first entry of a term.
        var content: ArraySlice<UInt8>
    }

    private(set) var records: [Record] = []

    init(_ bytes: [UInt8]) { self = LogImage.read(bytes).image }

    private init() {}

    /// The records, and where the last complete one ends.
    static func read(_ bytes: [UInt8]) -> (image: LogImage, end: Int) {
        var image = LogImage()
        var lines = Lines(bytes)
        var end = 0
        while let line = lines.next() {
            if line.first == UInt8(ascii: "%") {
                if line.prefix { $0 != UInt8(ascii: " ") }.elementsEqual("%term".utf8) {
                    guard let marks = LogImage.marks(line) else { break }
                    image.records.append(Record(term: marks.term, seq: marks.seq, content: []))
                }
            } else {
                guard let value = lines.next(), let closing = lines.next(), closing.first == UInt8(ascii: "#"),
                    let marks = LogImage.marks(closing)
                else { break }
                image.records.append(Record(term: marks.term, seq: marks.seq, content: bytes[line.startIndex..<value.endIndex]))
            }
            end = lines.start
        }
        return (image, end)
    }

    func isPrefix(of other: LogImage) -> Bool {
        records.count <= other.records.count && records.elementsEqual(other.records[..<records.count])
    }

    var summary: String { records.last.map { "\(records.count) records, last \($0.term):\($0.seq)" } ?? "no records" }

    /// The second and the third word.
    private static func marks(_ line: ArraySlice<UInt8>) -> (term: UInt64, seq: UInt64)? {
        let first = word(line)
        let second = word(line[first.endIndex...])
        guard let term = number(second), let seq = number(word(line[second.endIndex...])) else { return nil }
        return (term, seq)
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
            guard let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            defer { start = end + 1 }
            return bytes[start..<end]
        }
    }
}
