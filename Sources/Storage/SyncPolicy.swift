import Machine

/// # When an entry counts as durable
///
/// A store that acknowledges only what it has synced loses nothing of it in a power cut. The weaker policies give that up for speed:
/// an entry counts as soon as it is written, and the last ones may be gone after the system went down. They rest on replicas: a
/// store that may lack what it acknowledged must not be chosen for what it held.
///
/// So the log says whether a store is *whole* should the file end here, which is how a crash leaves it: `%whole no` is synced
/// before the first entry counts that is not, and `%whole yes` is written when all of that is over, which is
/// - at a clean close, behind a sync of everything;
/// - under `always`, when the store is in-sync in a new life: it was brought to everything that counts by another.
///
/// The fact is the file's, not the setting's: a setting can change between two lives, and then says nothing of the one before.
///
/// What is not an entry (terms, lineages, leases) is synced before it counts under every policy. That is seldom.
public enum SyncPolicy: Hashable, Sendable {
    /// What is synced counts.
    case always
    /// What is written counts; it is synced this much later at most.
    case interval(Nanoseconds)
    /// What is written counts; the system syncs it when it likes, and a clean close does.
    case none

    /// Whether entries count before they are synced.
    public var isWeak: Bool { self != .always }
}
