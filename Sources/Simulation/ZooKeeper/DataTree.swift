import Machine

/// One znode as a server stores it. `stat` keeps `cversion` as the count of child creations, as ZooKeeper does inside.
struct ZNode: Sendable {
    var data: [UInt8]
    var czxid: Int64
    var mzxid: Int64
    var pzxid: Int64
    var version: Int32 = 0
    var creations: Int32 = 0
    var ephemeralOwner: Int64
    /// Sorted, so that walking it is the same in each run.
    var children: [String] = []

    /// What a client is shown. The reported child version counts creations and deletions (`DataNode.copyStat`).
    var stat: Stat {
        Stat(
            czxid: czxid, mzxid: mzxid, pzxid: pzxid, version: version,
            cversion: creations &* 2 &- Int32(children.count), aversion: 0, ephemeralOwner: ephemeralOwner,
            dataLength: Int32(data.count), numChildren: Int32(children.count))
    }
}

/// A committed change of one znode.
enum TreeChange: Hashable, Sendable {
    case create(path: TreePath, data: [UInt8], owner: Int64)
    case delete(path: TreePath)
    case set(path: TreePath, data: [UInt8])
}

/// The znodes as one server knows them: the state after some prefix of the committed transactions.
///
/// It applies what was decided; deciding is `Leader`'s. Source: `server/DataTree.java`.
struct DataTree: Sendable {
    private var nodes = PathTable<ZNode>()
    /// The paths of each session's ephemeral nodes, sorted.
    private var ephemerals = SortedMap<Int64, [String]>()
    private(set) var zxid: Int64 = 0

    init() {
        nodes["/"] = ZNode(data: [], czxid: 0, mzxid: 0, pzxid: 0, ephemeralOwner: 0)
        for path in ["/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
            apply(.create(path: TreePath(path), data: [], owner: 0), at: 0)
        }
    }

    subscript(path: String) -> ZNode? { nodes[path] }

    func contains(_ path: TreePath) -> Bool { nodes.contains(path.text, path.hash) }

    /// Looks at a node in its place: a copy would copy the list of children. nil where there is none.
    mutating func look<Answer>(_ path: String, _ look: (inout ZNode) -> Answer) -> Answer? { nodes.update(path, look) }

    mutating func look<Answer>(_ path: TreePath, _ look: (inout ZNode) -> Answer) -> Answer? {
        nodes.update(path.text, path.hash, look)
    }

    mutating func look<Answer>(parentOf path: TreePath, _ look: (inout ZNode) -> Answer) -> Answer? {
        nodes.update(path.parent, path.parentHash, look)
    }

    func ephemerals(of session: Int64) -> [String] { ephemerals[session] ?? [] }

    mutating func advance(to zxid: Int64) { self.zxid = zxid }

    mutating func apply(_ change: TreeChange, at zxid: Int64) {
        switch change {
        case .create(let path, let data, let owner):
            nodes[path.text, path.hash] = ZNode(data: data, czxid: zxid, mzxid: zxid, pzxid: zxid, ephemeralOwner: owner)
            nodes.update(path.parent, path.parentHash) { node in
                node.children.insert(path.name, at: DataTree.position(of: path.name, in: node.children))
                node.creations &+= 1
                node.pzxid = zxid
            }
            guard owner != 0 else { return }
            let isFirst = ephemerals.update(owner) { $0.insert(path.text, at: DataTree.position(of: path.text, in: $0)) } == nil
            if isFirst { ephemerals[owner] = [path.text] }
        case .delete(let path):
            let owner = nodes.removeValue(forKey: path.text, path.hash)?.ephemeralOwner ?? 0
            nodes.update(path.parent, path.parentHash) { node in
                let index = DataTree.position(of: path.name, in: node.children)
                if index < node.children.count, node.children[index] == path.name { node.children.remove(at: index) }
                node.pzxid = zxid
            }
            guard owner != 0 else { return }
            let isLast = ephemerals.update(owner) { paths in
                paths.removeAll { $0 == path.text }
                return paths.isEmpty
            }
            if isLast == true { ephemerals[owner] = nil }
        case .set(let path, let data):
            nodes.update(path.text, path.hash) { node in
                node.data = data
                node.version &+= 1
                node.mzxid = zxid
            }
        }
    }

    // MARK: Taking back

    /// What a change overwrites.
    struct Undo {
        fileprivate var nodes: [(path: String, node: ZNode?)]
        fileprivate var ephemerals: (owner: Int64, paths: [String]?)?
    }

    func undo(of change: TreeChange) -> Undo {
        switch change {
        case .create(let path, _, let owner): undo(of: path, owner)
        case .delete(let path): undo(of: path, nodes[path.text]?.ephemeralOwner ?? 0)
        case .set(let path, _): Undo(nodes: [(path.text, nodes[path.text])])
        }
    }

    private func undo(of path: TreePath, _ owner: Int64) -> Undo {
        Undo(
            nodes: [(path.text, nodes[path.text]), (path.parent, nodes[path.parent])],
            ephemerals: owner == 0 ? nil : (owner, ephemerals[owner]))
    }

    /// Changes are taken back in the reverse order.
    mutating func take(back undo: Undo) {
        for (path, node) in undo.nodes { nodes[path] = node }
        if let (owner, paths) = undo.ephemerals { ephemerals[owner] = paths }
    }

    // MARK: Paths

    /// The nodes that no client deletes (`ZKDatabase.isSpecialPath`).
    static let special = ["/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota"]

    private static func position(of name: String, in names: [String]) -> Int {
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low + high) / 2
            if names[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// `PathUtils.validatePath`; a sequential node's name may be empty before its suffix.
    static func isValid(_ path: String, sequential: Bool = false) -> Bool {
        guard path.utf8.first == UInt8(ascii: "/") else { return false }
        let quick = path.utf8.withContiguousStorageIfAvailable { isValidASCII($0, sequential: sequential) }
        if let isValid = quick ?? nil { return isValid }
        let scalars = sequential ? path.unicodeScalars + "1".unicodeScalars : path.unicodeScalars
        if scalars.count == 1 { return true }
        return scalars.dropFirst().split(separator: "/", omittingEmptySubsequences: false).allSatisfy { name in
            !name.isEmpty && !name.elementsEqual(".".unicodeScalars) && !name.elementsEqual("..".unicodeScalars)
                && !name.contains(where: isForbidden)
        }
    }

    /// The same for what nearly every path is, quickly; nil where the path is not ASCII.
    private static func isValidASCII(_ path: UnsafeBufferPointer<UInt8>, sequential: Bool) -> Bool? {
        let isRoot = path.count == 1
        if isRoot && !sequential { return true }
        if isPlain(path) { return true }
        var nameCount = 0
        var dots = 0
        var isGood = true
        for byte in path.dropFirst() {
            guard byte < 0x80 else { return nil }
            if byte == UInt8(ascii: "/") {
                if nameCount == 0 || (nameCount == dots && dots <= 2) { isGood = false }
                nameCount = 0
                dots = 0
            } else {
                if byte < 0x20 || byte == 0x7F { isGood = false }
                if byte == UInt8(ascii: ".") { dots += 1 }
                nameCount += 1
            }
        }
        if !sequential, nameCount == 0 || (nameCount == dots && dots <= 2) { isGood = false }
        return isGood
    }

    /// Whether a path consists of names without dots and of the usual letters, as nearly all do. Such a path is valid.
    private static func isPlain(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        var last = UInt8(ascii: "/")
        for index in 1..<path.count {
            let byte = path[index]
            // From the slash on, which no other may follow, and the hyphen.
            guard byte >= UInt8(ascii: "/") && byte < 0x7F || byte == UInt8(ascii: "-") else { return false }
            if byte == UInt8(ascii: "/"), last == UInt8(ascii: "/") { return false }
            last = byte
        }
        return last != UInt8(ascii: "/")
    }

    private static func isForbidden(_ character: Unicode.Scalar) -> Bool {
        switch character.value {
        // Java sees what is beyond 16 bits as two surrogates, which are forbidden.
        case 0x00...0x1F, 0x7F...0x9F, 0xD800...0xF8FF, 0xFFF0...: true
        case _: false
        }
    }
}
