import Machine

/// What happened in a world: always as a rolling hash, and on request as lines for people.
///
/// The hash covers every event that a node was given, every answer that a client got and every fault, with their moments:
/// equal hashes mean equal runs. The lines cost far more than the run itself, so a failing seed is run again to get them.
public struct Trace: Sendable {
    public private(set) var hash = TraceHash()
    /// How many things were folded in; with the hash after each, two runs can be compared for their first difference.
    public private(set) var length: UInt64 = 0

    /// Nothing is recorded where it is 0; else the newest lines up to this number, twice that for a moment.
    public var recordedLines: Int
    private var lines: [String] = []
    /// The hash after each fold, where it is kept: for finding the first divergence of two runs.
    public private(set) var hashes: [UInt64]?

    public init(recordedLines: Int = 0, keepsHashes: Bool = false) {
        self.recordedLines = recordedLines
        hashes = keepsHashes ? [] : nil
    }

    public var isRecording: Bool { recordedLines > 0 }

    /// The newest recorded lines, oldest first.
    public var recorded: ArraySlice<String> { lines.suffix(recordedLines) }

    @inline(__always)
    mutating func fold(at time: Instant, _ kind: UInt64, _ who: Int, _ content: (inout TraceHash) -> Void) {
        hash.fold(time.nanoseconds)
        hash.fold(kind << 32 | UInt64(truncatingIfNeeded: who) & 0xFFFF_FFFF)
        content(&hash)
        length += 1
        if hashes != nil { hashes!.append(hash.value) }
    }

    /// Records a line. Making the text costs: ask `isRecording` first.
    public mutating func tell(at time: Instant, _ text: String) {
        guard isRecording else { return }
        let micros = time.nanoseconds / 1_000
        let digits = String(micros % 1_000_000)
        let padding = String(repeating: "0", count: 6 - digits.utf8.count)
        lines.append("\(micros / 1_000_000).\(padding)\(digits)  \(text)")
        if lines.count >= 2 * recordedLines { lines.removeFirst(lines.count - recordedLines) }
    }
}
