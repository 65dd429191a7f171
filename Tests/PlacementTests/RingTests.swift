import Machine
import Placement
import Testing
import Wire

@Suite("The ring")
struct RingTests {
    static let three = Ring(groups: [.init(name: "zdata1"), .init(name: "zdata2"), .init(name: "zdata3", virtualNodes: 64)])

    @Test("A key's point is its crc32, so that other programs can find it")
    func hashIsCRC32() {
        #expect(Ring.hash(of: Array("123456789".utf8)) == 0xCBF4_3926)
        #expect(Ring.hash(of: []) == 0)
    }

    @Test("A group stands at crc32 of its name and index")
    func tokensAreHashesOfNameAndIndex() {
        let ring = Ring(groups: [.init(name: "zdata1", virtualNodes: 3)])
        let expected = (0..<3).map { Ring.hash(of: Array("zdata1#\($0)".utf8)) }.sorted()
        #expect(ring.tokens.map(\.token) == expected)
        #expect(ring.tokens.allSatisfy { $0.group == "zdata1" })
    }

    @Test("Groups have two virtual nodes unless they say otherwise")
    func defaultVirtualNodes() {
        #expect(Ring(groups: [.init(name: "a")]).tokens.count == 2)
        #expect(Ring(groups: [.init(name: "a", virtualNodes: 0)]).tokens.isEmpty)
    }

    @Test("The order in which groups are given changes nothing")
    func orderOfGroupsIsIrrelevant() {
        let groups = ["c", "a", "b"].map { Ring.Group(name: $0, virtualNodes: 5) }
        #expect(Ring(groups: groups) == Ring(groups: groups.reversed()))
    }

    @Test("The owner is the first token at or after the hash, wrapping around")
    func ownerIsTheNextToken() {
        let ring = Ring(tokens: [
            RingToken(token: 300, group: "c"), RingToken(token: 100, group: "a"), RingToken(token: 200, group: "b"),
        ])
        #expect(ring.owner(ofHash: 0) == "a")
        #expect(ring.owner(ofHash: 100) == "a")
        #expect(ring.owner(ofHash: 101) == "b")
        #expect(ring.owner(ofHash: 200) == "b")
        #expect(ring.owner(ofHash: 300) == "c")
        #expect(ring.owner(ofHash: 301) == "a")
        #expect(ring.owner(ofHash: .max) == "a")
    }

    @Test("On a shared point the name that sorts first owns it, and its arc")
    func tiesGoToTheFirstName() {
        let ring = Ring(tokens: [RingToken(token: 7, group: "b"), RingToken(token: 7, group: "a")])
        #expect(ring.owner(ofHash: 7) == "a")
        #expect(ring.owner(ofHash: 8) == "a")
        #expect(ring.shareMillionths(of: "a") == 1_000_000)
        #expect(ring.shareMillionths(of: "b") == 0)
    }

    @Test("A ring without tokens owns nothing")
    func emptyRing() {
        let ring = Ring(groups: [])
        #expect(ring.owner(of: [1]) == nil)
        #expect(ring.shareMillionths(of: "a") == 0)
    }

    @Test("A group alone owns the whole circle")
    func soleGroupOwnsAll() {
        let ring = Ring(groups: [.init(name: "only", virtualNodes: 1)])
        #expect(ring.shareMillionths(of: "only") == 1_000_000)
        #expect(ring.owner(of: Array("any".utf8)) == "only")
    }

    @Test("Shares are those of the arcs, and add up")
    func sharesAreArcs() {
        let ring = Ring(tokens: [
            RingToken(token: 0, group: "a"), RingToken(token: 1 << 30, group: "b"), RingToken(token: 3 << 30, group: "a"),
        ])
        #expect(ring.shareMillionths(of: "b") == 250_000)
        #expect(ring.shareMillionths(of: "a") == 750_000)
        let sum = ["zdata1", "zdata2", "zdata3"].reduce(0) { $0 + RingTests.three.shareMillionths(of: $1) }
        #expect((999_998...1_000_002).contains(sum))
    }

    @Test("The keys that a group owns are its share of all keys")
    func balanceFollowsShares() {
        var random = SeededRandom(seed: 1)
        let draws = 50_000
        var owned = SortedMap<String, Int>()
        for _ in 0..<draws {
            let key = (0..<12).map { _ in UInt8.random(in: 0...255, using: &random) }
            owned[RingTests.three.owner(of: key) ?? "", default: 0] += 1
        }
        for (group, count) in owned {
            let share = Int(RingTests.three.shareMillionths(of: group))
            #expect(abs(count * 1_000_000 / draws - share) < 10_000, "\(group)")
        }
    }

    @Test("Many virtual nodes make even shares")
    func virtualNodesEvenOut() {
        let ring = Ring(groups: (1...4).map { Ring.Group(name: "g\($0)", virtualNodes: 256) })
        for group in 1...4 { #expect((180_000...320_000).contains(ring.shareMillionths(of: "g\(group)"))) }
    }

    @Test("A group that comes takes keys, and moves none between the others")
    func arrivalMovesOnlyItsOwnKeys() {
        let before = Ring(groups: (1...4).map { Ring.Group(name: "g\($0)", virtualNodes: 8) })
        let after = Ring(groups: (1...5).map { Ring.Group(name: "g\($0)", virtualNodes: 8) })
        var moved = 0
        for number in 0..<5_000 {
            let key = Array("key\(number)".utf8)
            guard before.owner(of: key) != after.owner(of: key) else { continue }
            #expect(after.owner(of: key) == "g5")
            moved += 1
        }
        #expect(moved > 0)
    }
}

extension SortedMap {
    fileprivate subscript(key: Key, default fallback: Value) -> Value {
        get { self[key] ?? fallback }
        set { self[key] = newValue }
    }
}
