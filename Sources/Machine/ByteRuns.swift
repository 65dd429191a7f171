/// Looking through bytes eight at a time: logs are searched for the ends of their lines, and compared, whenever a store is opened.
extension UnsafeRawBufferPointer {
    /// Where a byte comes first, at `start` or behind it; nil where it does not.
    @inlinable public func firstIndex(of byte: UInt8, from start: Int) -> Int? {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let pattern = ones &* UInt64(byte)
        var index = start
        while index + 8 <= count {
            let differing = UInt64(littleEndian: loadUnaligned(fromByteOffset: index, as: UInt64.self)) ^ pattern
            // The lowest bit that is set belongs to the first byte that is zero (there may be wrong ones above it).
            let zeros = (differing &- ones) & ~differing & (ones << 7)
            if zeros != 0 { return index + zeros.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count {
            if self[index] == byte { return index }
            index += 1
        }
        return nil
    }

    /// Whether all from `start` on are this byte.
    @inlinable public func isFilled(with byte: UInt8, from start: Int) -> Bool {
        let pattern: UInt64 = 0x0101_0101_0101_0101 &* UInt64(byte)
        var index = start
        while index + 8 <= count {
            if loadUnaligned(fromByteOffset: index, as: UInt64.self) != pattern { return false }
            index += 8
        }
        while index < count {
            if self[index] != byte { return false }
            index += 1
        }
        return true
    }

    /// Whether all of them are ASCII.
    @inlinable public var isASCII: Bool {
        var index = 0
        while index + 8 <= count {
            if loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 != 0 { return false }
            index += 8
        }
        while index < count {
            if self[index] >= 0x80 { return false }
            index += 1
        }
        return true
    }

    /// Whether the other bytes are the first of these.
    @inlinable public func begins(with other: UnsafeRawBufferPointer) -> Bool {
        guard other.count <= count else { return false }
        var index = 0
        while index + 8 <= other.count {
            let own = loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if own != other.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
            index += 8
        }
        while index < other.count {
            if self[index] != other[index] { return false }
            index += 1
        }
        return true
    }
}

extension [UInt8] {
    /// Whether the other bytes are the first of these.
    @inlinable public func begins(with other: [UInt8]) -> Bool {
        withUnsafeBytes { own in other.withUnsafeBytes { own.begins(with: $0) } }
    }
}

extension ArraySlice<UInt8> {
    /// Whether these are the same bytes.
    @inlinable public func isSame(as other: ArraySlice<UInt8>) -> Bool {
        count == other.count && withUnsafeBytes { own in other.withUnsafeBytes { own.begins(with: $0) } }
    }
}
