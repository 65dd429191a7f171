import Machine

// Fault model. Each node reads its own monotonic clock. It starts anywhere, and runs fast or slow within the drift bound that
// the leases assume; the rate changes now and then (temperature, NTP), the reading never steps, because the real one
// (CLOCK_BOOTTIME) does not. For protocols that must not trust clocks, rates may go far beyond the bound, so that one clock nearly stands
// still while another runs at twice the speed, and readings jump ahead; they never go back. A new life may find another start: instants of different lives mean nothing to each other.

/// One node's monotonic clock, as a function of the world's time.
public struct Clock: Hashable, Sendable {
    /// The furthest that a rate may be from the world's, in parts per million.
    public static let mostDrift: Int64 = 900_000

    /// What the clock showed at the world's time zero.
    public var offset: Int64
    /// How much faster than the world it runs, in parts per million.
    public var rate: Int64

    public init(offset: Int64 = 0, rate: Int64 = 0) {
        precondition(abs(rate) <= Clock.mostDrift, "a clock moves, and no faster than this")
        self.offset = offset
        self.rate = rate
    }

    /// What the clock shows at a moment of the world.
    @inlinable public func reading(at world: Instant) -> Instant {
        Instant(nanoseconds: offset + world.nanoseconds + scaled(world.nanoseconds, by: rate))
    }

    /// The first moment of the world at which the clock shows `local` or more.
    @inlinable public func moment(of local: Instant) -> Instant {
        let elapsed = local.nanoseconds - offset
        let (whole, rest) = elapsed.quotientAndRemainder(dividingBy: 1_000_000 + rate)
        var world = whole * 1_000_000 + rest * 1_000_000 / (1_000_000 + rate)
        // `reading` rounds twice: a few steps are left.
        while world + scaled(world, by: rate) < elapsed { world += 1 }
        while world - 1 + scaled(world - 1, by: rate) >= elapsed { world -= 1 }
        return Instant(nanoseconds: world)
    }

    /// Runs at another rate from a moment of the world on, without a step.
    public mutating func run(at rate: Int64, from world: Instant) {
        let shown = reading(at: world)
        self.rate = rate
        offset += (shown - reading(at: world)).count
    }

    @inlinable func scaled(_ length: Int64, by rate: Int64) -> Int64 {
        // Split, so that years do not overflow.
        let (seconds, rest) = length.quotientAndRemainder(dividingBy: 1_000_000)
        return seconds * rate + rest * rate / 1_000_000
    }
}
