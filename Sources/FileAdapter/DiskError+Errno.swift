import Glibc
import Machine

extension DiskError {
    /// What a system call said: "cannot append to /var/db.txt: No space left on device".
    init(_ action: String, _ path: String, code: Int32 = errno) {
        self.init(Code(errno: code), "cannot \(action) \(path): \(String(cString: strerror(code)))")
    }

    /// A failed `open`; the system's words alone would not say that it is the folder that is missing.
    static func opening(_ path: String, creating: Bool, code: Int32 = errno) -> DiskError {
        let folder = folder(of: path)
        if creating, code == ENOENT { return DiskError(.notFound, "cannot open \(path): there is no folder \(folder)") }
        if code == ENOTDIR { return DiskError(.other, "cannot open \(path): \(folder) is not a folder") }
        return DiskError("open", path, code: code)
    }
}

extension DiskError.Code {
    init(errno: Int32) {
        switch errno {
        case ENOENT: self = .notFound
        case EACCES, EPERM: self = .permission
        case ENOSPC, EDQUOT: self = .noSpace
        case EROFS: self = .readOnly
        case EIO: self = .inputOutput
        case _: self = .other
        }
    }
}

extension DiskResult {
    init(_ body: () throws(DiskError) -> Void) {
        do throws(DiskError) {
            try body()
            self = .done
        } catch {
            self = .failed(error)
        }
    }
}
