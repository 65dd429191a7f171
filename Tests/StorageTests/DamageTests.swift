import Machine
import Storage
import Testing
import Wire

/// What the disk did to a file that had been right: the store either refuses it, or, at the very end, where no later record
/// vouches for what is gone, takes it for a torn tail. It never returns anything wrong.
@Suite("Damage and torn tails")
struct DamageTests {
    /// A store whose entries were synced one by one, so that each vouches for the one before it.
    private static func synced(_ count: Int, closed: Bool) -> (disk: TestDisk, entries: [Entry]) {
        var random = SeededRandom(seed: 9)
        var life = Life.opened()
        life.act { store, _ in store.set(lineage: Lineage("first")) }
        life.append(.beginTerm)
        for number in 1..<count {
            life.flushAndSettle()
            _ = life.act { store, _ in store.commit(through: store.durable) }
            if number == 3 { life.act { store, _ in store.adopt(term: 2) } }
            let operation = randomOperation(&random, valueBytes: 0...6)
            let session = SessionID(opened: Position(term: 1, seq: 2))
            switch number {
            case 1: life.append(.openSession)
            case 2, 5: life.append(operation, as: RequestIdentity(session: session, sequence: 1, lowestOpen: 1))
            case 4: life.append(.closeSession(session), term: 2)
            default: life.append(operation, term: number < 4 ? 1 : 2)
            }
        }
        life.flushAndSettle()
        let entries = life.entries()
        if closed { life.close() }
        return (life.disk.afterProcessCrash(), entries)
    }

    @Test("Torn at every byte of its last record, a log opens to what was before it")
    func tornAtEveryByte() {
        let (disk, entries) = DamageTests.synced(8, closed: false)
        let bytes = disk[.log]!
        // The last record is three lines; where it begins is the fourth newline from the end.
        let newlines = bytes.indices.filter { bytes[$0] == UInt8(ascii: "\n") }
        let start = newlines[newlines.count - 4] + 1
        for end in start..<bytes.count {
            var life = Life.opened(TestDisk([(.log, Array(bytes[..<end]))]))
            #expect(life.entries() == Array(entries.dropLast()), "cut at \(end)")
            #expect(life.report?.tornBytes == Int64(end - start))
            #expect(life.logLines.contains { $0.event.contains("torn") } == (end > start))
        }
    }

    @Test("Torn at every byte of every record, a log without later records opens to a right prefix")
    func cutAnywhere() {
        let (disk, entries) = DamageTests.synced(6, closed: false)
        let bytes = disk[.log]!
        for end in 57..<bytes.count {
            var life = Life.opened(TestDisk([(.log, Array(bytes[..<end]))]))
            let read = life.entries()
            #expect(read == Array(entries.prefix(read.count)))
        }
    }

    @Test("Zeros after the end, of any length, are a torn tail", arguments: [1, 3, 16, 5000])
    func zeros(_ count: Int) {
        let (disk, entries) = DamageTests.synced(4, closed: true)
        var life = Life.opened(TestDisk([(.log, disk[.log]! + Array(repeating: 0, count: count))]))
        #expect(life.entries() == entries)
        #expect(life.report?.tornBytes == Int64(count) && life.report?.wasClosed == false)
    }

    @Test("Every flipped bit of a closed log is refused, but for its very end", arguments: [true, false])
    func everyBit(_ closed: Bool) {
        let (disk, entries) = DamageTests.synced(6, closed: closed)
        let bytes = disk[.log]!
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        // What nothing that comes later vouches for: the last record with the checksum and newline before it, from which its
        // own checksum continues.
        let lastRecord = lines.suffix(closed ? 1 : 3).reduce(0) { $0 + $1.utf8.count + 1 }
        let vouchedFor = bytes.count - lastRecord - 10
        for index in bytes.indices {
            for bit in 0..<8 {
                var flipped = bytes
                flipped[index] ^= 1 << bit
                var life = Life(TestDisk([(.log, flipped)]))
                life.settle()
                if life.refusal != nil {
                    #expect(life.disk[.log] == flipped, "a refused file is left alone")
                    #expect(life.refusal?.contains("\n") == false)
                    continue
                }
                #expect(index >= vouchedFor, "bit \(bit) of byte \(index) of \(bytes.count) went unseen")
                let read = life.entries()
                #expect(read == Array(entries.prefix(read.count)), "bit \(bit) of byte \(index)")
                #expect(read.count >= entries.count - 2)
            }
        }
    }

    @Test("The refusal names the file, the byte and what to do")
    func words() {
        let (disk, _) = DamageTests.synced(6, closed: true)
        var bytes = disk[.log]!
        let index = bytes.firstIndex(of: UInt8(ascii: "#"))! - 3
        bytes[index] ^= 1
        var life = Life(TestDisk([(.log, bytes)]), options: .init(logName: "/data/db.txt"))
        life.settle()
        let words = life.refusal ?? ""
        #expect(words.hasPrefix("/data/db.txt is damaged at byte "))
        #expect(words.contains("in entry 3") && words.contains("restore the file from a copy"))
    }

    @Test("Any stretch of zeros in a closed log is refused, and at the end of one that was not closed rolled back")
    func lostSectors() {
        for closed in [true, false] {
            let (disk, entries) = DamageTests.synced(10, closed: closed)
            let bytes = disk[.log]!
            for start in stride(from: 0, to: bytes.count - 16, by: 5) {
                var lost = bytes
                for index in start..<(start + 16) { lost[index] = 0 }
                var life = Life(TestDisk([(.log, lost)]))
                life.settle()
                guard life.refusal == nil else { continue }
                #expect(start > bytes.count - 130)
                let read = life.entries()
                #expect(read == Array(entries.prefix(read.count)) && read.count >= entries.count - 3)
            }
        }
    }

    @Test("A log that goes on after its end with an older part of itself is refused")
    func repeatedRecords() {
        let (disk, _) = DamageTests.synced(6, closed: true)
        let bytes = disk[.log]!
        var life = Life(TestDisk([(.log, bytes + bytes)]))
        life.settle()
        // Its second header may be a torn tail, but the right records after it are proof of more than a crash.
        #expect(life.refusal != nil)
    }
}
