import Machine
import Storage
import Testing
import Wire

/// A log whose history was given up.
@Suite("Putting a log aside")
struct SettingAsideTests {
    private func written() -> Life {
        var life = Life.opened()
        life.append(.beginTerm)
        life.append(.put("a", "1"))
        life.flushAndSettle()
        return life
    }

    @Test("The log gets another name with all that it has, and the next life is a new store")
    func another() throws {
        var life = written()
        let old = life.store.store
        life.append(.put("b", "2"))
        let name = life.act { $0.setAside(into: &$1) }
        #expect(!life.store.isOpen)
        life.settle()
        #expect(life.events.last == .setAside)
        #expect(name == .aside("\(old)-1-3") && name.isAside)
        let kept = try #require(life.disk[name])
        #expect(life.disk[.log] == nil)
        let next = Life.opened(life.disk.afterProcessCrash(), seed: 2)
        #expect(next.report?.wasFresh == true && next.store.store != old && next.store.last == .zero)
        #expect(next.disk[name] == kept, "nothing is deleted")
        let again = Life.opened(TestDisk([(.log, kept)]))
        #expect(again.store.store == old && again.store.last.seq == 3)
    }

    @Test("A crash on the way leaves the old log or none")
    func crashes() {
        for count in 0...4 {
            var life = written()
            let old = life.store.store
            life.act { _ = $0.setAside(into: &$1) }
            for _ in 0..<count { _ = life.performOne() }
            var random = SeededRandom(seed: UInt64(count))
            for disk in life.disk.afterPowerCut(samples: 16, random: &random) {
                let next = Life.opened(disk, seed: 2)
                #expect(next.store.store == old ? next.store.last.seq == 2 : next.report?.wasFresh == true)
            }
        }
    }

    @Test("What fails on the way stops the store")
    func failure() {
        var life = written()
        life.failing = life.performed + 1
        life.act { _ = $0.setAside(into: &$1) }
        life.settle()
        #expect(life.failure?.contains("put dbfile aside") == true)
    }
}
