import Foundation
import Machine
import Storage
import Testing
import Wire

@Suite("Opening a store")
struct OpeningTests {
    static func log(_ text: String) -> TestDisk { TestDisk([(.log, Array(text.utf8))]) }

    /// A disk with a store of some entries, all synced; closed or just killed.
    static func sampleDisk(closed: Bool) -> TestDisk {
        var life = Life.opened()
        life.act { store, _ in
            store.set(lineage: Lineage("first"))
            store.adopt(term: 2)
        }
        life.append(.beginTerm, .put("a", "1"), .put("b", "2"), term: 2)
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: 3) }
        life.append(.delete("a"), .put("c", ""), term: 2)
        life.flushAndSettle()
        if closed { life.close() }
        return life.disk.afterProcessCrash()
    }

    static let sampleEntries = [
        Entry(2, 1, .beginTerm), Entry(2, 2, .put("a", "1")), Entry(2, 3, .put("b", "2")), Entry(2, 4, .delete("a")),
        Entry(2, 5, .put("c", "")),
    ]

    @Test("Nothing there: a new store, whose header is durable before it counts")
    func fresh() {
        let life = Life.opened()
        #expect(life.report?.wasFresh == true)
        #expect(life.store.last == .zero && life.store.keyCount == 0 && life.store.lineage == nil)
        #expect(life.disk.text.hasPrefix("%aviary 2 \(life.store.store) "))
        var random = SeededRandom(seed: 1)
        for image in life.disk.afterPowerCut(samples: 10, random: &random) { #expect(image.text == life.disk.text) }
    }

    @Test("Two new stores have two identities, and one keeps its own")
    func identity() {
        let life = Life.opened(seed: 1)
        #expect(Life.opened(seed: 2).store.store != life.store.store)
        let again = Life.opened(life.disk.afterProcessCrash(), seed: 3)
        #expect(again.store.store == life.store.store)
        #expect(again.report?.wasFresh == false)
    }

    @Test("What a crash can leave of a new store is a new store", arguments: ["", "%", "%aviary 2 0123", "\0\0\0\0"])
    func unfinishedHeader(_ text: String) {
        let life = Life.opened(OpeningTests.log(text))
        #expect(life.report?.wasFresh == true)
        #expect(life.disk.text.hasPrefix("%aviary 2 \(life.store.store) "))
    }

    @Test("Closed cleanly, a store opens in place, with everything committed that was", arguments: [1, 7, 1 << 20])
    func closedCleanly(_ chunk: Int) {
        let disk = OpeningTests.sampleDisk(closed: true)
        var life = Life.opened(disk, options: .init(chunkBytes: chunk))
        #expect(life.report?.wasClosed == true)
        #expect(life.disk.text == disk.text)
        #expect(life.entries() == OpeningTests.sampleEntries)
        #expect(life.store.lineage == Lineage("first"))
        #expect(life.store.adoptedTerm == 2)
        #expect(life.store.commit == 3 && life.store.durable == 5)
        #expect(life.store.value("a") == "1" && life.store.value("b") == "2" && life.store.value("c") == nil)
        #expect(life.store.runs == [TermRun(term: 2, first: 1, last: 5)])
    }

    @Test("After a crash everything that was synced is there, and is written anew", arguments: [1, 7, 1 << 20])
    func crashed(_ chunk: Int) {
        let disk = OpeningTests.sampleDisk(closed: false)
        var life = Life.opened(disk, options: .init(chunkBytes: chunk))
        #expect(life.report?.wasClosed == false)
        #expect(life.entries() == OpeningTests.sampleEntries)
        #expect(life.store.lineage == Lineage("first"))
        #expect(life.store.adoptedTerm == 2)
        #expect(life.store.commit == 3)
        #expect(life.disk[.rollback] == nil)
        #expect(life.disk.text.hasSuffix("\n"))
        // The copy is closed: the next opening finds nothing to do.
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.report?.wasClosed == true)
        #expect(again.disk.text == life.disk.text)
    }

    @Test("A store goes on where it was opened: in place, or in its copy", arguments: [true, false])
    func goesOn(_ closed: Bool) {
        var life = Life.opened(OpeningTests.sampleDisk(closed: closed))
        life.append(.beginTerm, .put("d", "4"), term: 3)
        life.flushAndSettle()
        var again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.entries() == OpeningTests.sampleEntries + [Entry(3, 6, .beginTerm), Entry(3, 7, .put("d", "4"))])
        #expect(again.store.runs == [TermRun(term: 2, first: 1, last: 5), TermRun(term: 3, first: 6, last: 7)])
        #expect(again.store.term(at: 5) == 2 && again.store.term(at: 6) == 3 && again.store.term(at: 8) == nil)
        #expect(again.store.term(at: 0) == 0)
    }

    @Test("An unfinished rewrite of an earlier life is removed")
    func unfinishedRewrite() {
        for closed in [true, false] {
            let disk = TestDisk([
                (.log, OpeningTests.sampleDisk(closed: closed)[.log]!), (.rollback, Array("%aviary 2 01".utf8)),
            ])
            var life = Life.opened(disk)
            #expect(life.disk[.rollback] == nil)
            #expect(life.entries() == OpeningTests.sampleEntries)
        }
    }

    @Test("The log is missing and the rollback file complete: the rename had not happened")
    func finishedRename() {
        for log in [nil, Array("%aviary".utf8)] {
            let rollback = (FileName.rollback, OpeningTests.sampleDisk(closed: true)[.log]!)
            var life = Life.opened(TestDisk([rollback] + (log.map { [(.log, $0)] } ?? [])))
            #expect(life.report?.finishedRename == true)
            #expect(life.report?.wasClosed == false)
            #expect(life.entries() == OpeningTests.sampleEntries)
            #expect(life.disk[.rollback] == nil)
        }
    }

    @Test("Of the log a part of its header, and of the rollback file anything without entries: nothing was ever stored")
    func droppedHeader() {
        let log = Array(repeating: UInt8(0), count: 56)
        let copy = OpeningTests.sampleDisk(closed: true)[.log]!
        for rollback in [[], Array(copy.prefix(20)), Array(copy.prefix(70)), Array(repeating: 0, count: 81)] {
            let life = Life.opened(TestDisk([(.log, log), (.rollback, rollback)]))
            #expect(life.report?.wasFresh == true && life.disk[.rollback] == nil)
        }
        // With entries it may be all that is left of a store.
        var life = Life(TestDisk([(.log, log), (.rollback, Array(copy.dropLast(30)))]))
        life.settle()
        #expect(life.refusal?.contains("rbfile is not complete") == true)
    }

    @Test("The log is missing and the rollback file torn: refused, and untouched")
    func tornRollback() {
        let whole = OpeningTests.sampleDisk(closed: true)[.log]!
        for count in 0..<whole.count {
            var life = Life(TestDisk([(.rollback, Array(whole.prefix(count)))]))
            life.settle()
            #expect(life.refusal?.contains("rbfile is not complete") == true)
            #expect(life.disk[.rollback] == Array(whole.prefix(count)) && life.disk[.log] == nil)
        }
    }

    @Test(
        "A file that is not a log is refused, and untouched",
        arguments: [
            "hello", "hello\n", "#!/bin/sh\necho hello\n", "\u{7F}ELF\u{2}\u{1}\u{1}", "a2V5\ndmFsdWU=\n", "\n\n#\n",
            "-\n-\n#\n",
            "%aviary x\n", "%aviary 2 not-a-uuid 00000000\n", "%closed 0 0 00000000\n",
            "%aviary 2 01234567-89ab-4cde-8f01-23456789abcd bf1dec95\n",
            "%aviary 2 01234567-89ab-4cde-8f01-23456789abcd bf1dec94 ",
            String(repeating: "\0", count: 4096), String(repeating: "A", count: 200_000),
        ])
    func foreign(_ text: String) {
        var life = Life(OpeningTests.log(text))
        life.settle()
        #expect(life.refusal?.hasPrefix("dbfile is not an Aviary log") == true, "\(life.events)")
        #expect(life.disk.text == text)
        #expect(life.refusal?.contains("\n") == false)
    }

    @Test("A later version is refused by its number")
    func laterVersion() {
        var life = Life(OpeningTests.log("%aviary 3 with what it likes to say 01234567\nand more\n"))
        life.settle()
        #expect(life.refusal == "dbfile has log format 3, and this program reads 1 and 2: use the program that wrote it")
    }

    @Test("A store that another process holds is refused with its path")
    func locked() {
        let life = Life.opened()
        var second = Life(life.disk)
        second.settle()
        #expect(second.refusal == "cannot open the store: db.txt: held by another process")
    }

    @Test("Any operation of opening that fails refuses, and says what", arguments: [true, false])
    func failures(_ closed: Bool) {
        let disk = OpeningTests.sampleDisk(closed: closed)
        let total = Life.opened(disk).performed
        for operation in 0..<total {
            var life = Life(disk)
            life.failing = operation
            life.settle()
            #expect(life.refusal?.hasSuffix("db.txt: Input/output error") == true, "operation \(operation): \(life.events)")
            #expect(life.waiting.isEmpty && life.performed == operation + 1)
            var again = Life.opened(life.disk.afterProcessCrash())
            #expect(again.entries() == OpeningTests.sampleEntries)
        }
    }

    // MARK: Control lines of other versions

    private func disk(with line: String) -> TestDisk {
        // The checksum continues from the last line's.
        let log = OpeningTests.sampleDisk(closed: true)[.log]!
        let text = String(decoding: log, as: UTF8.self)
        let chain = UInt32(text.dropLast().suffix(8), radix: 16)!
        let checksum = Array((line + " ").utf8).withUnsafeBytes { CRC32.castagnoli.extend(chain, with: $0) }
        let digits = String(checksum, radix: 16)
        return OpeningTests.log(text + line + " " + String(repeating: "0", count: 8 - digits.count) + digits + "\n")
    }

    @Test("A line that this version must understand, and does not, is refused")
    func unknownControlLine() {
        var life = Life(disk(with: "%own 1 2"))
        life.settle()
        #expect(life.refusal?.contains("has a %own line at byte") == true)
    }

    @Test("A note is skipped")
    func note() {
        var life = Life.opened(disk(with: "%x-remark hello"))
        #expect(life.entries() == OpeningTests.sampleEntries)
        #expect(life.logLines.contains { $0.level == .warning && $0.event.contains("optional lines") })
    }

    // MARK: Reading it without Aviary

    @Test("A person reads the file with base64 -d")
    func readable() throws {
        let text = OpeningTests.sampleDisk(closed: true).text
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let encoded = lines.filter { !$0.isEmpty && !$0.hasPrefix("#") && !$0.hasPrefix("%") && $0 != "-" }
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", "while read line; do printf %s \"$line\" | base64 -d; echo; done"]
        let (input, output) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        input.fileHandleForWriting.write(Data((encoded.joined(separator: "\n") + "\n").utf8))
        try input.fileHandleForWriting.close()
        let decoded = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        #expect(process.terminationStatus == 0)
        #expect(decoded == "a\n1\nb\n2\na\nc\n")
    }
}

@Suite("Files of version 1")
struct Version1Tests {
    static let text = "a2V5MQ==\ndmFsdWUx\n#\na2V5Mg==\n\n#\na2V5MQ==\nbmV3\n#\n"

    @Test(
        "They open, as entries of term 0 that are all committed, and are of version 2 from then on", arguments: [1, 5, 1 << 20])
    func opens(_ chunk: Int) {
        var life = Life.opened(OpeningTests.log(Version1Tests.text), options: .init(chunkBytes: chunk))
        #expect(life.report?.importedVersion1 == true && life.report?.tornBytes == 0)
        #expect(life.store.last == Position(term: 0, seq: 3) && life.store.commit == 3 && life.store.durable == 3)
        #expect(life.store.value("key1") == "new" && life.store.value("key2") == "" && life.store.keyCount == 2)
        #expect(life.store.lineage == nil && life.store.adoptedTerm == 0)
        #expect(life.disk.text.hasPrefix("%aviary 2 "))
        let expected = [
            Entry(0, 1, .put("key1", "value1")), Entry(0, 2, .put("key2", "")), Entry(0, 3, .put("key1", "new")),
        ]
        #expect(life.entries() == expected)
        var again = Life.opened(life.disk.afterProcessCrash(), seed: 2)
        #expect(again.report?.importedVersion1 == false && again.report?.wasClosed == true)
        #expect(again.entries() == expected && again.store.commit == 3)
        #expect(again.store.store == life.store.store)
    }

    @Test("A record counts from the moment its # is there")
    func everyPrefix() {
        let bytes = Array(Version1Tests.text.utf8)
        // The first record ends with the # at 18, the second with that at 30.
        let ends = bytes.indices.filter { bytes[$0] == UInt8(ascii: "#") }
        for count in (ends[0] + 1)..<bytes.count {
            let life = Life.opened(TestDisk([(.log, Array(bytes.prefix(count)))]))
            #expect(life.store.last.seq == UInt64(ends.filter { $0 < count }.count), "\(count) bytes")
        }
    }

    @Test(
        "A torn last record goes", arguments: ["a2V5", "a2V5\ndm", "a2V5\ndmFs\n", "a2V5\n\0\0\0\0\n#\n", "\0\0\0\0\0\0\0\0\0"])
    func tornTail(_ tail: String) {
        let life = Life.opened(OpeningTests.log(Version1Tests.text + tail))
        #expect(life.store.last.seq == 3)
        #expect(life.report?.tornBytes == Int64(tail.utf8.count))
    }

    @Test("A wrong record with whole ones after it is refused: version 1 cannot tell a torn write from damage")
    func wrongMiddle() {
        let text = Version1Tests.text + "a2V5\n\0\0\0\0\n#\n" + Version1Tests.text
        var life = Life(OpeningTests.log(text))
        life.settle()
        #expect(life.refusal?.contains("version 1 has no checksums") == true)
        #expect(life.disk.text == text)
    }

    @Test("A complete rollback file of version 1 takes the place of a missing log")
    func rollback() {
        let life = Life.opened(TestDisk([(.rollback, Array(Version1Tests.text.utf8))]))
        #expect(life.report?.finishedRename == true && life.report?.importedVersion1 == true)
        #expect(life.store.last.seq == 3)
    }
}
