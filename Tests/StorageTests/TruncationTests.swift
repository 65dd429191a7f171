import Machine
import Storage
import Testing
import Wire

@Suite("Truncating and closing a store")
struct TruncationTests {
    private static func ready() -> Life {
        var life = Life.opened()
        life.append(.beginTerm, .put("a", "1"), .put("b", "2"), .put("c", "3"), .put("d", "4"))
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: 2) }
        _ = life.takeEvents()
        return life
    }

    @Test("A truncation cuts exactly the suffix, and the log goes on from there")
    func truncation() {
        var life = TruncationTests.ready()
        life.act { $0.truncate(after: 3, into: &$1) }
        #expect(life.store.isRewriting && life.store.isOpen)
        #expect(life.store.last == Position(term: 1, seq: 3) && life.store.durable == 3)
        #expect(life.store.runs == [TermRun(term: 1, first: 1, last: 3)])
        #expect(life.store.term(at: 4) == nil)
        life.settle()
        #expect(life.takeEvents() == [.truncated])
        #expect(!life.store.isRewriting && life.disk[.rollback] == nil)
        life.append(.beginTerm, .put("d", "new"), term: 2)
        life.flushAndSettle()
        let expected = [
            Entry(1, 1, .beginTerm), Entry(1, 2, .put("a", "1")), Entry(1, 3, .put("b", "2")), Entry(2, 4, .beginTerm),
            Entry(2, 5, .put("d", "new")),
        ]
        #expect(life.entries() == expected)
        var again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.entries() == expected)
        #expect(again.store.commit == 2)
    }

    @Test("What was not even written yet survives a truncation that keeps it")
    func truncationOfBuffered() {
        var life = TruncationTests.ready()
        life.append(.put("e", "5"), .put("f", "6"))
        life.act { $0.truncate(after: 6, into: &$1) }
        #expect(life.store.durable == 5)
        life.settle()
        #expect(life.store.durable == 6 && life.store.durableMark == life.store.writeMark)
        var again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.entries().last == Entry(1, 6, .put("e", "5")))
    }

    @Test("A sync that was under way ends during the truncation, and its promise is for what is left")
    func truncationDuringSync() {
        var life = TruncationTests.ready()
        life.append(.put("e", "5"))
        life.flush()
        life.performOne()
        life.act { $0.truncate(after: 4, into: &$1) }
        #expect(life.store.durable == 4)
        life.performOne()
        #expect(life.takeEvents() == [.synced])
        #expect(life.store.durable == 4)
        life.settle()
        #expect(life.store.durable == 4 && life.store.durableMark == life.store.writeMark)
    }

    @Test("A term and a lineage that come during a truncation are durable after it, not before")
    func adoptionDuringTruncation() {
        var life = TruncationTests.ready()
        life.act { $0.truncate(after: 3, into: &$1) }
        let mark = life.act { store, _ in
            store.adopt(term: 9)
            return store.set(lineage: Lineage("x"))
        }
        life.flush()
        while life.store.isRewriting {
            #expect(life.store.durableMark < mark)
            life.performOne()
        }
        #expect(life.store.durableMark < mark)
        life.settle()
        #expect(life.store.durableMark == mark)
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.store.adoptedTerm == 9 && again.store.lineage == Lineage("x"))
    }

    @Test("Everything can go but what is committed")
    func truncationToNothing() {
        var life = Life.opened()
        life.append(.beginTerm, .put("a", "1"))
        life.flushAndSettle()
        life.act { $0.truncate(after: 0, into: &$1) }
        life.settle()
        #expect(life.store.last == .zero && life.store.runs.isEmpty && life.store.adoptedTerm == 1)
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.store.last == .zero && again.store.adoptedTerm == 1)
        #expect(again.store.store == life.store.store)
    }

    @Test("Reads of a file that is replaced meanwhile come back empty; those that wait for the new one are answered")
    func readsDuringTruncation() {
        var (life, entries) = LogStoreTests.large(305, options: .init(cachedEntryBytes: 4000))
        life.append(.put("x", "1"))
        life.flushAndSettle()
        _ = life.takeEvents()
        let early = life.act { $0.entries(from: 1, maxBytes: 1, into: &$1) }
        let request = life.waiting.count - 1
        life.act { $0.truncate(after: 305, into: &$1) }
        let late = life.act { $0.entries(from: 2, maxBytes: 1, into: &$1) }
        #expect(early == .reading(ticket: 1) && late == .reading(ticket: 2))
        #expect(request == 0)
        while life.store.isRewriting { life.perform(at: life.waiting.count - 1) }
        life.settle()
        let events = life.takeEvents()
        #expect(events == [.truncated, .entriesRead(ticket: 1, []), .entriesRead(ticket: 2, [entries[1]])])
    }

    // MARK: Closing

    @Test("Closing syncs everything first, and says so in the file")
    func closing() {
        var life = Life.opened()
        life.append(.put("a", "1"))
        #expect(life.act { $0.close(into: &$1) })
        #expect(LogStoreTests.operations(life) == ["append log", "sync log"])
        #expect(!life.store.isOpen)
        life.settle()
        #expect(life.takeEvents().last == .closed)
        #expect(life.disk.text.split(separator: "\n").last?.hasPrefix("%closed 1 0 ") == true)
        #expect(!life.act { $0.close(into: &$1) })
    }

    @Test("A store that was opened and closed without a change does not grow")
    func closingUnchanged() {
        var life = Life.opened()
        life.append(.put("a", "1"))
        life.close()
        let text = life.disk.text
        var again = Life.opened(life.disk.afterProcessCrash())
        again.close()
        #expect(again.takeEvents().last == .closed)
        #expect(again.disk.text == text)
    }

    @Test("Closing during a truncation waits for it")
    func closingDuringTruncation() {
        var life = TruncationTests.ready()
        life.act { $0.truncate(after: 3, into: &$1) }
        life.close()
        #expect(life.takeEvents() == [.truncated, .closed])
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.report?.wasClosed == true && again.store.last.seq == 3)
    }

    @Test("A store that is not open has nothing to close")
    func closingUnopened() {
        var life = Life(TestDisk())
        #expect(!life.act { $0.close(into: &$1) })
    }
}
