/// A 32-bit cyclic redundancy check with reflected input and output, as zlib, Ethernet, iSCSI and ext4 use it.
///
/// Slicing-by-8: eight table lookups for eight bytes at a time (M. Kounavis, F. Berry, "Novel Table Lookup-Based
/// Algorithms for High-Performance CRC Generation", IEEE Transactions on Computers 2008). In plain Swift, because the
/// targets that need it may import nothing.
public struct CRC32: Sendable {
    /// Eight tables of 256: table k advances a byte that is followed by k others.
    private let tables: [UInt32]

    /// The polynomial of zlib and Ethernet, 0x04C11DB7: what is commonly called crc32. Places keys on the ring.
    public static let ieee = CRC32(reversedPolynomial: 0xEDB8_8320)
    /// The polynomial of Castagnoli, 0x1EDC6F41 (CRC-32C, RFC 3720): better at finding short errors. Guards the log.
    public static let castagnoli = CRC32(reversedPolynomial: 0x82F6_3B78)

    private init(reversedPolynomial: UInt32) {
        var tables = [UInt32](repeating: 0, count: 8 * 256)
        for byte in 0..<256 {
            var crc = UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? (crc >> 1) ^ reversedPolynomial : crc >> 1 }
            tables[byte] = crc
        }
        for index in 256..<(8 * 256) {
            let shorter = tables[index - 256]
            tables[index] = (shorter >> 8) ^ tables[Int(shorter & 0xFF)]
        }
        self.tables = tables
    }

    /// The checksum of `bytes`.
    public func checksum(of bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBytes { extend(0, with: $0) }
    }

    /// The checksum of what `checksum` covers, followed by `bytes`. The checksum of nothing is 0.
    public func extend(_ checksum: UInt32, with bytes: UnsafeRawBufferPointer) -> UInt32 {
        tables.withUnsafeBufferPointer { table in
            var crc = ~checksum
            var index = 0
            while index + 8 <= bytes.count {
                let word = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self))
                let low = UInt32(truncatingIfNeeded: word) ^ crc
                let high = UInt32(truncatingIfNeeded: word >> 32)
                crc =
                    table[7 * 256 + Int(low & 0xFF)]
                    ^ table[6 * 256 + Int((low >> 8) & 0xFF)]
                    ^ table[5 * 256 + Int((low >> 16) & 0xFF)]
                    ^ table[4 * 256 + Int(low >> 24)]
                crc ^=
                    table[3 * 256 + Int(high & 0xFF)]
                    ^ table[2 * 256 + Int((high >> 8) & 0xFF)]
                    ^ table[1 * 256 + Int((high >> 16) & 0xFF)]
                    ^ table[Int(high >> 24)]
                index += 8
            }
            while index < bytes.count {
                crc = (crc >> 8) ^ table[Int((crc ^ UInt32(bytes[index])) & 0xFF)]
                index += 1
            }
            return ~crc
        }
    }
}
