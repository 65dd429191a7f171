import Glibc
import Machine
import Synchronization

/// One process per store: an exclusive lock on `<log>.lock`, a file that is never renamed or removed, unlike the log itself.
/// The kernel gives the lock up with the process that holds it, however that ends. Two stores in one process exclude
/// each other, too.
final class StoreLock: Sendable {
    private let store: String
    private let held = Mutex<Int32?>(nil)

    init(store: String) { self.store = store }

    private var path: String { store + ".lock" }

    func take() throws(DiskError) {
        let failure = held.withLock { held -> DiskError? in
            guard held == nil else { return nil }
            do throws(DiskError) {
                held = try acquire()
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    func release() {
        held.withLock { held in
            if let descriptor = held { close(descriptor) }
            held = nil
        }
    }

    private func acquire() throws(DiskError) -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw DiskError.opening(path, creating: true) }
        guard retrying({ Int(flock(descriptor, LOCK_EX | LOCK_NB)) }) == 0 else {
            let code = errno
            let holder = holder(descriptor)
            close(descriptor)
            guard code == EWOULDBLOCK else { throw DiskError("lock", path, code: code) }
            throw DiskError(.locked, "\(store) is in use by another process\(holder.map { " (pid \($0))" } ?? "")")
        }
        // For people, and for the message above. It does not matter if this fails.
        _ = ftruncate(descriptor, 0)
        let pid = Array("\(getpid())\n".utf8)
        _ = write(descriptor, pid, pid.count)
        return descriptor
    }

    /// What the holder wrote into the file.
    private func holder(_ descriptor: Int32) -> Int? {
        var bytes = [UInt8](repeating: 0, count: 20)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        return Int(String(decoding: bytes.prefix(max(0, count)).prefix { $0 != UInt8(ascii: "\n") }, as: UTF8.self))
    }
}
