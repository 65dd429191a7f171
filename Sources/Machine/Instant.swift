/// A length of time in nanoseconds. Signed, so that differences need no care.
public struct Nanoseconds: Hashable, Comparable, Sendable {
    public var count: Int64

    @inlinable public init(_ count: Int64) { self.count = count }

    @inlinable public static func microseconds(_ n: Int64) -> Nanoseconds { Nanoseconds(n * 1_000) }
    @inlinable public static func milliseconds(_ n: Int64) -> Nanoseconds { Nanoseconds(n * 1_000_000) }
    @inlinable public static func seconds(_ n: Int64) -> Nanoseconds { Nanoseconds(n * 1_000_000_000) }
    @inlinable public static var zero: Nanoseconds { Nanoseconds(0) }

    /// The whole milliseconds in this length, rounded towards zero.
    @inlinable public var milliseconds: Int64 { count / 1_000_000 }

    @inlinable public static func < (a: Nanoseconds, b: Nanoseconds) -> Bool { a.count < b.count }
    @inlinable public static func + (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds { Nanoseconds(a.count + b.count) }
    @inlinable public static func - (a: Nanoseconds, b: Nanoseconds) -> Nanoseconds { Nanoseconds(a.count - b.count) }
    @inlinable public static func * (a: Nanoseconds, n: Int64) -> Nanoseconds { Nanoseconds(a.count * n) }
    @inlinable public static func / (a: Nanoseconds, n: Int64) -> Nanoseconds { Nanoseconds(a.count / n) }
}

/// A point on one node's monotonic clock, which counts suspension, in nanoseconds since an arbitrary start.
///
/// Instants of different nodes, or of different lives of one node, cannot be compared; only a length of time means
/// the same everywhere (up to the drift bound).
public struct Instant: Hashable, Comparable, Sendable {
    public var nanoseconds: Int64

    @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }
    @inlinable public static var zero: Instant { Instant(nanoseconds: 0) }

    @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
    @inlinable public static func + (a: Instant, d: Nanoseconds) -> Instant { Instant(nanoseconds: a.nanoseconds + d.count) }
    @inlinable public static func - (a: Instant, d: Nanoseconds) -> Instant { Instant(nanoseconds: a.nanoseconds - d.count) }
    @inlinable public static func - (a: Instant, b: Instant) -> Nanoseconds { Nanoseconds(a.nanoseconds - b.nanoseconds) }
}
