import Machine
import Simulation
import Storage
import Wire

// Exploration of: one log store (the production `LogStore`) that is opened, appended to, truncated, and opened again, on a disk
// whose every request may end, or be the moment of a crash. A crash leaves, of each file, any of the units that were written
// since its last sync, and any prefix of the changes of names: each possibility is a case of its own. Recovery is crashed into
// as well, as long as the budget of crashes lasts.

/// One store and its disk.
public struct StorageSystem: Explorable {
    public struct Options: Sendable {
        public var crashes = 1
        public var appends = 2
        public var truncations = 1
        public var closes = 1
        /// What a crash keeps or loses as one, in bytes.
        public var unit = 64

        public init() {}
    }

    public enum Action: Sendable {
        case append
        case truncate
        case close
        case diskEnds
        case crash(remains: Int)
        case start
    }

    private var store: Shared<LogStore>?
    private var disk = Shared(SteppedDisk())
    private var budget: Options
    private let unit: Int
    private var lives: UInt64 = 0
    /// What a store must hold when it is open again, and one of what it may hold at most.
    private var floor: [Position] = []
    private var ceilings: [[Position]] = [[]]
    private var isTruncating = false
    private var marks: UInt64 = 0

    public static let landmarks = [
        "an entry is synced", "a truncation is done", "a crash left a torn tail", "a crash inside a truncation",
        "a crash inside opening", "a store is closed and opened again",
    ]

    public init(_ options: Options) {
        budget = options
        unit = options.unit
        start()
    }

    private mutating func start() {
        var options = LogStore.Options()
        options.chunkBytes = 1 << 12
        lives += 1
        store = Shared(LogStore(options: options, random: SeededRandom(seed: lives)))
        _ = update { store, sink in
            store.open(into: &sink)
            return []
        }
    }

    public func actions() -> [Action] {
        guard let store = store?.value else { return [.start] }
        var actions: [Action] = []
        if store.isOpen, !store.isRewriting {
            if budget.appends > 0 { actions.append(.append) }
            if budget.truncations > 0, store.last.seq > 0 { actions.append(.truncate) }
            if budget.closes > 0 { actions.append(.close) }
        }
        if !disk.value.isIdle { actions.append(.diskEnds) }
        if budget.crashes > 0 { actions += disk.value.remains(unit: unit).indices.map { .crash(remains: $0) } }
        return actions
    }

    public func isFault(_ action: Action) -> Bool {
        switch action {
        case .crash: true
        case .append, .truncate, .close, .diskEnds, .start: false
        }
    }

    public mutating func perform(_ action: Action) -> Violation? {
        marks = 0
        switch action {
        case .append:
            budget.appends -= 1
            return update { store, sink in
                // A new term after each truncation, so that what was cut off is told from what took its place.
                let term = max(1, store.adoptedTerm) + (store.last.term == store.adoptedTerm || store.last == .zero ? 0 : 1)
                let position = Position(term: term, seq: store.last.seq + 1)
                store.append(Entry(position: position, operation: .put(key: Array("key".utf8), value: Array("value".utf8))))
                store.flush(into: &sink)
                return []
            }
        case .truncate:
            budget.truncations -= 1
            isTruncating = true
            return update { store, sink in
                store.truncate(after: store.last.seq - 1, into: &sink)
                return []
            }
        case .close:
            budget.closes -= 1
            return update { store, sink in
                store.close(into: &sink)
                return []
            }
        case .diskEnds:
            guard let completion = disk.update({ $0.finishNext() }) else { return nil }
            return update { store, sink in
                let events = store.completed(completion, into: &sink)
                if store.isOpen { store.flush(into: &sink) }
                return events
            }
        case .crash(let remains):
            budget.crashes -= 1
            if isTruncating { marks |= 1 << 3 }
            if store?.value.isOpen == false { marks |= 1 << 4 }
            disk = Shared(disk.value.remains(unit: unit)[remains])
            store = nil
            isTruncating = false
            return nil
        case .start:
            start()
            return nil
        }
    }

    private mutating func update(_ body: (inout LogStore, inout Sink) -> [LogStoreEvent]) -> Violation? {
        var sink = Sink()
        guard let events = store?.update({ body(&$0, &sink) }) else { return nil }
        for effect in sink.drain() { if case .disk(let request) = effect { disk.update { $0.accept(request) } } }
        for event in events {
            switch event {
            case .opened(let report):
                if report.tornBytes > 0 { marks |= 1 << 2 }
                if let violation = opened() { return violation }
            case .refused(let reason), .failed(let reason):
                return Violation("a crash leaves a store that opens", reason)
            case .truncated:
                marks |= 1 << 1
                isTruncating = false
                ceilings = [positions]
            case .closed:
                marks |= 1 << 5
                floor = ceilings[ceilings.count - 1]
                store = nil
                return nil
            case .synced: marks |= 1
            case .entriesRead, .walked, .copyWritten, .copyTaken, .setAside: break
            }
        }
        note()
        return nil
    }

    /// All entries of the store, by its own account.
    private var positions: [Position] {
        (store?.value.runs ?? []).flatMap { run in (run.first...run.last).map { Position(term: run.term, seq: $0) } }
    }

    /// What was promised and what was written, as of now.
    private mutating func note() {
        guard let store = store?.value, store.isOpen else { return }
        let now = positions
        let durable = Array(now.prefix(Int(min(store.durable, UInt64(now.count)))))
        if isTruncating {
            floor = Array(floor.prefix(now.count))
            if !ceilings.contains(now) { ceilings.append(now) }
        } else {
            floor = durable
            ceilings = [now]
        }
    }

    private mutating func opened() -> Violation? {
        let found = positions
        guard found.starts(with: floor) else {
            return Violation("an opened store has everything that was synced", "it holds \(found), but \(floor) was synced")
        }
        guard ceilings.contains(where: { $0.starts(with: found) }) else {
            return Violation("an opened store is a prefix of what was written", "it holds \(found), of \(ceilings)")
        }
        return nil
    }

    public var isSettled: Bool { store?.value.isOpen == true && disk.value.isIdle && store?.value.isRewriting == false }

    public var reached: UInt64 { marks }

    public mutating func fold(into digest: inout Fingerprint, memo: inout FingerprintMemo) {
        // Requests end in their order, so their numbers do not matter.
        digest.omitted += ["next", "running", "id", "appending"]
        if let store { digest.foldContent(of: store.value) }
        disk.value.fold(into: &digest)
        for number in [budget.crashes, budget.appends, budget.truncations, budget.closes] { digest.fold(number) }
        digest.fold(isTruncating)
        for positions in ceilings + [floor] {
            for position in positions { digest.fold(position.term << 32 | position.seq) }
            digest.fold(-1)
        }
    }

    public func brief(_ action: Action) -> String {
        switch action {
        case .append: "an entry is appended"
        case .truncate: "the last entry is cut off"
        case .close: "the store is closed"
        case .diskEnds: "the disk ends \(disk.value.next.map { "\($0)".prefix(60) } ?? "")"
        case .crash(let remains):
            "power loss: possibility \(remains + 1) of \(disk.value.remains(unit: unit).count)"
        case .start: "the store is opened again"
        }
    }
}
