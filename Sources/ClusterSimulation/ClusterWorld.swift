import Machine
import Nodes
import Simulation
import Storage
import Wire

public typealias ClusterWorld = World<ClusterNode>

/// What a data node shows to those who judge it.
typealias DataStatus = DataNode.Facts

// Asking after every step must not cost more than stepping: the methods are `mutating` although they change nothing, because
// only so a node is reached inside its process; through a getter the whole of it would be copied.

extension ClusterWorld {
    mutating func dataStatus(_ process: Int) -> DataStatus? {
        ask(process) { node, now in node.data != nil ? node.data!.facts(at: now) : nil } ?? nil
    }

    mutating func isServing(_ process: Int) -> Bool {
        ask(process) { node, now in node.data != nil && node.data!.facts(at: now).isServing } ?? false
    }

    /// The registered life of a data node; nil while it is not registered.
    mutating func member(_ process: Int) -> MemberID? {
        let member = ask(process) { node, now in node.askData { $0.status(at: now).member } } ?? nil
        return member.flatMap { $0.number == 0 ? nil : $0 }
    }

    /// Whether a process is a primary, in office or about to be, or a master, as far as it knows.
    mutating func holdsOffice(_ process: Int) -> Bool {
        ask(process) { node, _ in node.holdsOffice() } ?? false
    }

    /// The number under which a server is registered, as far as it knows.
    mutating func serverNumber(_ process: Int) -> UInt64? {
        ask(process) { node, _ in node.askServer { $0.registeredNumber } ?? nil } ?? nil
    }

    mutating func value(of key: [UInt8], at process: Int) -> [UInt8]? {
        ask(process) { node, _ in node.askData { $0.value(of: key) } ?? nil } ?? nil
    }

    /// Which store a process has open, the history that it belongs to, and whether it is whole; nil where none is open.
    mutating func holding(_ process: Int) -> (store: StoreID, lineage: Lineage?, isWhole: Bool)? {
        ask(process) { node, _ in node.askData { $0.isOpen ? $0.holding : nil } ?? nil } ?? nil
    }

    /// What a store remembers of client sessions.
    mutating func sessions(at process: Int) -> SessionTable? {
        ask(process) { node, _ in node.askData { $0.sessions } } ?? nil
    }

    /// Entries of a log; ends at the first that is not in memory.
    mutating func entriesInMemory(_ seqs: ClosedRange<UInt64>, at process: Int) -> [Entry] {
        ask(process) { node, _ in
            node.askData { data in
                var entries: [Entry] = []
                for seq in seqs {
                    guard let entry = data.entryInMemory(at: seq) else { break }
                    entries.append(entry)
                }
                return entries
            } ?? []
        } ?? []
    }
}

extension ClusterNode {
    fileprivate mutating func holdsOffice() -> Bool {
        askServer { $0.isMaster } ?? askData { $0.holdsPrimacy() } ?? false
    }

    fileprivate mutating func askServer<Answer>(_ ask: (inout ServerNode) -> Answer) -> Answer? {
        guard server != nil else { return nil }
        return ask(&server!)
    }

    fileprivate mutating func askData<Answer>(_ ask: (inout DataNode) -> Answer) -> Answer? {
        guard data != nil else { return nil }
        return ask(&data!)
    }
}
