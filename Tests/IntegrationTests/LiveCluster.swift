import Foundation
import GRPCAdapter
import Machine
import Synchronization
import TestSupport
import Wire

/// Servers and data nodes as real processes of the real binary, on a real ZooKeeper, everything on loopback.
///
/// Nodes have names; a killed node keeps its port and its folder, so that `launch` starts the next life of the same store.
final class LiveCluster: Sendable {
    struct Node: Sendable {
        let name: String
        /// nil for a server.
        let group: String?
        let address: Address
        let host: TestHost
    }

    let ensemble: ZooKeeperEnsemble
    let nodes: [Node]
    let sessionTimeoutMilliseconds: Int
    private let folder = TemporaryFolder("cluster")
    private let processes = Mutex<[String: ChildProcess]>([:])

    /// The binary under test: `AVIARY_BINARY`, or the debug build of this checkout.
    static let binary = ProcessInfo.processInfo.environment["AVIARY_BINARY"] ?? Repository.path(".build/debug/aviary")

    /// Starts nothing yet. `groups`: names and how many stores each has. `hosts`: where the nodes run, servers first; on loopback
    /// where there are none.
    init(
        ensemble: ZooKeeperEnsemble, servers: Int, groups: [(name: String, stores: Int)],
        sessionTimeoutMilliseconds: Int = 2000, hosts: [TestHost] = []
    ) {
        let names: [(String, String?)] =
            (1...max(servers, 1)).prefix(servers).map { ("server\($0)", nil) }
            + groups.flatMap { group in (1...group.stores).map { ("\(group.name)-\($0)", group.name) } }
        let ports = FreePorts.take(names.count)
        nodes = names.indices.map {
            let host = hosts.isEmpty ? TestHost.loopback : hosts[$0]
            return Node(
                name: names[$0].0, group: names[$0].1, address: Address(host: host.address, port: ports[$0]), host: host)
        }
        self.ensemble = ensemble
        self.sessionTimeoutMilliseconds = sessionTimeoutMilliseconds
    }

    /// Starts every node and waits until all stores are in-sync in groups that serve.
    func start() async throws {
        for node in nodes { try launch(node.name) }
        try await waitUntilWhole()
    }

    // MARK: Processes

    func node(_ name: String) -> Node { nodes.first { $0.name == name }! }
    func node(at address: Address) -> Node { nodes.first { $0.address == address }! }
    var servers: [Node] { nodes.filter { $0.group == nil } }

    /// The first life of a node, or its next one on the same files.
    func launch(_ name: String, arguments: [String] = []) throws {
        let node = node(name)
        let home = folder.file(name)
        try FileManager.default.createDirectory(atPath: home, withIntermediateDirectories: true)
        var environment = [
            "zooaddr": ensemble.connectString, "serverip": node.address.host, "serverport": "\(node.address.port)",
            "sessiontimeout": "\(sessionTimeoutMilliseconds)",
        ]
        if let group = node.group {
            environment["name"] = group
            environment["dbfile"] = dbfile(of: name)
            environment["rbfile"] = "\(home)/rollback.txt"
        }
        let process = try ChildProcess(
            node.host.prefix + [LiveCluster.binary, node.group == nil ? "server" : "data", "--log-level", "info"] + arguments,
            environment: environment, output: folder.file("\(name).log")
        )
        processes.withLock { $0[name] = process }
    }

    func dbfile(of name: String) -> String { "\(folder.file(name))/db.txt" }
    func process(_ name: String) -> ChildProcess { processes.withLock { $0[name]! } }
    func output(of name: String) -> String { process(name).output }

    /// kill -9.
    func kill(_ name: String) { process(name).kill() }

    /// SIGTERM to all; the ways they ended.
    func terminateAll() async throws -> [String: ChildProcess.Exit] {
        var exits: [String: ChildProcess.Exit] = [:]
        for node in nodes where process(node.name).isRunning { process(node.name).send(SIGTERM) }
        for node in nodes { exits[node.name] = try await process(node.name).waitForExit() }
        return exits
    }

    // MARK: What the cluster says

    /// A client that knows all servers.
    func client() -> KVClient { KVClient(servers: servers.map(\.address)) }

    /// The cluster as the first server that answers sees it.
    func status() async throws -> ClusterStatus { try await client().status(timeout: .seconds(5)) }

    /// Waits until the status fulfils a condition.
    @discardableResult
    func waitForStatus(
        _ what: String, timeout: Duration = .seconds(90), _ condition: (ClusterStatus) -> Bool
    ) async throws -> ClusterStatus {
        let client = client()
        do {
            return try await eventuallyValue(what, timeout: timeout) {
                guard let status = try? await client.status(timeout: .seconds(5)), condition(status) else { return nil }
                return status
            }
        } catch let error as TimedOut {
            let logs = nodes.map { node in
                let tail = process(node.name).output.split(separator: "\n").suffix(15).joined(separator: "\n")
                return "--- \(node.name)\n\(tail)"
            }
            throw TimedOut(
                description: "\(error)\n\(String(describing: try? await client.status(timeout: .seconds(5))))\n"
                    + logs.joined(separator: "\n"))
        }
    }

    /// Waits until there is a master, and every group has a primary in office and all its running stores in-sync.
    @discardableResult
    func waitUntilWhole() async throws -> ClusterStatus {
        let groups = Set(nodes.compactMap(\.group))
        return try await waitForStatus("the cluster is whole") { status in
            status.master != nil && status.coordinated
                && groups.allSatisfy { group in
                    let running = nodes.filter { $0.group == group && process($0.name).isRunning }.count
                    guard let found = status.groups.first(where: { $0.name == group }) else { return false }
                    return found.state == .serving && found.members.count == running && found.members.allSatisfy(\.inSync)
                }
        }
    }
}

extension ClusterStatus {
    func group(_ name: String) -> GroupStatus? { groups.first { $0.name == name } }

    /// The address of a group's primary.
    func primary(of group: String) -> Address? { self.group(group)?.members.first(where: \.isPrimary)?.address }

    /// The addresses of a group's in-sync members that are not primary.
    func standbys(of group: String) -> [Address] {
        self.group(group)?.members.filter { !$0.isPrimary && $0.inSync }.compactMap(\.address) ?? []
    }
}

extension RingStatus {
    /// The placement rule, written again on purpose: crc32 of the key, the first token at or after it, wrapping around.
    func owner(of key: String) -> String? {
        var crc: UInt32 = 0xFFFF_FFFF
        for byte in key.utf8 {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = (crc >> 1) ^ (crc & 1 == 1 ? 0xEDB8_8320 : 0) }
        }
        let tokens = tokens.sorted { $0.token < $1.token }
        return (tokens.first { $0.token >= ~crc } ?? tokens.first)?.group
    }
}

extension String {
    var bytes: [UInt8] { Array(utf8) }
}
