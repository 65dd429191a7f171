import Machine
import Storage
import Testing
import Wire

/// When an entry counts as durable, and what a store says of itself afterwards.
@Suite("Sync policies")
struct SyncPolicyTests {
    static func life(_ sync: SyncPolicy, _ disk: TestDisk = TestDisk()) -> Life {
        Life.opened(disk, options: .init(sync: sync))
    }

    private func text(_ life: Life) -> String { String(decoding: life.disk[.log] ?? [], as: UTF8.self) }

    @Test(
        "Under a weaker policy what is written counts, and nothing is synced for it",
        arguments: [SyncPolicy.none, .interval(.seconds(1))])
    func written(_ sync: SyncPolicy) {
        var life = Self.life(sync)
        life.append(.beginTerm)
        life.append(.put("a", "1"))
        life.flush()
        #expect(life.store.durable == 0, "it is not even written")
        life.settle()
        #expect(life.store.durable == 2 && life.store.hasUnsynced)
        #expect(life.store.settledMark == life.store.writeMark, "the disk does not hang")
        life.append(.put("b", "2"))
        life.flushAndSettle()
        #expect(text(life).contains("# 1 3 0 0 "), "the record vouches for what is synced, not for what counts")
        life.act { store, _ in store.demandSync() }
        life.flushAndSettle()
        #expect(!life.store.hasUnsynced)
    }

    @Test("A term is synced before it counts under every policy")
    func facts() {
        var life = Self.life(.none)
        life.append(.beginTerm)
        let mark = life.act { store, _ in store.adopt(term: 5) }
        life.flushAndSettle()
        #expect(life.store.durableMark == mark)
    }

    @Test("After a crash a store with a weaker policy is not whole, whatever it is set to then")
    func crash() {
        var life = Self.life(.none)
        #expect(life.store.isWhole && text(life).contains("%whole no "))
        life.append(.beginTerm)
        life.flushAndSettle()
        for sync in [SyncPolicy.always, .none, .always] {
            life = Self.life(sync, life.disk.afterProcessCrash())
            #expect(!life.store.isWhole)
        }
        life.act { _ = $0.close(into: &$1) }
        life.settle()
        life = Self.life(.always, life.disk.afterProcessCrash())
        #expect(life.report?.wasClosed == true)
        #expect(!life.store.isWhole, "a clean end does not bring back what the crash before it took")
    }

    @Test("A store that is in-sync again is whole again")
    func wholeAgain() {
        var life = Self.life(.none)
        life = Self.life(.always, life.disk.afterProcessCrash())
        life.act { store, _ in store.becameWhole() }
        #expect(life.store.isWhole)
        life.flushAndSettle()
        life = Self.life(.always, life.disk.afterProcessCrash())
        #expect(life.store.isWhole)
    }

    @Test("Under a weaker policy being in-sync makes a store whole until it crashes")
    func wholeForNow() {
        var life = Self.life(.none)
        life = Self.life(.none, life.disk.afterProcessCrash())
        life.act { store, _ in store.becameWhole() }
        life.flushAndSettle()
        #expect(life.store.isWhole)
        let crashed = Self.life(.none, life.disk.afterProcessCrash())
        #expect(!crashed.store.isWhole)
        life.act { _ = $0.close(into: &$1) }
        life.settle()
        #expect(Self.life(.none, life.disk.afterProcessCrash()).store.isWhole)
    }

    @Test("A clean close syncs everything: the store is whole")
    func close() {
        var life = Self.life(.none)
        life.append(.beginTerm)
        life.append(.put("a", "1"))
        life.act { _ = $0.close(into: &$1) }
        life.settle()
        #expect(life.events.contains(.closed) && !life.store.hasUnsynced)
        #expect(text(life).contains("%whole yes "))
        life = Self.life(.always, life.disk.afterProcessCrash())
        #expect(life.store.isWhole && life.store.last.seq == 2)
        life.append(.put("b", "2"))
        life.flushAndSettle()
        #expect(Self.life(.always, life.disk.afterProcessCrash()).store.isWhole, "this life counted only what was synced")
    }

    @Test("A store that was synced always says so before anything else counts", arguments: [true, false])
    func goingWeak(_ isClosed: Bool) {
        var life = Self.life(.always)
        life.append(.beginTerm)
        life.flushAndSettle()
        if isClosed {
            life.act { _ = $0.close(into: &$1) }
            life.settle()
        }
        life = Self.life(.none, life.disk.afterProcessCrash())
        #expect(life.report?.wasClosed == isClosed)
        #expect(life.store.isWhole, "it has everything so far")
        var random = SeededRandom(seed: 1)
        for disk in life.disk.afterPowerCut(samples: 8, random: &random) {
            #expect(!Self.life(.always, disk).store.isWhole)
        }
    }

    @Test("Where the end is lost under a weaker policy, nothing says any more that the store is whole")
    func lostLine() throws {
        var life = Self.life(.always)
        life.append(.beginTerm)
        life.flushAndSettle()
        life.close()
        life = Self.life(.none, life.disk.afterProcessCrash())
        life.append(.beginTerm)
        life.flushAndSettle()
        #expect(!Self.life(.none, life.disk.afterProcessCrash()).store.isWhole)
        var log = try #require(life.disk[.log])
        let line = try #require(text(life).range(of: "%whole no "))
        log[text(life).utf8.distance(from: text(life).startIndex, to: line.lowerBound) + 7] ^= 1
        #expect(!Self.life(.none, TestDisk([(.log, log)])).store.isWhole)
    }

    @Test("A sync that hangs is noticed under every policy", arguments: [SyncPolicy.none, .interval(.seconds(1)), .always])
    func hangingSync(_ sync: SyncPolicy) {
        var life = Self.life(sync)
        life.append(.beginTerm)
        life.act { store, _ in store.demandSync() }
        life.act { $0.flush(into: &$1) }
        let isWritten = life.performOne()
        #expect(isWritten)
        #expect(life.store.settledMark < life.store.writeMark)
        life.settle()
        #expect(life.store.settledMark == life.store.writeMark)
    }

    @Test("A truncation keeps what the log says of its store")
    func truncation() {
        var life = Self.life(.none)
        life.append(.beginTerm)
        life.append(.beginTerm)
        life.flushAndSettle()
        life.act { $0.truncate(after: 1, into: &$1) }
        life.settle()
        #expect(!Self.life(.none, life.disk.afterProcessCrash()).store.isWhole)
    }
}
