import DequeModule
import Machine
import Storage
import Wire

/// How far a primary is with a copy for one learner: what it has still to read, and what it keeps until the learner has written it.
struct CopyProgress: Hashable, Sendable {
    struct Piece: Hashable, Sendable {
        var index: UInt64
        var content: CopyContent
        var bytes: Int
        /// When it was sent last; nil: it must be sent (again).
        var sentAt: Instant?
    }

    /// What a learner says of a copy.
    struct Answer: Hashable, Sendable {
        var copy: UInt64
        var received: UInt64
        var written: UInt64
        /// When that was sent which it answers.
        var echo: Instant
    }

    /// What follows from an answer.
    enum Consequence: Hashable, Sendable {
        case goesOn
        /// The learner lacks what is not kept any more.
        case mustBeginAnew
        /// The learner holds the copy, and nothing else.
        case isTaken(Position)
    }

    let id: UInt64
    let began: Instant
    var walk: CopyWalk
    /// The read that it waits for.
    var reading: UInt64?
    /// What was read and does not fit the window yet.
    private var waiting: Deque<CopyContent> = []
    /// What the learner has not written, oldest first.
    private(set) var kept: Deque<Piece> = []
    private(set) var bytesKept = 0
    /// The place of the next piece.
    private(set) var next: UInt64 = 0
    /// Where the copy ends; nil while it is not known.
    private var end: Position?
    /// Nothing but signs of life goes there until one is answered: the link broke.
    private(set) var isPaused = false
    private var newestEcho: Instant?
    private(set) var entries = 0
    private(set) var bytes: Int64 = 0
    /// When the operator was told last how far it is.
    var toldAt: Instant

    init(id: UInt64, walk: CopyWalk, now: Instant) {
        self.id = id
        self.walk = walk
        began = now
        toldAt = now
    }

    /// The most runs in one piece, and the most sessions and results together.
    private static let mostRuns = 4_096
    private static let mostResults = 1_024

    // MARK: What is to be sent

    /// The walk has come further.
    mutating func walked(_ walk: CopyWalk, _ entries: [Entry], runs: [TermRun]) {
        self.walk = walk
        if !entries.isEmpty {
            self.entries += entries.count
            waiting.append(.entries(entries))
        }
        guard let end = walk.copyEnd else { return }
        var through = runs.filter { $0.first <= end.position.seq }
        if let newest = through.last { through[through.count - 1].last = min(newest.last, end.position.seq) }
        for start in stride(from: 0, to: through.count, by: CopyProgress.mostRuns) {
            waiting.append(.runs(Array(through[start..<min(start + CopyProgress.mostRuns, through.count)])))
        }
        var gathered: [SessionMemory] = []
        var results = 0
        for memory in walk.sessions {
            gathered.append(memory)
            results += 1 + memory.outcomes.count
            guard results >= CopyProgress.mostResults else { continue }
            waiting.append(.sessions(gathered))
            gathered.removeAll()
            results = 0
        }
        if !gathered.isEmpty { waiting.append(.sessions(gathered)) }
        waiting.append(.end(end))
        self.end = end.position
    }

    /// Whether more of the log is to be read now.
    var wantsToRead: Bool { reading == nil && waiting.isEmpty && !walk.isComplete && !isPaused }

    /// The next piece to send, in the order of the copy; nil where the window is full, or nothing is there.
    mutating func nextPiece(windowBytes: Int, windowPieces: Int, now: Instant) -> (index: UInt64, content: CopyContent)? {
        guard !isPaused else { return nil }
        if let unsent = kept.firstIndex(where: { $0.sentAt == nil }) {
            kept[unsent].sentAt = now
            return (kept[unsent].index, kept[unsent].content)
        }
        guard bytesKept < windowBytes, kept.count < windowPieces, let content = waiting.popFirst() else { return nil }
        let piece = Piece(index: next, content: content, bytes: CopyProgress.weight(content), sentAt: now)
        kept.append(piece)
        bytesKept += piece.bytes
        bytes += Int64(piece.bytes)
        next += 1
        return (piece.index, content)
    }

    private static func weight(_ content: CopyContent) -> Int {
        switch content {
        case .entries(let entries): entries.reduce(0) { $0 + $1.operation.payloadBytes + 32 }
        case .runs(let runs): runs.count * 24
        case .sessions(let memories): memories.reduce(0) { $0 + 24 + $1.outcomes.count * 24 }
        case .end, .nothing: 24
        }
    }

    // MARK: What is answered

    mutating func linkWentDown() {
        isPaused = true
        sendAgain(from: 0)
    }

    private mutating func sendAgain(from index: UInt64) {
        for place in kept.indices where kept[place].index >= index { kept[place].sentAt = nil }
    }

    mutating func answered(_ answer: Answer) -> Consequence {
        // Those of an earlier connection may come late.
        if let newestEcho, answer.echo < newestEcho { return .goesOn }
        newestEcho = answer.echo
        isPaused = false
        while let first = kept.first, first.index < answer.written {
            kept.removeFirst()
            bytesKept -= first.bytes
        }
        if let end, answer.written == next, kept.isEmpty, waiting.isEmpty { return .isTaken(end) }
        guard answer.received < next else { return .goesOn }
        guard let lacking = kept.first(where: { $0.index == answer.received }) else { return .mustBeginAnew }
        // What was sent before that which is answered would have arrived before it.
        if let sentAt = lacking.sentAt, sentAt < answer.echo { sendAgain(from: answer.received) }
        return .goesOn
    }
}
