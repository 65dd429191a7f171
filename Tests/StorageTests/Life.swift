import Machine
import Storage
import Wire

/// One life of a store on a disk: what the store asks for is performed one operation at a time, when the test says so.
struct Life {
    var store: LogStore
    var disk: TestDisk
    private(set) var waiting: [DiskRequest] = []
    private(set) var events: [LogStoreEvent] = []
    private(set) var logLines: [LogLine] = []
    private(set) var performed = 0
    /// The operation, counted from 0, that fails.
    var failing: Int?
    private var sink = Sink()

    init(_ disk: TestDisk, options: LogStore.Options = .init(), seed: UInt64 = 1) {
        self.disk = disk
        store = LogStore(options: options, random: SeededRandom(seed: seed))
        store.open(into: &sink)
        collect()
    }

    /// A life that has opened.
    static func opened(_ disk: TestDisk = TestDisk(), options: LogStore.Options = .init(), seed: UInt64 = 1) -> Life {
        var life = Life(disk, options: options, seed: seed)
        life.settle()
        precondition(life.report != nil, "\(life.events)")
        return life
    }

    var report: OpenReport? {
        for case .opened(let report) in events { return report }
        return nil
    }

    var refusal: String? {
        for case .refused(let reason) in events { return reason }
        return nil
    }

    var failure: String? {
        for case .failed(let reason) in events { return reason }
        return nil
    }

    private mutating func collect() {
        for effect in sink.drain() {
            switch effect {
            case .disk(let request): waiting.append(request)
            case .log(let line): logLines.append(line)
            default: preconditionFailure("not an effect of a store: \(effect)")
            }
        }
    }

    /// Does something with the store, and gathers what it asks for.
    @discardableResult
    mutating func act<Result>(_ body: (inout LogStore, inout Sink) -> Result) -> Result {
        let result = body(&store, &sink)
        collect()
        return result
    }

    /// Performs the oldest operation and delivers its completion; false where there is none.
    @discardableResult
    mutating func performOne() -> Bool {
        guard !waiting.isEmpty else { return false }
        deliver(waiting.removeFirst())
        return true
    }

    /// Performs an operation out of order.
    mutating func perform(at index: Int) { deliver(waiting.remove(at: index)) }

    private mutating func deliver(_ request: DiskRequest) {
        let result: DiskResult
        if failing == performed {
            result = .failed(DiskError(.inputOutput, "db.txt: Input/output error"))
        } else {
            result = disk.perform(request.operation)
        }
        performed += 1
        events += store.completed(DiskCompletion(id: request.id, result: result), into: &sink)
        collect()
    }

    mutating func takeEvents() -> [LogStoreEvent] {
        defer { events.removeAll() }
        return events
    }

    /// Performs everything there is to do.
    mutating func settle() { while performOne() {} }

    // MARK: Shorthands

    mutating func append(_ operations: Operation..., term: UInt64 = 1) {
        for operation in operations {
            act { store, _ in
                store.append(Entry(position: Position(term: term, seq: store.last.seq + 1), operation: operation))
            }
        }
    }

    mutating func append(_ operation: Operation, as identity: RequestIdentity, term: UInt64? = nil) {
        act { store, _ in
            let position = Position(term: term ?? max(1, store.last.term), seq: store.last.seq + 1)
            store.append(Entry(position: position, operation: operation, identity: identity))
        }
    }

    mutating func flush() { act { $0.flush(into: &$1) } }

    mutating func flushAndSettle() {
        flush()
        settle()
    }

    mutating func close() {
        act { _ = $0.close(into: &$1) }
        settle()
    }

    /// All entries, read through the store's own front door.
    mutating func entries(maxBytes: Int = 4096) -> [Entry] {
        var all: [Entry] = []
        while all.count < Int(store.last.seq) {
            let next = UInt64(all.count) + 1
            switch act({ $0.entries(from: next, maxBytes: maxBytes, into: &$1) }) {
            case .entries(let some):
                precondition(!some.isEmpty)
                all += some
            case .reading(let ticket):
                events.removeAll()
                settle()
                guard case .entriesRead(ticket, let some)? = events.first, !some.isEmpty else {
                    preconditionFailure("entries from \(next): \(events)")
                }
                all += some
            }
        }
        return all
    }
}

extension Operation {
    static func put(_ key: String, _ value: String) -> Operation { .put(key: Array(key.utf8), value: Array(value.utf8)) }
    static func delete(_ key: String) -> Operation { .delete(key: Array(key.utf8)) }
}

extension LogStore {
    func value(_ key: String) -> String? { value(of: Array(key.utf8)).map { String(decoding: $0, as: UTF8.self) } }
}

extension Entry {
    init(_ term: UInt64, _ seq: UInt64, _ operation: Operation) {
        self.init(position: Position(term: term, seq: seq), operation: operation)
    }
}

/// Bytes of every value, of a random length.
func randomBytes(_ count: ClosedRange<Int>, _ random: inout SeededRandom) -> [UInt8] {
    (0..<Int.random(in: count, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) }
}

func randomOperation(_ random: inout SeededRandom, keys: Int = 5, valueBytes: ClosedRange<Int> = 0...20) -> Operation {
    let key = Array("k\(Int.random(in: 0..<keys, using: &random))".utf8)
    return random.chance(1, in: 4) ? .delete(key: key) : .put(key: key, value: randomBytes(valueBytes, &random))
}
