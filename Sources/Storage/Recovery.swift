import Machine
import Wire

/// # What a file holds, and whether to believe it
///
/// The first pass of opening: it reads a log from its first byte to its last, rebuilds what it says, and ends with a verdict.
/// It changes nothing on disk, so that a file that is refused stays as it was found.
///
/// - The longest prefix of right records is what the store holds. Everything that was ever acknowledged lies in it, because
///   it was synced before.
/// - A wrong record ends the prefix. If anything after it proves that it had been synced (`Aftermath`), the disk is damaged
///   and the file is refused: cutting it would turn damage into silent loss.
/// - A `%closed` line at the very end says that all of it is on disk. Without one, what was just read may exist in the page
///   cache only, and must be written and synced anew before it counts.
struct Recovery: Sendable {
    enum Verdict: Sendable {
        /// Nothing was ever stored here: the file is empty, or not even its header was completed.
        case fresh
        case usable(Found)
        /// Why the store must not open: one line for the operator.
        case refused(String)
    }

    struct Found: Sendable {
        var contents: LogContents
        var version: LogScanner.Version
        /// The last line is a right `%closed`.
        var wasClosed: Bool
        /// The end of the right prefix, and the checksum of its last record.
        var end: Int64
        var chain: UInt32
        /// What lies beyond the right prefix.
        var tornBytes: Int64
        var tornRecords: Int
    }

    /// Set once the verdict is known whatever else the file holds.
    private(set) var refusal: String?
    /// Optional control lines that were skipped.
    private(set) var skippedNotes = 0

    private var scanner: LogScanner
    private var contents: LogContents
    /// What the file says between `%copy` and `%copied`.
    private var part: CopiedPart?
    private var hasHeader = false
    private var wasClosed = false
    private var aftermath: Aftermath?
    /// The first bytes of the file, for telling a torn header from a foreign file.
    private var beginning: [UInt8] = []
    private let name: String
    private let lineLimit: Int

    /// `importedAs` is the identity of the store if the file turns out to be of version 1.
    init(name: String, limits: Limits, cachedEntryBytes: Int, importedAs store: StoreID) {
        self.name = name
        scanner = LogScanner(limits: limits)
        contents = LogContents(store: store, cachedEntryBytes: cachedEntryBytes)
        lineLimit = max(Base64.encodedCount(limits.valueBytes), LogFormat.shortLineLimit)
    }

    /// Takes the next bytes of the file.
    mutating func absorb(_ bytes: [UInt8]) {
        if beginning.count <= LogFormat.headerCount {
            beginning += bytes.prefix(LogFormat.headerCount + 1 - beginning.count)
        }
        guard refusal == nil else { return }
        if aftermath != nil {
            aftermath?.absorb(bytes)
        } else {
            scanner.feed(bytes)
            scan()
        }
    }

    /// All bytes were absorbed: the file has `size` of them.
    mutating func finish(size: Int64) -> Verdict {
        if refusal == nil, aftermath == nil {
            scanner.isAtEnd = true
            scan()
        }
        if let refusal { return .refused(refusal) }
        guard let version = scanner.version, hasHeader || contents.last.seq > 0 else {
            return looksUnfinished(size: size) ? .fresh : .refused(foreign)
        }
        // A copy is switched in when it is synced: no crash takes a part of it.
        if part != nil { return .refused(incomplete) }
        let seq = contents.last.seq + 1
        if let aftermath, aftermath.provesDamage || aftermath.durable >= seq {
            return .refused(damaged(version: version, entry: seq))
        }
        return .usable(
            Found(
                contents: contents, version: version, wasClosed: wasClosed && scanner.offset == size, end: scanner.offset,
                chain: scanner.chain, tornBytes: size - scanner.offset, tornRecords: aftermath?.records ?? 0))
    }

    private mutating func scan() {
        while refusal == nil {
            switch scanner.next() {
            case .incomplete: return
            case .header(let store):
                contents.store = store
                hasHeader = true
            case .noHeader: break
            case .laterVersion(let version):
                refusal = "\(name) has log format \(version), and this program reads 1 and 2: use the program that wrote it"
            case .entry(let entry):
                guard let operation = scanner.operation(of: entry) else {
                    refuse(contradiction: "entry \(entry.marks.position) is not base64")
                    return
                }
                absorb(entry, operation)
            case .control(let line): absorb(line)
            case .contradiction(let what): refuse(contradiction: what)
            case .wrong:
                guard let version = scanner.version else {
                    // A torn header is shorter than this; what goes on is somebody else's file, or a damaged header.
                    if beginning.count > LogFormat.headerCount { refusal = foreign }
                    return
                }
                aftermath = Aftermath(version: version, chain: scanner.chain, lineLimit: lineLimit)
                aftermath?.absorb(scanner.remaining)
                return
            }
        }
    }

    private mutating func absorb(_ entry: ScannedEntry, _ operation: Operation) {
        wasClosed = false
        if part != nil {
            take { (part) throws(CopiedPart.Fault) in
                try part.take(
                    Entry(position: entry.marks.position, operation: operation, identity: entry.marks.identity))
            }
            return
        }
        contents.append(
            Entry(position: entry.marks.position, operation: operation, identity: entry.marks.identity), offset: entry.offset,
            chain: entry.chain)
        // Version 1 had one store: what it wrote was final.
        commit(through: scanner.version == .version1 ? entry.marks.position.seq : entry.marks.commit)
    }

    private mutating func absorb(_ line: ControlLine) {
        wasClosed = false
        switch line {
        case .adopt(let term): contents.adoptedTerm = max(contents.adoptedTerm, term)
        case .lease(let lease): contents.longestLease = max(contents.longestLease, lease)
        case .whole(let isWhole): contents.isWholeAsItStands = isWhole
        case .lineage(let lineage): contents.lineage = lineage
        case .nonces(let nonces): contents.nonces = nonces
        case .closed(_, let commit):
            self.commit(through: min(commit, contents.last.seq))
            wasClosed = true
        case .copy: part = CopiedPart()
        case .run(let run): take { (part) throws(CopiedPart.Fault) in try part.take(run) }
        case .memory(let session, let lowestOpen):
            take { (part) throws(CopiedPart.Fault) in try part.begin(session, lowestOpen: lowestOpen) }
        case .result(let outcome): take { (part) throws(CopiedPart.Fault) in try part.take(outcome) }
        case .copied(let end):
            take { (part) throws(CopiedPart.Fault) in try part.take(end) }
            guard refusal == nil, let part else { return }
            contents.begin(with: part, end)
            self.part = nil
        case .note: skippedNotes += 1
        case .unknown(let word):
            refusal = """
                \(name) has a %\(word) line at byte \(scanner.offset), which this program does not know: \
                use the program that wrote it
                """
        case .header, .beginTerm, .openSession, .closeSession:
            preconditionFailure("the scanner hands these out as header and entry")
        }
    }

    /// A part of the copied part: the scanner lets them come nowhere else.
    private mutating func take(_ body: (inout CopiedPart) throws(CopiedPart.Fault) -> Void) {
        guard var part = self.part else { preconditionFailure("the scanner hands these out within a copy") }
        // Not two of them at once: it is as large as the log.
        self.part = nil
        do throws(CopiedPart.Fault) {
            try body(&part)
        } catch {
            refuse(contradiction: error.text)
        }
        self.part = part
    }

    private mutating func commit(through seq: UInt64) {
        contents.commit(through: seq) { _, _ in }
        contents.tail.trim(through: contents.commit)
    }

    // MARK: Words

    private static let advice =
        "nothing was changed; restore the file from a copy, or move it away and let the store join its group empty"

    private mutating func refuse(contradiction what: String) {
        refusal = "\(name) is damaged at byte \(scanner.offset): \(what); \(Recovery.advice)"
    }

    private func damaged(version: LogScanner.Version, entry seq: UInt64) -> String {
        let evidence =
            switch version {
            case .version1: "whole records follow, and version 1 has no checksums to tell a torn write from damage"
            case .version2: "later records prove that it had been synced"
            }
        return
            "\(name) is damaged at byte \(scanner.offset), in entry \(seq) or right before it: \(evidence); \(Recovery.advice)"
    }

    private var incomplete: String {
        "\(name) is damaged at byte \(scanner.offset): it begins with a copy, whose end is missing; \(Recovery.advice)"
    }

    private var foreign: String {
        """
        \(name) is not an Aviary log, or its first record is damaged: it begins with neither a right %aviary header nor a \
        whole version-1 record; nothing was changed; set dbfile to another path, or move the file away
        """
    }

    /// Whether the file is what a crash can leave of a new store: a header of which a part is missing at the end, or reads as
    /// zeros (the size reached the disk, the content did not). A whole header with a wrong checksum is something else.
    private func looksUnfinished(size: Int64) -> Bool {
        guard size <= Int64(LogFormat.headerCount) else { return false }
        let start = LogFormat.magic + [UInt8(ascii: "0") + UInt8(LogFormat.version), LogFormat.space]
        let isHeader = beginning.enumerated().allSatisfy { index, byte in
            if byte == 0 { return true }
            if index < start.count { return byte == start[index] }
            if index == LogFormat.headerCount - 1 { return byte == LogFormat.newline }
            return byte == LogFormat.space || LifeNonce.isCharacter(byte)
        }
        return isHeader && (size < Int64(LogFormat.headerCount) || beginning.contains(0))
    }
}
