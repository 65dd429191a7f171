import Machine
import Testing
import Wire

@testable import Storage

/// A copy of a store's committed state, made while it goes on, and taken by another store in place of its log.
@Suite("Copies")
struct CopyTests {
    static let options = LogStore.Options(chunkBytes: 256, cachedEntryBytes: 100)
    static let session = SessionID(opened: Position(term: 1, seq: 2))

    static func identity(_ sequence: UInt64, _ lowestOpen: UInt64 = 1) -> RequestIdentity {
        RequestIdentity(session: session, sequence: sequence, lowestOpen: lowestOpen)
    }

    /// Reads the whole of a copy; `meanwhile` is called before each read.
    static func copy(
        of source: inout Life, maxBytes: Int = 64, meanwhile: (inout Life) -> Void = { _ in }
    ) -> (pieces: [CopyContent], end: CopyEnd) {
        var walk = source.store.beginWalk()
        var pieces: [CopyContent] = []
        while !walk.isComplete {
            meanwhile(&source)
            _ = source.takeEvents()
            let ticket = source.act { $0.walkOn(walk, maxBytes: maxBytes, into: &$1) }
            source.settle()
            for case .walked(ticket, let next, let entries) in source.takeEvents() {
                guard let next else { preconditionFailure("the file was replaced") }
                walk = next
                if !entries.isEmpty { pieces.append(.entries(entries)) }
            }
        }
        guard let end = walk.copyEnd else { preconditionFailure("a complete walk without its end") }
        var runs = source.store.runs.filter { $0.first <= end.position.seq }
        runs[runs.count - 1].last = min(runs[runs.count - 1].last, end.position.seq)
        pieces += [.runs(runs), .sessions(walk.sessions), .end(end)]
        return (pieces, end)
    }

    static func take(_ pieces: [CopyContent], _ life: inout Life) {
        life.act { $0.beginCopy(into: &$1) }
        for piece in pieces {
            let verdict = life.act { $0.take(piece, into: &$1) }
            #expect(verdict == .taken)
        }
        life.settle()
    }

    /// A source with overwritten, deleted and remembered keys; all of it committed.
    static func source() -> Life {
        var life = Life.opened(options: options)
        life.act { store, _ in store.set(lineage: Lineage("l")) }
        life.append(.beginTerm, .openSession, .put("a", "1"), .put("b", "1"))
        life.append(.put("c", "1"), as: identity(1))
        life.append(.put("a", "2"), .delete("b"))
        life.append(.delete("c"), as: identity(2))
        life.append(.beginTerm, .put("d", "1"), .put("e", "1"), term: 3)
        life.flushAndSettle()
        life.act { store, _ in _ = store.commit(through: 11) }
        return life
    }

    @Test("A copy has each key's last entry, at its position, and nothing that was superseded")
    func whatItHas() {
        var source = CopyTests.source()
        let (pieces, end) = CopyTests.copy(of: &source)
        #expect(end == CopyEnd(position: Position(term: 3, seq: 11), dropped: 8))
        let entries = pieces.flatMap { (piece: CopyContent) -> [Entry] in
            if case .entries(let entries) = piece { entries } else { [] }
        }
        #expect(entries == [Entry(1, 6, .put("a", "2")), Entry(3, 10, .put("d", "1")), Entry(3, 11, .put("e", "1"))])
        #expect(pieces.contains(.runs([TermRun(term: 1, first: 1, last: 8), TermRun(term: 3, first: 9, last: 11)])))
        let memory = SessionMemory(
            session: CopyTests.session, lowestOpen: 1,
            outcomes: [.init(sequence: 1, seq: 5, existed: nil), .init(sequence: 2, seq: 8, existed: true)])
        #expect(pieces.contains(.sessions([memory])))
    }

    @Test("A store that has taken a copy is what its source was, opens so again, and goes on from there")
    func taken() {
        var source = CopyTests.source()
        let (pieces, end) = CopyTests.copy(of: &source)
        var life = Life.opened(options: CopyTests.options, seed: 2)
        life.append(.beginTerm, .put("x", "old"))
        life.flushAndSettle()
        life.act { store, _ in
            store.set(lineage: Lineage("l"))
            store.adopt(term: 4)
            store.remember(lease: .seconds(2))
        }
        life.flushAndSettle()
        let identity = life.store.store
        _ = life.takeEvents()
        CopyTests.take(pieces, &life)
        #expect(life.takeEvents().last == .copyTaken)
        #expect(life.disk[.rollback] == nil)

        func check(_ store: LogStore) {
            #expect(store.store == identity && store.lineage == Lineage("l"))
            #expect(store.adoptedTerm == 4 && store.longestLease == .seconds(2))
            #expect(store.last == end.position && store.commit == 11 && store.durable == 11 && store.oldest == 12)
            #expect(store.runs == source.store.runs)
            #expect(store.keyCount == 3 && store.value("a") == "2" && store.value("b") == nil && store.value("x") == nil)
            #expect(store.sessions == source.store.sessions)
            #expect(store.recollection(of: CopyTests.identity(2)) == .happened(seq: 8, .deleted(existed: true)))
        }
        check(life.store)
        var again = Life.opened(life.disk.afterProcessCrash(), options: CopyTests.options)
        #expect(again.report?.wasClosed == true)
        check(again.store)

        again.append(.put("f", "1"), .delete("d"), term: 4)
        again.flushAndSettle()
        _ = again.act { store, _ in store.commit(through: 13) }
        again.append(.put("g", "1"), .put("h", "1"), term: 4)
        again.flushAndSettle()
        again.act { $0.truncate(after: 14, into: &$1) }
        again.settle()
        let third = Life.opened(again.disk.afterProcessCrash(), options: CopyTests.options)
        #expect(third.store.last == Position(term: 4, seq: 14) && third.store.commit == 13 && third.store.oldest == 12)
        #expect(third.store.value("d") == nil && third.store.value("a") == "2" && third.store.value("f") == "1")
        #expect(third.store.sessions == source.store.sessions)
    }

    @Test("Entries before a copy's end are not to be had; those after it are")
    func oldest() {
        var source = CopyTests.source()
        let (pieces, _) = CopyTests.copy(of: &source)
        var life = Life.opened(options: CopyTests.options)
        CopyTests.take(pieces, &life)
        life.append(.put("f", "1"), term: 3)
        life.flushAndSettle()
        #expect(life.act { $0.entries(from: 11, maxBytes: 100, into: &$1) } == .entries([]))
        #expect(life.act { $0.entries(from: 12, maxBytes: 100, into: &$1) } == .entries([Entry(3, 12, .put("f", "1"))]))
        var again = Life.opened(life.disk.afterProcessCrash(), options: CopyTests.options)
        _ = again.act { store, _ in store.commit(through: 12) }
        guard case .reading(let ticket) = again.act({ $0.entries(from: 12, maxBytes: 100, into: &$1) }) else {
            return #expect(
                again.act { $0.entries(from: 12, maxBytes: 100, into: &$1) } == .entries([Entry(3, 12, .put("f", "1"))]))
        }
        again.settle()
        #expect(again.takeEvents().contains(.entriesRead(ticket: ticket, [Entry(3, 12, .put("f", "1"))])))
    }

    /// Against a store that simply applied the same entries up to the copy's position.
    @Test("Whatever is written while a copy is made, it is the state at its position", arguments: UInt64(1)...40)
    func underWrites(_ seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var source = Life.opened(options: CopyTests.options, seed: seed)
        var entries: [Entry] = []
        var sessions: [SessionID] = []
        var sequence: UInt64 = 0
        func write(_ count: Int, _ life: inout Life) {
            for _ in 0..<count {
                let seq = life.store.last.seq + 1
                let term = max(1, life.store.last.term) + (random.chance(1, in: 20) ? 1 : 0)
                var entry = Entry(position: Position(term: term, seq: seq), operation: randomOperation(&random, keys: 6))
                if random.chance(1, in: 10) {
                    entry.operation = .openSession
                    sessions.append(SessionID(opened: entry.position))
                } else if random.chance(1, in: 20), let session = sessions.popLast() {
                    entry.operation = .closeSession(session)
                } else if let session = sessions.last {
                    sequence += 1
                    entry.identity = RequestIdentity(
                        session: session, sequence: sequence, lowestOpen: sequence - min(sequence - 1, 3))
                }
                entries.append(entry)
                life.act { store, _ in store.append(entry) }
            }
            life.flushAndSettle()
            let behind = UInt64(Int.random(in: 0..<3, using: &random))
            life.act { store, _ in _ = store.commit(through: max(store.commit, store.last.seq - min(behind, store.last.seq))) }
        }
        write(5 + Int.random(in: 0..<60, using: &random), &source)
        if source.store.commit == 0 { return }
        let (pieces, end) = CopyTests.copy(of: &source) { life in
            if random.chance(1, in: 2) { write(1 + Int.random(in: 0..<4, using: &random), &life) }
        }

        func reference(through seq: UInt64) -> Life {
            var life = Life.opened(options: CopyTests.options, seed: 99)
            for entry in entries.prefix(Int(seq)) { life.act { store, _ in store.append(entry) } }
            life.flushAndSettle()
            life.act { store, _ in _ = store.commit(through: seq) }
            return life
        }
        func expectSame(_ a: LogStore, _ b: LogStore) {
            #expect(a.last == b.last && a.commit == b.commit && a.runs == b.runs)
            #expect(a.keyCount == b.keyCount && a.sessions == b.sessions)
            for number in 0..<6 {
                let key = Array("k\(number)".utf8)
                #expect(a.value(of: key) == b.value(of: key))
                #expect(a.contents.index.seq(of: key) == b.contents.index.seq(of: key))
            }
            #expect(a.copyBytes == b.copyBytes)
        }
        let right = reference(through: end.position.seq)
        var life = Life.opened(options: CopyTests.options, seed: 2)
        CopyTests.take(pieces, &life)
        expectSame(life.store, right.store)
        expectSame(Life.opened(life.disk.afterProcessCrash()).store, right.store)

        // A copy of a store that began as a copy, and went on.
        sessions.removeAll()
        entries.removeLast(entries.count - Int(end.position.seq))
        write(Int.random(in: 0..<30, using: &random), &life)
        let (second, secondEnd) = CopyTests.copy(of: &life) { life in
            if random.chance(1, in: 2) { write(1 + Int.random(in: 0..<4, using: &random), &life) }
        }
        var third = Life.opened(options: CopyTests.options, seed: 3)
        CopyTests.take(second, &third)
        expectSame(third.store, reference(through: secondEnd.position.seq).store)
    }

    @Test("Until the copy is complete the store is what it was, whatever it is told; dropping it changes nothing")
    func dropped() {
        var source = CopyTests.source()
        let (pieces, _) = CopyTests.copy(of: &source)
        var life = Life.opened(options: CopyTests.options)
        life.append(.beginTerm, .put("x", "old"))
        life.flushAndSettle()
        life.act { store, _ in _ = store.commit(through: 2) }
        life.act { $0.beginCopy(into: &$1) }
        for piece in pieces.dropLast() { life.act { _ = $0.take(piece, into: &$1) } }
        life.settle()
        #expect(life.store.value("x") == "old" && life.store.value("a") == nil && life.store.last.seq == 2)
        #expect(life.disk[.rollback] != nil)
        life.act { $0.dropCopy(into: &$1) }
        life.append(.put("y", "new"))
        life.flushAndSettle()
        // What is left of it is in nobody's way: of a truncation, of another copy, of the next life.
        life.act { $0.truncate(after: 2, into: &$1) }
        life.settle()
        #expect(life.disk[.rollback] == nil)
        life.act { $0.beginCopy(into: &$1) }
        life.act { _ = $0.take(pieces[0], into: &$1) }
        life.settle()
        let next = Life.opened(life.disk.afterProcessCrash(), options: CopyTests.options)
        #expect(next.disk[.rollback] == nil && next.store.value("x") == "old")
        CopyTests.take(pieces, &life)
        #expect(life.store.value("a") == "2" && life.store.value("x") == nil)
    }

    @Test("A term, a lease and a history that come during the switch are in the new log")
    func factsDuringTheSwitch() {
        var source = CopyTests.source()
        let (pieces, _) = CopyTests.copy(of: &source)
        var life = Life.opened(options: CopyTests.options)
        life.act { $0.beginCopy(into: &$1) }
        for piece in pieces { life.act { _ = $0.take(piece, into: &$1) } }
        while !life.store.isRewriting { life.performOne() }
        let mark = life.act { store, _ in
            store.remember(lease: .seconds(3))
            store.set(lineage: Lineage("l"))
            return store.adopt(term: 9)
        }
        life.settle()
        #expect(life.store.durableMark >= mark)
        let again = Life.opened(life.disk.afterProcessCrash(), options: CopyTests.options)
        #expect(again.store.adoptedTerm == 9 && again.store.longestLease == .seconds(3) && again.store.lineage == Lineage("l"))
    }

    @Test("What is no copy is refused, piece by piece")
    func malformed() {
        func verdict(_ pieces: [CopyContent]) -> String? {
            var life = Life.opened(options: CopyTests.options)
            life.act { $0.beginCopy(into: &$1) }
            for piece in pieces {
                if case .malformed(let why) = life.act({ $0.take(piece, into: &$1) }) { return why }
            }
            return nil
        }
        let a = Entry(1, 2, .put("a", "1"))
        let runs = CopyContent.runs([TermRun(term: 1, first: 1, last: 3)])
        let end = CopyContent.end(CopyEnd(position: Position(term: 1, seq: 3), dropped: 0))
        #expect(verdict([.entries([a]), runs, end]) == nil)
        #expect(verdict([.entries([a, a]), runs, end]) != nil)
        #expect(verdict([.entries([Entry(1, 2, .beginTerm)])]) != nil)
        #expect(verdict([.entries([Entry(1, 4, .put("a", "1"))]), runs, end]) != nil)
        #expect(verdict([.entries([Entry(2, 2, .put("a", "1"))]), runs, end]) != nil)
        #expect(verdict([.entries([a]), end]) != nil)
        #expect(verdict([runs, .entries([a])]) != nil)
        #expect(verdict([.runs([TermRun(term: 1, first: 2, last: 3)])]) != nil)
        #expect(verdict([.runs([TermRun(term: 1, first: 1, last: UInt64.max)])]) != nil)
        #expect(verdict([runs, .runs([TermRun(term: 1, first: 4, last: 5)])]) != nil)
        #expect(verdict([runs, .end(CopyEnd(position: Position(term: 1, seq: 2), dropped: 0))]) != nil)
        #expect(verdict([runs, .end(CopyEnd(position: Position(term: 1, seq: 3), dropped: 4))]) != nil)
        let late = SessionMemory(session: SessionID(opened: Position(term: 1, seq: 4)), lowestOpen: 1, outcomes: [])
        #expect(verdict([runs, .sessions([late]), end]) != nil)
        let outcome = SessionMemory.Outcome(sequence: 1, seq: 4, existed: nil)
        let session = SessionID(opened: Position(term: 1, seq: 1))
        #expect(verdict([runs, .sessions([SessionMemory(session: session, lowestOpen: 1, outcomes: [outcome])]), end]) != nil)
        let right = SessionMemory.Outcome(sequence: 1, seq: 2, existed: true)
        let memory = SessionMemory(session: session, lowestOpen: 1, outcomes: [right])
        #expect(verdict([runs, .sessions([memory]), end]) == nil)
        #expect(verdict([runs, .sessions([memory, memory]), end]) != nil)
        #expect(verdict([runs, .sessions([SessionMemory(session: session, lowestOpen: 2, outcomes: [right])]), end]) != nil)
        let large = Entry(1, 2, .put(key: Array(repeating: 1, count: 1 << 17), value: []))
        #expect(verdict([.entries([large])]) != nil)
        #expect(verdict([.entries([a]), runs, end, .entries([a])]) != nil, "nothing follows the end")
    }

    @Test("A copy whose first piece is refused leaves nothing behind: another is taken, or the log cut")
    func firstPieceRefused() {
        for again in [true, false] {
            var life = CopyTests.source()
            life.append(.put("z", "1"), term: 3)
            life.flushAndSettle()
            life.act { $0.beginCopy(into: &$1) }
            let verdict = life.act { $0.take(.entries([Entry(1, 2, .beginTerm)]), into: &$1) }
            #expect(verdict != .taken)
            life.act { $0.dropCopy(into: &$1) }
            if again {
                let end = CopyEnd(position: Position(term: 3, seq: 12), dropped: 0)
                CopyTests.take([.runs([TermRun(term: 3, first: 1, last: 12)]), .end(end)], &life)
                #expect(life.store.oldest == 13)
            } else {
                life.act { $0.truncate(after: 11, into: &$1) }
                life.settle()
                #expect(life.store.last.seq == 11)
            }
            #expect(life.failure == nil)
        }
    }

    @Test("The file of a copy is what the documentation says, byte for byte, and nothing else is taken for one")
    func golden() {
        let session = SessionID(opened: Position(term: 3, seq: 9))
        let identity = RequestIdentity(session: session, sequence: 1, lowestOpen: 1)
        let pieces: [CopyContent] = [
            .entries([
                Entry(1, 6, .put("a", "2")),
                Entry(position: Position(term: 3, seq: 10), operation: .put("d", "1"), identity: identity),
            ]),
            .runs([TermRun(term: 1, first: 1, last: 8), TermRun(term: 3, first: 9, last: 11)]),
            .sessions([
                SessionMemory(
                    session: session, lowestOpen: 1, outcomes: [SessionMemory.Outcome(sequence: 1, seq: 10, existed: nil)])
            ]),
            .end(CopyEnd(position: Position(term: 3, seq: 11), dropped: 8)),
        ]
        var life = Life(TestDisk([(.log, Array("%aviary 2 01234567-89ab-4cde-8f01-23456789abcd bf1dec94\n".utf8))]))
        life.settle()
        life.act { store, _ in
            store.set(lineage: Lineage("first"))
            store.adopt(term: 3)
        }
        CopyTests.take(pieces, &life)
        let text = life.disk.text
        #expect(
            text == """
                %aviary 2 01234567-89ab-4cde-8f01-23456789abcd bf1dec94
                %copy d968230f
                YQ==
                Mg==
                # 1 6 0 5 db523625
                ZA==
                MQ==
                # 3 10 0 9 3:9 1 1 973df1ee
                %run 1 1 8 ba36fa60
                %run 3 9 11 21bbdb2e
                %memory 3:9 1 45762fef
                %result 1 10 put 80a40d39
                %copied 3 11 8 7ec77f80
                %lineage first efe388e2
                %adopt 3 2fe4681e
                %closed 11 11 4bb9f975

                """)

        // Each line left out, or said twice, with right checksums: only what changes no meaning is accepted.
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map(String.init)
        for index in lines.indices.dropFirst() where lines[index].hasPrefix("%") {
            let isFact = lines[index].hasPrefix("%lineage") || lines[index].hasPrefix("%adopt")
            let isClosed = lines[index].hasPrefix("%closed")
            let without = CopyTests.resealed(lines[..<index] + lines[(index + 1)...])
            #expect(
                (CopyTests.refusal(without) == nil) == (isFact || isClosed || lines[index].hasPrefix("%result")),
                "\(lines[index])")
            let twice = CopyTests.resealed(lines[...index] + lines[index...])
            #expect((CopyTests.refusal(twice) == nil) == (isFact || isClosed), "\(lines[index])")
        }
    }

    private static func refusal(_ text: String) -> String? {
        var life = Life(TestDisk([(.log, Array(text.utf8))]))
        life.settle()
        return life.refusal
    }

    /// The lines with the checksums that they must have there.
    private static func resealed(_ lines: some Sequence<String>) -> String {
        var text = ""
        var record = ""
        var chain: UInt32 = 0
        for line in lines {
            guard line.hasPrefix("%") || line.hasPrefix("#") else {
                record += line + "\n"
                continue
            }
            record += line.dropLast(8)
            chain = Array(record.utf8).withUnsafeBytes { CRC32.castagnoli.extend(chain, with: $0) }
            let digits = String(chain, radix: 16)
            text += record + String(repeating: "0", count: 8 - digits.count) + digits + "\n"
            record = ""
        }
        return text
    }
}
