import Machine

/// Which request may be performed when.
///
/// The requests have an order, and three kinds of work are taken from it, each kind in that order:
///
/// - an *append* may pass syncs and reads: data that is written sooner is no less durable, and reads name what they want;
/// - a *sync* waits for the writes before it;
/// - a *read* waits for the writes before it, and so passes syncs only;
/// - what changes names or sizes, or looks at them, waits for everything before it: a rename must not come before the sync
///   of the file's content, nor pull a file away from a read.
///
/// Everybody waits for earlier requests only, so nobody waits for ever.
///
/// Completions of everything but reads are let out in the order of the requests.
struct Schedule {
    struct Placed {
        /// The request's place in the order.
        let place: UInt64
        /// Its place among those that are not reads.
        let reportPlace: UInt64
        let request: DiskRequest
    }

    private var nextPlace: UInt64 = 0
    private var nextReportPlace: UInt64 = 0
    private var isStopped = false
    // What is being performed stays at the head of its queue until it is finished.
    private var writes = Queue<Placed>()
    private var syncs = Queue<Placed>()
    private var reads = Queue<Placed>()
    /// The results of everything but reads, from `reported` on, where they are known.
    private var results = Queue<DiskCompletion?>()
    private var reported: UInt64 = 0

    /// Appends are written together up to this size.
    static let writeBytes = 1 << 20
    /// Reads are taken together up to this number.
    static let readCount = 64

    mutating func add(_ request: DiskRequest) {
        guard !isStopped else { return }
        let placed = Placed(place: nextPlace, reportPlace: nextReportPlace, request: request)
        nextPlace += 1
        switch request.operation {
        case .read:
            reads.append(placed)
            return
        case .sync, .syncDirectory: syncs.append(placed)
        case .append, .lock, .list, .truncate, .rename, .remove: writes.append(placed)
        }
        nextReportPlace += 1
        results.append(nil)
    }

    /// Lets the threads finish what there is, and then end.
    mutating func stop() { isStopped = true }

    // MARK: - The writer

    enum WriteJob: Equatable {
        /// The bytes of one or more appends to one file.
        case append(FileName, [[UInt8]])
        case alone(DiskOperation)
        case stop
    }

    /// nil: there is nothing that can be done now.
    func nextWrite() -> WriteJob? {
        guard let first = writes.first else { return isStopped ? .stop : nil }
        guard case .append(let file, let bytes) = first.request.operation else {
            return isUnobstructed(first, by: syncs, reads) ? .alone(first.request.operation) : nil
        }
        var chunks = [bytes]
        var size = bytes.count
        for next in writes.elements.dropFirst() {
            guard case .append(file, let bytes) = next.request.operation, size + bytes.count <= Self.writeBytes else { break }
            chunks.append(bytes)
            size += bytes.count
        }
        return .append(file, chunks)
    }

    /// Ends the first `count` writes; returns the completions whose turn has come.
    mutating func finishWrites(_ count: Int, _ result: DiskResult) -> [DiskCompletion] {
        for _ in 0..<count { note(result, of: writes.removeFirst()) }
        return report()
    }

    // MARK: - The syncer

    enum SyncJob: Equatable {
        /// Answers `count` requests.
        case sync(DiskOperation, count: Int)
        case stop
    }

    func nextSync() -> SyncJob? {
        guard let first = syncs.first else { return isStopped ? .stop : nil }
        let together = syncs.elements.prefix { next in
            next.request.operation == first.request.operation && isUnobstructed(next, by: writes)
        }
        return together.isEmpty ? nil : .sync(first.request.operation, count: together.count)
    }

    mutating func finishSyncs(_ count: Int, _ result: DiskResult) -> [DiskCompletion] {
        for _ in 0..<count { note(result, of: syncs.removeFirst()) }
        return report()
    }

    // MARK: - The reader

    enum ReadJob: Equatable {
        case read([DiskRequest])
        case stop
    }

    func nextReads() -> ReadJob? {
        guard !reads.isEmpty else { return isStopped ? .stop : nil }
        let together = reads.elements.prefix(Self.readCount).prefix { isUnobstructed($0, by: writes) }
        return together.isEmpty ? nil : .read(together.map(\.request))
    }

    mutating func finishReads(_ count: Int) {
        for _ in 0..<count { _ = reads.removeFirst() }
    }

    // MARK: - Who has something to do

    /// Whether a thread that waits should look again. Cheap; true may turn out to be nothing.
    func concerns(_ worker: Worker) -> Bool {
        switch worker {
        case .writer: isStopped || !writes.isEmpty
        case .syncer: isStopped || syncs.first.map { isUnobstructed($0, by: writes) } ?? false
        case .reader: isStopped || reads.first.map { isUnobstructed($0, by: writes) } ?? false
        }
    }

    private func isUnobstructed(_ placed: Placed, by queues: Queue<Placed>...) -> Bool {
        queues.allSatisfy { queue in queue.first.map { $0.place > placed.place } ?? true }
    }

    // MARK: - Reporting

    private mutating func note(_ result: DiskResult, of placed: Placed) {
        results[Int(placed.reportPlace - reported)] = DiskCompletion(id: placed.request.id, result: result)
    }

    private mutating func report() -> [DiskCompletion] {
        var completions: [DiskCompletion] = []
        while let known = results.first, let completion = known {
            completions.append(completion)
            _ = results.removeFirst()
            reported += 1
        }
        return completions
    }
}

/// The threads of a store.
enum Worker: Int, CaseIterable {
    case writer, syncer, reader
}

/// First in, first out; constant time each, on average.
struct Queue<Element> {
    private var storage: [Element?] = []
    private var head = 0

    var isEmpty: Bool { head == storage.count }
    var first: Element? { isEmpty ? nil : storage[head] }
    var elements: LazyMapSequence<ArraySlice<Element?>, Element> { storage[head...].lazy.map { $0! } }

    subscript(index: Int) -> Element {
        get { storage[head + index]! }
        set { storage[head + index] = newValue }
    }

    mutating func append(_ element: Element) { storage.append(element) }

    mutating func removeFirst() -> Element {
        let element = storage[head]!
        storage[head] = nil
        head += 1
        if head == storage.count {
            storage.removeAll(keepingCapacity: head <= 4096)
            head = 0
        } else if head >= 1024, head * 2 >= storage.count {
            storage.removeFirst(head)
            head = 0
        }
        return element
    }
}
