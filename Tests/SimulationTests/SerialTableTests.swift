import Testing

@testable import Simulation

@Suite struct SerialTableTests {
    @Test func valuesAreFoundByTheNumbersThatTheyGot() {
        var table = SerialTable<String>()
        let numbers = (0..<40).map { table.add("value \($0)") }
        #expect(numbers == Array(1...40))
        #expect(table[1] == "value 0" && table[40] == "value 39")
        #expect(table[0] == nil && table[41] == nil)
        table.update(7) { $0 += ", changed" }
        #expect(table[7] == "value 6, changed")
    }

    @Test func whatWasTakenIsGoneAndTheRestStays() {
        var table = SerialTable<Int>()
        for value in 0..<10 { _ = table.add(value) }
        #expect(table.take(3) == 2 && table.take(3) == nil)
        #expect(table.take(1) == 0 && table.take(2) == 1)
        // The window has slid over all three.
        #expect(table.window.count == 7)
        #expect(table[3] == nil && table[4] == 3 && table[10] == 9)
        table.update(3) { _ in Issue.record("nothing is there") }
        #expect(table.add(10) == 11 && table[11] == 10)
        for number in 4...11 { #expect(table.take(UInt64(number)) == number - 1) }
        #expect(table.window.isEmpty && table.add(11) == 12 && table[12] == 11)
    }
}
