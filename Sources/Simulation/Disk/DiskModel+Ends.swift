import Machine

extension DiskModel {
    /// What the last life left behind, for an oracle that judges what the next one makes of it.
    public struct Remains: Hashable, Sendable {
        /// What had been written to the log at all.
        public var written: [UInt8]
        /// How much of that was certainly on the medium, and right.
        var soundCount: Int
        /// What followed that on the medium: it was cut off, and the truncation was not synced.
        var cutOff: [UInt8]
        /// The log was being replaced by another file, so that the facts above may be of different ones.
        public var wasReplacing: Bool
        var inode: Int?
        /// The harms that the disk had seen by then.
        var harms: Int

        /// What was certainly on the medium of the log, up to the first wrong byte.
        public var durable: [UInt8] { written[..<soundCount] + cutOff }
    }

    /// The process is gone. What it had asked for is dropped from some point on; with the power goes what is not durable.
    @usableFromInline mutating func processEnded(losingPower: Bool) {
        let log = directory.durableEntries[.log]
        let image = log.flatMap { inodes[$0] }
        let (sound, untouched, cutOff) = (image?.soundCount ?? 0, image?.untouched ?? 0, image?.cutOff ?? [])
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
        let written = pristineBytes(of: .log) ?? []
        remains = Remains(
            written: written, soundCount: min(sound, untouched, written.count),
            cutOff: Array(cutOff.prefix(max(0, sound - untouched))), wasReplacing: wasReplacing, inode: log,
            harms: harms.count)
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
    @usableFromInline mutating func losePower() {
        noteShownForeignWrites()
        if directory.losePower(&random) { marks.append(.powerLossDroppedDirectoryChange) }
        dropUnreachable()
        for index in inodes.keys.indices {
            var luck = random.fork()
            if let mark = inodes.update(at: index, { $0.losePower(&luck) }) { marks.append(mark) }
        }
    }

    /// Nothing ends before `time`. What is under way is not held up: its end is planned already.
    @usableFromInline mutating func stall(until time: Instant) { stalledUntil = max(stalledUntil, time) }

    /// Works as it should again. What was damaged stays so. Returns when what was held up ends instead.
    @usableFromInline mutating func recover(at now: Instant) -> [(end: Instant, lane: DiskLane)] {
        faults = Faults()
        let release = Release(from: stalledUntil, to: now)
        stalledUntil = .zero
        guard release.from > now else { return [] }
        let ends = work.hasten(by: release).map { ($0, DiskLane.work) } + reads.hasten(by: release).map { ($0, .reads) }
        // What was accepted before the stall may end later than what it held up would.
        workEnd = max(release.end(workEnd), work.last?.end ?? .zero)
        readableAt = release.end(readableAt)
        lastReadEnd = max(release.end(lastReadEnd), reads.last?.end ?? .zero)
        return ends
    }

    /// A stall is over before its time: what would have ended after it ends as much sooner.
    struct Release {
        let from: Instant
        let to: Instant

        func end(_ end: Instant) -> Instant { end < from ? end : to + (end - from) }
    }

    /// Forgets the files that no name leads to, now or after a power loss.
    mutating func dropUnreachable() {
        for inode in inodes.keys
        where !directory.entries.values.contains(inode) && !directory.durableEntries.values.contains(inode) {
            inodes[inode] = nil
        }
    }
}

extension Queue<DiskModel.Pending> {
    fileprivate mutating func hasten(by release: DiskModel.Release) -> [Instant] {
        var ends: [Instant] = []
        var before = Instant.zero
        for index in 0..<count {
            let end = self[index].end
            // Not before those that were accepted earlier.
            before = max(release.end(end), before)
            self[index].end = before
            if before < end { ends.append(before) }
        }
        return ends
    }
}
