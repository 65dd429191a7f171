import Machine
import Storage
import Wire

/// One life of the production store on a `CrashDisk`: what the store asks for is performed one operation at a time.
struct StoreLife: Sendable {
    /// An operation that the disk fails, counted from 0; of an append, this share (in eighths) is written.
    struct Failure: Hashable, Sendable {
        var operation: Int
        var eighths = 0
    }

    var store: LogStore
    var disk: CrashDisk
    private(set) var waiting: [DiskRequest] = []
    private(set) var events: [LogStoreEvent] = []
    private(set) var performed = 0
    private var failure: Failure?
    private var sink = Sink()

    init(_ disk: CrashDisk, seed: UInt64, sync: SyncPolicy = .always, failure: Failure? = nil) {
        self.disk = disk
        self.failure = failure
        // Small pieces, and next to no memory: every read of the file is one that can be wrong.
        store = LogStore(
            options: .init(chunkBytes: 128, cachedEntryBytes: 48, sync: sync), random: SeededRandom(seed: seed))
        store.open(into: &sink)
        collect()
    }

    var report: OpenReport? {
        for case .opened(let report) in events { return report }
        return nil
    }

    /// Why the store would not open, or stopped.
    var trouble: String? {
        for event in events {
            switch event {
            case .refused(let reason), .failed(let reason): return reason
            case .opened, .synced, .truncated, .entriesRead, .walked, .copyWritten, .copyTaken, .closed, .setAside: continue
            }
        }
        return nil
    }

    var isClosed: Bool { events.contains(.closed) }

    private mutating func collect() {
        for effect in sink.drain() { if case .disk(let request) = effect { waiting.append(request) } }
    }

    /// Does something with the store, and gathers what it asks for.
    @discardableResult
    mutating func act<Result>(_ body: (inout LogStore, inout Sink) -> Result) -> Result {
        let result = body(&store, &sink)
        collect()
        return result
    }

    /// Performs the oldest operation and delivers its completion; false where there is none.
    mutating func performOne() -> Bool {
        guard !waiting.isEmpty else { return false }
        let request = waiting.removeFirst()
        let result: DiskResult
        if let failure, failure.operation == performed {
            result = disk.fail(request.operation, eighths: failure.eighths)
        } else {
            result = disk.perform(request.operation)
        }
        performed += 1
        events += store.completed(DiskCompletion(id: request.id, result: result), into: &sink)
        collect()
        return true
    }

    mutating func settle() { while performOne() {} }

    /// All entries, read through the store's own front door; nil where it does not give them. A failure that is still to come
    /// does not.
    mutating func entries() -> [Entry]? {
        failure = nil
        var all: [Entry] = []
        let oldest = store.oldest
        while oldest + UInt64(all.count) <= store.last.seq {
            switch act({ $0.entries(from: oldest + UInt64(all.count), maxBytes: 256, into: &$1) }) {
            case .entries(let some):
                guard !some.isEmpty else { return nil }
                all += some
            case .reading(let ticket):
                let before = events.count
                settle()
                var answer: [Entry] = []
                for case .entriesRead(ticket, let some) in events[before...] { answer = some }
                guard !answer.isEmpty else { return nil }
                all += answer
            }
        }
        return all
    }
}
