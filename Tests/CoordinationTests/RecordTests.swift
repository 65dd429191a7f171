import Coordination
import Machine
import Placement
import Testing
import Wire

@Suite("What the znodes hold")
struct RecordTests {
    let config = GroupConfig(
        lineage: Lineage("l-1"), term: 7, primary: member("a/1"), inSync: [member("a/1"), member("b/2")])

    @Test func everyRecordReadsWhatItWrote() {
        let server = ServerRegistration(address: Address(host: "10.0.0.1", port: 1926), guid: "g")
        #expect(ServerRegistration(server.bytes) == server)
        let store = StoreRegistration.test("a", whole: false, lineage: "l", last: Position(term: 3, seq: 9), keys: true)
        #expect(StoreRegistration(store.bytes) == store)
        let empty = StoreRegistration.test("a")
        #expect(StoreRegistration(empty.bytes) == empty)
        #expect(empty.isEmpty && !empty.isImported)
        #expect(StoreRegistration.test("a", last: Position(term: 0, seq: 4), keys: true).isImported)
        let master = MasterRecord(address: Address(host: "::1", port: 2), number: 4, epoch: 9)
        #expect(MasterRecord(master.bytes) == master)
        #expect(GroupConfig(config.bytes) == config)
        let recovered = GroupConfig(
            lineage: Lineage("l-3"), term: 9, primary: member("a/1"), inSync: [member("a/1")],
            former: [Lineage("l-1"), Lineage("l-2")])
        #expect(GroupConfig(recovered.bytes) == recovered)
        #expect(recovered.next(primary: member("a/1"), inSync: [member("a/1")]).former == recovered.former)
        let nobody = GroupConfig(lineage: Lineage("l"), term: 1, primary: nil, inSync: [member("a/1")])
        #expect(GroupConfig(nobody.bytes) == nobody)
        #expect(nobody.primaryBytes == [] && config.primaryBytes == bytes("1"))
        let ring = RingRecord(version: 3, sealed: true, groups: [Ring.Group(name: "g", virtualNodes: 2)])
        #expect(RingRecord(ring.bytes) == ring)
    }

    @Test func operatorsCanReadThem() {
        #expect(
            String(decoding: config.bytes, as: UTF8.self)
                == "lineage=l-1\nterm=7\nprimary=a/1\ninsync=a/1\ninsync=b/2\n")
    }

    @Test func theOriginalServerNodeIsJustAnAddress() {
        #expect(ServerRegistration(bytes("10.0.0.1:1926"))?.address == Address(host: "10.0.0.1", port: 1926))
    }

    @Test func unknownLinesAreSkipped() {
        #expect(GroupConfig(config.bytes + bytes("minsync=2\nsomething else\n\n")) == config)
    }

    @Test(arguments: [
        "", "lineage=l\nterm=1\nprimary=a/1\n", "lineage=l\nterm=-1\nprimary=\ninsync=a/1\n",
        "lineage=l\nterm=01\ninsync=a/1\n", "lineage=l\nlineage=m\nterm=1\ninsync=a/1\n", "lineage=l\nterm=1\ninsync=a\n",
        "lineage=l\nterm=1\ninsync=a/0\n", "lineage=l\nterm=1\ninsync=a/1\ninsync=a/2\n",
        "lineage=l\nterm=1\nprimary=x\ninsync=a/1\n",
        "lineage=\nterm=1\ninsync=a/1\n", "lineage=l\nterm=18446744073709551616\ninsync=a/1\n",
    ])
    func aMalformedConfigurationIsNone(text: String) {
        #expect(GroupConfig(bytes(text)) == nil)
    }

    @Test(arguments: [
        "version=1\n", "version=1\nsealed=maybe\n", "version=1\nsealed=no\ngroup=g\n", "version=1\nsealed=no\ngroup=g 0\n",
        "version=1\nsealed=no\ngroup=g 2\ngroup=g 2\n", "version=1\nsealed=no\ngroup=lock 2\n",
        "version=1\nsealed=no\ngroup=g 99999\n",
    ])
    func aMalformedRingIsNone(text: String) {
        #expect(RingRecord(bytes(text)) == nil)
    }

    /// Bytes of a znode come from outside: whatever they are, nothing traps.
    @Test func anyBytesAreRead() {
        var random = SeededRandom(seed: 1)
        let texts = [
            config.bytes, StoreRegistration.test("a", lineage: "l").bytes,
            MasterRecord(address: Address(host: "h", port: 1), number: 1, epoch: 1).bytes,
            RingRecord(version: 1, sealed: false, groups: [Ring.Group(name: "g", virtualNodes: 2)]).bytes,
        ]
        for _ in 0..<5000 {
            var text = texts[Int(random.next(upperBound: UInt64(texts.count)))]
            for _ in 0..<random.next(upperBound: UInt64(4)) where !text.isEmpty {
                let at = Int(random.next(upperBound: UInt64(text.count)))
                switch random.next(upperBound: UInt64(3)) {
                case 0: text[at] = UInt8(truncatingIfNeeded: random.next())
                case 1: text.remove(at: at)
                default: text.insert(contentsOf: text[..<at], at: at)
                }
            }
            if let read = GroupConfig(text) { #expect(!read.inSync.isEmpty) }
            _ = (ServerRegistration(text), StoreRegistration(text), MasterRecord(text), RingRecord(text)?.ring)
        }
    }

    @Test func groupNames() {
        for good in ["zdata1", "A.b_c-9", "...", String(repeating: "x", count: 64)] { #expect(GroupName.problem(good) == nil) }
        for bad in ["", "lock", ".", "..", "a/b", "a b", "ä", String(repeating: "x", count: 65), "a\nb"] {
            let problem = GroupName.problem(bad)
            #expect(problem != nil && !problem!.contains("\n"), "\(bad)")
        }
    }

    @Test func aPositionReadsWhatItWrites() {
        for group in ["birds", "a:b", "a@b"] {
            let position = GroupPosition(group: group, lineage: Lineage("0eb6-x"), seq: 31)
            #expect(GroupPosition(position.description) == position)
        }
        for text in [
            "", "birds", "birds@l", "birds:7", "@l:7", "birds@:7", "birds@l:", "birds@l:-7", "birds@l:9223372036854775808",
        ] {
            #expect(GroupPosition(text) == nil, "\(text)")
        }
    }
}
