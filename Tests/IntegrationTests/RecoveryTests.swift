import Foundation
import Machine
import TestSupport
import Testing
import Wire

/// The last resort, as an operator does it at three in the morning: a group has lost its only in-sync store, and goes on with what
/// another one has.
@Suite("Recovery by an operator", .serialized)
struct RecoveryTests {
    @Test(.timeLimit(.minutes(10)))
    func aGroupGoesOnWithWhatAnotherStoreHas() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 2, groups: [("birds", 2)])
        try await cluster.start()
        let client = cluster.client()
        let (early, late, after) = (Ledger(), Ledger(), Ledger())
        for i in 0..<50 { try await early.insist("early-\(i)", "v\(i)", through: client) }

        // The standby dies; what is written from then on is on the primary alone, which dies, too.
        let status = try await cluster.waitUntilWhole()
        let primary = cluster.node(at: try #require(status.primary(of: "birds"))).name
        let standby = cluster.node(at: try #require(status.standbys(of: "birds").first)).name
        cluster.kill(standby)
        for i in 0..<50 { try await late.insist("late-\(i)", "v\(i)", through: client) }
        cluster.kill(primary)
        try cluster.launch(standby)
        try await cluster.waitForStatus("the group has no primary, and says why") {
            $0.group("birds")?.state == .noPrimary && $0.group("birds")?.problem.isEmpty == false
                && $0.group("birds")?.members.contains { $0.address == cluster.node(standby).address } == true
        }

        // Asked without the flag it says what would be done, and does nothing.
        let arguments = ["admin", "recover", "--group", "birds", "--server", cluster.servers[0].address.description]
        let question = try Command.run([LiveCluster.binary] + arguments)
        #expect(question.code == 2)
        #expect(question.output.contains("would begin a new history with what it has, through entry"))
        let hint = "nothing was done: give --accept-data-loss if the in-sync stores will not come back"
        #expect(question.error == "aviary: \(hint)\n")
        #expect(try await cluster.status().group("birds")?.state == .noPrimary)

        let answer = try Command.run([LiveCluster.binary] + arguments + ["--accept-data-loss"])
        #expect(answer.code == 0, "\(answer.error)")
        #expect(answer.output.contains("begins history"))
        #expect(answer.output.contains("lost is: every acknowledged write after entry"))
        try await cluster.waitForStatus("the store that was left serves") {
            $0.primary(of: "birds") == cluster.node(standby).address && $0.group("birds")?.state == .serving
        }
        try await early.verify(through: client)
        for key in late.acknowledged.keys.sorted() {
            let found = try await client.get(key: key.bytes, timeout: .seconds(10))
            #expect(found == nil, "only the lost store had \(key)")
        }
        for i in 0..<50 { try await after.insist("after-\(i)", "v\(i)", through: client) }
        let again = try Command.run([LiveCluster.binary] + arguments + ["--accept-data-loss"])
        #expect(again.code == 2, "a group that has an in-sync store is not recovered: \(again.output)")

        // The lost store comes back: it puts its log aside, ends, and comes again as a new store.
        try cluster.launch(primary)
        let exit = try await cluster.process(primary).waitForExit(timeout: .seconds(60))
        #expect(exit == .code(1))
        let folder = URL(filePath: cluster.dbfile(of: primary)).deletingLastPathComponent().path
        let aside = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.contains(".aside-") }
        #expect(aside.count == 1, "\(aside)")
        let kept = try String(contentsOfFile: "\(folder)/\(try #require(aside.first))", encoding: .utf8)
        #expect(kept.contains(Data("late-49".utf8).base64EncodedString()), "nobody deletes what only that log holds")
        try cluster.launch(primary)
        try await cluster.waitUntilWhole()
        try await early.verify(through: client)
        try await after.verify(through: client)
        #expect(try await cluster.terminateAll().values.allSatisfy { $0 == .code(0) })
    }

    /// A snapshot of a disk is restored: what was acknowledged since is not on it, and nobody may take it for the store.
    @Test(.timeLimit(.minutes(10)))
    func anOldImageOfADiskIsAnotherStore() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 1, groups: [("birds", 1)])
        try await cluster.start()
        let client = cluster.client()
        let (early, late) = (Ledger(), Ledger())
        try await cluster.waitUntilWhole()
        for i in 0..<50 { try await early.insist("early-\(i)", "v\(i)", through: client) }
        let store = try #require(cluster.nodes.first { $0.group == "birds" }).name
        let file = cluster.dbfile(of: store)
        let (old, newest) = (file + ".old", file + ".newest")
        func stop() async throws { #expect(try await cluster.process(store).terminate() == .code(0)) }
        func exchange(_ from: String, for kept: String) throws {
            try FileManager.default.moveItem(atPath: file, toPath: kept)
            try FileManager.default.copyItem(atPath: from, toPath: file)
        }
        try await stop()
        try FileManager.default.copyItem(atPath: file, toPath: old)
        try cluster.launch(store)
        try await cluster.waitUntilWhole()
        for i in 0..<50 { try await late.insist("late-\(i)", "v\(i)", through: client) }

        try await stop()
        try exchange(old, for: newest)
        try cluster.launch(store)
        try await cluster.waitForStatus("it has joined, and nobody takes it for what it was") {
            $0.group("birds")?.state == .noPrimary && $0.group("birds")?.problem.contains("no in-sync store is alive") == true
                && $0.group("birds")?.members.contains { $0.replica?.role == .learner } == true
        }
        #expect(cluster.output(of: store).contains("this disk is a copy or an old image of the store's"))

        try await stop()
        try exchange(newest, for: old + ".as-another")
        try cluster.launch(store)
        try await cluster.waitUntilWhole()
        try await early.verify(through: client)
        try await late.verify(through: client)
        #expect(try await cluster.terminateAll().values.allSatisfy { $0 == .code(0) })
    }
}
