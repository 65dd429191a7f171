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
    case create(path: String, data: [UInt8], owner: Int64)
    case delete(path: String)
    case set(path: String, data: [UInt8])
}

/// The znodes as one server knows them: the state after some prefix of the committed transactions.
///
/// It applies what was decided; deciding is `Leader`'s. Source: `server/DataTree.java`.
struct DataTree: Sendable {
    private var nodes = LookupTable<String, ZNode>()
    /// The paths of each session's ephemeral nodes, sorted.
    private var ephemerals = SortedMap<Int64, [String]>()
    private(set) var zxid: Int64 = 0

    init() {
        nodes["/"] = ZNode(data: [], czxid: 0, mzxid: 0, pzxid: 0, ephemeralOwner: 0)
        for path in ["/zookeeper", "/zookeeper/config", "/zookeeper/quota"] {
            apply(.create(path: path, data: [], owner: 0), at: 0)
        }
    }

    subscript(path: String) -> ZNode? { nodes[path] }

    func ephemerals(of session: Int64) -> [String] { ephemerals[session] ?? [] }

    mutating func advance(to zxid: Int64) { self.zxid = zxid }

    mutating func apply(_ change: TreeChange, at zxid: Int64) {
        switch change {
        case .create(let path, let data, let owner):
            let (parent, name) = DataTree.split(path)
            nodes[path] = ZNode(data: data, czxid: zxid, mzxid: zxid, pzxid: zxid, ephemeralOwner: owner)
            update(parent) { node in
                let index = DataTree.position(of: name, in: node.children)
                node.children.insert(name, at: index)
                node.creations &+= 1
                node.pzxid = zxid
            }
            if owner != 0 {
                var paths = ephemerals[owner] ?? []
                paths.insert(path, at: DataTree.position(of: path, in: paths))
                ephemerals[owner] = paths
            }
        case .delete(let path):
            let (parent, name) = DataTree.split(path)
            let owner = nodes.removeValue(forKey: path)?.ephemeralOwner ?? 0
            update(parent) { node in
                let index = DataTree.position(of: name, in: node.children)
                if index < node.children.count, node.children[index] == name { node.children.remove(at: index) }
                node.pzxid = zxid
            }
            if owner != 0, var paths = ephemerals[owner] {
                paths.removeAll { $0 == path }
                ephemerals[owner] = paths.isEmpty ? nil : paths
            }
        case .set(let path, let data):
            update(path) { node in
                node.data = data
                node.version &+= 1
                node.mzxid = zxid
            }
        }
    }

    private mutating func update(_ path: String, _ body: (inout ZNode) -> Void) {
        guard var node = nodes.removeValue(forKey: path) else { return }
        body(&node)
        nodes[path] = node
    }

    private static func position(of name: String, in names: [String]) -> Int {
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low + high) / 2
            if names[middle] < name { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The parent's path and the last name of a path that is not the root's.
    static func split(_ path: String) -> (parent: String, name: String) {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return ("/", path) }
        let parent = slash == bytes.startIndex ? "/" : String(path[..<slash])
        return (parent, String(path[bytes.index(after: slash)...]))
    }

    /// `PathUtils.validatePath`; a sequential node's name may be empty before its suffix.
    static func isValid(_ path: String, sequential: Bool = false) -> Bool {
        var bytes = Array(path.utf8)
        if sequential { bytes.append(UInt8(ascii: "1")) }
        guard bytes.first == UInt8(ascii: "/") else { return false }
        if bytes.count == 1 { return true }
        guard bytes.last != UInt8(ascii: "/") else { return false }
        var name: [UInt8] = []
        for byte in bytes.dropFirst() + [UInt8(ascii: "/")] {
            if byte == UInt8(ascii: "/") {
                if name.isEmpty || name == [46] || name == [46, 46] { return false }
                name.removeAll(keepingCapacity: true)
            } else if byte == 0 {
                return false
            } else {
                name.append(byte)
            }
        }
        return true
    }
}
