import Machine

/// Which kinds of faults happen, and how often: a seed's own selection ("swarm testing": A. Groce et al., ISSTA 2012). Runs
/// with few kinds reach states that runs with all of them never calm down enough to reach.
public struct FaultMix: Hashable, Sendable {
    public struct Share: Hashable, Sendable {
        public var kind: FaultKind
        /// The mean time between two faults of this kind.
        public var interval: Nanoseconds

        public init(kind: FaultKind, interval: Nanoseconds) {
            self.kind = kind
            self.interval = interval
        }
    }

    public var shares: [Share]

    public init(shares: [Share]) { self.shares = shares }

    /// A selection: each kind is in with the same chance, from calm to rough.
    public static func draw(_ random: inout SeededRandom) -> FaultMix {
        let roughness = UInt64(1 + random.below(4))
        let interval = Nanoseconds.milliseconds([700, 1_500, 3_000, 6_000][random.below(4)])
        var shares: [Share] = []
        for kind in FaultKind.allCases where random.chance(roughness, in: 6) {
            shares.append(Share(kind: kind, interval: interval * Int64(1 + random.below(4))))
        }
        return FaultMix(shares: shares)
    }
}
