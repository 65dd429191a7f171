import Machine
import Testing

@Suite("Tables and maps")
struct CollectionTests {
    @Test("A lookup table holds what was put in")
    func lookupTable() {
        var table = LookupTable<String, Int>()
        #expect(table.isEmpty && table["a"] == nil)
        table["a"] = 1
        table["b"] = 2
        table["a"]? += 10
        #expect(table["a"] == 11 && table["b"] == 2 && table.count == 2)
        #expect(table.update("b") { $0 *= 2 } != nil && table["b"] == 4)
        #expect(table.update("c") { $0 = 1 } == nil && table["c"] == nil && table.count == 2)
        #expect(table.removeValue(forKey: "a") == 11)
        #expect(table.removeValue(forKey: "a") == nil)
        table["b"] = nil
        #expect(table.isEmpty)
        table["c"] = 3
        let copy = table
        table.update("c") { $0 = 4 }
        #expect(table["c"] == 4 && copy["c"] == 3)
        table.removeAll()
        #expect(table.isEmpty && copy["c"] == 3)
    }

    @Test("A sorted map does what a dictionary does, and is walked in order", arguments: 1...5)
    func sortedMapAgainstDictionary(_ seed: Int) {
        var random = SeededRandom(seed: UInt64(seed))
        var map = SortedMap<Int, Int>()
        var model: [Int: Int] = [:]
        for step in 0..<2_000 {
            let key = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0:
                map[key] = nil
                model[key] = nil
            case 1:
                let changed = map.update(key) { value in
                    value += 1
                    return value
                }
                model[key]? += 1
                #expect(changed == model[key])
            default:
                map[key] = step
                model[key] = step
            }
            #expect(map[key] == model[key])
        }
        #expect(map.keys == model.keys.sorted())
        #expect(map.map(\.0) == map.keys && map.map(\.1) == map.keys.map { model[$0]! })
        #expect(map.count == model.count)
    }

    @Test("A sorted map is changed in place by position")
    func updateAtPosition() {
        var map = SortedMap<String, Int>()
        map["b"] = 2
        map["a"] = 1
        for index in map.keys.indices { map.update(at: index) { $0 *= 10 } }
        #expect(map.values == [10, 20])
        map.removeAll()
        #expect(map.isEmpty)
    }

    @Test("Equal maps are equal however they were built")
    func equality() {
        var one = SortedMap<Int, String>()
        var other = SortedMap<Int, String>()
        for key in 0..<10 {
            one[key] = "\(key)"
            other[9 - key] = "\(9 - key)"
        }
        #expect(one == other && one.hashValue == other.hashValue)
    }
}
