import Machine
import Storage
import Testing
import Wire

/// # Every operation is a crash point
///
/// A workload runs on the test disk, and after each of its disk operations the power fails. From what the disk may then hold
/// (every subset of the unsynced pages and names where they are few, samples where they are many) a new life opens, and the
/// power fails after each of *its* operations too. Every life that opens must hold a right prefix of what was written, with
/// everything that was promised; and opening again must change nothing.
@Suite("Crashes")
struct CrashTests {
    /// What the world was told, and what it may find: the state at one moment.
    struct Promise: Hashable {
        /// Entries that were reported durable.
        var entries: [Entry] = []
        var adoptedTerm: UInt64 = 0
        var lineage: Lineage?
        var store: StoreID?
        /// Everything a right log can be a prefix of: the log as it is, and, while a truncation is under way, as it was.
        var histories: [[Entry]] = [[]]
        var highestTerm: UInt64 = 0
        var commit: UInt64 = 0

        /// What is wrong with a store that opened; nil where nothing is.
        func violation(by life: inout Life) -> String? {
            if let refusal = life.refusal { return "refused: \(refusal)" }
            guard life.report != nil else { return "did not open: \(life.events)" }
            let entries = life.entries()
            let store = life.store
            if !histories.contains(where: { $0.starts(with: entries) }) { return "\(entries) is no prefix of \(histories)" }
            if !entries.starts(with: self.entries) { return "\(entries) lacks some of \(self.entries)" }
            if store.adoptedTerm < adoptedTerm || store.adoptedTerm > highestTerm { return "term \(store.adoptedTerm)" }
            if let lineage, store.lineage != lineage { return "lineage \(String(describing: store.lineage))" }
            if let expected = self.store, store.store != expected { return "it is another store" }
            if store.commit > max(commit, 0) { return "commit mark \(store.commit), but \(commit) was the highest ever" }
            if store.durable != store.last.seq { return "durable is \(store.durable) of \(store.last)" }
            var values = SortedMap<String, [UInt8]>()
            for entry in entries.prefix(Int(store.commit)) {
                switch entry.operation {
                case .put(let key, let value): values[String(decoding: key, as: UTF8.self)] = value
                case .delete(let key): values[String(decoding: key, as: UTF8.self)] = nil
                case .beginTerm: break
                }
            }
            if store.keyCount != values.count { return "\(store.keyCount) keys instead of \(values.count)" }
            for (key, value) in values where store.value(of: Array(key.utf8)) != value { return "wrong value of \(key)" }
            return nil
        }
    }

    enum Action {
        case append(Operation, term: UInt64 = 1)
        case flush
        /// Lets the disk perform one operation, or everything.
        case perform, settle
        case adopt(UInt64)
        case lineage(String)
        case commit
        case truncate(after: UInt64)
        case close
    }

    /// One life of a workload, with the promises it makes.
    struct Run {
        var life: Life
        var promise: Promise
        /// The disk and the promises after each operation.
        var moments: [(disk: TestDisk, promise: Promise)] = []
        private var hasOpened = false
        private var owedTerms: [(mark: UInt64, term: UInt64)] = []
        private var owedLineages: [(mark: UInt64, lineage: Lineage)] = []

        init(_ disk: TestDisk, promise: Promise, seed: UInt64) {
            life = Life(disk, options: .init(chunkBytes: 128), seed: seed)
            self.promise = promise
            moments.append((disk, promise))
        }

        mutating func settle() { while performOne() {} }

        @discardableResult
        mutating func performOne() -> Bool {
            guard life.performOne() else { return false }
            if life.report != nil {
                if !hasOpened {
                    hasOpened = true
                    // Which of the possible logs it is was decided by opening, and stays.
                    var copy = life
                    promise.histories = [copy.entries()]
                    promise.store = life.store.store
                }
                if !life.store.isRewriting { promise.histories = promise.histories.suffix(1) }
                promise.entries = Array(promise.histories.last!.prefix(Int(life.store.durable)))
                for owed in owedTerms where owed.mark <= life.store.durableMark {
                    promise.adoptedTerm = max(promise.adoptedTerm, owed.term)
                }
                for owed in owedLineages where owed.mark <= life.store.durableMark { promise.lineage = owed.lineage }
            }
            moments.append((life.disk, promise))
            return true
        }

        mutating func perform(_ action: Action) {
            switch action {
            case .append(let operation, let term):
                let entry = Entry(term, life.store.last.seq + 1, operation)
                promise.histories[promise.histories.count - 1].append(entry)
                promise.highestTerm = max(promise.highestTerm, term)
                life.append(operation, term: term)
            case .flush: life.flush()
            case .perform: performOne()
            case .settle: settle()
            case .adopt(let term):
                promise.highestTerm = max(promise.highestTerm, term)
                owedTerms.append((life.act { store, _ in store.adopt(term: term) }, term))
            case .lineage(let text):
                owedLineages.append((life.act { store, _ in store.set(lineage: Lineage(text)) }, Lineage(text)))
            case .commit:
                _ = life.act { store, _ in store.commit(through: store.durable) }
                promise.commit = max(promise.commit, life.store.commit)
            case .truncate(let seq):
                promise.histories.append(Array(promise.histories.last!.prefix(Int(seq))))
                promise.entries = Array(promise.entries.prefix(Int(seq)))
                life.act { $0.truncate(after: seq, into: &$1) }
            case .close: life.act { _ = $0.close(into: &$1) }
            }
        }
    }

    /// Counts, so that no test is green because nothing happened.
    struct Tally {
        var crashes = 0
        var lives = 0
        var nested = 0
        var torn = 0
        var violation: String?
        /// What was looked at already: many crashes leave the same.
        var seen: Set<Case> = []
    }

    struct Case: Hashable {
        var log: [UInt8]?
        var rollback: [UInt8]?
        var promise: Promise
        var nested: Bool
    }

    /// Runs a workload, crashes at every moment, and checks every life that follows. Stops at the first violation.
    static func explore(
        _ actions: [Action], on disk: TestDisk = TestDisk(), promise: Promise = Promise(), samples: Int, seed: UInt64 = 1
    ) -> Tally {
        var random = SeededRandom(seed: seed)
        var run = Run(disk, promise: promise, seed: 1)
        run.settle()
        for action in actions { run.perform(action) }
        run.settle()
        var tally = Tally()
        if let failure = run.life.failure ?? run.life.refusal { tally.violation = "the workload itself: \(failure)" }
        for (index, moment) in run.moments.enumerated() {
            let images = [moment.disk.afterProcessCrash()] + moment.disk.afterPowerCut(samples: samples, random: &random)
            tally.crashes += images.count
            for image in images {
                if let violation = recover(image, moment.promise, nested: true, &random, &tally) {
                    tally.violation =
                        "after operation \(index) of \(run.moments.count), \(violation)\non \(image.text.debugDescription)"
                    return tally
                }
            }
        }
        return tally
    }

    /// Opens a store, and, if `nested`, crashes at every moment of that.
    private static func recover(
        _ disk: TestDisk, _ promise: Promise, nested: Bool, _ random: inout SeededRandom, _ tally: inout Tally
    ) -> String? {
        let what = Case(log: disk[.log], rollback: disk[.rollback], promise: promise, nested: nested)
        guard disk.hasUnsynced || tally.seen.insert(what).inserted else { return nil }
        var run = Run(disk, promise: promise, seed: random.next())
        run.settle()
        tally.lives += 1
        if let violation = promise.violation(by: &run.life) { return violation }
        if (run.life.report?.tornBytes ?? 0) > 0 { tally.torn += 1 }
        // Opening again, even without the page cache, changes nothing.
        for again in run.life.disk.afterPowerCut(samples: 3, random: &random) {
            var second = Life(again, seed: random.next())
            second.settle()
            if let violation = promise.violation(by: &second) { return "opened twice: \(violation)" }
            if second.store.store != run.life.store.store { return "opened twice, it is another store" }
            if second.entries() != run.life.entries() { return "opened twice, it has other entries" }
            if second.store.commit != run.life.store.commit { return "opened twice, it has another commit mark" }
            if second.store.adoptedTerm != run.life.store.adoptedTerm { return "opened twice, it has another term" }
        }
        guard nested else { return nil }
        for moment in run.moments {
            for image in [moment.disk.afterProcessCrash()] + moment.disk.afterPowerCut(samples: 3, random: &random) {
                tally.nested += 1
                if let violation = recover(image, moment.promise, nested: false, &random, &tally) {
                    return "in recovery, \(violation)"
                }
            }
        }
        return nil
    }

    // MARK: Workloads

    static let writing: [Action] = [
        .lineage("first"), .append(.beginTerm), .append(.put("a", "1")), .flush, .perform, .append(.put("b", "22")), .flush,
        .perform, .adopt(2), .append(.delete("a")), .flush, .settle, .commit, .append(.put("c", "333")), .flush,
        .append(.put("d", "4444")), .flush, .settle,
    ]

    static let truncating: [Action] = [
        .append(.beginTerm), .append(.put("a", "1")), .flush, .settle, .commit, .append(.put("b", "2")),
        .append(.put("c", "3")), .flush, .settle, .append(.put("d", "4")), .truncate(after: 3), .perform, .adopt(3),
        .lineage("late"), .settle, .append(.beginTerm, term: 3), .append(.put("e", "5"), term: 3), .flush, .settle,
    ]

    static let closing: [Action] = [
        .append(.beginTerm), .append(.put("a", "1")), .flush, .settle, .commit, .append(.put("b", "2")), .close, .settle,
    ]

    private func expectNoViolation(_ tally: Tally, lives: Int) {
        #expect(tally.violation == nil, "\(tally.violation ?? "")")
        #expect(tally.lives >= lives)
        #expect(tally.nested > lives)
    }

    @Test("Creating a store and writing to it")
    func writingSurvives() {
        let tally = CrashTests.explore(CrashTests.writing, samples: 60)
        expectNoViolation(tally, lives: 500)
        #expect(tally.torn > 100)
    }

    @Test("Truncating")
    func truncatingSurvives() {
        expectNoViolation(CrashTests.explore(CrashTests.truncating, samples: 40), lives: 800)
    }

    @Test("Closing, and going on after that")
    func closingSurvives() {
        expectNoViolation(CrashTests.explore(CrashTests.closing, samples: 60), lives: 200)
        var run = Run(TestDisk(), promise: Promise(), seed: 1)
        run.settle()
        for action in CrashTests.closing { run.perform(action) }
        run.settle()
        let more: [Action] = [.append(.put("c", "3")), .flush, .settle, .commit, .append(.delete("b")), .close, .settle]
        let tally = CrashTests.explore(more, on: run.life.disk.afterProcessCrash(), promise: run.promise, samples: 60)
        expectNoViolation(tally, lives: 200)
    }

    @Test("Upgrading a file of version 1")
    func upgradingSurvives() {
        let entries = [
            Entry(0, 1, .put("key1", "value1")), Entry(0, 2, .put("key2", "")), Entry(0, 3, .put("key1", "new")),
        ]
        let promise = Promise(entries: entries, histories: [entries], highestTerm: 1, commit: 3)
        for name in [FileName.log, .rollback] {
            let disk = TestDisk([(name, Array(Version1Tests.text.utf8))])
            let more: [Action] = [.lineage("first"), .append(.beginTerm), .append(.put("b", "2")), .flush, .settle]
            expectNoViolation(CrashTests.explore(more, on: disk, promise: promise, samples: 40), lives: 200)
        }
    }

    @Test("A rollback file that was never synced is, before it takes the log's name")
    func unsyncedRollback() {
        var random = SeededRandom(seed: 6)
        var disk = TestDisk()
        _ = disk.perform(.append(.rollback, Array(Version1Tests.text.utf8)))
        _ = disk.perform(.syncDirectory)
        var life = Life(disk.afterProcessCrash())
        var renamed = 0
        while life.performOne() {
            for image in life.disk.afterPowerCut(samples: 20, random: &random) where image[.log] != nil {
                renamed += 1
                #expect(Life.opened(image).store.last.seq == 3)
            }
        }
        #expect(life.report?.finishedRename == true && renamed > 20)
    }

    @Test("Random workloads", arguments: 1...12)
    func randomWorkloads(_ seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var actions: [Action] = []
        var length: UInt64 = 0
        var term: UInt64 = 1
        for _ in 0..<Int.random(in: 5...14, using: &random) {
            switch Int.random(in: 0..<10, using: &random) {
            case 0:
                term += 1
                actions += [.append(.beginTerm, term: term)]
                length += 1
            case 1: actions += [.adopt(term + 1)]
            case 2: actions += [.lineage("l\(random.next(upperBound: UInt64(3)))")]
            case 3 where length > 1:
                // Nothing is committed before, so that any cut is legal.
                length = UInt64.random(in: 0...length, using: &random)
                actions += [.truncate(after: length), .settle]
            case 4: actions += [.settle]
            case 5, 6: actions += [.flush, .perform]
            default:
                actions += [.append(randomOperation(&random, valueBytes: 0...12), term: term)]
                length += 1
            }
        }
        actions += [.flush, .settle, .commit, .append(.put("last", ""), term: term), .close]
        expectNoViolation(CrashTests.explore(actions, samples: 12, seed: UInt64(seed)), lives: 20)
    }

    // MARK: The tester is tested

    @Test("A disk that lies about syncs is found out")
    func lyingDisk() {
        var disk = TestDisk()
        disk.liesAboutSync = true
        #expect(CrashTests.explore(CrashTests.writing, on: disk, samples: 10).violation != nil)
    }

    @Test("A promise that was not kept is found out")
    func brokenPromise() {
        let entries = [Entry(0, 1, .put("key1", "value1")), Entry(0, 2, .put("key2", ""))]
        let promise = Promise(entries: entries, histories: [entries], highestTerm: 0, commit: 2)
        let disk = TestDisk([(.log, Array("a2V5MQ==\ndmFsdWUx\n#\n".utf8))])
        #expect(CrashTests.explore([], on: disk, promise: promise, samples: 4).violation?.contains("lacks some of") == true)
    }

    // MARK: Why version 1 is not enough

    /// The original program's reading: whatever stands before a `#` is a record, and what base64 does not know is skipped.
    private func originalReading(_ bytes: [UInt8]) -> [(key: [UInt8], value: [UInt8])] {
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        func decode(_ line: ArraySlice<UInt8>) -> [UInt8] {
            var bytes: [UInt8] = []
            var bits = 0
            var count = 0
            for digit in line.compactMap({ alphabet.firstIndex(of: $0) }) {
                bits = (bits << 6 | digit) & 0xFFFF
                count += 6
                if count >= 8 {
                    count -= 8
                    bytes.append(UInt8(bits >> count & 0xFF))
                }
            }
            return bytes
        }
        return lines.indices.dropFirst(2).filter { lines[$0] == [UInt8(ascii: "#")] }.map { closing in
            (decode(lines[closing - 2]), decode(lines[closing - 1]))
        }
    }

    @Test("Reordered pages: a # survives the value before it. Version 1 takes that for a record, version 2 does not")
    func reorderedPages() {
        let first = "a2V5\n" + "Zmlyc3QgdmFsdWUsIHN5bmNlZA==" + "\n#\n"
        let second = "a2V5\n" + "c2Vjb25kIHZhbHVlLCBsb3N0Lg==" + "\n#\n"
        var random = SeededRandom(seed: 4)

        // The first record is synced, and the power fails while the second is not.
        var version1 = TestDisk([(.log, Array(first.utf8))])
        version1.pageBytes = 4
        _ = version1.perform(.append(.log, Array(second.utf8)))
        let acknowledged = Array("first value, synced".utf8)
        let unacknowledged = Array("second value, lost.".utf8)
        var lost = 0
        for image in version1.afterPowerCut(samples: 2000, random: &random) {
            let value = originalReading(image[.log]!).last!.value
            if value != acknowledged, value != unacknowledged { lost += 1 }
        }
        #expect(lost > 0, "an acknowledged value is overwritten by what was never written")

        // The same in version 2, at every such image: the one value or the other.
        var life = Life.opened()
        life.append(.put("key", "first value, synced"))
        life.flushAndSettle()
        life.append(.put("key", "second value, lost."))
        life.flush()
        life.performOne()
        life.disk.pageBytes = 4
        for image in life.disk.afterPowerCut(samples: 2000, random: &random) {
            let opened = Life.opened(image)
            var copy = opened
            let last = copy.entries().last?.operation
            #expect(last == .put("key", "first value, synced") || last == .put("key", "second value, lost."))
        }
    }
}
