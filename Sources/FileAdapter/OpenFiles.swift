import Glibc
import Machine
import Synchronization

/// The store's files as the operating system knows them. A file is opened when it is first used, and stays open under its
/// role: a rename takes the descriptor along, a removal closes it.
///
/// `Schedule` sees to it that no file is renamed or removed while somebody else uses it.
final class OpenFiles: Sendable {
    private let paths: [FileName: String]
    private let syncFile: @Sendable (Int32) -> Int32
    private let descriptors = Mutex<[FileName: Int32]>([:])
    private let storeLock: StoreLock

    init(paths: [FileName: String], sync: @escaping @Sendable (Int32) -> Int32) {
        let resolved = paths.mapValues(followingLink)
        self.paths = resolved
        syncFile = sync
        storeLock = StoreLock(store: resolved[.log] ?? resolved.min { $0.key < $1.key }?.value ?? "")
    }

    /// Closes the files and gives up the lock.
    func close() {
        descriptors.withLock { descriptors in
            for descriptor in descriptors.values { Glibc.close(descriptor) }
            descriptors = [:]
        }
        storeLock.release()
    }

    func perform(_ operation: DiskOperation) -> DiskResult {
        do throws(DiskError) {
            switch operation {
            case .lock: try storeLock.take()
            case .list: return .listing(try list())
            case .append(let file, let bytes): try append([bytes], to: file)
            case .sync(let file): try sync(file)
            case .read(let file, let offset, let length): return .data(try read(file, offset: offset, length: length))
            case .truncate(let file, let size): try truncate(file, size: size)
            case .rename(let file, let other): try rename(file, to: other)
            case .remove(let file): try remove(file)
            case .syncDirectory: try syncDirectories()
            }
            return .done
        } catch {
            return .failed(error)
        }
    }

    // MARK: - Content

    func append(_ chunks: [[UInt8]], to file: FileName) throws(DiskError) {
        let descriptor = try descriptor(of: file, creating: true)
        // One write for all of them; the copy costs less than the calls.
        let bytes = chunks.count == 1 ? chunks[0] : Array(chunks.joined())
        var written = 0
        while written < bytes.count {
            let count = retrying {
                bytes.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, bytes.count - written) }
            }
            guard count > 0 else { throw DiskError("append to", try path(of: file), code: count == 0 ? EIO : errno) }
            written += count
        }
    }

    private func read(_ file: FileName, offset: Int64, length: Int) throws(DiskError) -> [UInt8] {
        let descriptor = try descriptor(of: file, creating: false)
        var wanted = max(0, length)
        if wanted > 1 << 16 {
            // No more memory than there is to read.
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw DiskError("read", try path(of: file)) }
            wanted = min(wanted, max(0, Int(status.st_size) - Int(clamping: offset)))
        }
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: wanted) { buffer, count in
            while count < wanted {
                let got = retrying { pread(descriptor, buffer.baseAddress! + count, wanted - count, Int(offset) + count) }
                if got < 0 { failure = errno }
                if got <= 0 { break }
                count += got
            }
        }
        guard failure == 0 else { throw DiskError("read", try path(of: file), code: failure) }
        return bytes
    }

    private func sync(_ file: FileName) throws(DiskError) {
        let descriptor = try descriptor(of: file, creating: false)
        guard syncFile(descriptor) == 0 else { throw DiskError("sync", try path(of: file)) }
    }

    private func truncate(_ file: FileName, size: Int64) throws(DiskError) {
        let descriptor = try descriptor(of: file, creating: false)
        guard retrying({ Int(ftruncate(descriptor, off_t(size))) }) == 0 else {
            throw DiskError("truncate", try path(of: file))
        }
    }

    // MARK: - Names

    private func list() throws(DiskError) -> [FileEntry] {
        var entries: [FileEntry] = []
        for file in paths.keys.sorted() {
            let path = try path(of: file)
            var status = stat()
            guard stat(path, &status) == 0 else {
                if errno == ENOENT { continue }
                throw DiskError("look at", path)
            }
            try requireRegular(status, path)
            entries.append(FileEntry(file: file, size: Int64(status.st_size)))
        }
        return entries
    }

    private func rename(_ file: FileName, to other: FileName) throws(DiskError) {
        let from = try path(of: file)
        let to = try path(of: other)
        guard Glibc.rename(from, to) == 0 else {
            let code = errno
            throw DiskError("rename", code == ENOENT ? from : "\(from) to \(to)", code: code)
        }
        descriptors.withLock { descriptors in
            if let replaced = descriptors.removeValue(forKey: other) { Glibc.close(replaced) }
            descriptors[other] = descriptors.removeValue(forKey: file)
            // Nobody reads it again.
            if other.isAside, let unused = descriptors.removeValue(forKey: other) { Glibc.close(unused) }
        }
    }

    private func remove(_ file: FileName) throws(DiskError) {
        let path = try path(of: file)
        guard unlink(path) == 0 else { throw DiskError("remove", path) }
        descriptors.withLock { descriptors in
            if let removed = descriptors.removeValue(forKey: file) { Glibc.close(removed) }
        }
    }

    private func syncDirectories() throws(DiskError) {
        for folder in Set(paths.values.map(folder)).sorted() {
            let descriptor = Glibc.open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
            guard descriptor >= 0 else { throw DiskError("open", folder) }
            defer { Glibc.close(descriptor) }
            guard fsync(descriptor) == 0 else { throw DiskError("sync", folder) }
        }
    }

    // MARK: - Opening

    private func path(of file: FileName) throws(DiskError) -> String {
        if file.isAside, let log = paths[.log] { return "\(log).\(file.name)" }
        guard let path = paths[file] else { throw DiskError(.other, "the store has no file '\(file)'") }
        return path
    }

    private func descriptor(of file: FileName, creating: Bool) throws(DiskError) -> Int32 {
        let path = try path(of: file)
        let result = descriptors.withLock { descriptors -> Result<Int32, DiskError> in
            if let open = descriptors[file] { return .success(open) }
            do throws(DiskError) {
                let opened = try open(path, creating: creating)
                descriptors[file] = opened
                return .success(opened)
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func open(_ path: String, creating: Bool) throws(DiskError) -> Int32 {
        let flags = O_RDWR | O_APPEND | O_CLOEXEC | (creating ? O_CREAT : 0)
        let descriptor = Int32(retrying { Int(Glibc.open(path, flags, 0o644)) })
        guard descriptor >= 0 else { throw DiskError.opening(path, creating: creating) }
        do throws(DiskError) {
            var status = stat()
            guard fstat(descriptor, &status) == 0 else { throw DiskError("look at", path) }
            try requireRegular(status, path)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
        return descriptor
    }

    private func requireRegular(_ status: stat, _ path: String) throws(DiskError) {
        if status.st_mode & S_IFMT == S_IFDIR { throw DiskError("use", path, code: EISDIR) }
        if status.st_mode & S_IFMT != S_IFREG { throw DiskError(.other, "cannot use \(path): not a regular file") }
    }
}

/// The target of a symbolic link; any other path as it is.
private func followingLink(_ path: String) -> String {
    var status = stat()
    guard lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFLNK, let target = realpath(path, nil) else { return path }
    defer { free(target) }
    return String(cString: target)
}

/// The folder that a path is in.
func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

/// Makes a system call again when a signal interrupted it.
func retrying(_ call: () -> Int) -> Int {
    while true {
        let result = call()
        if result != -1 || errno != EINTR { return result }
    }
}
