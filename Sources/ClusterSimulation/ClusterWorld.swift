import Machine
import Nodes
import Simulation
import Wire

public typealias ClusterWorld = World<ClusterNode>

/// What a data node shows to those who judge it.
struct DataStatus: Sendable {
    var isOpen: Bool
    var isServing: Bool
    var term: UInt64
    /// The end of its log.
    var last: UInt64
    var commit: UInt64
    /// nil while the life is not registered.
    var member: MemberID?
}

// Asking after every step must not cost more than stepping: the methods are `mutating` although they change nothing, because
// only so a node is reached inside its process; through a getter the whole of it would be copied.

extension ClusterWorld {
    mutating func dataStatus(_ process: Int) -> DataStatus? {
        ask(process) { node, now in node.askData { $0.judged(at: now) } } ?? nil
    }

    mutating func isServing(_ process: Int) -> Bool {
        ask(process) { node, now in node.askData { $0.isServing(at: now) } ?? false } ?? false
    }

    /// Whether a process is a primary, in office or about to be, or a master, as far as it knows.
    mutating func holdsOffice(_ process: Int) -> Bool {
        ask(process) { node, _ in node.server?.isMaster ?? node.data?.isPrimary ?? false } ?? false
    }

    /// The number under which a server is registered, as far as it knows.
    mutating func serverNumber(_ process: Int) -> UInt64? {
        ask(process) { node, _ in node.server?.registeredNumber } ?? nil
    }

    mutating func value(of key: [UInt8], at process: Int) -> [UInt8]? {
        ask(process) { node, _ in node.askData { $0.value(of: key) } ?? nil } ?? nil
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
    fileprivate mutating func askData<Answer>(_ ask: (inout DataNode) -> Answer) -> Answer? {
        guard data != nil else { return nil }
        return ask(&data!)
    }
}

extension DataNode {
    fileprivate mutating func judged(at now: Instant) -> DataStatus {
        let status = status(at: now)
        return DataStatus(
            isOpen: isOpen, isServing: status.leased, term: status.term, last: status.last.seq, commit: status.commit,
            member: status.member.number == 0 ? nil : status.member)
    }
}
