import Machine
import TestSupport
import Testing

/// `multi`: all or nothing, and what each operation came to.
@Suite struct TransactionTests {
    let client: Client

    init() async throws { client = try await Client.connected(SharedServer.connectString()) }

    @Test func allOperationsSucceed() async throws {
        try await client.create("/v", "old")
        try await client.create("/gone")
        try await client.create("/seq")
        let reply = try await client.ask(
            .multi([
                .check(path: "/v", version: 0),
                .set(path: "/v", data: Array("new!".utf8), version: 0),
                .create(path: "/e", data: [1], mode: .ephemeral),
                .create(path: "/seq/n", data: [], mode: .persistentSequential),
                .delete(path: "/gone", version: -1),
            ]))
        guard case .multi(let results) = reply, results.count == 5, case .set(let stat) = results[1] else {
            Issue.record("\(reply)")
            return
        }
        #expect(results[0] == .checked)
        #expect(stat.version == 1 && stat.dataLength == 4)
        #expect(results[2] == .created(path: "/e"))
        #expect(results[3] == .created(path: "/seq/n0000000000"))
        #expect(results[4] == .deleted)
        #expect(try await client.exists("/e"))
        #expect(try await client.exists("/gone") == false)
    }

    @Test func oneFailureUndoesAll() async throws {
        try await client.create("/a")
        let reply = try await client.ask(
            .multi([
                .create(path: "/b", data: [], mode: .persistent),
                .check(path: "/a", version: 0),
                .set(path: "/a", data: [1], version: 7),
                .delete(path: "/a", version: -1),
            ]))
        #expect(reply == .failed(.badVersion, operations: [nil, nil, .badVersion, .runtimeInconsistency]))
        #expect(try await client.exists("/b") == false)
    }

    @Test(arguments: [
        (MultiOperation.create(path: "/there", data: [], mode: .persistent), CoordinationError.nodeExists),
        (.delete(path: "/missing", version: -1), .noNode),
        (.delete(path: "/parent", version: -1), .notEmpty),
        (.check(path: "/missing", version: 0), .noNode),
        (.check(path: "/there", version: 3), .badVersion),
        (.set(path: "/missing", data: [], version: -1), .noNode),
        (.create(path: "/missing/child", data: [], mode: .persistent), .noNode),
    ])
    func theFailingOperationsCode(_ operation: MultiOperation, _ error: CoordinationError) async throws {
        try await client.create("/there")
        try await client.create("/parent")
        try await client.create("/parent/child")
        #expect(try await client.ask(.multi([operation])) == .failed(error, operations: [error]))
    }

    /// The proof of absence inside a transaction: fails if the node exists at commit, whatever has been read before.
    @Test func createAndDeleteOfOnePathProvesItsAbsence() async throws {
        let proof = [MultiOperation.create(path: "/old", data: [], mode: .persistent), .delete(path: "/old", version: -1)]
        guard case .multi([.created(path: "/old"), .deleted]) = try await client.ask(.multi(proof)) else {
            Issue.record("absent, but not proved")
            return
        }
        #expect(try await client.exists("/old") == false)
        try await client.create("/old")
        #expect(try await client.ask(.multi(proof)) == .failed(.nodeExists, operations: [.nodeExists, .runtimeInconsistency]))
        #expect(try await client.exists("/old"))
    }

    @Test func laterOperationsSeeEarlierOnes() async throws {
        let reply = try await client.ask(
            .multi([
                .create(path: "/n", data: [], mode: .persistent),
                .set(path: "/n", data: [1], version: 0),
                .check(path: "/n", version: 1),
                .create(path: "/n/child", data: [], mode: .persistent),
            ]))
        guard case .multi = reply else {
            Issue.record("\(reply)")
            return
        }
    }

    @Test func theEmptyTransaction() async throws {
        #expect(try await client.ask(.multi([])) == .multi([]))
    }
}
