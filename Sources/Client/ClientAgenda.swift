import HeapModule
import Machine

/// What a client must look at, and when. An entry that has been overtaken is not taken out; whoever looks finds that nothing is
/// due yet.
struct ClientAgenda: Sendable {
    enum Matter: Hashable, Sendable {
        case operation(OperationID)
        case routes
        case session(group: String)
    }

    private struct Entry: Comparable, Sendable {
        var at: Instant
        /// Of entries with the same instant the older comes first.
        var order: UInt64
        var matter: Matter

        static func < (a: Entry, b: Entry) -> Bool { (a.at, a.order) < (b.at, b.order) }
        static func == (a: Entry, b: Entry) -> Bool { a.order == b.order }
    }

    private var entries = Heap<Entry>()
    private var added: UInt64 = 0

    /// The earliest instant at which something may be due.
    var next: Instant? { entries.min?.at }

    mutating func add(_ matter: Matter, at instant: Instant) {
        added += 1
        entries.insert(Entry(at: instant, order: added, matter: matter))
    }

    mutating func takeDue(at now: Instant) -> Matter? {
        guard let first = entries.min, first.at <= now else { return nil }
        entries.removeMin()
        return first.matter
    }
}
