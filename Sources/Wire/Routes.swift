import Machine

/// Where keys are served, as one server sees it: all that a client needs to ask the right node itself.
public struct Routes: Hashable, Sendable {
    public struct Group: Hashable, Sendable {
        public var name: String
        /// nil while the group has no primary.
        public var primary: Address?

        public init(name: String, primary: Address?) {
            self.name = name
            self.primary = primary
        }
    }

    public var ring: RingStatus
    public var groups: [Group]

    public init(ring: RingStatus, groups: [Group]) {
        self.ring = ring
        self.groups = groups
    }
}
