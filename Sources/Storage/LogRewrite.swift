import Machine
import Wire

/// # Copying the right part of a log into a new file
///
/// Recovery, truncation and the upgrade from version 1 all end the same way: the part of the log that counts is encoded anew
/// into the rollback file, which then replaces the log. Only the encoding is here; `LogStore` does the writing, the sync and
/// the rename.
///
/// Every record of the copy vouches for the one before it (`durable` is one less than its own number), and the copy ends with
/// `%closed`: it gets the log's name only after it was synced whole, so all of this is true whenever somebody reads it there.
struct LogRewrite: Sendable {
    enum Progress: Equatable, Sendable {
        case advanced
        /// What was right a moment ago is not any more.
        case wrong(offset: Int64)
    }

    /// What was encoded and not taken yet.
    private(set) var encoder = LogEncoder()
    /// Where entries begin in the copy.
    private(set) var marks = OffsetIndex()
    /// How many bytes of the copy were taken.
    private(set) var takenBytes: Int64 = 0

    private var scanner: LogScanner
    private let lastSeq: UInt64
    /// The commit mark that the copy ends with.
    let commit: UInt64
    /// Everything up to the limit is encoded.
    private(set) var isFinished = false

    /// Copies what `contents` has; the source may go on after that.
    init(_ contents: LogContents, limits: Limits) {
        lastSeq = contents.last.seq
        commit = contents.commit
        scanner = LogScanner(limits: limits)
        encoder.header(contents.store)
        if let lineage = contents.lineage { encoder.lineage(lineage) }
        if contents.adoptedTerm > 0 { encoder.adopt(term: contents.adoptedTerm) }
        if contents.longestLease > .zero { encoder.lease(contents.longestLease) }
        if !contents.nonces.isEmpty { encoder.nonces(contents.nonces) }
        if !contents.isWholeAsItStands { encoder.whole(false) }
    }

    /// Where to read the source next.
    var readOffset: Int64 { scanner.fedThrough }

    /// Takes the next bytes of the source; none means that it ends here.
    mutating func absorb(_ bytes: [UInt8]) -> Progress {
        if bytes.isEmpty { scanner.isAtEnd = true }
        scanner.feed(bytes)
        while scanner.last.seq < lastSeq || scanner.isInCopy {
            switch scanner.next() {
            case .header, .noHeader: break
            case .entry(let entry): copy(entry)
            case .control(let line): copy(line)
            case .incomplete: return bytes.isEmpty ? .wrong(offset: scanner.offset) : .advanced
            case .wrong, .contradiction, .laterVersion: return .wrong(offset: scanner.offset)
            }
        }
        encoder.closed(last: lastSeq, commit: commit)
        isFinished = true
        return .advanced
    }

    /// Takes the bytes to write next.
    mutating func take() -> [UInt8] {
        let bytes = encoder.take()
        takenBytes += Int64(bytes.count)
        return bytes
    }

    private mutating func copy(_ entry: ScannedEntry) {
        let seq = entry.marks.position.seq
        if !scanner.isInCopy {
            let offset = takenBytes + Int64(encoder.bytes.count)
            marks.note(OffsetIndex.Mark(seq: seq, offset: offset, chain: encoder.chain))
        }
        let marks = EntryMarks(
            position: entry.marks.position, commit: min(entry.marks.commit, commit), durable: seq - 1,
            identity: entry.marks.identity)
        switch entry.content {
        case .put, .delete: encoder.entry(encoded: scanner.lines(of: entry), marks)
        case .beginTerm: encoder.entry(.beginTerm, marks)
        case .openSession: encoder.entry(.openSession, marks)
        case .closeSession(let session): encoder.entry(.closeSession(session), marks)
        }
    }

    private mutating func copy(_ line: ControlLine) {
        switch line {
        case .copy: encoder.copy()
        case .run(let run): encoder.run(run)
        case .memory(let session, let lowestOpen): encoder.memory(session, lowestOpen: lowestOpen)
        case .result(let outcome): encoder.result(outcome)
        case .copied(let end): encoder.copied(end)
        // The facts went to the front.
        case .adopt, .lease, .whole, .lineage, .nonces, .closed, .note: break
        case .header, .beginTerm, .openSession, .closeSession, .unknown: break
        }
    }
}
