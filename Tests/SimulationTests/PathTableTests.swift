import Machine
import Testing

@testable import Simulation

/// The table of paths is a dictionary, whatever comes and goes and wherever the hashes fall.
@Suite struct PathTableTests {
    @Test func isWhatADictionaryIs() {
        var random = SeededRandom(seed: 7)
        var table = PathTable<Int>()
        var known: [String: Int] = [:]
        for round in 0..<20_000 {
            // So few paths that most of them come back; so many that the table grows and has long runs.
            let path = "/data/g\(random.below(30))/\(random.below(20))"
            switch random.below(6) {
            case 0, 1:
                table[path] = round
                known[path] = round
            case 2: #expect(table.removeValue(forKey: path) == known.removeValue(forKey: path))
            case 3:
                table[path] = nil
                known[path] = nil
            case 4:
                let before = table.update(path) { value -> Int in
                    defer { value += 1 }
                    return value
                }
                #expect(before == known[path])
                if let before { known[path] = before + 1 }
            default:
                #expect(table[path] == known[path])
                #expect(table.contains(path, PathTable<Int>.hash(path)) == (known[path] != nil))
            }
            #expect(table.count == known.count && table.isEmpty == known.isEmpty)
        }
        for group in 0..<30 {
            for number in 0..<20 { #expect(table["/data/g\(group)/\(number)"] == known["/data/g\(group)/\(number)"]) }
        }
        table.removeAll()
        #expect(table.isEmpty && table["/data/g1/1"] == nil)
    }

    @Test func aCopyGoesOnByItself() {
        var table = PathTable<Int>()
        table["/a"] = 1
        var copy = table
        copy["/a"] = 2
        copy["/b"] = 3
        #expect(table["/a"] == 1 && table["/b"] == nil)
    }
}
