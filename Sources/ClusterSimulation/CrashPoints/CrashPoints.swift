import Machine
import Storage
import Wire

/// # Every operation is a crash point
///
/// The production store runs a workload, and crashes before, in the middle of, and after each of its disk operations. From
/// everything that the disk may then hold (`CrashDisk`: every subset of what was not synced, where that are few choices, else
/// samples) a new life opens the store, and crashes at each of *its* operations too; and so on, as deep as is asked for.
/// Every life that opens must hold a right prefix of what was written, with everything that was promised; its file must say
/// so to an independent reader; and opening again must change nothing, not a byte.
///
/// After T. S. Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), whose tool tried the same on programs from
/// outside; here the store itself is stepped.
struct CrashPoints: Sendable {
    /// How thoroughly the crashes of one level are tried.
    struct Level: Hashable, Sendable {
        /// All subsets of so many choices of a power cut.
        var choices: Int
        /// So many samples where there are more.
        var samples: Int
        /// A kill in the middle of an append leaves every part of it, or the beginnings of so many.
        var parts: Int?
        /// Of the recoveries of the level before, the first of each kind and one in so many of the others are crashed, at each
        /// of their operations.
        var oneIn: UInt64 = 1
    }

    /// What was tried, so that no test is green because nothing happened.
    struct Tally: Hashable, Sendable {
        /// Operations of the workload: each is a crash point.
        var operations = 0
        /// States that a crash left, by the number of crashes that led to them.
        var states: [Int]
        /// Lives that opened one of them that was not seen before.
        var lives = 0
        /// Those that found a torn tail; and those that found the log missing, and the rollback file complete.
        var torn = 0
        var renamed = 0
        /// Operations that failed.
        var failures = 0
        /// The first thing that was wrong.
        var violation: String?
    }

    private struct State: Hashable, Sendable {
        var disk: CrashDisk
        var promise: Int
        var level: Int
    }

    /// Recoveries that are somewhat alike.
    private struct Kind: Hashable, Sendable {
        var level: Int
        /// What it found: whether a power cut could take some of it, or what a failed sync left.
        var isUnsynced: Bool
        var isDoubtful: Bool
        var report: OpenReport?
        var last: Position
        var operations: Int
    }

    let levels: [Level]
    private(set) var tally: Tally
    private var random: SeededRandom
    private var seen = LookupTable<State, Bool>()
    private var promises = LookupTable<StorePromise, Int>()
    private var kinds = LookupTable<Kind, Bool>()

    init(levels: [Level], seed: UInt64 = 1) {
        self.levels = levels
        tally = Tally(states: Array(repeating: 0, count: levels.count))
        random = SeededRandom(seed: seed)
    }

    /// Runs a workload, crashes at every moment of it, and checks every life that follows. Stops at the first violation.
    mutating func explore(
        _ actions: [StoreAction], on disk: CrashDisk, promise: StorePromise = StorePromise(), sync: SyncPolicy = .always
    ) {
        let run = CrashPoints.run(actions, on: disk, promise: promise, sync: sync)
        tally.operations += run.moments.count - 1
        if let trouble = run.life.trouble { tally.violation = tally.violation ?? "the workload itself: \(trouble)" }
        crash(run, level: 0, "")
    }

    /// The same, with each of the workload's operations failing in turn; the disk works again after that.
    mutating func exploreFailures(_ actions: [StoreAction], on disk: CrashDisk, promise: StorePromise = StorePromise()) {
        let operations = CrashPoints.run(actions, on: disk, promise: promise).moments.count - 1
        for operation in 0..<operations {
            for eighths in [0, 3, 8] {
                let failure = StoreLife.Failure(operation: operation, eighths: eighths)
                let run = CrashPoints.run(actions, on: disk, promise: promise, failure: failure)
                tally.failures += 1
                crash(run, from: operation, level: 0, "operation \(operation) failed, and ")
                if tally.violation != nil { return }
                // Only of an append may there be a part.
                guard case .append? = run.moments[operation].next else { break }
            }
        }
        tally.operations += operations
    }

    private static func run(
        _ actions: [StoreAction], on disk: CrashDisk, promise: StorePromise, sync: SyncPolicy = .always,
        failure: StoreLife.Failure? = nil
    ) -> StoreRun {
        var run = StoreRun(disk, promise: promise, seed: 1, sync: sync, failure: failure)
        run.settle()
        for action in actions { run.perform(action) }
        run.settle()
        run.end()
        return run
    }

    // MARK: Crashing

    private mutating func crash(_ run: StoreRun, from first: Int = 0, level: Int, _ story: String) {
        for (index, moment) in run.moments.enumerated() where index >= first {
            for disk in states(after: moment, levels[level]) {
                guard tally.violation == nil else { return }
                tally.states[level] += 1
                let next = moment.next.map { CrashPoints.brief($0) } ?? "the end"
                recover(disk, moment.promise, level: level, "\(story)crashed before operation \(index), \(next)")
            }
        }
    }

    /// Everything that a crash between two operations, or in the middle of the next, may leave.
    private mutating func states(after moment: StoreRun.Moment, _ level: Level) -> [CrashDisk] {
        var states = [moment.disk.killed()]
        states += moment.disk.afterPowerCut(choices: level.choices, samples: level.samples, &random)
        guard case .append(let file, let bytes)? = moment.next, bytes.count > 1 else { return states }
        let parts: [Int]
        if let count = level.parts {
            parts = (0..<count).map { _ in 1 + Int(random.next(upperBound: UInt64(bytes.count - 1))) }
        } else {
            parts = Array(1..<bytes.count)
        }
        for part in parts {
            let torn = moment.disk.killed(during: (file, bytes[..<part]))
            states += [torn, torn.settled]
        }
        return states
    }

    // MARK: Recovering

    /// Opens a store, checks it, opens it again, and crashes on the way.
    private mutating func recover(_ disk: CrashDisk, _ promise: StorePromise, level: Int, _ story: String) {
        let known = promises[promise]
        let number = known ?? promises.count
        if known == nil { promises[promise] = number }
        let state = State(disk: disk, promise: number, level: level)
        guard seen[state] == nil else { return }
        seen[state] = true

        var run = StoreRun(disk, promise: promise, seed: UInt64(100 + level))
        run.settle()
        run.end()
        tally.lives += 1
        var life = run.life
        if let wrong = promise.violation(by: &life) ?? CrashPoints.change(byOpeningAgain: run.life, promise) {
            tally.violation = "\(story): \(wrong)\non \(disk.contents.map { "\($0.0): \(CrashPoints.text($0.1))" })"
            return
        }
        if (run.life.report?.tornBytes ?? 0) > 0 { tally.torn += 1 }
        if run.life.report?.finishedRename == true { tally.renamed += 1 }
        guard level + 1 < levels.count else { return }
        var report = run.life.report
        report?.tornBytes = min(1, run.life.report?.tornBytes ?? 0)
        let kind = Kind(
            level: level, isUnsynced: disk.hasUnsynced, isDoubtful: disk.isDoubtful, report: report,
            last: run.life.store.last, operations: run.moments.count)
        guard kinds[kind] == nil || random.chance(1, in: levels[level + 1].oneIn) else { return }
        kinds[kind] = true
        crash(run, level: level + 1, "\(story); in recovery, ")
    }

    /// Opening again must change nothing: after a kill, and after a power cut, whatever that leaves.
    private static func change(byOpeningAgain first: StoreLife, _ promise: StorePromise) -> String? {
        let left = first.disk[.log]
        var random = SeededRandom(seed: 1)
        var disks = [first.disk.killed()]
        if first.disk.hasUnsynced { disks += first.disk.afterPowerCut(choices: 3, samples: 4, &random) }
        for (index, disk) in disks.enumerated() {
            var again = StoreLife(disk, seed: 99)
            again.settle()
            // Only a file without a closing line gets one: a new one, and one whose closing line the power cut took.
            let isClosed = first.report?.wasFresh != true && (index == 0 || !first.disk.hasUnsynced)
            if isClosed, again.disk[.log] != left { return "opening it again changed the file" }
            if let wrong = promise.violation(by: &again) { return "opened again, \(wrong)" }
            let (a, b) = (first.store, again.store)
            if a.store != b.store || a.lineage != b.lineage { return "opened again, it is another store" }
            if a.last != b.last || a.commit != b.commit || a.adoptedTerm != b.adoptedTerm {
                return "opened again, it is at \(b.last), \(b.commit), \(b.adoptedTerm), "
                    + "not at \(a.last), \(a.commit), \(a.adoptedTerm)"
            }
        }
        return nil
    }

    // MARK: Words

    private static func brief(_ operation: DiskOperation) -> String {
        switch operation {
        case .append(let file, let bytes): "append of \(bytes.count) bytes to \(file)"
        case .lock, .list, .sync, .read, .truncate, .rename, .remove, .syncDirectory: "\(operation)"
        }
    }

    private static func text(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.map { $0 == 0 ? UInt8(ascii: "~") : $0 }, as: UTF8.self)
    }
}
