import Machine
import Wire

/// Which of its links a server may trust with a mutation.
///
/// Messages that are sent while a link is down, or not there yet, are lost without a word; the first of them may open it.
/// A mutation that was lost so would have to be reported as "may have happened", after a long wait. So a link is opened by a
/// message that nobody misses, a status query, and counts as up once the driver says so or the peer answers.
struct PrimaryLinks: Sendable {
    private struct Link: Hashable, Sendable {
        var isUp = false
        var probe: Probe?
    }

    private struct Probe: Hashable, Sendable {
        var id: UInt64
        var sentAt: Instant
    }

    private var links = SortedMap<Address, Link>()

    func isUp(_ peer: Address) -> Bool { links[peer]?.isUp ?? false }

    /// True where it was not known to be up.
    mutating func cameUp(_ peer: Address) -> Bool {
        guard !isUp(peer) else { return false }
        links[peer] = Link(isUp: true)
        return true
    }

    /// Whether this is the answer to the last probe; one to an earlier may come from before the link broke.
    func isProbed(_ peer: Address, by id: UInt64) -> Bool { links[peer]?.probe?.id == id }

    mutating func wentDown(_ peer: Address) { links[peer] = nil }

    /// Sends something, so that the link opens; not more often than every so often.
    mutating func probe(
        _ peer: Address, id: UInt64, every interval: Nanoseconds, at now: Instant, into effects: inout Sink
    ) {
        if let probe = links[peer]?.probe, now < probe.sentAt + interval { return }
        links[peer] = Link(isUp: false, probe: Probe(id: id, sentAt: now))
        effects.append(.send(.statusQuery(id: id), to: peer))
    }
}
