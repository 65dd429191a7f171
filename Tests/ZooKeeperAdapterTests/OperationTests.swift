import Machine
import TestSupport
import Testing

@testable import ZooKeeperAdapter

/// Every operation with its replies and error codes, against a real server.
@Suite struct OperationTests {
    let client: Client

    init() async throws { client = try await Client.connected(SharedServer.connectString()) }

    @Test func createReportsThePathAndKeepsTheData() async throws {
        #expect(try await client.ask(.create(path: "/a", data: [1, 0, 255], mode: .persistent)) == .created(path: "/a"))
        guard case .data(let data, let stat) = try await client.ask(.get(path: "/a", watch: false)) else {
            Issue.record("no data")
            return
        }
        #expect(data == [1, 0, 255])
        #expect(
            stat.dataLength == 3 && stat.version == 0 && stat.ephemeralOwner == 0 && stat.czxid == stat.mzxid && stat.czxid > 0)
    }

    @Test func sequentialNodesGetTenDigits() async throws {
        try await client.create("/s")
        for number in 0..<3 {
            let reply = try await client.ask(.create(path: "/s/n-", data: [], mode: .ephemeralSequential))
            #expect(reply == .created(path: "/s/n-000000000\(number)"))
        }
        #expect(
            try await client.ask(.create(path: "/s/", data: [], mode: .persistentSequential)) == .created(path: "/s/0000000003")
        )
    }

    @Test func ephemeralNodesNameTheirSession() async throws {
        try await client.create("/e", "x", .ephemeral)
        guard case .existence(let stat?) = try await client.ask(.exists(path: "/e", watch: false)) else {
            Issue.record("no node")
            return
        }
        #expect(stat.ephemeralOwner == client.sessionID)
        #expect(
            try await client.ask(.create(path: "/e/child", data: [], mode: .persistent))
                == .failed(.noChildrenForEphemerals, operations: []))
    }

    @Test func errorCodes() async throws {
        try await client.create("/x")
        try await client.create("/x/y")
        let expected: [(CoordinationOperation, CoordinationError)] = [
            (.create(path: "/x", data: [], mode: .persistent), .nodeExists),
            (.create(path: "/no/parent", data: [], mode: .persistent), .noNode),
            (.get(path: "/missing", watch: false), .noNode),
            (.set(path: "/missing", data: [], version: -1), .noNode),
            (.delete(path: "/missing", version: -1), .noNode),
            (.children(path: "/missing", watch: false), .noNode),
            (.set(path: "/x", data: [], version: 5), .badVersion),
            (.delete(path: "/x", version: 5), .badVersion),
            (.delete(path: "/x", version: -1), .notEmpty),
        ]
        for (operation, error) in expected {
            #expect(try await client.ask(operation) == .failed(error, operations: []), "\(operation)")
        }
        #expect(try await client.ask(.exists(path: "/missing", watch: false)) == .existence(nil))
    }

    @Test func setAndDeleteByVersion() async throws {
        try await client.create("/v", "one")
        guard case .set(let stat) = try await client.ask(.set(path: "/v", data: [9, 9], version: 0)) else {
            Issue.record("not set")
            return
        }
        #expect(stat.version == 1 && stat.dataLength == 2 && stat.mzxid > stat.czxid)
        #expect(try await client.ask(.delete(path: "/v", version: 0)) == .failed(.badVersion, operations: []))
        #expect(try await client.ask(.delete(path: "/v", version: 1)) == .deleted)
        #expect(try await client.exists("/v") == false)
    }

    @Test func childrenAndTheParentsStat() async throws {
        try await client.create("/p")
        for name in ["a", "b", "c"] { try await client.create("/p/\(name)") }
        _ = try await client.ask(.delete(path: "/p/b", version: -1))
        guard case .children(let names, let stat) = try await client.ask(.children(path: "/p", watch: false)) else {
            Issue.record("no children")
            return
        }
        #expect(names.sorted() == ["a", "c"])
        #expect(stat.numChildren == 2 && stat.cversion == 4 && stat.pzxid > stat.czxid)
    }

    @Test func rootOfTheChroot() async throws {
        try await client.create("/only")
        guard case .children(["only"], _) = try await client.ask(.children(path: "/", watch: false)) else {
            Issue.record("the chroot's root is not /")
            return
        }
        #expect(try await client.ask(.sync(path: "/")) == .synced)
    }

    @Test func emptyAndLargeData() async throws {
        try await client.create("/empty")
        guard case .data([], let stat) = try await client.ask(.get(path: "/empty", watch: false)) else {
            Issue.record("not empty")
            return
        }
        #expect(stat.dataLength == 0)
        let large = [UInt8](repeating: 0xA5, count: 1_000_000)
        #expect(try await client.ask(.create(path: "/large", data: large, mode: .persistent)) == .created(path: "/large"))
        guard case .data(let read, _) = try await client.ask(.get(path: "/large", watch: false)) else {
            Issue.record("not read")
            return
        }
        #expect(read == large)
    }

    /// A server breaks the connection for these, and with it every request that happens to be pending.
    @Test func whatNoServerTakesFailsAlone() async throws {
        let tooLarge = [UInt8](repeating: 1, count: 1 << 20)
        let refused: [CoordinationOperation] = [
            .create(path: "/huge", data: tooLarge, mode: .persistent),
            .set(path: "/", data: tooLarge, version: -1),
            .multi([
                .set(path: "/", data: Array(tooLarge[..<600_000]), version: -1),
                .set(path: "/", data: Array(tooLarge[..<600_000]), version: -1),
            ]),
            .get(path: "", watch: false),
            .get(path: "relative", watch: false),
            .get(path: "/nul\0character", watch: false),
            .multi([.check(path: "/", version: -1), .check(path: "/😀", version: -1)]),
            .exists(path: "/double//slash", watch: true),
            .exists(path: "/trailing/", watch: true),
            .children(path: "/a/../b", watch: false),
            .multi([.check(path: "/", version: -1), .delete(path: "no slash", version: -1), .check(path: "/", version: -1)]),
        ]
        let ids = refused.map { client.send($0) }
        for (id, operation) in zip(ids, refused) {
            #expect(try await client.reply(to: id) == .failed(.badArguments, operations: []), "\(operation)")
        }
        #expect(try await client.ask(.sync(path: "/")) == .synced)
        #expect(!client.kinds.contains(.disconnected))
    }

    /// Also where an answer is known before the server has been asked.
    @Test func repliesComeInOrder() async throws {
        var ids: [CoordinationID] = []
        for number in 0..<200 {
            ids.append(client.send(.create(path: "/o\(number)", data: [], mode: .persistent)))
            ids.append(client.send(.get(path: "bad", watch: false)))
            ids.append(client.send(.get(path: "/o\(number)", watch: false)))
        }
        _ = try await client.reply(to: ids.last!)
        let answered = client.kinds.compactMap { if case .reply(let id, _) = $0 { id } else { nil } }
        #expect(answered == ids)
    }

    @Test func aFloodIsRefusedAndTheRestAnswered() async throws {
        let ids = (0..<(Session.pendingLimit + 5_000)).map { _ in client.send(.exists(path: "/", watch: false)) }
        _ = try await client.reply(to: ids.last!)
        let replies = client.kinds.compactMap { if case .reply(_, let reply) = $0 { reply } else { nil } }
        #expect(replies.count == ids.count)
        #expect(replies.allSatisfy { if case .existence(_?) = $0 { true } else { $0 == .failed(.throttled, operations: []) } })
        #expect(!client.kinds.contains(.disconnected))
    }
}
