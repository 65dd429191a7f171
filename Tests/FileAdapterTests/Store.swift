import Foundation
import Machine
import Synchronization
import TestSupport

@testable import FileAdapter

/// A file store in a folder of its own, and all that it has completed, in order.
final class Store: Sendable {
    let folder: TemporaryFolder
    let files: FileStore
    private let inbox: Inbox
    private let lastID = Mutex<UInt64>(0)

    private final class Inbox: Sendable {
        let completions = Mutex<[DiskCompletion]>([])
    }

    init(
        in folder: TemporaryFolder = TemporaryFolder("store"), log: String = "db.txt", rollback: String = "rollback.txt",
        sync: (@Sendable (Int32) -> Int32)? = nil
    ) {
        let inbox = Inbox()
        self.folder = folder
        self.inbox = inbox
        let paths: [FileName: String] = [.log: folder.file(log), .rollback: folder.file(rollback)]
        let deliver: @Sendable ([DiskCompletion]) -> Void = { new in inbox.completions.withLock { $0 += new } }
        files =
            if let sync {
                FileStore(paths: paths, sync: sync, deliver: deliver)
            } else {
                FileStore(paths: paths, deliver: deliver)
            }
    }

    deinit { files.shutDown() }

    /// Requests all of these at once.
    @discardableResult func send(_ operations: DiskOperation...) -> [DiskID] {
        let requests = operations.map { operation in
            DiskRequest(
                id: DiskID(
                    lastID.withLock { id in
                        id += 1
                        return id
                    }), operation: operation)
        }
        files.perform(requests)
        return requests.map(\.id)
    }

    func ask(_ operation: DiskOperation) async throws -> DiskResult { try await result(of: send(operation)[0]) }

    func result(of id: DiskID) async throws -> DiskResult {
        try await eventuallyValue("the completion of disk request \(id.number)") {
            self.completed.first { $0.id == id }?.result
        }
    }

    var completed: [DiskCompletion] { inbox.completions.withLock { $0 } }

    func isCompleted(_ id: DiskID) -> Bool { completed.contains { $0.id == id } }

    /// What is in a file, by another way than the store.
    func content(_ name: String) -> String? { try? String(contentsOfFile: folder.file(name), encoding: .utf8) }
}

extension DiskOperation {
    static func append(_ text: String, to file: FileName = .log) -> DiskOperation { .append(file, Array(text.utf8)) }
    static func readAll(_ file: FileName = .log) -> DiskOperation { .read(file, offset: 0, length: 1 << 20) }
}

extension DiskResult {
    static func text(_ text: String) -> DiskResult { .data(Array(text.utf8)) }

    var error: DiskError? { if case .failed(let error) = self { error } else { nil } }
}
