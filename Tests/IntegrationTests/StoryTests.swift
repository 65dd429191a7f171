import Foundation
import GRPCAdapter
import Machine
import TestSupport
import Testing
import Wire

/// The story that every operator will live through, on a real ZooKeeper with real processes, line by line.
@Suite("The story of a cluster", .serialized)
struct StoryTests {
    @Test(.timeLimit(.minutes(10)))
    func threeServersTwoGroupsAndFiveDeaths() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3)
        let cluster = LiveCluster(ensemble: ensemble, servers: 3, groups: [("zdata1", 2), ("zdata2", 2)])
        try await cluster.start()
        let client = cluster.client()
        let ledger = Ledger()
        let placement = try await cluster.status().ring
        func isOwned(_ key: String, by group: String) -> Bool { placement.owner(of: key) == group }

        // Keys on both groups.
        for i in 0..<200 { #expect(await ledger.put("key-\(i)", "first-\(i)", through: client)) }
        #expect(ledger.acknowledged.keys.contains { isOwned($0, by: "zdata1") })
        #expect(ledger.acknowledged.keys.contains { isOwned($0, by: "zdata2") })
        try await ledger.verify(through: client)

        // The master dies: another becomes master.
        var status = try await cluster.waitUntilWhole()
        let oldMaster = try #require(status.master)
        cluster.kill(cluster.node(at: oldMaster.address).name)
        status = try await cluster.waitForStatus("another server is master") {
            $0.master != nil && $0.master?.number != oldMaster.number && $0.servers.count == 2
        }
        #expect(status.servers.contains { $0.number == status.master?.number })
        #expect(try #require(status.master?.epoch) > (oldMaster.epoch ?? 0))
        for i in 0..<20 { try await ledger.insist("after-master-\(i)", "v\(i)", through: client) }

        // The primary of zdata1 dies: its standby is primary and serves every key.
        let oldPrimary = try #require(status.primary(of: "zdata1"))
        let standby = try #require(status.standbys(of: "zdata1").first)
        let oldTerm = try #require(status.group("zdata1")?.term)
        cluster.kill(cluster.node(at: oldPrimary).name)
        status = try await cluster.waitForStatus("the standby of zdata1 is primary") {
            $0.primary(of: "zdata1") == standby && $0.group("zdata1")?.state == .serving
        }
        #expect(try #require(status.group("zdata1")?.term) > oldTerm)
        try await ledger.verify(through: client)
        for i in 0..<20 { try await ledger.insist("after-primary-\(i)", "v\(i)", through: client) }

        // The standby of zdata2 dies: still serving.
        let loneNode = cluster.node(at: try #require(status.primary(of: "zdata2")))
        let lostStandby = cluster.node(at: try #require(status.standbys(of: "zdata2").first))
        cluster.kill(lostStandby.name)
        for i in 0..<20 { try await ledger.insist("after-standby-\(i)", "v\(i)", through: client) }
        try await ledger.verify(through: client)
        status = try await cluster.waitForStatus("zdata2 goes on alone") {
            $0.group("zdata2")?.members.count == 1 && $0.primary(of: "zdata2") == loneNode.address
        }
        for i in 20..<40 { try await ledger.insist("after-standby-\(i)", "v\(i)", through: client) }

        // The primary of zdata2 dies: an error is shown, its requests fail clearly, zdata1 is unaffected.
        cluster.kill(loneNode.name)
        status = try await cluster.waitForStatus("zdata2 has no primary") { $0.group("zdata2")?.state == .noPrimary }
        #expect(try #require(status.group("zdata2")).problem.contains("in-sync"))
        let orphan = try #require(ledger.acknowledged.keys.sorted().first { isOwned($0, by: "zdata2") })
        let refusal = await #expect(throws: ClientError.self) { try await client.get(key: orphan.bytes, timeout: .seconds(10)) }
        #expect(refusal?.code == .unavailable)
        #expect(refusal?.message.contains("zdata2") == true)
        let master = try #require(status.master)
        #expect(cluster.output(of: cluster.node(at: master.address).name).contains("no in-sync store"))
        try await ledger.verify(through: client) { isOwned($0, by: "zdata1") }
        try await ledger.insist(firstKey(ownedBy: "zdata1", ring: placement), "still there", through: client)

        // The store that missed writes comes back: it must not be promoted.
        try cluster.launch(lostStandby.name)
        status = try await cluster.waitForStatus("the stale store of zdata2 is registered") {
            $0.group("zdata2")?.members.contains { $0.address == lostStandby.address } == true
        }
        #expect(status.group("zdata2")?.state == .noPrimary)

        // The in-sync store comes back: it serves all keys again, and brings the other level.
        try cluster.launch(loneNode.name)
        status = try await cluster.waitForStatus("zdata2 serves again") {
            $0.primary(of: "zdata2") == loneNode.address && $0.group("zdata2")?.state == .serving
        }
        try await ledger.verify(through: client)
        try cluster.launch(cluster.node(at: oldPrimary).name)
        try cluster.launch(cluster.node(at: oldMaster.address).name)
        try await cluster.waitUntilWhole()
        try await ledger.verify(through: client)

        // Everything ends when asked, and the files are readable with a person's tools.
        let exits = try await cluster.terminateAll()
        #expect(exits.values.allSatisfy { $0 == .code(0) }, "\(exits)")
        try expectReadable(cluster, ledger: ledger, ring: placement)
    }

    /// Decodes the key and value lines of every store with `base64 -d` and compares what a reader sees last for each key.
    private func expectReadable(_ cluster: LiveCluster, ledger: Ledger, ring: RingStatus) throws {
        for node in cluster.nodes where node.group != nil {
            let lines = try String(contentsOfFile: cluster.dbfile(of: node.name), encoding: .utf8).split(
                separator: "\n", omittingEmptySubsequences: false
            )
            #expect(lines.first?.hasPrefix("%aviary 2 ") == true)
            let script = """
                while IFS= read -r line; do case "$line" in "%"*|"#"*|"-") printf '%s\\n' "$line";; *) printf '%s' "$line" | base64 -d; echo;; esac; done
                """
            let decoded = try Command.run(["sh", "-c", script], input: lines.joined(separator: "\n"))
            #expect(decoded.code == 0, "\(decoded.error)")
            var found: [String: String] = [:]
            var record: [Substring] = []
            for line in decoded.output.split(separator: "\n", omittingEmptySubsequences: false) {
                if line.hasPrefix("%") { continue }
                guard line.hasPrefix("# ") else {
                    record.append(line)
                    continue
                }
                if record.count == 2 { found[String(record[0])] = String(record[1]) }
                record = []
            }
            for (key, value) in ledger.acknowledged where ring.owner(of: key) == node.group {
                #expect(found[key] == value, "\(key) in \(node.name)'s file")
            }
        }
    }

    private func firstKey(ownedBy group: String, ring: RingStatus) -> String {
        (0...).lazy.map { "probe-\($0)" }.first { ring.owner(of: $0) == group }!
    }
}
