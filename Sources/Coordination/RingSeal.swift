import Machine
import Wire

/// # Sealing the ring
///
/// A group that enters the ring takes over keys from the others. As long as no key was ever written that costs nothing;
/// afterwards it would make keys unreachable, so the ring must be closed to newcomers *before* the first write. The
/// primary that is about to serve does that: it sets `sealed` in `/ring` at the version that it read, and serves once
/// the ring is sealed, by whomever. What it then read is the ring for good, and says which keys are its own.
///
/// The master adds groups by compare-and-set on the same node, so the two cannot both succeed.
public struct RingSeal: Hashable, Sendable {
    private enum State: Hashable {
        case idle
        case syncing
        case reading
        case writing(RingRecord)
        case sealed(RingRecord)
    }

    private var conversation: Conversation
    private var state = State.idle

    public init(owner: UInt32, timers: UInt32, random: SeededRandom) {
        conversation = Conversation(owner: owner, timers: timers, random: random)
    }

    /// The ring as it was sealed; nil until then.
    public var sealed: RingRecord? {
        switch state {
        case .sealed(let record): record
        case .idle, .syncing, .reading, .writing: nil
        }
    }

    /// Seals the ring, or finds it sealed. Where there is no ring yet it waits for one.
    public mutating func begin(session: Session, at now: Instant, into sink: inout Sink) {
        _ = conversation.adopt(session)
        guard state == .idle else { return }
        state = .syncing
        advance(session, into: &sink)
    }

    /// True at the step in which the ring became known to be sealed.
    public mutating func step(
        _ event: CoordinationEvent, session: Session, at now: Instant, into sink: inout Sink
    ) -> Bool {
        let wasSealed = sealed != nil
        switch conversation.hear(event, session) {
        case .sessionReplaced, .connected: restart()
        case .reply(let reply): received(reply, at: now, into: &sink)
        case .watchFired, .nothing: return false
        }
        advance(session, into: &sink)
        return !wasSealed && sealed != nil
    }

    public mutating func timerFired(_ timer: TimerID, session: Session, at now: Instant, into sink: inout Sink) {
        if conversation.timerFired(timer) { advance(session, into: &sink) }
    }

    private mutating func restart() {
        switch state {
        case .idle, .sealed: break
        case .syncing, .reading, .writing: state = .syncing
        }
    }

    private mutating func advance(_ session: Session, into sink: inout Sink) {
        guard conversation.canAsk(session) else { return }
        switch state {
        case .idle, .sealed: break
        case .syncing: conversation.ask(.sync(path: Paths.ring), into: &sink)
        case .reading: conversation.ask(.get(path: Paths.ring, watch: false), into: &sink)
        case .writing: break
        }
    }

    private mutating func received(_ reply: CoordinationReply, at now: Instant, into sink: inout Sink) {
        switch (state, reply) {
        case (.syncing, .synced):
            state = .reading
        case (.syncing, .failed(let error, _)) where !error.isOutcomeUnknown:
            state = .reading
        case (.reading, .data(let bytes, let stat)):
            guard let record = RingRecord(bytes) else {
                restart()
                conversation.pause(at: now, into: &sink)
                return
            }
            if record.sealed {
                state = .sealed(record)
            } else {
                state = .writing(record.sealing())
                conversation.ask(.set(path: Paths.ring, data: record.sealing().bytes, version: stat.version), into: &sink)
            }
        case (.writing(let record), .set):
            state = .sealed(record)
        case (.idle, _), (.sealed, _), (.syncing, _), (.reading, _), (.writing, _):
            // Not there yet, changed by somebody else, or an unknown outcome: read again.
            restart()
            conversation.pause(at: now, into: &sink)
        }
    }
}
