import Glibc
import Machine

/// # The disk neighbour in production
///
/// The files of one store through POSIX calls, on three threads, so that nothing waits for an fsync that need not:
///
/// - the *writer* performs appends and everything that changes names or sizes; appends to one file that wait together
///   become one write;
/// - the *syncer* performs `sync` and `syncDirectory`; syncs of one file that wait together become one `fdatasync`;
/// - the *reader* performs reads.
///
/// What may pass what is decided in ``Schedule``.
///
/// Nothing here bounds the queues: a machine bounds what it asks for.
public final class FileStore: Sendable {
    private let files: OpenFiles
    private let workplace = Workplace()

    /// - Parameters:
    ///   - paths: where each file of the store is. A symbolic link is followed once, now, so that a rename replaces what it
    ///     points to and not the link. `lock` locks `<path of the log>.lock`.
    ///   - deliver: called on the store's threads, with completions in the order of their requests (reads among themselves, the
    ///     others among themselves); must only enqueue.
    public convenience init(paths: [FileName: String], deliver: @escaping @Sendable ([DiskCompletion]) -> Void) {
        self.init(paths: paths, sync: { fdatasync($0) }, deliver: deliver)
    }

    /// - Parameter sync: like `fdatasync`; returns 0, or −1 with `errno`.
    init(
        paths: [FileName: String], sync: @escaping @Sendable (Int32) -> Int32,
        deliver: @escaping @Sendable ([DiskCompletion]) -> Void
    ) {
        files = OpenFiles(paths: paths, sync: sync)
        workplace.start(.writer) { [files, workplace] in Self.write(files, workplace, deliver) }
        workplace.start(.syncer) { [files, workplace] in Self.sync(files, workplace, deliver) }
        workplace.start(.reader) { [files, workplace] in Self.read(files, workplace, deliver) }
    }

    deinit { workplace.withLock { $0.stop() } }

    /// Never blocks; each request is answered by one completion, until `shutDown`.
    public func perform(_ requests: [DiskRequest]) {
        workplace.withLock { schedule in
            for request in requests { schedule.add(request) }
        }
    }

    /// Performs what was requested, closes the files and gives up the lock. Requests from now on are dropped. Waits for
    /// a hung disk no longer than ten seconds; the lock then lasts until the process ends.
    public func shutDown() {
        workplace.withLock { $0.stop() }
        if workplace.waitForEnd(atMost: .seconds(10)) { files.close() }
    }

    // MARK: - The threads. Completions are delivered under the lock, which keeps them in order.

    private static func write(_ files: OpenFiles, _ workplace: Workplace, _ deliver: ([DiskCompletion]) -> Void) {
        while true {
            switch workplace.wait(as: .writer, for: { $0.nextWrite() }) {
            case .stop: return
            case .append(let file, let chunks):
                let result = DiskResult { () throws(DiskError) in try files.append(chunks, to: file) }
                workplace.withLock { deliver($0.finishWrites(chunks.count, result)) }
            case .alone(let operation):
                let result = files.perform(operation)
                workplace.withLock { deliver($0.finishWrites(1, result)) }
            }
        }
    }

    private static func sync(_ files: OpenFiles, _ workplace: Workplace, _ deliver: ([DiskCompletion]) -> Void) {
        while true {
            switch workplace.wait(as: .syncer, for: { $0.nextSync() }) {
            case .stop: return
            case .sync(let operation, let count):
                let result = files.perform(operation)
                workplace.withLock { deliver($0.finishSyncs(count, result)) }
            }
        }
    }

    private static func read(_ files: OpenFiles, _ workplace: Workplace, _ deliver: ([DiskCompletion]) -> Void) {
        while true {
            switch workplace.wait(as: .reader, for: { $0.nextReads() }) {
            case .stop: return
            case .read(let requests):
                let completions = requests.map { DiskCompletion(id: $0.id, result: files.perform($0.operation)) }
                workplace.withLock { $0.finishReads(completions.count) }
                deliver(completions)
            }
        }
    }
}
