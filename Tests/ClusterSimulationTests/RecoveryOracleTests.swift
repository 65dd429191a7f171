import Machine
import Testing

@testable import ClusterSimulation
@testable import Simulation

/// The recovery oracle against logs that opened rightly and wrongly, on sound and on damaged disks.
@Suite struct RecoveryOracleTests {
    static func record(_ seq: UInt64, _ value: String) -> [UInt8] { Array("a2V5\n\(value)\n# 1 \(seq) 0 0 01234567\n".utf8) }

    /// Three synced records, more than a page apart.
    static let records = (1...3).map { record($0, String(repeating: "ABC\($0)", count: 1_100)) }

    static func perform(_ disk: inout DiskModel, _ operations: DiskOperation...) {
        for operation in operations {
            _ = disk.accept(DiskRequest(id: DiskID(1), operation: operation), at: .zero)
            _ = disk.finishNext(.work)
        }
    }

    /// A store with three records lived, committed two, and was killed; `between` happens to its disk, and the next life
    /// opens with `found` in its log.
    static func violation(
        found: [[UInt8]], seed: UInt64 = 1, isWeak: Bool = false, isWhole: Bool = true,
        whileAlive: (inout DiskModel) -> Void = { _ in },
        between: (inout DiskModel) -> Void = { _ in }
    ) -> Violation? {
        var disk = DiskModel(options: .init(), random: SeededRandom(seed: seed))
        for record in records {
            perform(&disk, .append(.log, record))
            if !isWeak { perform(&disk, .sync(.log)) }
        }
        perform(&disk, .syncDirectory)
        var oracle = RecoveryOracle(processes: 1)
        oracle.starts(0, isWeak: isWeak)
        if let found = oracle.stepped(0, life: 1, isOpen: true, commit: 2, last: 3, disk: disk) { return found }
        whileAlive(&disk)
        disk.processEnded(losingPower: false)
        oracle.ended(0, disk)
        between(&disk)
        // What the next life makes of it is in a new file.
        perform(
            &disk, .append(.rollback, found.flatMap { $0 }), .sync(.rollback), .rename(.rollback, to: .log), .syncDirectory)
        return oracle.stepped(0, life: 2, isOpen: true, commit: 0, last: UInt64(found.count), isWhole: isWhole, disk: disk)
    }

    @Test func whatWasNotSyncedMayBeMissingWhereTheStoreKnowsThatItMay() {
        let lost: (inout DiskModel) -> Void = { _ in }
        let short = Array(Self.records.prefix(1))
        #expect(Self.violation(found: short, isWeak: true, isWhole: false, between: lost) == nil)
        #expect(Self.violation(found: short, isWeak: true, isWhole: true, between: lost) != nil)
        #expect(Self.violation(found: Self.records, isWeak: false, isWhole: false, between: lost) != nil, "it is whole")
    }

    /// A disk that is an image of another process's may lack what that one may lack (seed 312956).
    @Test(arguments: [0, 1], [true, false])
    func whoHasAnImageOfAnothersDiskIsAsWholeAsTheOther(origin: Int, isLater: Bool) {
        var disk = DiskModel(options: .init(), random: SeededRandom(seed: 1))
        for record in Self.records { Self.perform(&disk, .append(.log, record), .sync(.log)) }
        Self.perform(&disk, .syncDirectory)
        var oracle = RecoveryOracle(processes: 2)
        // In its first life it counts what is not synced; an image of the second's beginning may lack that.
        oracle.starts(0, isWeak: true)
        if isLater { oracle.starts(0, isWeak: false) }
        oracle.starts(1, isWeak: false)
        oracle.diskWasExchanged(1, imageOf: origin)
        #expect(oracle.stepped(1, life: 2, isOpen: true, commit: 2, last: 3, isWhole: false, disk: disk) == nil)
        disk.processEnded(losingPower: false)
        oracle.ended(1, disk)
        let again = oracle.stepped(1, life: 3, isOpen: true, commit: 2, last: 3, isWhole: false, disk: disk)
        #expect((again == nil) == (origin == 0 && isLater))
    }

    /// It committed three, opened with one, and knew; then it was made the beginning of another history, and goes on from there.
    @Test(arguments: [true, false]) func whatWasGivenUpIsAskedForNoMore(isGivenUp: Bool) {
        var disk = DiskModel(options: .init(), random: SeededRandom(seed: 1))
        var oracle = RecoveryOracle(processes: 1)
        oracle.starts(0, isWeak: true)
        /// Opens with a log of synced `lines`, of which `last` are records; then appends `more`, not synced, and commits.
        func live(
            _ life: UInt32, _ lines: [[UInt8]], last: UInt64, isWhole: Bool, more: [[UInt8]] = [], commit: UInt64
        ) -> Violation? {
            Self.perform(
                &disk, .append(.rollback, lines.flatMap { $0 }), .sync(.rollback), .rename(.rollback, to: .log),
                .syncDirectory)
            if let found = oracle.stepped(0, life: life, isOpen: true, commit: 0, last: last, isWhole: isWhole, disk: disk) {
                return found
            }
            Self.perform(&disk, .append(.log, more.flatMap { $0 }))
            return oracle.stepped(0, life: life, isOpen: true, commit: commit, last: commit, isWhole: isWhole, disk: disk)
        }
        func end() {
            disk.processEnded(losingPower: false)
            oracle.ended(0, disk)
        }
        let (old, new) = (Array("%lineage one 01234567\n".utf8), Array("%lineage two 01234567\n".utf8))
        let rest = Array(Self.records.dropFirst())
        #expect(live(1, [old, Self.records[0]], last: 1, isWhole: true, more: rest, commit: 3) == nil)
        end()
        #expect(live(2, [old, Self.records[0]], last: 1, isWhole: false, more: isGivenUp ? [new] : [], commit: 1) == nil)
        end()
        let left = isGivenUp ? [old, Self.records[0], new] : [old, Self.records[0]]
        let again = live(3, left, last: 1, isWhole: true, commit: 1)
        #expect((again == nil) == isGivenUp, "\(String(describing: again))")
    }

    @Test func everythingThatWasSyncedMustBeThere() {
        #expect(Self.violation(found: Self.records) == nil)
        #expect(Self.violation(found: Array(Self.records.prefix(2))) != nil)
        #expect(Self.violation(found: [Self.records[0], Self.record(2, "wrong"), Self.records[2]]) != nil)
    }

    @Test func damageExcusesWhatComesAfterItAndNothingElse() {
        for isAlive in [true, false] {
            var excused = 0
            for seed in 1...12 as ClosedRange<UInt64> {
                var damaged = 0
                func judge(_ found: [[UInt8]]) -> Violation? {
                    func rot(_ disk: inout DiskModel) {
                        _ = disk.rot()
                        let at = disk.damages(of: .log)[0].range.lowerBound
                        damaged = at / Self.records[0].count
                    }
                    return Self.violation(
                        found: found, seed: seed, whileAlive: isAlive ? rot : { _ in }, between: isAlive ? { _ in } : rot)
                }
                #expect(judge(Self.records) == nil)
                for count in 0...2 {
                    #expect((judge(Array(Self.records.prefix(count))) == nil) == (count >= damaged), "seed \(seed)")
                    if count >= damaged { excused += 1 }
                }
                #expect(judge([Self.record(1, "wrong")]) != nil)
            }
            #expect(excused > 6)
        }
    }

    @Test func anExchangedDiskOwesNothing() {
        #expect(Self.violation(found: [], between: { $0.lose() }) == nil)
        #expect(Self.violation(found: [Self.record(1, "old")], between: { $0.restore(DiskCopy()) }) == nil)
    }
}
