import Machine
import Testing

@Suite("Bytes, eight at a time")
struct ByteRunsTests {
    @Test("A byte is found where it comes first, at every place, from every start")
    func finds() {
        var random = SeededRandom(seed: 5)
        for count in 0..<40 {
            // Few different bytes, of which some differ by one or by the highest bit.
            let bytes = (0..<count).map { _ in [0x0A, 0x0B, 0x8A, 0x00, 0xFF][Int.random(in: 0..<5, using: &random)] as UInt8 }
            for start in 0...count {
                for byte in [0x0A, 0x0B, 0x8A, 0x00, 0xFF, 0x01] as [UInt8] {
                    let found = bytes.withUnsafeBytes { $0.firstIndex(of: byte, from: start) }
                    #expect(found == bytes[start...].firstIndex(of: byte))
                }
            }
        }
    }

    @Test("Nothing but one byte from a start on, and one other byte at every place")
    func isFilled() {
        for count in 0..<40 {
            let bytes = [UInt8](repeating: 0x2E, count: count)
            for start in 0...count { #expect(bytes.withUnsafeBytes { $0.isFilled(with: 0x2E, from: start) }) }
            for place in 0..<count {
                var other = bytes
                other[place] ^= 0x80
                for start in 0...count {
                    #expect(other.withUnsafeBytes { $0.isFilled(with: 0x2E, from: start) } == (start > place))
                }
            }
        }
    }

    @Test("What begins with other bytes, and what differs in one of them")
    func begins() {
        var random = SeededRandom(seed: 6)
        for count in 0..<40 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            for length in 0...count {
                #expect(bytes.begins(with: Array(bytes[..<length])))
                #expect(bytes[..<length].isSame(as: Array(bytes)[..<length]))
                guard length > 0 else { continue }
                var other = Array(bytes[..<length])
                other[Int.random(in: 0..<length, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                #expect(!bytes.begins(with: other))
                #expect(!bytes[..<length].isSame(as: other[...]))
                #expect(!bytes[..<(length - 1)].isSame(as: bytes[..<length]))
            }
            #expect(!bytes.begins(with: bytes + [0]))
        }
    }
}
