import CZooKeeperShims
import Machine

/// One request of the machine on its way through a session.
struct Request {
    let id: CoordinationID
    var stage: Stage

    enum Stage {
        /// Not given to the C library yet: no server is reached.
        case held(CoordinationOperation, since: Nanoseconds)
        /// In the C library's hands, which will call back, unless the handle is closed first.
        case sent(Shape)
        /// The answer is known, but earlier requests have not been answered.
        case answered(CoordinationReply)
    }

    /// What is needed of an operation to read its reply.
    enum Shape {
        case create, delete, set, get, exists, children, sync
        case multi(Transaction)
    }
}

extension CoordinationOperation {
    /// The most a server takes in one request (`jute.maxbuffer`). It breaks the connection for more, and with it all
    /// pending requests of the session, so such a request is refused here.
    static let packetBytes = 0xFFFFF
    /// An upper bound of what a request needs beyond its paths and data.
    private static let overheadBytes = 64

    /// Why the request is refused without asking a server; nil where it is not.
    func fault(chroot: String) -> CoordinationError? {
        var bytes = Self.overheadBytes
        func isBad(_ path: String, _ data: [UInt8] = [], sequential: Bool = false) -> Bool {
            bytes += Self.overheadBytes + chroot.utf8.count + path.utf8.count + data.count
            // A sequential node's path may end with a slash: its name is then the number alone.
            return ServerPath.fault(in: sequential ? path + "0" : path) != nil
        }
        let bad =
            switch self {
            case .create(let path, let data, let mode): isBad(path, data, sequential: mode.isSequential)
            case .set(let path, let data, _): isBad(path, data)
            case .delete(let path, _), .get(let path, _), .exists(let path, _), .children(let path, _), .sync(let path):
                isBad(path)
            case .multi(let operations):
                operations.contains { operation in
                    switch operation {
                    case .check(let path, _), .delete(let path, _): isBad(path)
                    case .create(let path, let data, let mode): isBad(path, data, sequential: mode.isSequential)
                    case .set(let path, let data, _): isBad(path, data)
                    }
                }
            }
        return bad || bytes > Self.packetBytes ? .badArguments : nil
    }

    /// Gives the request to the C library: the shape of the reply that will come, or the code where none will.
    func send(to handle: OpaquePointer, chroot: String, request: UInt64) -> Result<Request.Shape, SendFailure> {
        func path(_ path: String) -> String { path == "/" && !chroot.isEmpty ? chroot : chroot + path }
        let code: Int32
        let shape: Request.Shape
        switch self {
        case .create(let name, let data, let mode):
            shape = .create
            code = zks_create(handle, path(name), data, Int32(data.count), mode.raw, request)
        case .delete(let name, let version):
            shape = .delete
            code = zks_delete(handle, path(name), version, request)
        case .set(let name, let data, let version):
            shape = .set
            code = zks_set(handle, path(name), data, Int32(data.count), version, request)
        case .get(let name, let watch):
            shape = .get
            code = zks_get(handle, path(name), watch ? 1 : 0, request)
        case .exists(let name, let watch):
            shape = .exists
            code = zks_exists(handle, path(name), watch ? 1 : 0, request)
        case .children(let name, let watch):
            shape = .children
            code = zks_children(handle, path(name), watch ? 1 : 0, request)
        case .sync(let name):
            shape = .sync
            code = zks_sync(handle, path(name), request)
        case .multi(let operations):
            let transaction = Transaction(operations, path: path)
            shape = .multi(transaction)
            code = transaction.submit(to: handle, request: request)
        }
        return code == 0 ? .success(shape) : .failure(SendFailure(code: code))
    }
}

struct SendFailure: Error {
    var code: Int32
}

extension CoordinationReply {
    /// Reads the C library's answer to a request of this shape.
    init(_ raw: zks_reply, to shape: Request.Shape, chroot: String) {
        if raw.code != 0 {
            self = Self.failure(raw.code, of: shape)
            return
        }
        let stat = raw.stat.map { Stat($0.pointee) } ?? Stat()
        switch shape {
        case .create: self = .created(path: raw.path.map { String(cString: $0) }?.removingChroot(chroot) ?? "")
        case .delete: self = .deleted
        case .set: self = .set(stat)
        case .get: self = .data(Array(UnsafeBufferPointer(start: raw.data, count: Int(raw.data_length))), stat)
        case .exists: self = .existence(stat)
        case .children:
            let names = UnsafeBufferPointer(start: raw.names, count: Int(raw.name_count))
            self = .children(names.compactMap { $0.map { String(cString: $0) } }, stat)
        case .sync: self = .synced
        case .multi(let transaction): self = .multi(transaction.results(chroot: chroot))
        }
    }

    static func failure(_ code: Int32, of shape: Request.Shape) -> CoordinationReply {
        let error = CoordinationError(answer: code)
        switch shape {
        case .exists where error == .noNode: return .existence(nil)
        // Where the outcome is unknown the library repeats that code for each operation, which says nothing.
        case .multi(let transaction) where !error.isOutcomeUnknown: return .failed(error, operations: transaction.codes())
        case .create, .delete, .set, .get, .exists, .children, .sync, .multi: return .failed(error, operations: [])
        }
    }
}

extension CoordinationError {
    /// The error of a whole request. The library has several codes for a connection that broke under a request: its own time
    /// limit, a failed system call, a reply out of order. For the asker they are one: nobody knows whether it was applied.
    init(answer code: Int32) {
        let error = CoordinationError(code: code)
        switch error {
        case .operationTimeout, .systemError, .runtimeInconsistency: self = .connectionLoss
        // How the library says, before it sends anything, that it knows the session to be over.
        case .invalidState: self = .sessionExpired
        case .connectionLoss, .marshallingError, .unimplemented, .badArguments, .noNode, .noAuth, .badVersion,
            .noChildrenForEphemerals, .nodeExists, .notEmpty, .sessionExpired, .sessionMoved, .authFailed, .closing, .other:
            self = error
        }
    }
}
