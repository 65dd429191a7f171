import Machine
import Storage
import Wire

/// What is done with a store, one step after the other.
enum StoreAction: Sendable {
    case append(Operation, term: UInt64 = 1, as: RequestIdentity? = nil)
    case flush
    /// Lets the disk perform one operation, or everything.
    case perform, settle
    case adopt(UInt64)
    case lease(Nanoseconds)
    case lineage(String)
    /// Registration gives it a nonce; ZooKeeper has the last one.
    case nonce
    case becomeAnother
    case commit
    case truncate(after: UInt64)
    /// A copy is begun; its pieces come; it is dropped.
    case beginCopy([CopyContent])
    case piece
    case dropCopy
    case close
    /// The process ends, killed or after `close`, and a new one opens the store.
    case reopen
}

/// A workload as it runs: lives of a store one after the other, with the promises that they make, and all moments on the way.
struct StoreRun: Sendable {
    /// The disk and the promise before an operation, and the operation; nil after the last one.
    struct Moment: Sendable {
        var disk: CrashDisk
        var promise: StorePromise
        var next: DiskOperation?
    }

    private(set) var life: StoreLife
    private(set) var promise: StorePromise
    private(set) var moments: [Moment] = []
    /// The store failed, as it must where the disk does.
    var isOver: Bool { life.trouble != nil }
    private var hasOpened = false
    /// The next piece of the copy that is being taken.
    private var pieceIndex = 0
    private var owedTerms: [(mark: UInt64, term: UInt64)] = []
    private var owedLeases: [(mark: UInt64, lease: Nanoseconds)] = []
    /// The marks of the promise's lineages but the first.
    private var owedLineages: [UInt64] = []
    /// The same of its nonces.
    private var owedNonces: [UInt64] = []
    private var noncesMade = 0
    private let seed: UInt64
    private let sync: SyncPolicy
    private let failure: StoreLife.Failure?
    private var lives: UInt64 = 0

    /// - Parameter failure: its operation is counted over all lives.
    init(
        _ disk: CrashDisk, promise: StorePromise, seed: UInt64, sync: SyncPolicy = .always,
        failure: StoreLife.Failure? = nil
    ) {
        life = StoreLife(disk, seed: seed, sync: sync, failure: failure)
        self.promise = promise
        self.sync = sync
        if sync.isWeak { self.promise.wasWeak = true }
        self.seed = seed
        self.failure = failure
    }

    mutating func settle() { while performOne() {} }

    @discardableResult
    mutating func performOne() -> Bool {
        guard let request = life.waiting.first else { return false }
        moments.append(Moment(disk: life.disk, promise: promise, next: request.operation))
        _ = life.performOne()
        learn()
        return true
    }

    /// Notes the last moment, after everything.
    mutating func end() { moments.append(Moment(disk: life.disk, promise: promise, next: nil)) }

    /// What the store reported becomes a promise.
    private mutating func learn() {
        guard life.report != nil else { return }
        if !hasOpened {
            hasOpened = true
            // Which of the possible logs it is was decided by opening, and stays.
            var copy = life
            let entries = copy.entries() ?? []
            let found = (promise.histories + [promise.copying].compactMap { $0 }).first {
                $0.copiedThrough + 1 == life.store.oldest && $0.entries.starts(with: entries)
            }
            promise.histories = [StoreHistory(entries, copied: found?.copied ?? [])]
            promise.copying = nil
            promise.stores = [life.store.store]
            promise.nonces = [life.store.nonces]
            promise.adoptedTerm = max(promise.adoptedTerm, life.store.adoptedTerm)
            promise.lease = max(promise.lease, life.store.longestLease)
            promise.lineages = [life.store.lineage]
            promise.writtenCommit = life.store.commit
        }
        // A truncation that failed leaves the old log or the new.
        if !life.store.isRewriting, !isOver { promise.histories = promise.histories.suffix(1) }
        if let copying = promise.copying, life.store.oldest == copying.copiedThrough + 1, life.store.copyTaken == nil {
            promise.histories = [copying]
            promise.copying = nil
            promise.commit = max(promise.commit, life.store.commit)
            promise.writtenCommit = max(promise.writtenCommit, life.store.commit)
        }
        promise.durable = promise.histories[promise.histories.count - 1].through(life.store.durable)
        for owed in owedTerms where owed.mark <= life.store.durableMark {
            promise.adoptedTerm = max(promise.adoptedTerm, owed.term)
        }
        for owed in owedLeases where owed.mark <= life.store.durableMark { promise.lease = max(promise.lease, owed.lease) }
        while let mark = owedLineages.first, mark <= life.store.durableMark {
            owedLineages.removeFirst()
            promise.lineages.removeFirst()
        }
        while let mark = owedNonces.first, mark <= life.store.durableMark {
            owedNonces.removeFirst()
            promise.nonces.removeFirst()
        }
        if !life.store.isRewriting, !isOver, promise.stores.count > 1 {
            promise.stores.removeFirst()
            promise.nonces = promise.nonces.suffix(1)
            owedNonces = []
        }
        if life.isClosed { promise.writtenCommit = life.store.commit }
    }

    mutating func perform(_ action: StoreAction) {
        guard !isOver else { return }
        switch action {
        case .append(let operation, let term, let identity):
            let position = Position(term: term, seq: life.store.last.seq + 1)
            let entry = Entry(position: position, operation: operation, identity: identity)
            promise.histories[promise.histories.count - 1].entries.append(entry)
            promise.highestTerm = max(promise.highestTerm, term)
            life.act { store, _ in store.append(entry) }
        case .flush: life.act { $0.flush(into: &$1) }
        case .perform: performOne()
        case .settle: settle()
        case .adopt(let term):
            promise.highestTerm = max(promise.highestTerm, term)
            owedTerms.append((life.act { store, _ in store.adopt(term: term) }, term))
        case .lease(let lease):
            owedLeases.append((life.act { store, _ in store.remember(lease: lease) }, lease))
            promise.highestLease = max(promise.highestLease, lease)
        case .lineage(let text):
            owedLineages.append(life.act { store, _ in store.set(lineage: Lineage(text)) })
            promise.lineages.append(Lineage(text))
        case .nonce:
            noncesMade += 1
            let digits = "\(100_000_000_000 + noncesMade)"
            guard let nonce = LifeNonce("00000000-0000-4000-8000-\(digits)") else { return }
            owedNonces.append(life.act { store, _ in store.remember(nonce: nonce, after: store.nonces.last) })
            promise.nonces.append(life.store.nonces)
        case .becomeAnother:
            promise.copying = nil
            // Nothing is owed of what came before: either all of it is in the new file, or the old one is there as it is.
            life.act { $0.becomeAnother(into: &$1) }
            promise.stores.append(life.store.store)
            promise.nonces.append([])
        case .commit:
            _ = life.act { store, _ in store.commit(through: store.durable) }
            promise.commit = max(promise.commit, life.store.commit)
        case .truncate(let seq):
            promise.histories.append(promise.histories[promise.histories.count - 1].through(seq))
            promise.durable = promise.durable.through(seq)
            promise.copying = nil
            life.act { $0.truncate(after: seq, into: &$1) }
        case .beginCopy(let pieces):
            promise.copying = StoreHistory(copied: pieces)
            pieceIndex = 0
            life.act { $0.beginCopy(into: &$1) }
        case .piece:
            guard let pieces = promise.copying?.copied, pieceIndex < pieces.count else { return }
            pieceIndex += 1
            life.act { _ = $0.take(pieces[pieceIndex - 1], into: &$1) }
        case .dropCopy:
            promise.copying = nil
            life.act { $0.dropCopy(into: &$1) }
        case .close: life.act { _ = $0.close(into: &$1) }
        case .reopen:
            lives += 1
            let rest = failure.flatMap { failure in
                failure.operation < life.performed
                    ? nil : StoreLife.Failure(operation: failure.operation - life.performed, eighths: failure.eighths)
            }
            life = StoreLife(life.disk.killed(), seed: seed &+ lives, sync: sync, failure: rest)
            hasOpened = false
            owedTerms = []
            owedLeases = []
            owedLineages = []
            owedNonces = []
            settle()
        }
    }
}

/// Written workloads: between them they reach every operation that a store asks for.
enum StoreWorkloads {
    static func put(_ key: String, _ value: String) -> Operation { .put(key: Array(key.utf8), value: Array(value.utf8)) }
    static func delete(_ key: String) -> Operation { .delete(key: Array(key.utf8)) }

    /// A new store, single entries, group commits, a delete, a term and a lineage, commit marks.
    static let writing: [StoreAction] = [
        .lineage("first"), .append(.beginTerm), .append(put("a", "1")), .flush, .perform, .append(put("b", "22")), .flush,
        .perform, .adopt(2), .lease(.milliseconds(400)), .append(delete("a")), .flush, .settle, .commit,
        .append(put("c", "333")), .flush,
        .append(put("d", "4444")), .flush, .settle,
    ]

    /// A suffix goes, through the rollback file, while a term and a lineage come; and the log goes on.
    static let truncating: [StoreAction] = [
        .append(.beginTerm), .append(put("a", "1")), .flush, .settle, .commit, .append(put("b", "2")),
        .append(put("c", "3")), .flush, .settle, .append(put("d", "4")), .truncate(after: 3), .perform, .adopt(3),
        .lease(.seconds(1)), .lineage("late"), .settle, .append(.beginTerm, term: 3), .append(put("e", "5"), term: 3),
        .flush, .settle,
    ]

    /// Clean ends and unclean ones, opening in place and anew, and closing while everything is being rewritten.
    static let reopening: [StoreAction] = [
        .append(.beginTerm), .append(put("a", "1")), .flush, .settle, .commit, .append(put("b", "2")), .close, .settle,
        .reopen, .append(put("c", "3")), .flush, .settle, .commit, .append(delete("b")), .flush, .perform,
        .reopen, .append(put("d", "4")), .flush, .settle, .truncate(after: 4), .close, .settle,
        .reopen, .close, .settle,
    ]

    /// Registrations, and then the store is found to be a copy of another: it goes on under a new identity, and registers.
    static let renaming: [StoreAction] = [
        .nonce, .flush, .settle, .append(.beginTerm), .append(put("a", "1")), .flush, .settle, .commit, .nonce, .flush,
        .perform, .append(put("b", "2")), .flush, .becomeAnother, .perform, .lease(.seconds(1)), .settle,
        .append(put("c", "3")), .nonce, .flush, .settle, .reopen, .nonce, .flush, .settle, .truncate(after: 2), .nonce,
        .settle, .close, .settle, .reopen, .becomeAnother, .perform, .perform, .reopen, .nonce, .flush, .settle,
    ]

    /// A session is opened and used, its memory copied by a truncation and by opening, and ended.
    static let remembering: [StoreAction] = [
        .append(.beginTerm), .append(.openSession), .append(put("a", "1"), as: identity(1, 1)), .flush, .settle, .commit,
        .append(put("b", "2"), as: identity(2, 1)), .append(delete("a"), as: identity(3, 2)), .flush, .settle, .commit,
        .append(put("c", "3")), .truncate(after: 5), .settle, .append(.openSession), .flush, .settle, .commit, .reopen,
        .append(.closeSession(session)), .flush, .settle, .commit, .append(put("d", "4")), .close, .settle, .reopen,
    ]

    /// A copy is taken beside a log that goes on; one before it is dropped half-way; then the log goes on from the copy, is cut, opened
    /// again, and replaced by another copy.
    static let copying: [StoreAction] =
        [
            .append(.beginTerm), .append(put("a", "1")), .append(put("old", "1")), .flush, .settle, .commit,
            .append(put("b", "2")), .flush, .settle, .beginCopy(copy(through: 9)), .piece, .perform, .dropCopy, .settle,
            .beginCopy(copy(through: 9)), .piece, .adopt(3), .flush, .piece, .perform, .piece, .piece, .perform, .perform,
            .perform, .lease(.seconds(1)), .settle, .append(put("c", "3"), term: 2, as: identity(7, 6)),
            .append(delete("a"), term: 2), .flush, .settle, .commit, .append(put("d", "4"), term: 3), .flush, .settle,
            .beginCopy(copy(through: 14)), .piece, .settle, .truncate(after: 11), .settle, .reopen,
            .append(put("e", "5"), term: 3), .flush,
            .settle,
            .beginCopy(copy(through: 14)),
        ] + Array(repeating: .piece, count: 4) + [.settle, .append(put("f", "6"), term: 3), .close, .settle, .reopen]

    private static func copy(through seq: UInt64) -> [CopyContent] {
        let a = Entry(position: Position(term: 1, seq: 4), operation: put("a", "\(seq)"))
        let b = Entry(position: Position(term: 2, seq: 7), operation: put("b", "2"), identity: identity(6, 5))
        let outcomes = [
            SessionMemory.Outcome(sequence: 5, seq: 5, existed: true), SessionMemory.Outcome(sequence: 6, seq: 7, existed: nil),
        ]
        return [
            .entries([a, b]), .runs([TermRun(term: 1, first: 1, last: 6), TermRun(term: 2, first: 7, last: seq)]),
            .sessions([SessionMemory(session: session, lowestOpen: 5, outcomes: outcomes)]),
            .end(CopyEnd(position: Position(term: 2, seq: seq), dropped: 5)),
        ]
    }

    /// The first session of `remembering`.
    private static let session = SessionID(opened: Position(term: 1, seq: 2))

    private static func identity(_ sequence: UInt64, _ lowestOpen: UInt64) -> RequestIdentity {
        RequestIdentity(session: session, sequence: sequence, lowestOpen: lowestOpen)
    }

    /// What is done after a file of version 1 was opened.
    static let importing: [StoreAction] = [.lineage("first"), .append(.beginTerm), .append(put("b", "2")), .flush, .settle]

    /// Three records of version 1, and what they promise.
    static let version1 = Array("a2V5MQ==\ndmFsdWUx\n#\na2V5Mg==\n\n#\na2V5MQ==\nbmV3\n#\n".utf8)
    static let version1Promise: StorePromise = {
        let entries = [("key1", "value1"), ("key2", ""), ("key1", "new")].enumerated().map { index, pair in
            Entry(position: Position(term: 0, seq: UInt64(index) + 1), operation: put(pair.0, pair.1))
        }
        return StorePromise(
            durable: StoreHistory(entries), histories: [StoreHistory(entries)], highestTerm: 1, commit: 3, writtenCommit: 3)
    }()

    /// The same with longer values, so that its file has several blocks of a real disk.
    static func enlarged(_ actions: [StoreAction], valueBytes: Int = 180) -> [StoreAction] {
        actions.map { action in
            guard case .append(.put(let key, let value), let term, let identity) = action else { return action }
            let filling = (0..<valueBytes).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            return .append(.put(key: key, value: value + filling), term: term, as: identity)
        }
    }

    static func random(seed: UInt64, valueBytes: Int = 12) -> [StoreAction] {
        var random = SeededRandom(seed: seed)
        func below(_ count: Int) -> Int { Int(random.next(upperBound: UInt64(count))) }
        var actions: [StoreAction] = []
        var length: UInt64 = 0
        var committed: UInt64 = 0
        var term: UInt64 = 1
        var sessions: [SessionID] = []
        var sequence: UInt64 = 0
        for _ in 0..<(5 + below(10)) {
            switch below(12) {
            case 0:
                term += 1
                actions += [.append(.beginTerm, term: term)]
                length += 1
            case 1: actions += [.adopt(term + 1)]
            case 2: actions += [.lineage("l\(below(3))")]
            case 3 where length > committed:
                length = committed + UInt64(below(Int(length - committed)))
                actions += [.truncate(after: length), .settle]
                sessions.removeAll { $0.opened.seq > length }
            case 4: actions += [.settle]
            case 5, 6: actions += [.flush, .perform]
            case 7:
                actions += [.flush, .settle, .commit]
                committed = length
            case 8: actions += below(2) == 0 ? [.flush, .settle, .reopen] : [.close, .settle, .reopen]
            default:
                if below(8) == 0 {
                    length += 1
                    sessions.append(SessionID(opened: Position(term: term, seq: length)))
                    actions.append(.append(.openSession, term: term))
                    continue
                }
                if below(16) == 0, let session = sessions.popLast() {
                    length += 1
                    actions.append(.append(.closeSession(session), term: term))
                    continue
                }
                var identity: RequestIdentity?
                if below(2) == 0, let session = sessions.last {
                    sequence += 1
                    let lowestOpen = sequence - UInt64(below(Int(min(sequence, 3))))
                    identity = RequestIdentity(session: session, sequence: sequence, lowestOpen: lowestOpen)
                }
                let key = "k\(below(4))"
                let value = (0..<below(valueBytes + 1)).map { _ in UInt8(below(256)) }
                let operation = below(4) == 0 ? delete(key) : .put(key: Array(key.utf8), value: value)
                actions.append(.append(operation, term: term, as: identity))
                length += 1
            }
        }
        return actions + [.flush, .settle, .commit, .append(put("last", ""), term: term), .close, .settle]
    }
}
