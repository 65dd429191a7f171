import Machine

/// What happened in a world: always as a rolling hash, and on request as a story for people.
///
/// The hash covers every event that a node was given, every answer that a client got and every fault, with their moments:
/// equal hashes mean equal runs. The story costs far more than the run itself, so a failing seed is run again to get it.
public struct Trace: Sendable {
    @inlinable public var hash: TraceHash { _hash }
    @usableFromInline var _hash = TraceHash()
    /// How many things were folded in; with the hash after each, two runs can be compared for their first difference.
    @inlinable public var length: UInt64 { _length }
    @usableFromInline var _length: UInt64 = 0

    /// Nothing is recorded where it is 0; else the newest events up to this number, twice that for a moment.
    public let recordedEvents: Int
    private var events: [StoryEvent] = []
    private(set) var bars: [StoryBar] = []
    /// The hash after each fold, where it is kept: for finding the first divergence of two runs.
    @inlinable public var hashes: [UInt64]? { _hashes }
    @usableFromInline var _hashes: [UInt64]?

    public init(recordedEvents: Int = 0, keepsHashes: Bool = false) {
        self.recordedEvents = recordedEvents
        _hashes = keepsHashes ? [] : nil
    }

    /// Records everything.
    public static var all: Trace { Trace(recordedEvents: 1 << 40) }

    @inlinable public var isRecording: Bool { recordedEvents > 0 }

    /// The newest recorded events, oldest first.
    public var recorded: ArraySlice<StoryEvent> { events.suffix(recordedEvents) }

    @inline(__always)
    @inlinable mutating func fold(at time: Instant, _ kind: UInt64, _ who: Int, _ content: (inout TraceHash) -> Void) {
        _hash.fold(time.nanoseconds)
        _hash.fold(kind << 32 | UInt64(truncatingIfNeeded: who) & 0xFFFF_FFFF)
        content(&_hash)
        _length += 1
        if _hashes != nil { _hashes!.append(_hash.value) }
    }

    /// Records an event. Making its text costs: ask `isRecording` first.
    @usableFromInline mutating func record(_ event: StoryEvent) {
        guard isRecording else { return }
        events.append(event)
        if events.count >= 2 * recordedEvents { events.removeFirst(events.count - recordedEvents) }
    }

    /// Begins a bar that lasts until `endBars`, or to its own end.
    @usableFromInline mutating func begin(_ bar: StoryBar) {
        if isRecording { bars.append(bar) }
    }

    /// Ends what still lasts on a lane.
    @usableFromInline mutating func endBars(_ kinds: [StoryBar.Kind], lane: Int, at time: Instant) {
        guard isRecording else { return }
        for index in bars.indices where bars[index].lane == lane && bars[index].end > time && kinds.contains(bars[index].kind) {
            bars[index].end = time
        }
    }
}
