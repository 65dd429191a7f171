import Machine

/// # What comes after a wrong record
///
/// A crash may leave any of the bytes that were not synced yet, so a wrong record is nothing to worry about: the log ends
/// before it. Unless it had been synced. Then the disk has lost something that was promised, and to cut the log there would
/// lose it for good, and silently.
///
/// The records after the wrong one tell. Each says in its closing line how far the log was synced when it was written, and
/// its checksum continues from the one written at the end of the record before it, so a record can be checked though its
/// predecessor is wrong. A right record that says "synced through n", where the wrong one is n or before, proves damage. So
/// does a right `%closed` line, which is written only after everything before it was synced.
///
/// Damage to the very last records, which no later record vouches for, cannot be told from a torn tail.
struct Aftermath: Sendable {
    /// Right records after the wrong one say that the log was synced through here.
    private(set) var durable: UInt64 = 0
    /// A right `%closed` line comes after the wrong record, or, in version 1, a whole record.
    private(set) var provesDamage = false
    /// Closing lines seen: records, right or wrong, that would be lost.
    private(set) var records = 0

    private let version: LogScanner.Version
    private let lineLimit: Int
    private var window: [UInt8] = []
    /// Up to three lines before the current one, oldest first: where they begin.
    private var recent: [LineStart] = []
    private var current: LineStart
    private var searched = 0

    private struct LineStart: Sendable {
        var index: Int
        /// What the checksum of a record that begins here may continue from.
        var chains: [UInt32]
    }

    /// What follows begins with the wrong record, which comes after a record with the checksum `chain`.
    init(version: LogScanner.Version, chain: UInt32, lineLimit: Int) {
        self.version = version
        self.lineLimit = lineLimit
        current = LineStart(index: 0, chains: [chain])
    }

    mutating func absorb(_ bytes: some Collection<UInt8>) {
        window += bytes
        while let end = nextNewline() {
            let chains = examineLine(end)
            recent.append(current)
            if recent.count > 2 { recent.removeFirst() }
            current = LineStart(index: end + 1, chains: chains)
            searched = end + 1
        }
        if window.count - current.index > lineLimit {
            // No line of a record is that long: forget it and what came before, keep looking for the next.
            recent.removeAll()
            current = LineStart(index: window.count, chains: [])
        }
        let kept = recent.first?.index ?? current.index
        window.removeSubrange(..<kept)
        for index in recent.indices { recent[index].index -= kept }
        current.index -= kept
        searched = window.count
    }

    private func nextNewline() -> Int? {
        window.withUnsafeBufferPointer { bytes in
            var at = searched
            while at < bytes.count {
                if bytes[at] == LogFormat.newline { return at }
                at += 1
            }
            return nil
        }
    }

    /// Looks at the line that ends at `end`; answers what a record that begins after it may continue from.
    private mutating func examineLine(_ end: Int) -> [UInt32] {
        guard current.index < end else { return [] }
        switch window[current.index] {
        case LogFormat.closing: return version == .version1 ? examineVersion1(end) : examineClosing(end)
        case LogFormat.control: return version == .version1 ? [] : examineControl(end)
        // A closing line whose first byte is wrong still ends with what the next record continues from.
        default: return writtenChecksum(end)
        }
    }

    private mutating func examineClosing(_ end: Int) -> [UInt32] {
        records += 1
        guard recent.count == 2 else { return writtenChecksum(end) }
        let parsed = window.withUnsafeBytes { bytes in
            var reader = LineReader(bytes, current.index..<end)
            return reader.closingLine()
        }
        let computed = recent[0].chains.map { checksum(from: $0, recent[0].index, end) }
        guard let (marks, checksum) = parsed, computed.contains(checksum) else { return candidates(end, computed) }
        durable = max(durable, marks.durable)
        return [checksum]
    }

    private mutating func examineControl(_ end: Int) -> [UInt32] {
        let parsed = window.withUnsafeBytes { bytes in
            var reader = LineReader(bytes, current.index..<end)
            return reader.controlLine()
        }
        let computed = current.chains.map { checksum(from: $0, current.index, end) }
        guard let (line, checksum) = parsed, computed.contains(checksum) else { return candidates(end, computed) }
        switch line {
        case .beginTerm(let marks), .openSession(let marks), .closeSession(_, let marks):
            records += 1
            durable = max(durable, marks.durable)
        case .closed: provesDamage = true
        case .header, .adopt, .lease, .whole, .lineage, .nonces, .copy, .run, .memory, .result, .copied, .note, .unknown: break
        }
        return [checksum]
    }

    /// Version 1 has nothing to check by: a whole record after a wrong one means that the file's middle is wrong, and whether
    /// that was a crash nobody can tell.
    private mutating func examineVersion1(_ end: Int) -> [UInt32] {
        guard end - current.index == 1, recent.count == 2 else { return [] }
        records += 1
        let key = recent[0].index..<(recent[1].index - 1)
        let value = recent[1].index..<(current.index - 1)
        let isWhole = window.withUnsafeBytes { bytes in
            [key, value].allSatisfy { Base64.decode(UnsafeRawBufferPointer(rebasing: bytes[$0])) != nil }
        }
        if isWhole, !key.isEmpty { provesDamage = true }
        return []
    }

    /// After a wrong record: its checksum as written (its body is wrong), or as computed (its checksum is).
    private func candidates(_ end: Int, _ computed: [UInt32]) -> [UInt32] {
        writtenChecksum(end) + computed.prefix(2)
    }

    private func writtenChecksum(_ end: Int) -> [UInt32] {
        window.withUnsafeBytes { bytes in
            LineReader.trailingChecksum(UnsafeRawBufferPointer(rebasing: bytes[current.index..<end])).map { [$0] } ?? []
        }
    }

    /// The checksum that a record from `start` would end with, if its last line ends at `end`.
    private func checksum(from chain: UInt32, _ start: Int, _ end: Int) -> UInt32 {
        let covered = start..<max(start, end - LogFormat.checksumDigits)
        return window.withUnsafeBytes {
            CRC32.castagnoli.extend(chain, with: UnsafeRawBufferPointer(rebasing: $0[covered]))
        }
    }
}
