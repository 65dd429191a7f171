import DequeModule
import Machine
import Wire

/// Reads of entries that have left memory.
struct LogReading: Sendable {
    struct Read: Sendable {
        var ticket: UInt64
        var from: UInt64
        var maxBytes: Int
        /// Which file it reads: a rewrite begins a new one.
        var generation: UInt64
        var scanner: LogScanner
        /// nil: waits for a rewrite to end.
        var id: DiskID?
    }

    var reads: [Read] = []
    /// Reads of those who make a copy.
    var walks: [WalkReading] = []
    var nextTicket: UInt64 = 1
    var generation: UInt64 = 0
    /// Where the last reads ended, newest last: who reads on from there need not begin at an index mark again.
    var ends: Deque<OffsetIndex.Mark> = []

    static let mostEnds = 16

    mutating func ended(at mark: OffsetIndex.Mark) {
        if ends.count == LogReading.mostEnds { ends.removeFirst() }
        ends.append(mark)
    }

    /// The nearest place at or before an entry from which the file can be read.
    func start(for seq: UInt64, _ marks: OffsetIndex) -> OffsetIndex.Mark? {
        var best = marks.mark(before: seq)
        for end in ends where end.seq <= seq && end.seq > best?.seq ?? 0 { best = end }
        return best
    }

    func index(of id: DiskID) -> Int? { reads.firstIndex { $0.id == id } }
    func walkIndex(of id: DiskID) -> Int? { walks.firstIndex { $0.id == id } }
}

extension LogStore {
    public enum EntryRead: Hashable, Sendable {
        /// From memory.
        case entries([Entry])
        /// `.entriesRead` will follow with this ticket.
        case reading(ticket: UInt64)
    }

    /// Entries from `seq` on: at least one if there is one, then as many as fit `maxBytes`, or fewer. The newest ones come from
    /// memory; older ones are read from the file, beside writes and syncs. None where `seq` is before `oldest`.
    ///
    /// - Precondition: the store is open, and `seq` is at least 1.
    public mutating func entries(from seq: UInt64, maxBytes: Int, into effects: inout Sink) -> EntryRead {
        precondition(seq > 0, "entries are numbered from 1")
        guard isOpen, seq <= last.seq, seq >= oldest else { return .entries([]) }
        if let entries = contents.tail.entries(from: seq, maxBytes: maxBytes) { return .entries(entries) }
        let ticket = reading.nextTicket
        reading.nextTicket += 1
        var read = LogReading.Read(
            ticket: ticket, from: seq, maxBytes: maxBytes, generation: reading.generation,
            scanner: LogScanner(limits: options.limits), id: nil)
        if !isRewriting { begin(&read, into: &effects) }
        reading.reads.append(read)
        return .reading(ticket: ticket)
    }

    private mutating func begin(_ read: inout LogReading.Read, into effects: inout Sink) {
        guard let mark = reading.start(for: read.from, contents.marks) else {
            preconditionFailure("entry \(read.from) is in the log, but not in its index")
        }
        read.generation = reading.generation
        read.scanner = LogScanner(
            limits: options.limits, version: .version2, offset: mark.offset, chain: mark.chain,
            last: Position(term: 0, seq: mark.seq - 1))
        // From the mark to the entry it is at most the marks' spacing and one record.
        let length = min(options.chunkBytes, Int(OffsetIndex.spacing) * 2 + read.maxBytes * 3 / 2)
        read.id = requests.request(.read(.log, offset: mark.offset, length: length), into: &effects)
    }

    mutating func readEnded(_ index: Int, _ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        guard case .data(let bytes) = result else { return stop(doing: "read", result) }
        var read = reading.reads.remove(at: index)
        guard read.generation == reading.generation else { return [.entriesRead(ticket: read.ticket, [])] }
        read.scanner.feed(bytes)
        var entries: [Entry] = []
        var budget = read.maxBytes
        var end: OffsetIndex.Mark?
        scan: while budget > 0 {
            switch read.scanner.next() {
            case .entry(let scanned):
                guard scanned.marks.position.seq >= read.from else { continue }
                guard let operation = read.scanner.operation(of: scanned) else { return damaged(at: scanned.offset) }
                budget -= operation.payloadBytes
                guard entries.isEmpty || budget >= 0 else { break scan }
                entries.append(
                    Entry(position: scanned.marks.position, operation: operation, identity: scanned.marks.identity))
                end = OffsetIndex.Mark(seq: scanned.marks.position.seq, offset: scanned.offset, chain: scanned.chain)
            case .control: continue
            case .incomplete: break scan
            case .wrong, .contradiction, .header, .noHeader, .laterVersion: return damaged(at: read.scanner.offset)
            }
        }
        if entries.isEmpty {
            // An entry that was in the log must be in the file.
            guard !bytes.isEmpty else { return damaged(at: read.scanner.offset) }
            read.id = requests.request(
                .read(.log, offset: read.scanner.fedThrough, length: options.chunkBytes), into: &effects)
            reading.reads.append(read)
            return []
        }
        if let end { reading.ended(at: end) }
        effects.reached(.entriesReadFromFile)
        return [.entriesRead(ticket: read.ticket, entries)]
    }

    /// After a rewrite: reads that waited begin, and those under way will find that their file is gone.
    mutating func readsResume(into effects: inout Sink) -> [LogStoreEvent] {
        reading.generation += 1
        reading.ends.removeAll()
        var events: [LogStoreEvent] = []
        var kept: [LogReading.Read] = []
        for var read in reading.reads {
            if read.id == nil {
                guard read.from <= last.seq, read.from >= oldest else {
                    events.append(.entriesRead(ticket: read.ticket, []))
                    continue
                }
                begin(&read, into: &effects)
            }
            kept.append(read)
        }
        reading.reads = kept
        return events
    }

    mutating func damaged(at offset: Int64) -> [LogStoreEvent] {
        stop("\(options.logName) is damaged at byte \(offset): what was synced there reads back differently")
    }
}
