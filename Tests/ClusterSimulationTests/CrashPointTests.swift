import Machine
import Storage
import Testing
import Wire

@testable import ClusterSimulation

/// The store crashes before, in the middle of and after every disk operation, and so does its recovery; and every operation
/// fails once. Every subset of what few choices leave, and every part of every append, for the workload itself; for some of
/// its recoveries, crashes at each of their operations; and for some of the recoveries after those.
@Suite struct CrashPointTests {
    static let levels = [
        CrashPoints.Level(choices: 8, samples: 16, parts: nil),
        CrashPoints.Level(choices: 4, samples: 8, parts: 1, oneIn: 100),
        CrashPoints.Level(choices: 2, samples: 4, parts: 1, oneIn: 400),
    ]

    static let levelsOfFailures = [
        CrashPoints.Level(choices: 4, samples: 6, parts: 1),
        CrashPoints.Level(choices: 4, samples: 6, parts: 1, oneIn: 40),
    ]

    static func tally(
        _ actions: [StoreAction], on disk: CrashDisk = CrashDisk(pageBytes: 16), promise: StorePromise = StorePromise(),
        seed: UInt64 = 1, sync: SyncPolicy = .always
    ) -> CrashPoints.Tally {
        var points = CrashPoints(levels: levels, seed: seed)
        points.explore(actions, on: disk, promise: promise, sync: sync)
        return points.tally
    }

    func expectRight(_ tally: CrashPoints.Tally, states: Int, lives: Int) {
        #expect(tally.violation == nil, "\(tally.violation ?? "")")
        #expect(tally.states[0] >= states && tally.states[1] >= states, "\(tally)")
        #expect(tally.lives >= lives, "\(tally)")
    }

    /// Small enough for all subsets in the recoveries, too.
    @Test func creating() {
        let levels = [
            CrashPoints.Level(choices: 8, samples: 16, parts: nil), CrashPoints.Level(choices: 12, samples: 64, parts: 2),
        ]
        var points = CrashPoints(levels: levels)
        points.explore([], on: CrashDisk(pageBytes: 16))
        expectRight(points.tally, states: 100, lives: 500)
        #expect(points.tally.states[1] > 10_000)
    }

    @Test func creatingAndWriting() {
        let tally = Self.tally(StoreWorkloads.writing)
        expectRight(tally, states: 500, lives: 300)
        #expect(tally.torn > 100)
    }

    @Test func truncating() { expectRight(Self.tally(StoreWorkloads.truncating), states: 800, lives: 500) }

    @Test func rememberingClients() { expectRight(Self.tally(StoreWorkloads.remembering), states: 800, lives: 500) }

    @Test func takingCopies() { expectRight(Self.tally(StoreWorkloads.copying), states: 800, lives: 500) }

    @Test func closingAndReopening() { expectRight(Self.tally(StoreWorkloads.reopening), states: 1_000, lives: 500) }

    @Test func becomingAnotherStore() { expectRight(Self.tally(StoreWorkloads.renaming), states: 1_000, lives: 500) }

    @Test(arguments: [FileName.log, .rollback])
    func importingVersion1(_ file: FileName) {
        let disk = CrashDisk([(file, StoreWorkloads.version1)], pageBytes: 16)
        let tally = Self.tally(StoreWorkloads.importing, on: disk, promise: StoreWorkloads.version1Promise)
        expectRight(tally, states: 300, lives: 200)
        #expect((tally.renamed > 0) == (file == .rollback))
    }

    @Test(arguments: 1...2)
    func randomWorkloads(_ seed: Int) {
        expectRight(Self.tally(StoreWorkloads.random(seed: UInt64(seed)), seed: UInt64(seed)), states: 200, lives: 100)
    }

    /// Blocks are those of a real disk: a failed sync loses no less.
    @Test(arguments: ["writing", "truncating", "remembering", "copying", "renaming", "reopening"])
    func everyOperationFailsOnce(_ name: String) {
        let workloads = [
            "writing": StoreWorkloads.writing, "truncating": StoreWorkloads.truncating,
            "remembering": StoreWorkloads.remembering, "copying": StoreWorkloads.copying,
            "renaming": StoreWorkloads.renaming,
        ]
        let actions = workloads[name] ?? StoreWorkloads.reopening
        var points = CrashPoints(levels: Self.levelsOfFailures)
        points.exploreFailures(StoreWorkloads.enlarged(actions, valueBytes: 90), on: CrashDisk(pageBytes: 512))
        expectRight(points.tally, states: 60, lives: 50)
        #expect(points.tally.failures > points.tally.operations)
    }

    /// What counted before it was synced may be gone, but not where the store says that it is whole.
    @Test(arguments: [StoreWorkloads.writing, StoreWorkloads.truncating, StoreWorkloads.reopening])
    func countingBeforeTheSync(_ actions: [StoreAction]) {
        expectRight(Self.tally(actions, sync: .none), states: 300, lives: 200)
    }

    // MARK: It is not blind

    /// A store that forgets the policy of the life before it, or never writes it down, would say so.
    @Test func aStoreThatIsNotWholeAndDoesNotKnowIsFoundOut() {
        var points = CrashPoints(levels: Self.levels)
        let life = StoreRun(CrashDisk(pageBytes: 16), promise: StorePromise(), seed: 1, sync: .none)
        var promise = life.promise
        promise.histories = [StoreHistory([Entry(position: Position(term: 1, seq: 1), operation: .beginTerm)])]
        promise.durable = promise.histories[0]
        points.explore([], on: CrashDisk(pageBytes: 16), promise: promise)
        #expect(points.tally.violation?.contains("was synced") == true, "an empty store, whole by its own word, lacks an entry")
    }

    @Test(arguments: [CrashDisk.Lie.sync, .syncDirectory])
    func aDiskThatLiesIsFoundOut(_ lie: CrashDisk.Lie) {
        var disk = CrashDisk(pageBytes: 16)
        disk.lie = lie
        #expect(Self.tally(StoreWorkloads.writing, on: disk).violation != nil)
    }

    @Test func aStoreThatLacksWhatWasPromisedIsFoundOut() {
        let promise = StoreWorkloads.version1Promise
        let short = CrashDisk([(.log, Array(StoreWorkloads.version1.dropLast(10)))], pageBytes: 16)
        #expect(Self.tally([], on: short, promise: promise).violation?.contains("was synced") == true)

        var other = promise
        other.durable = StoreHistory()
        other.commit = 0
        other.writtenCommit = 0
        other.histories = [
            StoreHistory([Entry(position: Position(term: 0, seq: 1), operation: StoreWorkloads.put("key1", "other"))])
        ]
        let disk = CrashDisk([(.log, StoreWorkloads.version1)], pageBytes: 16)
        #expect(Self.tally([], on: disk, promise: other).violation?.contains("no prefix") == true)
    }

    @Test func theIndependentReaderKnowsARecordFromWhatIsNone() {
        let text = "%aviary 2 x 01234567\na2V5\ndmFsdWU=\n# 1 2 0 0 01234567\n%closed 2 0 01234567\n"
        let put = Entry(position: Position(term: 1, seq: 2), operation: StoreWorkloads.put("key", "value"))
        let (image, end) = LogImage.read(Array(text.utf8))
        #expect(end == text.utf8.count && image.records == [LogImage.Record(put)])
        #expect(LogImage.read(Array((text + "a2V5\n\0").utf8)).end == text.utf8.count)
        for (plain, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            #expect(LogImage.base64(Array(plain.utf8)) == Array(encoded.utf8))
        }
    }
}
