import Foundation
import GRPCAdapter
import Logging
import Machine
import TestSupport
import Testing
import Wire

@testable import Runtime

/// A host between real adapters: real sockets and files, and a ZooKeeper that nobody answers for.
@Suite(.timeLimit(.minutes(1))) struct NodeHostTests {
    /// Answers every get with the key, every put when its value is on disk, and ends as keys tell it to.
    struct EchoNode: Node {
        var waiting: [CallID] = []

        mutating func step(_ event: AviaryEvent, at now: Instant, into effects: inout Sink) {
            switch event {
            case .requested(.key(.get(let key, _), _), let call): effects.append(.reply(.value(key), to: call))
            case .requested(.key(.put(let key, let value, _), _), let call):
                switch key {
                case Array("refuse".utf8): effects.append(.halt(.refused("as told")))
                case Array("break".utf8): effects.append(.halt(.broken("as told")))
                default:
                    waiting.append(call)
                    effects.append(.disk(DiskRequest(id: DiskID(0), operation: .append(.log, value))))
                    effects.append(.disk(DiskRequest(id: DiskID(1), operation: .sync(.log))))
                }
            case .disk(DiskCompletion(id: DiskID(1), result: .done)):
                for call in waiting { effects.append(.reply(.put, to: call)) }
                waiting = []
            case .shutdownRequested: effects.append(.halt(.finished))
            case .started, .coordination, .received, .linkUp, .linkDown, .requested, .cancelled, .disk, .timerFired,
                .batchEnded:
                break
            }
        }
    }

    let folder = TemporaryFolder("host")
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    func makeHost(port: UInt16 = 0, zooKeeper: String = "127.0.0.1:1") throws -> NodeHost<EchoNode> {
        var settings = HostSettings(address: Address(host: "127.0.0.1", port: port), zooKeeper: zooKeeper)
        settings.files = [.log: folder.file("db.txt"), .rollback: folder.file("rollback.txt")]
        return try NodeHost(settings: settings, logger: logger) { _, _ in EchoNode() }
    }

    @Test func `A node is asked over gRPC, writes to its file, and ends when it is asked to`() async throws {
        let host = try makeHost()
        async let reason = host.run()
        let client = KVClient(servers: [host.address])
        #expect(try await client.get(key: [1, 2], timeout: .seconds(20)) == [1, 2])
        try await client.put(key: [1], value: Array("written".utf8), timeout: .seconds(20))
        #expect(try String(contentsOfFile: folder.file("db.txt"), encoding: .utf8) == "written")
        #expect(HealthClient.check(host.address, timeout: .seconds(20)) == .serving)
        host.requestShutdown()
        #expect(await reason == .finished)
        guard case .unreachable = HealthClient.check(host.address, timeout: .seconds(20)) else {
            Issue.record("the port is still served")
            return
        }
    }

    @Test func `Hosts live side by side in one process`() async throws {
        let hosts = try (0..<3).map { _ in try makeHost() }
        for host in hosts { host.start() }
        for host in hosts {
            #expect(try await KVClient(servers: [host.address]).get(key: [7], timeout: .seconds(20)) == [7])
        }
        for host in hosts { host.requestShutdown() }
        for host in hosts { #expect(await host.run() == .finished) }
    }

    @Test(arguments: [("refuse", Halt.refused("as told")), ("break", Halt.broken("as told"))])
    func `A node that halts ends its host with the same reason`(key: String, reason: Halt) async throws {
        let host = try makeHost()
        async let ended = host.run()
        _ = try? await KVClient(servers: [host.address]).put(key: Array(key.utf8), value: [], timeout: .seconds(20))
        #expect(await ended == reason)
    }

    @Test func `A port that is taken, or a connect string that is none, is refused in one line`() async throws {
        let host = try makeHost()
        let taken = #expect(throws: (any Error).self) { try makeHost(port: host.address.port) }
        #expect("\(taken!)".hasPrefix("cannot listen on 127.0.0.1:\(host.address.port): "))
        let malformed = #expect(throws: (any Error).self) { try makeHost(zooKeeper: "no port here") }
        #expect(!"\(malformed!)".contains("\n"))
    }

    @Test func `A host that never lived leaves its port`() throws {
        var host: NodeHost<EchoNode>? = try makeHost()
        let port = host!.address.port
        host = nil
        _ = try makeHost(port: port)
    }
}
