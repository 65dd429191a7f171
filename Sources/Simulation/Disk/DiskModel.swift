import Machine

// Fault model. A disk holds one store's files. The page cache and the medium differ:
// - a write is visible at once and durable only by `sync`; a name is durable only by `syncDirectory`;
// - a killed process leaves the page cache as it is, minus what was still queued; a part of a write under way may be there;
// - a power loss leaves, for each file: nothing of what was not synced, a prefix of it, a prefix with one write torn at a
//   sector, any subset of its pages or sectors, or the new size without the content. Directory changes are lost by
//   themselves;
// - a failed sync drops pages, and the next sync says yes without them; a failed append leaves an unknown part;
// - the disk is full for a while; it is slow, or hangs, for a while;
// - what is on the medium goes wrong without a crash: `Damage`;
// - the whole disk is lost, or put back as it was at an earlier moment: `DiskModel+Replacement`.

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
        /// How much of each file damage may hit.
        public var damageLimit = DamageLimit.none

        public init() {}
    }

    /// How often operations fail, as chances in 65,536; and what holds for a while.
    public struct Faults: Hashable, Sendable {
        public var syncFailure: UInt64 = 0
        public var appendFailure: UInt64 = 0
        public var readFailure: UInt64 = 0
        /// A sync that says yes, of which one page went elsewhere.
        public var misdirection: UInt64 = 0
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
    var directory = Directory()
    var inodes = SortedMap<Int, FileImage>()
    var inodesMade = 0
    /// What is under way, in order; reads wait apart.
    var work = Queue<Pending>()
    var reads = Queue<Pending>()
    /// When the queue is through, and when it is through with what a read must see.
    var workEnd = Instant.zero
    var readableAt = Instant.zero
    var lastReadEnd = Instant.zero
    var stalledUntil = Instant.zero
    var random: SeededRandom
    /// Marks reached since they were taken.
    @usableFromInline var marks: [Mark] = []
    /// What the last life left behind, for an oracle that judges what the next one makes of it.
    public internal(set) var remains: Remains?
    /// Everything that was done to the disk behind its process's back, in order.
    public internal(set) var harms: [Harm] = []

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

    /// What was written to a file, also where the medium holds something else by now.
    public func pristineBytes(of file: FileName) -> [UInt8]? { directory[file].flatMap { inodes[$0]?.pristineBytes } }

    /// What is wrong with a file, and where.
    public func damages(of file: FileName) -> [Damage] { directory[file].flatMap { inodes[$0]?.damages } ?? [] }

    /// Whether anything was ever asked of it.
    public var isInUse: Bool { inodesMade > 0 || !work.isEmpty }
    /// Whether a crash at this moment could take something.
    public var hasSomethingToLose: Bool { !work.isEmpty || isDirty }
    /// The same, of a disk in its place: to ask for a property through an array copies the whole of it.
    @usableFromInline mutating func canLoseSomething() -> Bool { hasSomethingToLose }

    /// The files that there are, as their process sees them.
    public var fileNames: [FileName] { directory.entries.keys.map { $0 } }

    public var isDirty: Bool { inodes.values.contains { $0.isDirty } }

    // MARK: Requests

    /// Takes a request; returns the moment at which it ends.
    @usableFromInline mutating func accept(_ request: DiskRequest, at now: Instant) -> (end: Instant, lane: DiskLane) {
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

    /// The oldest request of a lane ends, if this is its time: performs it. (When a stall is over before its time, what was planned
    /// has ended before.)
    @usableFromInline mutating func finishNext(
        _ lane: DiskLane, at now: Instant = Instant(nanoseconds: .max)
    ) -> DiskCompletion? {
        let next =
            switch lane {
            case .work: work.popFirst { $0.end <= now }
            case .reads: reads.popFirst { $0.end <= now }
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
            if happens(faults.misdirection) {
                syncAstray(inode)
            } else {
                inodes.update(inode) { [pageBytes = options.pageBytes] in $0.sync(pageBytes: pageBytes) }
            }
            return .done
        case .read(let file, let offset, let length):
            guard let inode = directory[file], let image = inodes[inode] else { return missing(file) }
            let start = min(max(0, Int(offset)), image.size)
            let range = start..<min(image.size, start + max(0, length))
            if happens(faults.readFailure) { return unreadable(file) }
            if image.isUnreadable(range) {
                marks.append(.readMetBadSector)
                return unreadable(file)
            }
            if image.isWrong(range) { marks.append(.readReturnedDamage) }
            return .data(Array(image.bytes[range]))
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

    private func unreadable(_ file: FileName) -> DiskResult {
        failure(.inputOutput, "\(file): input/output error while reading")
    }
    private func missing(_ file: FileName) -> DiskResult { failure(.notFound, "\(file): no such file") }
    private func failure(_ code: DiskError.Code, _ detail: String) -> DiskResult { .failed(DiskError(code, detail)) }
}

/// Reads overtake the rest, so they are planned apart.
@usableFromInline enum DiskLane: Sendable { case work, reads }
