import Machine
import Wire

/// Writes records of format 2 into a buffer, and keeps the chain of their checksums.
///
/// This is on the path of every write: digits and base64 go straight into the buffer, and no text is built.
struct LogEncoder: Sendable {
    /// What was encoded and not taken yet.
    private(set) var bytes: [UInt8] = []
    /// The checksum of the last record, from which the next one's continues.
    private(set) var chain: UInt32

    /// An encoder that continues after a record with this checksum; 0 at the start of a file.
    init(chain: UInt32 = 0) { self.chain = chain }

    /// Takes the bytes encoded so far; the chain goes on.
    mutating func take() -> [UInt8] {
        let taken = bytes
        // A batch resembles the one before it.
        bytes = []
        bytes.reserveCapacity(min(taken.count, 1 << 16))
        return taken
    }

    mutating func header(_ store: StoreID) {
        let start = bytes.count
        bytes += LogFormat.magic
        decimal(LogFormat.version)
        space()
        bytes += store.text.utf8
        seal(from: start)
    }

    mutating func entry(_ operation: Operation, _ marks: EntryMarks) {
        let start = bytes.count
        switch operation {
        case .put(let key, let value):
            Base64.encode(key, onto: &bytes)
            bytes.append(LogFormat.newline)
            Base64.encode(value, onto: &bytes)
            bytes.append(LogFormat.newline)
            bytes.append(LogFormat.closing)
        case .delete(let key):
            Base64.encode(key, onto: &bytes)
            bytes.append(LogFormat.newline)
            bytes.append(LogFormat.tombstone)
            bytes.append(LogFormat.newline)
            bytes.append(LogFormat.closing)
        case .beginTerm: word("term")
        case .openSession: word("session")
        case .closeSession: word("forget")
        }
        self.marks(marks)
        if case .closeSession(let session) = operation { field(session) }
        seal(from: start)
    }

    /// A put or delete whose key and value are already base64, each with its newline: how a rewrite copies.
    mutating func entry(encoded lines: ArraySlice<UInt8>, _ marks: EntryMarks) {
        let start = bytes.count
        bytes += lines
        bytes.append(LogFormat.closing)
        self.marks(marks)
        seal(from: start)
    }

    mutating func adopt(term: UInt64) {
        let start = bytes.count
        word("adopt")
        field(term)
        seal(from: start)
    }

    mutating func lease(_ lease: Nanoseconds) {
        let start = bytes.count
        word("lease")
        field(UInt64(lease.count))
        seal(from: start)
    }

    mutating func whole(_ isWhole: Bool) {
        let start = bytes.count
        word("whole")
        space()
        bytes += isWhole ? LogFormat.yes : LogFormat.no
        seal(from: start)
    }

    mutating func lineage(_ lineage: Lineage) {
        let start = bytes.count
        word("lineage")
        space()
        bytes += PercentEncoding.encode(lineage.text)
        seal(from: start)
    }

    mutating func nonces(_ nonces: [LifeNonce]) {
        let start = bytes.count
        word("nonce")
        for nonce in nonces {
            space()
            bytes += nonce.text.utf8
        }
        seal(from: start)
    }

    mutating func closed(last: UInt64, commit: UInt64) {
        let start = bytes.count
        word("closed")
        field(last)
        field(commit)
        seal(from: start)
    }

    // MARK: A copied part

    mutating func copy() {
        let start = bytes.count
        word("copy")
        seal(from: start)
    }

    mutating func run(_ run: TermRun) {
        let start = bytes.count
        word("run")
        field(run.term)
        field(run.first)
        field(run.last)
        seal(from: start)
    }

    mutating func memory(_ session: SessionID, lowestOpen: UInt64) {
        let start = bytes.count
        word("memory")
        field(session)
        field(lowestOpen)
        seal(from: start)
    }

    mutating func result(_ outcome: SessionMemory.Outcome) {
        let start = bytes.count
        word("result")
        field(outcome.sequence)
        field(outcome.seq)
        space()
        switch outcome.existed {
        case nil: bytes += LogFormat.put
        case true?: bytes += LogFormat.deleted
        case false?: bytes += LogFormat.missing
        }
        seal(from: start)
    }

    mutating func copied(_ end: CopyEnd) {
        let start = bytes.count
        word("copied")
        field(end.position.term)
        field(end.position.seq)
        field(end.dropped)
        seal(from: start)
    }

    // MARK: Fields

    private mutating func marks(_ marks: EntryMarks) {
        field(marks.position.term)
        field(marks.position.seq)
        field(marks.commit)
        field(marks.durable)
        guard let identity = marks.identity else { return }
        field(identity.session)
        field(identity.sequence)
        field(identity.lowestOpen)
    }

    private mutating func word(_ word: StaticString) {
        bytes.append(LogFormat.control)
        word.withUTF8Buffer { bytes.append(contentsOf: $0) }
    }

    private mutating func space() { bytes.append(LogFormat.space) }

    private mutating func field(_ number: UInt64) {
        space()
        decimal(number)
    }

    private mutating func field(_ session: SessionID) {
        field(session.opened.term)
        bytes.append(LogFormat.colon)
        decimal(session.opened.seq)
    }

    private mutating func decimal(_ number: UInt64) {
        var weight: UInt64 = 1
        while number / weight >= 10 { weight *= 10 }
        while weight > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: number / weight % 10))
            weight /= 10
        }
    }

    /// Ends a record: a space, the checksum of everything from `start` on, that space included, and a newline.
    private mutating func seal(from start: Int) {
        space()
        chain = bytes.withUnsafeBytes { CRC32.castagnoli.extend(chain, with: UnsafeRawBufferPointer(rebasing: $0[start...])) }
        for shift in stride(from: UInt32(28), through: 0, by: -4) { bytes.append(Hex.digits[Int(chain >> shift & 15)]) }
        bytes.append(LogFormat.newline)
    }
}
