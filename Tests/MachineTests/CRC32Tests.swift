import Machine
import Testing

@Suite("Checksums")
struct CRC32Tests {
    /// The textbook's way, a bit at a time.
    private func reference(_ bytes: [UInt8], _ reversedPolynomial: UInt32) -> UInt32 {
        var crc = UInt32.max
        for byte in bytes {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ reversedPolynomial : crc >> 1 }
        }
        return ~crc
    }

    @Test("Known answers")
    func knownAnswers() {
        let check = Array("123456789".utf8)
        #expect(CRC32.ieee.checksum(of: check) == 0xCBF4_3926)
        #expect(CRC32.castagnoli.checksum(of: check) == 0xE306_9283)
        #expect(CRC32.ieee.checksum(of: []) == 0)
        // RFC 3720, appendix B.4.
        #expect(CRC32.castagnoli.checksum(of: Array(repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32.castagnoli.checksum(of: Array(repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32.castagnoli.checksum(of: Array(0..<32)) == 0x46DD_794E)
    }

    @Test("Eight bytes at a time is the same as a bit at a time, at every length and cut")
    func againstReference() {
        var random = SeededRandom(seed: 2)
        for count in 0..<100 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            #expect(CRC32.ieee.checksum(of: bytes) == reference(bytes, 0xEDB8_8320))
            #expect(CRC32.castagnoli.checksum(of: bytes) == reference(bytes, 0x82F6_3B78))
            let cut = Int.random(in: 0...count, using: &random)
            let extended = bytes[cut...].withUnsafeBytes {
                CRC32.castagnoli.extend(CRC32.castagnoli.checksum(of: Array(bytes[..<cut])), with: $0)
            }
            #expect(extended == CRC32.castagnoli.checksum(of: bytes))
        }
    }
}
