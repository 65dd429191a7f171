import Foundation
import Machine
import Synchronization
import TestSupport

@testable import FileAdapter
@testable import Simulation

/// Plays requests on the model of a disk, without faults, as a world does: everything ends when the model says.
struct ModelPlayer {
    private(set) var disk: DiskModel
    private var now = Instant.zero

    init(seed: UInt64, options: DiskModel.Options = .init()) {
        disk = DiskModel(options: options, random: SeededRandom(seed: seed))
    }

    /// Requests all of these at once; returns the completions in their order.
    mutating func play(_ requests: [DiskRequest]) -> [DiskCompletion] {
        var ends: [(end: Instant, lane: DiskLane)] = requests.map { disk.accept($0, at: now) }
        var completions: [DiskCompletion] = []
        while let next = ends.indices.min(by: { (ends[$0].end, $0) < (ends[$1].end, $1) }) {
            let (end, lane) = ends.remove(at: next)
            now = end
            if let completion = disk.finishNext(lane) { completions.append(completion) }
        }
        return completions
    }

    /// The process ends and a new one begins.
    mutating func restart() { disk.processEnded(losingPower: false) }
}

/// Plays requests on real files.
final class FilePlayer: Sendable {
    private struct Batch {
        var completions: [DiskCompletion] = []
        var awaited = 0
        var whole: CheckedContinuation<[DiskCompletion], Never>?
    }

    let folder = TemporaryFolder("disk")
    private let store = Mutex<FileStore?>(nil)
    private let batch = Mutex(Batch())
    private let sync: @Sendable (Int32) -> Int32

    /// - Parameter sync: in place of `fdatasync`.
    init(sync: @escaping @Sendable (Int32) -> Int32 = { fdatasync($0) }) {
        self.sync = sync
        store.withLock { $0 = open() }
    }

    deinit { store.withLock { $0?.shutDown() } }

    private func open() -> FileStore {
        FileStore(
            paths: [.log: folder.file("db.txt"), .rollback: folder.file("rollback.txt")], sync: sync,
            deliver: { [weak self] completions in self?.deliver(completions) })
    }

    private func deliver(_ completions: [DiskCompletion]) {
        batch.withLock { batch in
            batch.completions += completions
            guard batch.completions.count >= batch.awaited, let whole = batch.whole else { return }
            batch.whole = nil
            whole.resume(returning: batch.completions)
        }
    }

    var completed: [DiskCompletion] { batch.withLock { $0.completions } }

    /// Requests all of these at once; returns the completions in their order.
    func play(_ requests: [DiskRequest]) async -> [DiskCompletion] {
        await withCheckedContinuation { continuation in
            batch.withLock { $0 = Batch(awaited: requests.count, whole: continuation) }
            store.withLock { $0?.perform(requests) }
        }
    }

    /// The store is shut down, and another one opens its files.
    func restart() {
        store.withLock { store in
            store?.shutDown()
            store = open()
        }
    }

    /// What is in a file, by another way than the store.
    func content(of file: FileName) -> [UInt8]? {
        let path = folder.file(file == .log ? "db.txt" : "rollback.txt")
        return (try? Data(contentsOf: URL(filePath: path))).map { Array($0) }
    }
}
