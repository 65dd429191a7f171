import Machine

// Fault model. A disk holds one store's files. The page cache and the medium differ:
// - a write is visible at once and durable only by `sync`; a name is durable only by `syncDirectory`;
// - a killed process leaves the page cache as it is, minus what was still queued; a part of a write under way may be there;
// - a power loss leaves, for each file: nothing of what was not synced, a prefix of it, a prefix with one write torn at a
//   sector, any subset of its pages or sectors, or the new size without the content. Directory changes are lost by
//   themselves;
// - a failed sync drops pages, and the next sync says yes without them; a failed append leaves an unknown part;
// - the disk is full for a while; it is slow, or hangs, for a while.
// Not modelled yet: sticky read errors and bit rot, misdirected writes, the loss or replacement of the whole disk.

/// A disk, with its files and the requests of the process that uses it.
///
/// As `DiskOperation` says: everything but reads happens in the order of the requests; a read overtakes syncs, and sees
/// every append that was requested before it.
public struct DiskModel: Sendable {
    public struct Options: Hashable, Sendable {
        public var appendTime = Spread(
            least: .microseconds(2), usual: .microseconds(20), worst: .milliseconds(5), tailPer1024: 4)
        public var readTime = Spread(
            least: .microseconds(2), usual: .microseconds(50), worst: .milliseconds(20), tailPer1024: 8)
        public var syncTime = Spread(
            least: .microseconds(100), usual: .milliseconds(2), worst: .milliseconds(80), tailPer1024: 10)
        /// What an operation of a slow disk takes at most.
        public var slowest = Nanoseconds.seconds(2)
        /// The unit of writing, and so of what a failed sync drops.
        public var pageBytes = 4096

        public init() {}
    }

    /// How often operations fail, as chances in 65,536; and what holds for a while.
    public struct Faults: Hashable, Sendable {
        public var syncFailure: UInt64 = 0
        public var appendFailure: UInt64 = 0
        public var readFailure: UInt64 = 0
        public var isFull = false
        /// Everything takes this many times as long.
        public var slowness: Int64 = 1

        public init() {}
    }

    struct Pending: Sendable {
        var request: DiskRequest
        var end: Instant
    }

    public let options: Options
    public var faults = Faults()
    private(set) var directory = Directory()
    private var inodes = SortedMap<Int, FileImage>()
    private var inodesMade = 0
    /// What is under way, in order; reads wait apart.
    private var work = Queue<Pending>()
    private var reads = Queue<Pending>()
    /// When the queue is through, and when it is through with what a read must see.
    private var workEnd = Instant.zero
    private var readableAt = Instant.zero
    private var lastReadEnd = Instant.zero
    private var stalledUntil = Instant.zero
    private var random: SeededRandom
    /// Marks reached since they were taken.
    var marks: [Mark] = []

    init(options: Options, random: SeededRandom) {
        self.options = options
        self.random = random
    }

    // MARK: Asking

    /// What reads of a file see; nil where there is none.
    public func visibleBytes(of file: FileName) -> [UInt8]? { directory[file].flatMap { inodes[$0]?.bytes } }

    /// What is on the medium for certain, found by the names that are there for certain.
    public func durableBytes(of file: FileName) -> [UInt8]? {
        directory.durableEntries[file].flatMap { inodes[$0]?.durableBytes }
    }

    /// What the last life left behind, for an oracle that judges what the next one makes of it.
    public struct Remains: Hashable, Sendable {
        /// What was certainly on the medium of the log.
        public var durable: [UInt8]
        /// What had been written to the log at all.
        public var written: [UInt8]
        /// The log was being replaced by another file, so that the two above may be of different ones.
        public var wasReplacing: Bool
    }

    public private(set) var remains: Remains?

    /// Whether anything was ever asked of it.
    public var isInUse: Bool { inodesMade > 0 || !work.isEmpty }
    /// Whether a crash at this moment could take something.
    public var hasSomethingToLose: Bool { !work.isEmpty || isDirty }

    public var isDirty: Bool { inodes.values.contains { $0.isDirty } }

    // MARK: Requests

    /// Takes a request; returns the moment at which it ends.
    mutating func accept(_ request: DiskRequest, at now: Instant) -> (end: Instant, lane: DiskLane) {
        func time(_ spread: Spread) -> Nanoseconds {
            let usual = spread.draw(&random)
            return faults.slowness == 1 ? usual : max(usual, min(usual * faults.slowness, options.slowest))
        }
        let start = max(now, stalledUntil)
        switch request.operation {
        case .read:
            let end = max(max(start, readableAt) + time(options.readTime), lastReadEnd)
            lastReadEnd = end
            reads.append(Pending(request: request, end: end))
            return (end, .reads)
        case .truncate, .rename, .remove:
            // They do not pull the file away under an earlier read.
            workEnd = max(max(workEnd, start) + time(options.appendTime), lastReadEnd)
            readableAt = workEnd
        case .append, .lock, .list:
            workEnd = max(workEnd, start) + time(options.appendTime)
            readableAt = workEnd
        case .sync, .syncDirectory:
            workEnd = max(workEnd, start) + time(options.syncTime)
        }
        work.append(Pending(request: request, end: workEnd))
        return (workEnd, .work)
    }

    /// The oldest request of a lane ends: performs it.
    mutating func finishNext(_ lane: DiskLane) -> DiskCompletion? {
        let next =
            switch lane {
            case .work: work.popFirst()
            case .reads: reads.popFirst()
            }
        guard let next else { return nil }
        return DiskCompletion(id: next.request.id, result: perform(next.request.operation))
    }

    private mutating func happens(_ chance: UInt64) -> Bool { chance > 0 && random.chance(chance, in: 65_536) }

    private mutating func perform(_ operation: DiskOperation) -> DiskResult {
        switch operation {
        case .lock: return .done
        case .list:
            return .listing(directory.entries.map { FileEntry(file: $0, size: Int64(inodes[$1]!.size)) })
        case .append(let file, let bytes): return append(bytes, to: file)
        case .sync(let file):
            guard let inode = directory[file] else { return missing(file) }
            if happens(faults.syncFailure) {
                marks.append(.syncFailed)
                var luck = random.fork()
                inodes.update(inode) { [pageBytes = options.pageBytes] in $0.failSync(pageBytes: pageBytes, &luck) }
                return failure(.inputOutput, "\(file): input/output error while syncing")
            }
            inodes.update(inode) { [pageBytes = options.pageBytes] in $0.sync(pageBytes: pageBytes) }
            return .done
        case .read(let file, let offset, let length):
            guard let inode = directory[file], let image = inodes[inode] else { return missing(file) }
            if happens(faults.readFailure) { return failure(.inputOutput, "\(file): input/output error while reading") }
            let start = min(max(0, Int(offset)), image.size)
            return .data(Array(image.bytes[start..<min(image.size, start + max(0, length))]))
        case .truncate(let file, let size):
            guard let inode = directory[file] else { return missing(file) }
            inodes.update(inode) { $0.truncate(to: Int(size)) }
            return .done
        case .rename(let file, let new):
            guard let inode = directory[file] else { return missing(file) }
            directory.change(.rename(file, to: new, inode: inode))
            return .done
        case .remove(let file):
            guard let inode = directory[file] else { return missing(file) }
            directory.change(.unlink(file, inode: inode))
            return .done
        case .syncDirectory:
            directory.sync()
            dropUnreachable()
            return .done
        }
    }

    private mutating func append(_ bytes: [UInt8], to file: FileName) -> DiskResult {
        let inode: Int
        if let found = directory[file] {
            inode = found
        } else {
            if faults.isFull { return full(file) }
            inode = inodesMade
            inodesMade += 1
            inodes[inode] = FileImage()
            directory.change(.link(file, inode: inode))
        }
        if faults.isFull || happens(faults.appendFailure) {
            let part = random.below(bytes.count + 1)
            if part > 0 { inodes.update(inode) { $0.append(bytes[..<part]) } }
            if faults.isFull { return full(file) }
            marks.append(.appendFailed)
            return failure(.inputOutput, "\(file): input/output error while writing")
        }
        inodes.update(inode) { $0.append(bytes) }
        return .done
    }

    private mutating func full(_ file: FileName) -> DiskResult {
        marks.append(.noSpace)
        return failure(.noSpace, "\(file): no space left on device")
    }

    private func missing(_ file: FileName) -> DiskResult { failure(.notFound, "\(file): no such file") }
    private func failure(_ code: DiskError.Code, _ detail: String) -> DiskResult { .failed(DiskError(code, detail)) }

    // MARK: Ends and faults

    /// The process is gone. What it had asked for is dropped from some point on; with the power goes what is not durable.
    mutating func processEnded(losingPower: Bool) {
        let sound = directory.durableEntries[.log].flatMap { inodes[$0]?.soundBytes } ?? []
        let wasReplacing = isReplacingLog
        defer {
            if losingPower { losePower() } else if isDirty { marks.append(.processDiedWithUnsyncedBytes) }
        }
        // The system goes on with what it has begun: any number of the oldest requests, and a part of the next.
        for _ in 0..<random.below(work.count + 1) { _ = finishNext(.work) }
        if case .append(let file, let bytes)? = work.first?.request.operation, let inode = directory[file], bytes.count > 1,
            random.chance(1, in: 2)
        {
            inodes.update(inode) { $0.append(bytes[..<(1 + random.below(bytes.count - 1))]) }
            marks.append(.appendLeftPart)
        }
        work.removeAll()
        reads.removeAll()
        workEnd = .zero
        readableAt = .zero
        lastReadEnd = .zero
        remains = Remains(durable: sound, written: visibleBytes(of: .log) ?? [], wasReplacing: wasReplacing)
    }

    private var isReplacingLog: Bool {
        if directory[.rollback] != nil || directory.durableEntries[.rollback] != nil { return true }
        if directory[.log] != directory.durableEntries[.log] && directory.durableEntries[.log] != nil { return true }
        for index in 0..<work.count {
            switch work[index].request.operation {
            case .append(let file, _): if file != .log { return true }
            case .truncate, .rename, .remove: return true
            case .lock, .list, .sync, .read, .syncDirectory: break
            }
        }
        return false
    }

    /// Only what is durable is left, and chance decides about the rest.
    mutating func losePower() {
        if directory.losePower(&random) { marks.append(.powerLossDroppedDirectoryChange) }
        dropUnreachable()
        for index in inodes.keys.indices {
            var luck = random.fork()
            if let mark = inodes.update(at: index, { $0.losePower(&luck) }) { marks.append(mark) }
        }
    }

    /// Nothing ends before `time`. What is under way is not held up: its end is planned already.
    mutating func stall(until time: Instant) { stalledUntil = max(stalledUntil, time) }

    mutating func recover() {
        faults = Faults()
        stalledUntil = .zero
    }

    /// Forgets the files that no name leads to, now or after a power loss.
    private mutating func dropUnreachable() {
        for inode in inodes.keys
        where !directory.entries.values.contains(inode) && !directory.durableEntries.values.contains(inode) {
            inodes[inode] = nil
        }
    }
}

/// Reads overtake the rest, so they are planned apart.
enum DiskLane: Sendable { case work, reads }
