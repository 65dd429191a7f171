import Machine

/// A committed transaction: every server applies its changes at one zxid.
public struct Transaction: Sendable {
    public let zxid: Int64
    /// The session that asked for it, or that it closes.
    public let session: Int64
    public let closesSession: Bool
    /// The operations as they were asked for: empty for transactions about sessions and for failed ones.
    public let operations: [MultiOperation]
    let changes: [TreeChange]
}

/// The ensemble's leader: it decides writes one after the other, against the state after all transactions so far, and
/// thereby makes the one history that all servers apply. Source: `server/PrepRequestProcessor.java`.
@usableFromInline struct Leader: Sendable {
    private(set) var tree = DataTree()
    @usableFromInline private(set) var history: [Transaction] = []
    /// The index of `history`'s first transaction among all.
    @usableFromInline private(set) var historyStart = 0
    private var epoch: Int64 = 1
    private var counter: Int64 = 0

    @inlinable var historyEnd: Int { historyStart + history.count }
    func transaction(_ index: Int) -> Transaction { history[index - historyStart] }

    /// The data of a znode, looked at in its place.
    mutating func data(at path: String) -> [UInt8]? { tree.look(path) { $0.data } }

    /// Forgets transactions, once there are enough of them to be worth it.
    mutating func forget(before index: Int, slack: Int = 256) {
        let count = index - historyStart
        guard count >= slack else { return }
        history.removeFirst(count)
        historyStart = index
    }

    mutating func beginEpoch() {
        epoch += 1
        counter = 0
    }

    /// Decides one operation of a session. Failed ones take a zxid too. Paths are well-formed.
    mutating func decide(_ operation: CoordinationOperation, of session: Int64) -> CoordinationReply {
        switch operation {
        case .create(let path, let data, let mode): decideOne(.create(path: path, data: data, mode: mode), of: session)
        case .delete(let path, let version): decideOne(.delete(path: path, version: version), of: session)
        case .set(let path, let data, let version): decideOne(.set(path: path, data: data, version: version), of: session)
        case .multi(let operations): decideAll(operations, of: session)
        case .get, .exists, .children, .sync: preconditionFailure("reads are not decided by the leader")
        }
    }

    mutating func openSession(_ session: Int64) { commit(takeZxid(), [], [], of: session) }

    /// All of a session's ephemeral nodes go in one transaction.
    mutating func closeSession(_ session: Int64) {
        let zxid = takeZxid()
        let changes = tree.ephemerals(of: session).map { TreeChange.delete(path: TreePath($0)) }
        for change in changes { tree.apply(change, at: zxid) }
        commit(zxid, changes, [], of: session, closing: true)
    }

    private mutating func takeZxid() -> Int64 {
        counter += 1
        return epoch << 32 | counter
    }

    /// The changes are in the tree already.
    private mutating func commit(
        _ zxid: Int64, _ changes: [TreeChange], _ operations: [MultiOperation], of session: Int64, closing: Bool = false
    ) {
        tree.advance(to: zxid)
        history.append(
            Transaction(zxid: zxid, session: session, closesSession: closing, operations: operations, changes: changes))
    }

    private mutating func decideOne(_ operation: MultiOperation, of session: Int64) -> CoordinationReply {
        switch decideAll([operation], of: session) {
        case .multi(let results):
            switch results[0] {
            case .checked: .synced
            case .created(let path): .created(path: path)
            case .deleted: .deleted
            case .set(let stat): .set(stat)
            }
        case .failed(let error, _): .failed(error, operations: [])
        case let other: other
        }
    }

    /// All or nothing: later operations see the earlier ones. They change the tree at once; if one fails, they are undone.
    private mutating func decideAll(_ operations: [MultiOperation], of session: Int64) -> CoordinationReply {
        let zxid = takeZxid()
        var changes: [TreeChange] = []
        var undoing: [DataTree.Undo] = []
        var results: [MultiResult] = []
        for (index, operation) in operations.enumerated() {
            switch Leader.check(operation, of: session, against: &tree) {
            case .refused(let error):
                while let undo = undoing.popLast() { tree.take(back: undo) }
                commit(zxid, [], [], of: session)
                let codes = operations.indices.map { $0 < index ? nil : $0 == index ? error : .runtimeInconsistency }
                return .failed(error, operations: codes)
            case .change(nil): results.append(.checked)
            case .change(let change?):
                // The last one that is checked is never undone.
                if index < operations.count - 1 { undoing.append(tree.undo(of: change)) }
                tree.apply(change, at: zxid)
                changes.append(change)
                switch change {
                case .create(let path, _, _): results.append(.created(path: path.text))
                case .delete: results.append(.deleted)
                case .set(let path, _): results.append(.set(tree.look(path) { $0.stat } ?? Stat()))
                }
            }
        }
        commit(zxid, changes, operations, of: session)
        return .multi(results)
    }

    private enum Verdict {
        /// The operation holds and changes this, if anything.
        case change(TreeChange?)
        case refused(CoordinationError)
    }

    /// What an operation would change (nil: nothing), or why it fails. The order of the checks is ZooKeeper's. The tree is only
    /// looked at.
    private static func check(
        _ operation: MultiOperation, of session: Int64, against tree: inout DataTree
    ) -> Verdict {
        switch operation {
        case .check(let path, let version):
            guard let known = tree.look(path, { $0.version }) else { return .refused(.noNode) }
            guard version == -1 || version == known else { return .refused(.badVersion) }
            return .change(nil)
        case .create(let path, let data, let mode):
            let asked = TreePath(path)
            guard let parent = tree.look(parentOf: asked, { ($0.creations, owner: $0.ephemeralOwner) }) else {
                return .refused(.noNode)
            }
            let full = mode.isSequential ? TreePath(path + suffix(parent.0)) : asked
            guard !tree.contains(full) else { return .refused(.nodeExists) }
            guard parent.owner == 0 else { return .refused(.noChildrenForEphemerals) }
            return .change(.create(path: full, data: data, owner: mode.isEphemeral ? session : 0))
        case .delete(let path, let version):
            guard !DataTree.special.contains(path) else { return .refused(.badArguments) }
            let path = TreePath(path)
            guard let node = tree.look(path, { ($0.version, isLeaf: $0.children.isEmpty) }) else { return .refused(.noNode) }
            guard version == -1 || version == node.0 else { return .refused(.badVersion) }
            guard node.isLeaf else { return .refused(.notEmpty) }
            return .change(.delete(path: path))
        case .set(let path, let data, let version):
            let path = TreePath(path)
            guard let known = tree.look(path, { $0.version }) else { return .refused(.noNode) }
            guard version == -1 || version == known else { return .refused(.badVersion) }
            return .change(.set(path: path, data: data))
        }
    }

    /// `%010d`.
    private static func suffix(_ number: Int32) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits
    }
}
