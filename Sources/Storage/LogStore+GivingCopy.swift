import Machine
import Wire

/// # How a copy is made
///
/// A copy is this store's own log, read in its order with what was superseded left out, while the store goes on:
///
/// 1. Through the mark that was committed when the walk began, an entry is taken if it is the one that put its key's value: if not, a
///    later committed one has superseded it. Deletes are left out, and with them whatever they deleted.
/// 2. When that mark is passed, the commit mark of that moment is the copy's position. What was left out was superseded by entries
///    through there, and all of those follow: from here on every put and delete is taken.
///
/// So at the copy's position, and not before, the last entry of each key among those taken is what the store held there, however much
/// was written during the walk. What is remembered of sessions is taken from memory at the same moment: it cannot be made again from
/// entries of which some are missing. (Bitcask merges its files in this way, and Kafka compacts its logs: by asking an index of the
/// latest whether a record is still it. A walk over live state with the log of meanwhile behind it is a fuzzy checkpoint: R. Hagmann,
/// "A Crash Recovery Scheme for a Memory-Resident Database System", 1986.)
public struct CopyWalk: Hashable, Sendable {
    /// Where in the file it goes on, after a record with that checksum; the last entry that it passed.
    fileprivate(set) var offset: Int64 = 0
    fileprivate var chain: UInt32 = 0
    fileprivate var last = Position.zero
    fileprivate var isInCopy = false
    fileprivate var generation: UInt64
    /// What was committed when it began.
    fileprivate let began: UInt64
    /// The highest delete that was left out.
    fileprivate var dropped: UInt64
    /// The copy's position; nil while what was superseded is left out.
    fileprivate var end: Position?
    /// What is remembered of client sessions as of the end.
    fileprivate var remembered = SessionTable()
    /// Whether everything through the end was taken.
    public fileprivate(set) var isComplete = false

    /// What ends the copy, once the walk is complete; nil before.
    public var copyEnd: CopyEnd? { isComplete ? end.map { CopyEnd(position: $0, dropped: dropped) } : nil }
    /// Whether anything was committed while what was superseded was left out, and all of it was read.
    public var wasUnderWrites: Bool { copyEnd.map { $0.position.seq > began } ?? false }
    public var sessions: [SessionMemory] { remembered.all }
    /// How much of the file was read, in bytes.
    public var readBytes: Int64 { offset }

    fileprivate init(generation: UInt64, began: UInt64, dropped: UInt64) {
        self.generation = generation
        self.began = began
        self.dropped = dropped
    }
}

/// A piece of the file that a walk waits for.
struct WalkReading: Sendable {
    var ticket: UInt64
    var walk: CopyWalk
    var maxBytes: Int
    var scanner: LogScanner
    var id: DiskID
}

extension LogStore {
    /// The oldest entry from which on the log has all: those before it may have been left out of a copy.
    @inlinable public var oldest: UInt64 { (contents.copied?.position.seq ?? 0) + 1 }

    /// How many bytes of log there are from an entry on, about.
    public func tailBytes(from seq: UInt64) -> Int64 {
        guard seq <= last.seq, let mark = contents.marks.mark(before: seq) else { return 0 }
        return writing.encodedEnd - mark.offset
    }

    /// How many bytes a copy would have, about.
    public var copyBytes: Int64 { contents.index.recordBytes }

    /// Begins a copy of what is committed.
    public func beginWalk() -> CopyWalk {
        CopyWalk(generation: reading.generation, began: commit, dropped: contents.copied?.dropped ?? 0)
    }

    /// Reads on. `.walked` follows with this ticket.
    ///
    /// - Precondition: the store is open, and the walk is not complete.
    public mutating func walkOn(_ walk: CopyWalk, maxBytes: Int, into effects: inout Sink) -> UInt64 {
        precondition(isOpen && !walk.isComplete)
        let ticket = reading.nextTicket
        reading.nextTicket += 1
        let scanner = LogScanner(
            limits: options.limits, version: walk.offset == 0 ? nil : .version2, offset: walk.offset, chain: walk.chain,
            last: walk.last, isInCopy: walk.isInCopy)
        let length = min(options.chunkBytes, maxBytes * 2)
        let id = requests.request(.read(.log, offset: walk.offset, length: max(1, length)), into: &effects)
        reading.walks.append(WalkReading(ticket: ticket, walk: walk, maxBytes: maxBytes, scanner: scanner, id: id))
        return ticket
    }

    mutating func walkReadEnded(_ index: Int, _ result: DiskResult, into effects: inout Sink) -> [LogStoreEvent] {
        guard case .data(let bytes) = result else { return stop(doing: "read", result) }
        var reading = self.reading.walks.remove(at: index)
        // The file was written anew meanwhile.
        guard reading.walk.generation == self.reading.generation, phase == .open else {
            return [.walked(ticket: reading.ticket, nil, [])]
        }
        reading.scanner.feed(bytes)
        var entries: [Entry] = []
        var budget = reading.maxBytes
        var hasMoved = false
        scan: while !reading.walk.isComplete, budget > 0 {
            switch reading.scanner.next() {
            case .entry(let scanned):
                guard let operation = reading.scanner.operation(of: scanned) else { return damaged(at: scanned.offset) }
                let entry = Entry(position: scanned.marks.position, operation: operation, identity: scanned.marks.identity)
                if takes(entry, &reading.walk) {
                    budget -= operation.payloadBytes + 64
                    entries.append(entry)
                }
            case .header, .control: break
            case .incomplete: break scan
            case .wrong, .contradiction, .noHeader, .laterVersion: return damaged(at: reading.scanner.offset)
            }
            hasMoved = true
            passed(reading.scanner.last, isInCopy: reading.scanner.isInCopy, &reading.walk)
        }
        guard hasMoved else {
            // A record that is longer than what was read; or an entry that was in the log is not in the file.
            guard !bytes.isEmpty else { return damaged(at: reading.scanner.offset) }
            reading.id = requests.request(
                .read(.log, offset: reading.scanner.fedThrough, length: options.chunkBytes), into: &effects)
            self.reading.walks.append(reading)
            return []
        }
        reading.walk.offset = reading.scanner.offset
        reading.walk.chain = reading.scanner.chain
        reading.walk.last = reading.scanner.last
        reading.walk.isInCopy = reading.scanner.isInCopy
        return [.walked(ticket: reading.ticket, reading.walk, entries)]
    }

    private func takes(_ entry: Entry, _ walk: inout CopyWalk) -> Bool {
        let seq = entry.position.seq
        switch entry.operation {
        case .put(let key, _): return walk.end != nil || contents.index.seq(of: key) == seq
        case .delete:
            if walk.end != nil { return true }
            walk.dropped = max(walk.dropped, seq)
            return false
        case .beginTerm, .openSession, .closeSession: return false
        }
    }

    private func passed(_ last: Position, isInCopy: Bool, _ walk: inout CopyWalk) {
        guard !isInCopy else { return }
        if walk.end == nil, last.seq >= walk.began {
            guard let term = term(at: commit) else { preconditionFailure("the commit mark \(commit) is beyond the log") }
            walk.end = Position(term: term, seq: commit)
            walk.remembered = contents.sessions
        }
        if let end = walk.end, last.seq >= end.seq { walk.isComplete = true }
    }
}
