import CZooKeeperShims
import Machine

/// The memory of one `multi`, from its submission until its results were read.
final class Transaction {
    let operations: [MultiOperation]
    private let raw: OpaquePointer

    /// - Parameter serverPath: makes the path on the server of one below the chroot.
    init(_ operations: [MultiOperation], path serverPath: (String) -> String) {
        self.operations = operations.map { operation in
            // Only the kind is needed later; the data need not be kept twice.
            switch operation {
            case .check, .delete: operation
            case .create(let path, _, let mode): .create(path: path, data: [], mode: mode)
            case .set(let path, _, let version): .set(path: path, data: [], version: version)
            }
        }
        raw = zks_multi_new(Int32(operations.count))
        for (index, operation) in operations.enumerated() {
            let index = Int32(index)
            switch operation {
            case .check(let path, let version): zks_multi_check(raw, index, serverPath(path), version)
            case .create(let path, let data, let mode):
                zks_multi_create(raw, index, serverPath(path), data, Int32(data.count), mode.raw)
            case .delete(let path, let version): zks_multi_delete(raw, index, serverPath(path), version)
            case .set(let path, let data, let version):
                zks_multi_set(raw, index, serverPath(path), data, Int32(data.count), version)
            }
        }
    }

    deinit { zks_multi_free(raw) }

    func submit(to handle: OpaquePointer, request: UInt64) -> Int32 { zks_multi_submit(handle, raw, request) }

    /// What each operation came to, where all were applied.
    func results(chroot: String) -> [MultiResult] {
        operations.enumerated().map { index, operation in
            switch operation {
            case .check: .checked
            case .create: .created(path: String(cString: zks_multi_created_path(raw, Int32(index))).removingChroot(chroot))
            case .delete: .deleted
            case .set: .set(Stat(zks_multi_stat(raw, Int32(index))))
            }
        }
    }

    /// The code of each operation, where none was applied.
    func codes() -> [CoordinationError?] {
        operations.indices.map { index in
            let code = zks_multi_code(raw, Int32(index))
            return code == 0 ? nil : CoordinationError(code: code)
        }
    }
}

extension CreateMode {
    var raw: zks_mode {
        switch self {
        case .persistent: ZKS_PERSISTENT
        case .ephemeral: ZKS_EPHEMERAL
        case .persistentSequential: ZKS_PERSISTENT_SEQUENTIAL
        case .ephemeralSequential: ZKS_EPHEMERAL_SEQUENTIAL
        }
    }
}

extension Stat {
    init(_ raw: zks_stat) {
        self.init(
            czxid: raw.czxid, mzxid: raw.mzxid, pzxid: raw.pzxid, version: raw.version, cversion: raw.cversion,
            aversion: raw.aversion, ephemeralOwner: raw.ephemeral_owner, dataLength: raw.data_length,
            numChildren: raw.num_children)
    }
}

extension String {
    /// The path as a client of the chroot sees it.
    func removingChroot(_ chroot: String) -> String {
        guard !chroot.isEmpty, utf8.starts(with: chroot.utf8) else { return self }
        let rest = String(decoding: utf8.dropFirst(chroot.utf8.count), as: UTF8.self)
        return rest.isEmpty ? "/" : rest
    }
}
