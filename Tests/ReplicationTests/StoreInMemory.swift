import Machine
import Storage
import Wire

/// A store on files in memory whose disk does what it is told at once, except that syncs wait for `sync()`.
struct StoreInMemory {
    var store: LogStore
    private var files = SortedMap<FileName, [UInt8]>()
    private var waitingSyncs: [DiskID] = []
    private(set) var events: [LogStoreEvent] = []
    /// What the machine under test asked for, without disk requests.
    private(set) var effects: [AviaryEffect] = []
    var sink = Sink()

    init(seed: UInt64 = 1) {
        store = LogStore(random: SeededRandom(seed: seed))
        store.open(into: &sink)
        perform()
        sync()
        precondition(store.isOpen)
        events = []
        effects = []
    }

    /// Hands the gathered effects to the disk; syncs stay under way.
    mutating func perform() {
        while true {
            let drained = sink.drain()
            if drained.isEmpty { return }
            for effect in drained {
                guard case .disk(let request) = effect else {
                    effects.append(effect)
                    continue
                }
                if case .sync = request.operation, store.isOpen, !store.isRewriting {
                    waitingSyncs.append(request.id)
                } else {
                    complete(request.id, result(of: request.operation))
                }
            }
        }
    }

    /// Ends the syncs that are under way, and those that they lead to.
    mutating func sync() {
        perform()
        while !waitingSyncs.isEmpty {
            complete(waitingSyncs.removeFirst(), .done)
            perform()
        }
    }

    mutating func flush() {
        store.flush(into: &sink)
        perform()
    }

    mutating func takeEvents() -> [LogStoreEvent] {
        defer { events = [] }
        return events
    }

    mutating func takeEffects() -> [AviaryEffect] {
        defer { effects = [] }
        return effects
    }

    private mutating func complete(_ id: DiskID, _ result: DiskResult) {
        events += store.completed(DiskCompletion(id: id, result: result), into: &sink)
    }

    private mutating func result(of operation: DiskOperation) -> DiskResult {
        switch operation {
        case .lock, .sync, .syncDirectory: return .done
        case .list: return .listing(files.map { FileEntry(file: $0, size: Int64($1.count)) })
        case .append(let file, let bytes):
            files[file] = (files[file] ?? []) + bytes
            return .done
        case .read(let file, let offset, let length):
            let bytes = files[file] ?? []
            let from = min(Int(offset), bytes.count)
            return .data(Array(bytes[from..<min(from + length, bytes.count)]))
        case .truncate(let file, let size):
            files[file] = Array((files[file] ?? []).prefix(Int(size)))
            return .done
        case .rename(let from, let to):
            files[to] = files[from]
            files[from] = nil
            return .done
        case .remove(let file):
            files[file] = nil
            return .done
        }
    }
}
