import Machine

/// How long something takes: usually between `least` and `usual`, now and then up to `worst`.
public struct Spread: Hashable, Sendable {
    public var least: Nanoseconds
    public var usual: Nanoseconds
    public var worst: Nanoseconds
    /// How many of 1024 draws fall between `least` and `worst` instead of below `usual`.
    public var tailPer1024: UInt64

    @inlinable public init(least: Nanoseconds, usual: Nanoseconds, worst: Nanoseconds, tailPer1024: UInt64 = 10) {
        precondition(least <= usual && usual <= worst, "a spread's bounds are in order")
        self.least = least
        self.usual = usual
        self.worst = worst
        self.tailPer1024 = tailPer1024
    }

    /// Always the same length.
    @inlinable public init(_ length: Nanoseconds) { self.init(least: length, usual: length, worst: length, tailPer1024: 0) }

    @inlinable @inline(__always) public func draw(_ random: inout SeededRandom) -> Nanoseconds {
        let bits = random.next()
        let top = bits & 1023 < tailPer1024 ? worst : usual
        let range = UInt64(bitPattern: top.count - least.count)
        return Nanoseconds(least.count + Int64(range.multipliedFullWidth(by: bits).high))
    }
}

extension SeededRandom {
    /// A length drawn evenly from a range.
    @inlinable public mutating func length(_ range: ClosedRange<Nanoseconds>) -> Nanoseconds {
        let width = UInt64(bitPattern: range.upperBound.count - range.lowerBound.count)
        return Nanoseconds(range.lowerBound.count + Int64(width.multipliedFullWidth(by: next()).high))
    }

    /// A number drawn evenly from 0..<bound; 0 where the bound is not positive.
    @inlinable public mutating func below(_ bound: Int) -> Int {
        bound <= 1 ? 0 : Int(UInt64(bound).multipliedFullWidth(by: next()).high)
    }
}
