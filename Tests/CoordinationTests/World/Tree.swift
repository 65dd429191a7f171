import Machine

/// ZooKeeper's tree at one zxid: a value, so that servers which lag behind are simply older copies.
struct Tree {
    struct Znode {
        var data: [UInt8]
        var stat: Stat
        var creations: Int32 = 0
    }

    struct Change: Equatable {
        var path: String
        var kind: WatchKind
    }

    private(set) var nodes: [String: Znode] = ["/": Znode(data: [], stat: Stat())]
    private(set) var zxid: Int64 = 0
    /// What the transaction that led to this tree changed.
    private(set) var changes: [Change] = []

    /// The session that made that transaction.
    private(set) var author: Int64 = 0

    struct Refusal: Error {
        var error: CoordinationError
        var operations: [CoordinationError?]
    }

    static func parent(_ path: String) -> String {
        let cut = path.lastIndex(of: "/")!
        return cut == path.startIndex ? "/" : String(path[..<cut])
    }

    func stat(_ path: String) -> Stat? {
        nodes[path].map { node in
            var stat = node.stat
            stat.dataLength = Int32(node.data.count)
            stat.numChildren = Int32(children(path).count)
            stat.cversion = 2 * node.creations - stat.numChildren
            return stat
        }
    }

    func children(_ path: String) -> [String] {
        nodes.keys.filter { $0 != "/" && Tree.parent($0) == path }.map {
            String($0[$0.index(after: $0.lastIndex(of: "/")!)...])
        }
    }

    func ephemerals(of session: Int64) -> [String] { nodes.filter { $0.value.stat.ephemeralOwner == session }.keys.sorted() }

    /// All or nothing.
    mutating func apply(_ operations: [MultiOperation], session: Int64) throws(Refusal) -> [MultiResult] {
        var next = self
        next.zxid += 1
        next.changes = []
        next.author = session
        var results: [MultiResult] = []
        for (index, operation) in operations.enumerated() {
            do {
                results.append(try next.applyOne(operation, session: session))
            } catch {
                var codes = [CoordinationError?](repeating: nil, count: index) + [error]
                while codes.count < operations.count { codes.append(.runtimeInconsistency) }
                throw Refusal(error: error, operations: codes)
            }
        }
        self = next
        return results
    }

    mutating func expire(_ session: Int64) {
        let paths = ephemerals(of: session)
        _ = try? apply(paths.map { .delete(path: $0, version: -1) }, session: 0)
    }

    private mutating func applyOne(_ operation: MultiOperation, session: Int64) throws(CoordinationError) -> MultiResult {
        switch operation {
        case .check(let path, let version):
            _ = try found(path, version)
            return .checked
        case .create(let wanted, let data, let mode):
            let parent = Tree.parent(wanted)
            guard var above = nodes[parent] else { throw .noNode }
            guard above.stat.ephemeralOwner == 0 else { throw .noChildrenForEphemerals }
            let digits = String(above.creations)
            let path = mode.isSequential ? wanted + String(repeating: "0", count: 10 - digits.count) + digits : wanted
            guard nodes[path] == nil else { throw .nodeExists }
            above.creations += 1
            above.stat.pzxid = zxid
            nodes[parent] = above
            let stat = Stat(czxid: zxid, mzxid: zxid, pzxid: zxid, ephemeralOwner: mode.isEphemeral ? session : 0)
            nodes[path] = Znode(data: data, stat: stat)
            changes += [Change(path: path, kind: .created), Change(path: parent, kind: .childrenChanged)]
            return .created(path: path)
        case .delete(let path, let version):
            _ = try found(path, version)
            guard children(path).isEmpty else { throw .notEmpty }
            nodes[path] = nil
            nodes[Tree.parent(path)]?.stat.pzxid = zxid
            changes += [Change(path: path, kind: .deleted), Change(path: Tree.parent(path), kind: .childrenChanged)]
            return .deleted
        case .set(let path, let data, let version):
            var node = try found(path, version)
            node.data = data
            node.stat.version += 1
            node.stat.mzxid = zxid
            nodes[path] = node
            changes.append(Change(path: path, kind: .dataChanged))
            return .set(stat(path)!)
        }
    }

    private func found(_ path: String, _ version: Int32) throws(CoordinationError) -> Znode {
        guard let node = nodes[path] else { throw .noNode }
        guard version == -1 || version == node.stat.version else { throw .badVersion }
        return node
    }
}

extension CoordinationError: Error {}

extension CoordinationOperation {
    /// The operations of a write; nil for a read.
    var asTransaction: [MultiOperation]? {
        switch self {
        case .create(let path, let data, let mode): [.create(path: path, data: data, mode: mode)]
        case .delete(let path, let version): [.delete(path: path, version: version)]
        case .set(let path, let data, let version): [.set(path: path, data: data, version: version)]
        case .multi(let operations): operations
        case .get, .exists, .children, .sync: nil
        }
    }
}
