import Coordination
import Machine
import Testing
import Wire

/// What must hold of every transaction, whoever made it.
private func check(_ before: Tree, _ after: Tree, _ seed: UInt64) {
    let path = Paths.config(ofGroup: "g")
    let mastersEpoch = (before.stat(Paths.serverEpoch)?.version ?? -1, after.stat(Paths.serverEpoch)?.version ?? -1)
    if before.nodes[Paths.master] == nil, after.nodes[Paths.master] != nil {
        #expect(mastersEpoch.1 == mastersEpoch.0 + 1, "seed \(seed): a master without a new epoch")
    } else if mastersEpoch.0 >= 0 {
        #expect(mastersEpoch.1 == mastersEpoch.0, "seed \(seed): a new epoch without a master")
    }
    guard let node = after.nodes[path], before.nodes[path]?.stat.version != node.stat.version else { return }
    guard let new = GroupConfig(node.data), let primary = new.primary else {
        Issue.record("seed \(seed): a configuration without primary")
        return
    }
    let isThere = { (member: MemberID) in after.nodes[Paths.member(member.number, ofGroup: "g")] != nil }
    #expect(new.inSync.contains(primary), "seed \(seed): the primary is not in-sync")
    #expect(isThere(primary), "seed \(seed): a primary that is not registered")
    #expect(after.nodes[Paths.primary(ofGroup: "g")]?.data == new.primaryBytes, "seed \(seed): primary and config differ")
    guard let bytes = before.nodes[path]?.data, let old = GroupConfig(bytes) else {
        #expect(new.term == 1 && new.inSync == [primary], "seed \(seed): a first configuration of another kind")
        return
    }
    #expect(new.lineage == old.lineage, "seed \(seed): another history")
    if new.primary == old.primary {
        #expect(new.term == old.term, "seed \(seed): a new term for the same primary")
        return
    }
    #expect(new.term == old.term + 1, "seed \(seed): a new primary without a new term")
    if let master = before.stat(Paths.master)?.ephemeralOwner {
        #expect(after.author == master, "seed \(seed): a deposed master's write was applied")
    }
    if let gone = old.primary { #expect(!isThere(gone), "seed \(seed): a primary was replaced that is there") }
    for member in new.inSync {
        let isRecorded = old.inSync.contains(member)
        let isLaterLife = member == primary && old.inSync.contains { $0.store == member.store && $0.number < member.number }
        #expect(isRecorded || isLaterLife, "seed \(seed): \(member) was not in-sync")
    }
}

@Suite("Mastership, with every fault that ZooKeeper has")
struct MasterWorldTests {
    @Test(arguments: 0..<8)
    func theGroupGetsAPrimaryAgain(shard: UInt64) {
        for seed in shard * 10..<shard * 10 + 10 {
            var parts = (0..<2).map { ClusterPart.server(ServerPart($0, seed: seed)) }
            parts += (0..<3).map { ClusterPart.store(StorePart($0, seed: seed)) }
            var world = World(parts: parts, seed: seed)
            world.endangered = [Paths.master]
            world.onCommit = { check($0, $1, seed) }
            world.chaos(steps: 4000)
            let isSettled = world.calm(until: MasterWorldTests.isWell)
            #expect(isSettled, "seed \(seed): \(MasterWorldTests.describe(world.ensemble.tree))")
        }
    }

    /// There is a master, and every store is in-sync under a primary.
    private static func isWell(_ world: World<ClusterPart>) -> Bool {
        let tree = world.ensemble.tree
        guard tree.nodes[Paths.master] != nil, let bytes = tree.nodes[Paths.config(ofGroup: "g")]?.data,
            let config = GroupConfig(bytes), let primary = config.primary
        else { return false }
        let present = tree.children(Paths.group("g")).compactMap { UInt64($0) }.sorted()
        return present.count == 3 && present.contains(primary.number) && config.inSync.map(\.number).sorted() == present
            && tree.children(Paths.serverLock).isEmpty && tree.children(Paths.dataLock).isEmpty
    }

    private static func describe(_ tree: Tree) -> String {
        tree.nodes.keys.sorted().map {
            "\($0)=\(String(decoding: tree.nodes[$0]!.data, as: UTF8.self).replacing("\n", with: " "))"
        }
        .joined(separator: "; ")
    }
}
