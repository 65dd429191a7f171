import Machine
import TestSupport
import Testing

/// Each kind of watch: what fires it, once, and that it fires before the reply that shows the change.
@Suite struct WatchTests {
    let client: Client
    let other: Client

    init() async throws {
        let connectString = try await SharedServer.connectString()
        client = try await Client.connected(connectString)
        other = try await Client.connected(connectString)
    }

    @Test func dataWatchFiresOnceOnChange() async throws {
        try await client.create("/d")
        _ = try await client.ask(.get(path: "/d", watch: true))
        for _ in 0..<3 { _ = try await other.ask(.set(path: "/d", data: [1], version: -1)) }
        try await client.wait(for: "the watch") { $0.contains(.watchFired(path: "/d", .dataChanged)) }
        _ = try await client.ask(.sync(path: "/"))
        #expect(client.watchEvents == [.watchFired(path: "/d", .dataChanged)])
    }

    @Test func existenceWatchFiresOnCreation() async throws {
        #expect(try await client.ask(.exists(path: "/later", watch: true)) == .existence(nil))
        try await other.create("/later")
        try await client.wait(for: "the watch") { $0.contains(.watchFired(path: "/later", .created)) }
        _ = try await other.ask(.delete(path: "/later", version: -1))
        _ = try await client.ask(.sync(path: "/"))
        #expect(client.watchEvents == [.watchFired(path: "/later", .created)])
    }

    @Test func existenceWatchFiresOnDeletion() async throws {
        try await client.create("/there")
        _ = try await client.ask(.exists(path: "/there", watch: true))
        _ = try await other.ask(.delete(path: "/there", version: -1))
        try await client.wait(for: "the watch") { $0.contains(.watchFired(path: "/there", .deleted)) }
    }

    @Test func childrenWatchFiresOnceForComingAndGoing() async throws {
        try await client.create("/p")
        _ = try await client.ask(.children(path: "/p", watch: true))
        try await other.create("/p/a")
        try await other.create("/p/b")
        try await client.wait(for: "the watch") { $0.contains(.watchFired(path: "/p", .childrenChanged)) }
        _ = try await client.ask(.children(path: "/p", watch: true))
        _ = try await other.ask(.delete(path: "/p/a", version: -1))
        try await client.wait(for: "the second watch") { $0.count { $0 == .watchFired(path: "/p", .childrenChanged) } == 2 }
    }

    @Test func aFailedReadSetsNoWatch() async throws {
        #expect(try await client.ask(.get(path: "/none", watch: true)) == .failed(.noNode, operations: []))
        #expect(try await client.ask(.children(path: "/none", watch: true)) == .failed(.noNode, operations: []))
        try await other.create("/none")
        _ = try await client.ask(.sync(path: "/"))
        #expect(client.watchEvents == [])
    }

    /// One node with a data watch, an existence watch and a children watch is deleted: one event.
    @Test func deletionFiresOncePerPath() async throws {
        try await client.create("/all")
        _ = try await client.ask(.get(path: "/all", watch: true))
        _ = try await client.ask(.exists(path: "/all", watch: true))
        _ = try await client.ask(.children(path: "/all", watch: true))
        _ = try await other.ask(.delete(path: "/all", version: -1))
        try await client.wait(for: "the watch") { $0.contains(.watchFired(path: "/all", .deleted)) }
        _ = try await client.ask(.sync(path: "/"))
        #expect(client.watchEvents == [.watchFired(path: "/all", .deleted)])
    }

    @Test func theEventComesBeforeTheReplyThatShowsTheChange() async throws {
        try await client.create("/order")
        _ = try await client.ask(.get(path: "/order", watch: true))
        let write = client.send(.set(path: "/order", data: [1], version: -1))
        _ = try await client.reply(to: write)
        let kinds = client.kinds
        let fired = try #require(kinds.firstIndex(of: .watchFired(path: "/order", .dataChanged)))
        let replied = try #require(kinds.firstIndex { if case .reply(write, _) = $0 { true } else { false } })
        #expect(fired < replied)
    }
}
