import Machine
import Testing

@testable import Simulation

/// What the medium does to a file without a crash, and what an oracle can learn of it.
@Suite struct DiskDamageTests {
    /// Bytes that are never zero, no two pages of which are alike.
    static func content(_ count: Int, from start: Int = 0) -> [UInt8] {
        (start..<(start + count)).map { UInt8(truncatingIfNeeded: ($0 &* 40_503) >> 7 | 1) }
    }

    /// A world with one process, on whose disk this is synced as the log, under a durable name.
    static func synced(_ content: [UInt8], seed: UInt64 = 1) -> ProbeWorld {
        var world = ProbeWorld.make(1, seed: seed)
        world.tell(0, disk(1, .append(.log, content)), disk(2, .sync(.log)), disk(3, .syncDirectory))
        world.run(for: .seconds(1))
        return world
    }

    /// What a request of the process results in.
    static func ask(_ world: inout ProbeWorld, _ number: UInt64, _ operation: DiskOperation) -> DiskResult? {
        world.tell(0, disk(number, operation))
        world.run(for: .seconds(1))
        return world.probe(0).diskResult(number)
    }

    static func expect(_ result: DiskResult?, from world: inout ProbeWorld, _ number: UInt64, _ operation: DiskOperation) {
        let found = ask(&world, number, operation)
        #expect(found == result, "request \(number)")
    }

    static func differences(_ a: [UInt8], _ b: [UInt8]) -> [Int] { a.indices.filter { a[$0] != b[$0] } }

    // MARK: A limit

    @Test func damageStaysWithinItsLimit() {
        let content = Self.content(5_000)
        var hit: [Int] = []
        for seed in 1...60 as ClosedRange<UInt64> {
            var world = ProbeWorld.make(1, seed: seed) { options in
                // In whole sectors, so this allows the first two.
                options.disk.damageLimit = DamageLimit("half") { file, bytes in file == .log ? min(bytes.count, 1_500) : 0 }
            }
            world.tell(
                0, disk(1, .append(.log, content)), disk(2, .sync(.log)), disk(3, .append(.rollback, content)),
                disk(4, .sync(.rollback)), disk(5, .syncDirectory))
            world.run(for: .seconds(1))
            let wasHit = world.rotDisk(0)
            #expect(wasHit)
            hit += Self.differences(world.disk(0).durableBytes(of: .log) ?? [], content)
            #expect(world.disk(0).durableBytes(of: .rollback) == content)
        }
        #expect(!hit.isEmpty && hit.allSatisfy { $0 < 1_024 })
    }

    // MARK: Rot

    @Test func rotReadsTheSameEveryTimeAndIsKnownToWhoAsks() {
        let content = Self.content(5_000)
        for seed in 1...40 as ClosedRange<UInt64> {
            var world = Self.synced(content, seed: seed)
            let wasHit = world.rotDisk(0)
            #expect(wasHit)
            let first = Self.ask(&world, 4, .read(.log, offset: 0, length: 9_000))
            guard case .data(let wrong)? = first else {
                Issue.record("seed \(seed): \(String(describing: first))")
                continue
            }
            let differences = Self.differences(content, wrong)
            let damage = world.disk(0).damages(of: .log)
            #expect(!differences.isEmpty && differences.count <= 3)
            #expect(damage.count == 1 && differences.allSatisfy { damage[0].range.contains($0) })
            Self.expect(first, from: &world, 5, .read(.log, offset: 0, length: 9_000))
            #expect(world.disk(0).pristineBytes(of: .log) == content)
            #expect(world.disk(0).harms.map(\.kind) == [.damaged(.rot)] && world.disk(0).harms[0].file == .log)
            #expect(world.counters[.bitsRotted] == 1 && world.counters[.readReturnedDamage] == 2)
            // Neither what is written behind it, nor a power loss, nor a new life makes it better or worse.
            _ = Self.ask(&world, 6, .append(.log, content))
            _ = Self.ask(&world, 7, .sync(.log))
            world.crash(0, losingPower: true)
            #expect(world.disk(0).visibleBytes(of: .log) == wrong + content)
            #expect(world.disk(0).pristineBytes(of: .log) == content + content)
        }
    }

    @Test func rotGoesWithTheBytes() {
        var world = Self.synced(Self.content(400))
        world.rotDisk(0)
        _ = Self.ask(&world, 4, .truncate(.log, size: 0))
        _ = Self.ask(&world, 5, .append(.log, Self.content(400)))
        #expect(world.disk(0).visibleBytes(of: .log) == Self.content(400))
        _ = Self.ask(&world, 6, .sync(.log))
        #expect(world.disk(0).damages(of: .log).isEmpty && !world.disk(0).isHarmed(since: world.disk(0).harmCount))
    }

    @Test func aTruncationThatIsLostBringsTheRotBack() {
        var world = Self.synced(Self.content(400), seed: 3)
        world.rotDisk(0)
        let wrong = world.disk(0).visibleBytes(of: .log)
        _ = Self.ask(&world, 4, .truncate(.log, size: 0))
        _ = Self.ask(&world, 5, .append(.log, Self.content(10)))
        var undone = 0
        for number in 6..<66 as Range<UInt64> {
            var copy = world
            // The disk's luck depends on what was asked of it.
            _ = Self.ask(&world, number, .list)
            copy.crash(0, losingPower: true)
            guard copy.disk(0).visibleBytes(of: .log) == wrong else { continue }
            undone += 1
            #expect(copy.disk(0).pristineBytes(of: .log) == Self.content(400))
        }
        #expect(undone > 3)
    }

    @Test func onlyWhatIsSyncedIsHit() {
        var world = ProbeWorld.make(1)
        var hits = [world.rotDisk(0), world.loseSectors(0)]
        _ = Self.ask(&world, 1, .append(.log, Self.content(1_000)))
        hits += [world.rotDisk(0), world.loseSectors(0)]
        #expect(hits == [false, false, false, false])
        #expect(world.disk(0).harms.isEmpty)
    }

    // MARK: Bad sectors

    @Test func aBadSectorCannotBeReadUntilItIsWrittenAgain() {
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = Self.synced(Self.content(3_000), seed: seed)
            let wasHit = world.loseSectors(0)
            #expect(wasHit)
            let bad = world.disk(0).damages(of: .log)[0].range
            for number in 4...5 as ClosedRange<UInt64> {
                guard case .failed(let error)? = Self.ask(&world, number, .read(.log, offset: Int64(bad.lowerBound), length: 1))
                else {
                    Issue.record("seed \(seed): \(bad) should be unreadable")
                    return
                }
                #expect(error.code == .inputOutput)
            }
            #expect(world.counters[.readMetBadSector] == 2)
            let before = Self.ask(&world, 6, .read(.log, offset: 0, length: bad.lowerBound))
            #expect(before == .data(Array(Self.content(3_000)[..<bad.lowerBound])))
            _ = Self.ask(&world, 7, .truncate(.log, size: Int64(bad.lowerBound)))
            _ = Self.ask(&world, 8, .append(.log, Self.content(3_000 - bad.lowerBound, from: bad.lowerBound)))
            _ = Self.ask(&world, 9, .sync(.log))
            Self.expect(.data(Self.content(3_000)), from: &world, 10, .read(.log, offset: 0, length: 3_000))
        }
    }

    // MARK: Misdirected writes

    @Test func aMisdirectedWriteIsHiddenByTheCacheAndThenWrongInTwoPlaces() {
        let (old, new) = (Self.content(9_000), Self.content(9_000, from: 4))
        for seed in 1...30 as ClosedRange<UInt64> {
            var world = Self.synced(old, seed: seed)
            var faults = DiskModel.Faults()
            faults.misdirection = 65_536
            world.setDiskFaults(0, faults)
            Self.expect(.done, from: &world, 4, .append(.log, new))
            Self.expect(.done, from: &world, 5, .sync(.log))
            Self.expect(.data(old + new), from: &world, 6, .read(.log, offset: 0, length: 20_000))
            #expect(world.disk(0).durableBytes(of: .log) != old + new)
            #expect(world.counters[.writeMisdirected] == 1)

            if seed.isMultiple(of: 2) { world.forgetPageCache(0) } else { world.crash(0, losingPower: true) }
            let seen = world.disk(0).visibleBytes(of: .log) ?? []
            #expect(world.counters[.misdirectedWriteShown] == 1)
            let (lost, landed) = (world.disk(0).damages(of: .log)[1].range, world.disk(0).damages(of: .log)[0].range)
            #expect(seen[lost].allSatisfy { $0 == 0 } && lost.lowerBound >= old.count)
            #expect(Self.differences(old + new, seen).allSatisfy { lost.contains($0) || landed.contains($0) })
            #expect(!Self.differences(old + new, seen).filter { landed.contains($0) }.isEmpty)
            #expect(world.disk(0).pristineBytes(of: .log) == old + new)
        }
    }

    @Test func aHiddenWrongPageThatIsWrittenAgainIsRight() {
        var world = Self.synced([])
        var faults = DiskModel.Faults()
        faults.misdirection = 65_536
        world.setDiskFaults(0, faults)
        _ = Self.ask(&world, 4, .append(.log, Self.content(100)))
        _ = Self.ask(&world, 5, .sync(.log))
        #expect(world.disk(0).durableBytes(of: .log) == Array(repeating: 0, count: 100))
        world.recoverDisk(0)
        _ = Self.ask(&world, 6, .append(.log, Self.content(100, from: 100)))
        _ = Self.ask(&world, 7, .sync(.log))
        #expect(world.disk(0).durableBytes(of: .log) == Self.content(200))
    }

    // MARK: The cache

    @Test func whatAFailedSyncDroppedIsGoneWhenTheCacheLetsGo() {
        var shown = 0
        for seed in 1...20 as ClosedRange<UInt64> {
            var world = Self.synced(Self.content(100), seed: seed)
            var faults = DiskModel.Faults()
            faults.syncFailure = 65_536
            world.setDiskFaults(0, faults)
            _ = Self.ask(&world, 4, .append(.log, Self.content(9_000)))
            _ = Self.ask(&world, 5, .sync(.log))
            world.recoverDisk(0)
            Self.expect(.done, from: &world, 6, .sync(.log))
            #expect(world.disk(0).visibleBytes(of: .log) == Self.content(100) + Self.content(9_000))
            let durable = world.disk(0).durableBytes(of: .log)
            world.forgetPageCache(0)
            #expect(world.disk(0).visibleBytes(of: .log) == durable)
            shown += world.counters[.cacheLetGoOfDamage]
            // Nobody was told that it is safe, so it is no harm.
            #expect(world.disk(0).harms.isEmpty && !world.disk(0).isHarmed(since: 0))
        }
        #expect(shown > 10)
    }

    // MARK: Another disk

    @Test func aLostDiskIsEmpty() {
        var world = Self.synced(Self.content(100))
        world.crash(0, losingPower: false)
        world.loseDisk(0)
        #expect(world.disk(0).visibleBytes(of: .log) == nil && world.disk(0).durableBytes(of: .log) == nil)
        #expect(world.disk(0).wasExchanged(since: 0) && !world.disk(0).wasExchanged(since: 1))
        world.start(0, Probe())
        Self.expect(.listing([]), from: &world, 9, .list)
        Self.expect(.done, from: &world, 10, .append(.log, Self.content(5)))
        #expect(world.disk(0).visibleBytes(of: .log) == Self.content(5))
    }

    @Test func anOldCopyIsTheWholeFolderAsItWas() {
        var world = Self.synced(Self.content(100))
        _ = Self.ask(&world, 4, .append(.rollback, Self.content(7)))
        let copy = world.disk(0).copy
        _ = Self.ask(&world, 5, .remove(.rollback))
        _ = Self.ask(&world, 6, .append(.log, Self.content(50)))
        _ = Self.ask(&world, 7, .sync(.log))
        world.crash(0, losingPower: true)
        world.restoreDisk(0, copy)
        world.losePowerWhileDown(0)
        #expect(world.disk(0).visibleBytes(of: .log) == Self.content(100))
        #expect(world.disk(0).visibleBytes(of: .rollback) == Self.content(7))
        #expect(world.counters[.diskRestored] == 1 && world.disk(0).wasExchanged(since: 0))
    }

    // MARK: What an oracle may ask

    @Test func whatALifeLeftIsOwedUpToTheDamage() {
        let content = Self.content(4_000)
        for seed in 1...20 as ClosedRange<UInt64> {
            // Damaged while it lives, while it is down, or under another name.
            var world = Self.synced(content, seed: seed)
            if seed.isMultiple(of: 2) { world.rotDisk(0) }
            world.crash(0, losingPower: false)
            if !seed.isMultiple(of: 2) { world.loseSectors(0) }
            guard let remains = world.disk(0).remains else {
                Issue.record("a life leaves something")
                return
            }
            let bad = world.disk(0).damages(of: .log)[0].range
            #expect(remains.written == content)
            #expect(world.disk(0).soundBytes(of: remains) == Array(content[..<bad.lowerBound]))
            #expect(world.disk(0).isHarmed(since: world.disk(0).harmCount))
        }
    }
}
