import Machine
import Storage
import Testing
import Wire

@Suite("A running store")
struct LogStoreTests {
    static func operations(_ life: Life) -> [String] {
        life.waiting.map { request in
            switch request.operation {
            case .append(let file, _): "append \(file)"
            case .sync(let file): "sync \(file)"
            case .read(let file, _, _): "read \(file)"
            case .rename: "rename"
            case .lock, .list, .truncate, .remove, .syncDirectory: "other"
            }
        }
    }

    // MARK: Group commit

    @Test("A batch is one write and one sync; what comes during a sync shares the next")
    func groupCommit() {
        var life = Life.opened()
        life.append(.put("a", "1"), .put("b", "2"), .put("c", "3"))
        life.flush()
        #expect(LogStoreTests.operations(life) == ["append log", "sync log"])
        life.performOne()
        life.append(.put("d", "4"))
        life.flush()
        life.append(.put("e", "5"))
        life.flush()
        #expect(LogStoreTests.operations(life) == ["sync log", "append log", "append log"])
        #expect(life.store.durable == 0)
        _ = life.takeEvents()
        life.performOne()
        #expect(life.takeEvents() == [.synced])
        #expect(life.store.durable == 3)
        #expect(LogStoreTests.operations(life) == ["append log", "append log", "sync log"])
        life.settle()
        #expect(life.store.durable == 5)
        life.flush()
        #expect(life.waiting.isEmpty)
    }

    @Test("Marks count what was handed over, entries or not")
    func marks() {
        var life = Life.opened()
        let start = life.store.writeMark
        #expect(life.store.durableMark == start)
        let adopted = life.act { store, _ in store.adopt(term: 5) }
        #expect(adopted == start + 1)
        #expect(life.act { store, _ in store.adopt(term: 5) } == adopted)
        #expect(life.act { store, _ in store.adopt(term: 4) } == adopted)
        #expect(life.store.adoptedTerm == 5 && life.store.durableMark == start)
        life.flushAndSettle()
        #expect(life.store.durableMark == adopted && life.store.durable == 0)
        life.append(.beginTerm, term: 6)
        #expect(life.store.adoptedTerm == 6)
        let lineage = life.act { store, _ in store.set(lineage: Lineage("x")) }
        #expect(lineage == adopted + 2)
        #expect(life.act { store, _ in store.set(lineage: Lineage("x")) } == lineage)
        life.flushAndSettle()
        #expect(life.store.durableMark == lineage && life.store.durable == 1)
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.store.adoptedTerm == 6 && again.store.lineage == Lineage("x"))
    }

    @Test("The longest lease outlives the store's life, and a rewrite of its log")
    func lease() {
        var life = Life.opened()
        let mark = life.act { store, _ in store.remember(lease: .milliseconds(400)) }
        #expect(life.store.durableMark < mark, "nothing that long may be promised yet")
        life.flushAndSettle()
        #expect(life.store.durableMark == mark)
        #expect(life.act { store, _ in store.remember(lease: .milliseconds(300)) } == mark)
        life = Life.opened(life.disk.afterProcessCrash())
        #expect(life.store.longestLease == .milliseconds(400))
        life.append(.beginTerm)
        life.append(.beginTerm)
        life.flushAndSettle()
        life.act { store, sink in
            store.truncate(after: 1, into: &sink)
            store.remember(lease: .seconds(1))
        }
        life.settle()
        life.flushAndSettle()
        #expect(Life.opened(life.disk.afterProcessCrash()).store.longestLease == .seconds(1))
    }

    // MARK: Commit

    @Test("Only committed entries are seen, and each tells whether its key was there")
    func commit() {
        var life = Life.opened()
        life.append(.beginTerm, .put("a", "1"), .put("a", "2"), .delete("a"), .delete("a"), .put("b", ""))
        #expect(life.store.value("a") == nil)
        #expect(
            life.act { store, _ in store.commit(through: 2) } == [
                .init(seq: 1, existed: false), .init(seq: 2, existed: false),
            ])
        #expect(life.store.value("a") == "1" && life.store.keyCount == 1)
        #expect(life.act { store, _ in store.commit(through: 2) }.isEmpty)
        #expect(life.act { store, _ in store.commit(through: 1) }.isEmpty)
        #expect(life.act { store, _ in store.commit(through: 6) }.map(\.existed) == [true, true, false, false])
        #expect(life.store.value("a") == nil && life.store.value("b") == "" && life.store.keyCount == 1)
    }

    @Test("A commit mark is learnt again from the records that came after it")
    func commitMarkSurvives() {
        var life = Life.opened()
        life.append(.put("a", "1"), .put("b", "2"))
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: 2) }
        #expect(Life.opened(life.disk.afterProcessCrash()).store.commit == 0)
        life.append(.put("c", "3"))
        life.flushAndSettle()
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.store.commit == 2 && again.store.value("b") == "2" && again.store.value("c") == nil)
    }

    // MARK: Reading entries

    @Test("Entries come from memory while they are there, and at least one at a time")
    func entriesFromMemory() {
        var life = Life.opened()
        life.append(.put("a", String(repeating: "x", count: 500)), .put("b", "2"), .put("c", "3"))
        let all = (1...3).map { seq in life.act { $0.entries(from: UInt64(seq), maxBytes: 10_000, into: &$1) } }
        guard case .entries(let entries) = all[0] else {
            Issue.record("\(all[0])")
            return
        }
        #expect(entries.map(\.position.seq) == [1, 2, 3])
        #expect(life.act { $0.entries(from: 1, maxBytes: 1, into: &$1) } == .entries([entries[0]]))
        #expect(life.act { $0.entries(from: 3, maxBytes: 0, into: &$1) } == .entries([entries[2]]))
        #expect(life.act { $0.entries(from: 4, maxBytes: 1000, into: &$1) } == .entries([]))
        #expect(life.waiting.isEmpty)
    }

    /// A store with more than fits its cache, and what it holds.
    static func large(_ count: Int, options: LogStore.Options, seed: UInt64 = 5) -> (life: Life, entries: [Entry]) {
        var random = SeededRandom(seed: seed)
        var life = Life.opened(options: options)
        var entries: [Entry] = []
        for seq in 1...UInt64(count) {
            entries.append(Entry(1, seq, randomOperation(&random, keys: 50, valueBytes: 0...2000)))
            life.append(entries.last!.operation)
            if seq % 10 == 0 {
                life.flushAndSettle()
                _ = life.act { store, _ in store.commit(through: store.durable) }
            }
        }
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: store.durable) }
        return (life, entries)
    }

    @Test("Entries that left memory are read from the file", arguments: [100, 1000, 1 << 20])
    func entriesFromFile(_ chunk: Int) {
        let options = LogStore.Options(chunkBytes: chunk, cachedEntryBytes: 4000)
        var (life, entries) = LogStoreTests.large(300, options: options)
        guard case .reading = life.act({ $0.entries(from: 1, maxBytes: 100, into: &$1) }) else {
            Issue.record("entry 1 is still in memory")
            return
        }
        life.settle()
        _ = life.takeEvents()
        #expect(life.entries(maxBytes: 5000) == entries)
        // The same after opening, from a file that was closed and from one that was rewritten.
        var killed = Life.opened(life.disk.afterProcessCrash(), options: options)
        #expect(killed.entries(maxBytes: 700) == entries)
        life.close()
        var again = Life.opened(life.disk.afterProcessCrash(), options: options)
        #expect(again.report?.wasClosed == true)
        #expect(again.entries(maxBytes: 1) == entries)
    }

    @Test("Who reads on begins where the last read ended, not at an index mark again")
    func readsGoOn() {
        var (life, _) = LogStoreTests.large(300, options: .init(cachedEntryBytes: 4000))
        var offsets: [Int64] = []
        for seq in [10, 20, 30, 21] as [UInt64] {
            life.act { _ = $0.entries(from: seq, maxBytes: 1, into: &$1) }
            for case .read(_, let offset, _) in life.waiting.map(\.operation) { offsets.append(offset) }
            life.settle()
        }
        #expect(offsets[0] < offsets[1] && offsets[1] < offsets[2])
        #expect(offsets[3] == offsets[2], "entry 21 comes after the end of the read of entry 20")
    }

    @Test("Reads may overtake syncs, and answer by ticket")
    func readsOvertake() {
        var (life, entries) = LogStoreTests.large(300, options: .init(cachedEntryBytes: 4000))
        life.append(.put("late", "1"))
        life.flush()
        let first = life.act { $0.entries(from: 1, maxBytes: 1, into: &$1) }
        let second = life.act { $0.entries(from: 50, maxBytes: 1, into: &$1) }
        #expect(LogStoreTests.operations(life) == ["append log", "sync log", "read log", "read log"])
        _ = life.takeEvents()
        life.perform(at: 3)
        life.perform(at: 2)
        #expect(first == .reading(ticket: 1) && second == .reading(ticket: 2))
        #expect(life.takeEvents() == [.entriesRead(ticket: 2, [entries[49]]), .entriesRead(ticket: 1, [entries[0]])])
        life.settle()
        #expect(life.store.durable == 301)
    }

    @Test("What reads back differently ends the life")
    func damageWhileRunning() {
        var (life, _) = LogStoreTests.large(300, options: .init(cachedEntryBytes: 4000))
        var bytes = life.disk[.log]!
        bytes[100] ^= 4
        life.disk = TestDisk([(.log, bytes)])
        _ = life.act { $0.entries(from: 1, maxBytes: 10_000, into: &$1) }
        life.settle()
        #expect(life.failure?.contains("dbfile is damaged at byte") == true)
    }

    // MARK: Sizes

    @Test("The largest and the smallest records, and every byte value, come back")
    func sizes() {
        var random = SeededRandom(seed: 8)
        let all = (0...255).map { UInt8($0) }
        let operations: [Operation] = [
            .put(key: randomBytes(1024...1024, &random), value: randomBytes((1 << 20)...(1 << 20), &random)),
            .put(key: [0], value: []), .put(key: all, value: all), .put(key: all + [1], value: [0]), .delete(key: [0]),
            .put(key: [UInt8(ascii: "\n")], value: Array("#\n%closed\n".utf8)),
        ]
        var life = Life.opened(options: .init(chunkBytes: 100_000))
        for operation in operations { life.append(operation) }
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: 6) }
        #expect(life.store.value(of: all) == all)
        #expect(life.store.value(of: [0]) == nil)
        var again = Life.opened(life.disk.afterProcessCrash(), options: .init(chunkBytes: 100_000, cachedEntryBytes: 0))
        #expect(again.entries().map(\.operation) == operations)
        again.close()
        var third = Life.opened(again.disk.afterProcessCrash(), options: .init(cachedEntryBytes: 0))
        #expect(third.entries().map(\.operation) == operations)
    }

    @Test("The longest lineage comes back, and a longer one is not taken")
    func lineageLimit() {
        let longest = Lineage(String(repeating: "\n", count: LogStore.lineageLimit))
        var life = Life.opened()
        let before = life.store.writeMark
        #expect(life.act { store, _ in store.set(lineage: Lineage(longest.text + "x")) } == before)
        #expect(life.store.lineage == nil)
        life.act { store, _ in store.set(lineage: longest) }
        life.flushAndSettle()
        #expect(Life.opened(life.disk.afterProcessCrash()).store.lineage == longest)
    }

    @Test("What a record cannot hold does not fit")
    func fits() {
        let store = Life.opened(options: .init(limits: Limits(keyBytes: 2, valueBytes: 3))).store
        #expect(store.fits(.put("ab", "abc")) && store.fits(.delete("ab")) && store.fits(.beginTerm))
        #expect(!store.fits(.put("abc", "")) && !store.fits(.put("a", "abcd")) && !store.fits(.delete("abc")))
    }

    // MARK: Failures

    @Test("A failed write, sync, read or rename is final: nothing is asked or promised afterwards")
    func failures() {
        func workload(_ life: inout Life) {
            life.append(.beginTerm, .put("a", "1"))
            life.flushAndSettle()
            life.append(.put("b", "2"))
            life.flushAndSettle()
            if life.failure == nil {
                life.act { $0.truncate(after: 2, into: &$1) }
                life.settle()
            }
            if life.failure == nil { life.close() }
        }
        var whole = Life.opened()
        let opening = whole.performed
        workload(&whole)
        for operation in opening..<whole.performed {
            var life = Life.opened()
            life.failing = operation
            workload(&life)
            #expect(life.failure?.hasSuffix("db.txt: Input/output error") == true)
            let (durable, mark) = (life.store.durable, life.store.durableMark)
            #expect(!life.store.isOpen)
            life.append(.put("after", "failure"))
            life.flushAndSettle()
            #expect(life.waiting.isEmpty && life.store.durable == durable && life.store.durableMark == mark)
            let again = Life.opened(life.disk.afterProcessCrash())
            #expect(again.store.last.seq >= durable)
        }
    }

    @Test("Completions of operations that are none of the store's are ignored")
    func foreignCompletions() {
        var life = Life.opened()
        life.append(.put("a", "1"))
        life.flush()
        let events = life.act { store, sink in
            store.completed(DiskCompletion(id: DiskID(999_999), result: .failed(DiskError(.other, ""))), into: &sink)
        }
        #expect(events.isEmpty)
        life.settle()
        #expect(life.store.durable == 1)
    }

    @Test("A copy of a store is a snapshot of it")
    func valueSemantics() {
        var life = Life.opened()
        life.append(.put("a", "1"))
        life.flushAndSettle()
        var copy = life
        life.append(.put("b", "2"))
        life.flushAndSettle()
        #expect(copy.store.last.seq == 1 && life.store.last.seq == 2)
        copy.append(.put("c", "3"))
        copy.flushAndSettle()
        var opened = Life.opened(copy.disk.afterProcessCrash())
        #expect(opened.entries().map(\.operation) == [.put("a", "1"), .put("c", "3")])
    }
}
