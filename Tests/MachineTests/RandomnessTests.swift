import Machine
import Testing

@Suite("Seeded randomness")
struct RandomnessTests {
    /// From the authors' C code (xoshiro256starstar.c, seeded by splitmix64.c).
    @Test(
        "The sequence is that of xoshiro256**",
        arguments: [
            (0, [0x99EC_5F36_CB75_F2B4, 0xBF6E_1F78_4956_452A, 0x1A5F_849D_4933_E6E0, 0x6AA5_94F1_262D_2D2C]),
            (1, [0xB3F2_AF6D_0FC7_10C5, 0x853B_5596_4736_4CEA, 0x92F8_9756_082A_4514, 0x642E_1C7B_C266_A3A7]),
            (.max, [0x8F55_20D5_2A7E_AD08, 0xC476_A018_CAA1_802D, 0x81DE_31C0_D260_469E, 0xBF65_8D7E_065F_3C2F]),
        ] as [(UInt64, [UInt64])])
    func knownAnswers(_ seed: UInt64, _ expected: [UInt64]) {
        var random = SeededRandom(seed: seed)
        #expect(expected.map { _ in random.next() } == expected)
    }

    @Test("A copy continues the same sequence")
    func valueSemantics() {
        var one = SeededRandom(seed: 7)
        _ = one.next()
        var other = one
        #expect((0..<10).map { _ in one.next() } == (0..<10).map { _ in other.next() })
        #expect(one == other)
    }

    @Test("A fork is a stream of its own: draws from it do not shift the parent")
    func fork() {
        var quiet = SeededRandom(seed: 7)
        var busy = quiet
        _ = quiet.fork()
        var child = busy.fork()
        for _ in 0..<100 { _ = child.next() }
        #expect(quiet == busy)
        #expect(child.next() != busy.next())
    }

    @Test("Chances come true as often as they say")
    func chance() {
        var random = SeededRandom(seed: 7)
        let hits = (0..<10_000).count { _ in random.chance(1, in: 4) }
        #expect((2_300...2_700).contains(hits))
        #expect(!(0..<100).contains { _ in random.chance(0, in: 4) })
        #expect((0..<100).allSatisfy { _ in random.chance(4, in: 4) })
    }

    @Test("UUIDs have the form of version 4, and differ")
    func uuid() {
        var random = SeededRandom(seed: 7)
        let uuids = (0..<1_000).map { _ in random.uuid() }
        for uuid in uuids {
            let characters = Array(uuid)
            #expect(characters.count == 36)
            #expect([8, 13, 18, 23].allSatisfy { characters[$0] == "-" })
            #expect(characters[14] == "4" && "89ab".contains(characters[19]))
            #expect(characters.allSatisfy { "0123456789abcdef-".contains($0) })
        }
        #expect(Set(uuids).count == uuids.count)
    }
}
