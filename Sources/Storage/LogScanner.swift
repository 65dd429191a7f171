import Machine
import Wire

/// # Reading a log as it streams by
///
/// The scanner is fed a file's bytes in order, in pieces of any size, and hands out its records one at a time, each checked:
/// its shape, its checksum, and its place in the order. It holds one piece and one unfinished record, never more; a line
/// longer than any record may have is wrong, not a reason to keep reading.
///
/// A log that was copied begins with a part in which what was superseded is left out: there, and only there, numbers may have gaps.
///
/// It knows nothing of what a wrong record means. A torn tail and damage look alike from here; `Recovery` decides.
struct LogScanner: Sendable {
    enum Version: Hashable, Sendable {
        case version1, version2
    }

    enum Item: Hashable, Sendable {
        /// The file begins with a right header of this version.
        case header(StoreID)
        /// The file begins with something else, and what follows is read as version 1.
        case noHeader
        /// The file is of a version that this program does not know.
        case laterVersion(UInt64)
        case entry(ScannedEntry)
        case control(ControlLine)
        /// The bytes so far end before the next record does (or exactly where it would begin).
        case incomplete
        /// What comes next is no record, or not the one that was written: its checksum is wrong.
        case wrong
        /// The checksum is right, but the record cannot follow the one before it. No crash does this.
        case contradiction(String)
    }

    /// nil until the first line was seen.
    private(set) var version: Version?
    /// The last entry that was handed out.
    private(set) var last: Position
    /// The checksum of the last right record.
    private(set) var chain: UInt32
    /// Between `%copy` and `%copied`: entries that were superseded are left out, so there are gaps in the numbers.
    private(set) var isInCopy: Bool
    /// Set once no more bytes will come.
    var isAtEnd = false

    private var window: [UInt8] = []
    /// Where the window begins in the file.
    private var windowStart: Int64
    /// Where the next record begins in the window.
    private var position = 0
    /// The newlines found so far of the next record, and where to go on looking for more.
    private var newlines: [Int] = []
    private var searched = 0

    private let keyLineLimit: Int
    private let valueLineLimit: Int

    /// A scanner for a whole file.
    init(limits: Limits) {
        self.init(limits: limits, version: nil, offset: 0, chain: 0, last: .zero)
    }

    /// A scanner that begins at the record of an entry: at `offset`, after a record with the checksum `chain`. `last` is
    /// before that entry (its term may be 0 where it is not known).
    init(limits: Limits, version: Version?, offset: Int64, chain: UInt32, last: Position, isInCopy: Bool = false) {
        self.version = version
        self.isInCopy = isInCopy
        self.last = last
        self.chain = chain
        windowStart = offset
        keyLineLimit = Base64.encodedCount(limits.keyBytes)
        valueLineLimit = Base64.encodedCount(limits.valueBytes)
    }

    /// Where the next record begins in the file.
    var offset: Int64 { windowStart + Int64(position) }
    /// Where the next byte to feed lies in the file.
    var fedThrough: Int64 { windowStart + Int64(window.count) }
    /// The bytes from the next record on that were fed already.
    var remaining: ArraySlice<UInt8> { window[position...] }

    /// Takes the next bytes of the file. Entries that were handed out before lose their bytes.
    mutating func feed(_ bytes: [UInt8]) {
        if position == window.count {
            window = bytes
        } else {
            window.removeSubrange(..<position)
            window += bytes
        }
        windowStart += Int64(position)
        searched = max(0, searched - position)
        for index in newlines.indices { newlines[index] -= position }
        position = 0
    }

    /// The next record. Only `header`, `noHeader`, `entry` and `control` move on.
    mutating func next() -> Item {
        switch version {
        case nil: firstLine()
        case .version1: version1Record()
        case .version2: record()
        }
    }

    /// The bytes of an entry's key and value lines, newlines included. Valid until the next `feed`.
    func lines(of entry: ScannedEntry) -> ArraySlice<UInt8> { window[entry.lines] }

    /// What an entry does. Valid until the next `feed`. Nil where a line is no base64.
    func operation(of entry: ScannedEntry) -> Operation? {
        window.withUnsafeBytes { bytes in
            switch entry.content {
            case .beginTerm: return .beginTerm
            case .openSession: return .openSession
            case .closeSession(let session): return .closeSession(session)
            case .delete(let key):
                return Base64.decode(UnsafeRawBufferPointer(rebasing: bytes[key])).map { .delete(key: $0) }
            case .put(let key, let value):
                guard let key = Base64.decode(UnsafeRawBufferPointer(rebasing: bytes[key])),
                    let value = Base64.decode(UnsafeRawBufferPointer(rebasing: bytes[value]))
                else { return nil }
                return .put(key: key, value: value)
            }
        }
    }

    // MARK: Lines

    private enum Line {
        case found(Range<Int>)
        case incomplete
        case tooLong
    }

    /// The next record's line number `index`, without its newline. Lines are found in order.
    private mutating func line(_ index: Int, limit: Int) -> Line {
        let start = index == 0 ? position : newlines[index - 1] + 1
        if index == newlines.count {
            let from = max(start, searched)
            let found = window.withUnsafeBytes { $0.firstIndex(of: LogFormat.newline, from: from) }
            searched = found ?? window.count
            guard let found else { return window.count - start > limit ? .tooLong : .incomplete }
            newlines.append(found)
        }
        return newlines[index] - start > limit ? .tooLong : .found(start..<newlines[index])
    }

    private mutating func advance(to next: Int) {
        position = next
        searched = next
        newlines.removeAll(keepingCapacity: true)
    }

    private func checksum(of range: Range<Int>) -> UInt32 {
        window.withUnsafeBytes { CRC32.castagnoli.extend(chain, with: UnsafeRawBufferPointer(rebasing: $0[range])) }
    }

    private func parse<Result>(_ range: Range<Int>, _ body: (inout LineReader) -> Result?) -> Result? {
        window.withUnsafeBytes { bytes in
            var reader = LineReader(bytes, range)
            return body(&reader)
        }
    }

    // MARK: Records

    private mutating func firstLine() -> Item {
        let seen = window[position...].prefix(LogFormat.magic.count)
        guard LogFormat.magic.starts(with: seen) else {
            version = .version1
            return .noHeader
        }
        switch line(0, limit: LogFormat.shortLineLimit) {
        case .incomplete: return .incomplete
        case .tooLong: return .wrong
        case .found(let range):
            guard let (line, checksum) = parse(range, { $0.controlLine() }), case .header(let number, let store) = line
            else { return .wrong }
            guard number == LogFormat.version else { return .laterVersion(number) }
            guard checksum == self.checksum(of: range.lowerBound..<(range.upperBound - LogFormat.checksumDigits)) else {
                return .wrong
            }
            version = .version2
            chain = checksum
            advance(to: range.upperBound + 1)
            return .header(store)
        }
    }

    private mutating func record() -> Item {
        guard position < window.count else { return .incomplete }
        if window[position] == LogFormat.control { return controlRecord() }
        switch keyAndValue() {
        case .failure(let item): return item
        case .success(let content):
            switch line(2, limit: LogFormat.shortLineLimit) {
            case .incomplete: return .incomplete
            case .tooLong: return .wrong
            case .found(let range):
                guard let (marks, checksum) = parse(range, { $0.closingLine() }),
                    checksum == self.checksum(of: position..<(range.upperBound - LogFormat.checksumDigits))
                else { return .wrong }
                return entry(content, marks, lines: position..<range.lowerBound, through: range.upperBound, checksum)
            }
        }
    }

    private mutating func controlRecord() -> Item {
        switch line(0, limit: LogFormat.shortLineLimit) {
        case .incomplete: return .incomplete
        case .tooLong: return .wrong
        case .found(let range):
            guard let (line, checksum) = parse(range, { $0.controlLine() }),
                checksum == self.checksum(of: range.lowerBound..<(range.upperBound - LogFormat.checksumDigits))
            else { return .wrong }
            let none = position..<position
            switch line {
            case .beginTerm(let marks): return entry(.beginTerm, marks, lines: none, through: range.upperBound, checksum)
            case .openSession(let marks): return entry(.openSession, marks, lines: none, through: range.upperBound, checksum)
            case .closeSession(let session, let marks):
                return entry(.closeSession(session), marks, lines: none, through: range.upperBound, checksum)
            case .closed(let closedAt, _) where closedAt != last.seq:
                return .contradiction("it was closed at entry \(closedAt), but entry \(last.seq) comes before that")
            case .header: return .contradiction("a second header")
            case .copy:
                guard last == .zero, !isInCopy else { return .contradiction("a copy begins after entry \(last)") }
                isInCopy = true
            case .copied(let end):
                guard isInCopy, end.position.seq > 0, end.position.seq < UInt64.max, end.position.seq >= last.seq,
                    end.position.term >= last.term,
                    end.dropped <= end.position.seq
                else { return .contradiction("a copy ends at \(end.position), after entry \(last)") }
                isInCopy = false
                last = end.position
            case .run, .memory, .result:
                guard isInCopy else { return .contradiction("a line of a copy, outside of any") }
            case .adopt, .lease, .whole, .lineage, .nonces, .note, .unknown: break
            case .closed:
                guard !isInCopy else { return .contradiction("it was closed within a copy") }
            }
            chain = checksum
            advance(to: range.upperBound + 1)
            return .control(line)
        }
    }

    /// Checks an entry's place in the order, and hands it out.
    private mutating func entry(
        _ content: ScannedEntry.Content, _ marks: EntryMarks, lines: Range<Int>, through end: Int, _ checksum: UInt32
    ) -> Item {
        let follows =
            isInCopy ? marks.position.seq > last.seq && marks.position.seq < UInt64.max : marks.position.seq == last.seq + 1
        guard follows, marks.position.term >= last.term else {
            return .contradiction("entry \(marks.position) follows entry \(last)")
        }
        guard marks.commit < marks.position.seq, marks.durable < marks.position.seq else {
            return .contradiction("entry \(marks.position) claims a future")
        }
        let entry = ScannedEntry(offset: offset, chain: chain, marks: marks, content: content, lines: lines)
        last = marks.position
        chain = checksum
        advance(to: end + 1)
        return .entry(entry)
    }

    private enum KeyAndValue {
        case success(ScannedEntry.Content)
        case failure(Item)
    }

    private mutating func keyAndValue() -> KeyAndValue {
        let key: Range<Int>
        switch line(0, limit: keyLineLimit) {
        case .incomplete: return .failure(.incomplete)
        case .tooLong: return .failure(.wrong)
        case .found(let range): key = range
        }
        switch line(1, limit: valueLineLimit) {
        case .incomplete: return .failure(.incomplete)
        case .tooLong: return .failure(.wrong)
        case .found(let value):
            let isDelete = value.count == 1 && window[value.lowerBound] == LogFormat.tombstone
            return .success(isDelete ? .delete(key: key) : .put(key: key, value: value))
        }
    }

    /// Three lines without a checksum; a record counts from the moment its `#` is there. All of version 1 counts as entries of
    /// term 0, each committed: there was one store, and what it acknowledged was final.
    private mutating func version1Record() -> Item {
        guard position < window.count else { return .incomplete }
        let content: ScannedEntry.Content
        switch keyAndValue() {
        case .failure(let item): return item
        case .success(let found): content = found
        }
        guard case .put(let key, let value) = content, isBase64(key), !key.isEmpty, isBase64(value) else { return .wrong }
        let closing: Range<Int>
        switch line(2, limit: 1) {
        case .tooLong: return .wrong
        case .found(let range): closing = range
        case .incomplete:
            guard isAtEnd else { return .incomplete }
            closing = (newlines[1] + 1)..<window.count
        }
        guard window[closing].elementsEqual([LogFormat.closing]) else {
            return closing.isEmpty && isAtEnd ? .incomplete : .wrong
        }
        let marks = EntryMarks(position: Position(term: 0, seq: last.seq + 1), commit: last.seq, durable: last.seq)
        let lines = position..<closing.lowerBound
        let entry = ScannedEntry(offset: offset, chain: 0, marks: marks, content: content, lines: lines)
        last = marks.position
        advance(to: min(closing.upperBound + 1, window.count))
        return .entry(entry)
    }

    private func isBase64(_ range: Range<Int>) -> Bool {
        window.withUnsafeBytes { Base64.decode(UnsafeRawBufferPointer(rebasing: $0[range])) != nil }
    }
}

/// An entry as it lies in the file. Its bytes stay in the scanner.
struct ScannedEntry: Hashable, Sendable {
    enum Content: Hashable, Sendable {
        case put(key: Range<Int>, value: Range<Int>)
        case delete(key: Range<Int>)
        case beginTerm
        case openSession
        case closeSession(SessionID)
    }

    /// Where its record begins in the file.
    var offset: Int64
    /// The checksum of the record before it.
    var chain: UInt32
    var marks: EntryMarks
    var content: Content
    /// Its key and value lines with their newlines, in the scanner's window; empty for an entry of one line.
    var lines: Range<Int>
}
