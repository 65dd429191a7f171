import Foundation
import Synchronization

/// A real ZooKeeper (Debian's package) on loopback ports, one server or three, started through the entry point of the
/// project's image. Servers are numbered from 1. Their data survives `kill` and `restart`, and goes with the last reference.
public final class ZooKeeperEnsemble: Sendable {
    public struct Server: Hashable, Sendable {
        public let id: Int
        public let clientPort: UInt16
        public let peerPort: UInt16
        public let electionPort: UInt16
        public let host: TestHost
        public var address: String { "\(host.address):\(clientPort)" }
    }

    public let servers: [Server]
    /// All servers, as a connect string without a chroot.
    public var connectString: String { servers.map(\.address).joined(separator: ",") }

    private let folder = TemporaryFolder("zookeeper")
    private let tickMilliseconds: Int
    private let processes = Mutex<[Int: ChildProcess]>([:])

    /// Starts an ensemble and waits until it serves clients.
    ///
    /// - Parameters:
    ///   - tickMilliseconds: sessions last between 2 and 20 of these, and expire up to one late.
    ///   - hosts: where the servers run, one each; on loopback where there are none.
    public static func start(
        servers: Int = 1, tickMilliseconds: Int = 500, hosts: [TestHost] = []
    ) async throws -> ZooKeeperEnsemble {
        let ensemble = ZooKeeperEnsemble(servers: servers, tickMilliseconds: tickMilliseconds, hosts: hosts)
        for server in ensemble.servers { try ensemble.launch(server.id) }
        try await ensemble.waitUntilServing()
        return ensemble
    }

    private init(servers count: Int, tickMilliseconds: Int, hosts: [TestHost]) {
        precondition(count == 1 || count == 3, "an ensemble has one server or three")
        let ports = FreePorts.take(3 * count)
        servers = (0..<count).map {
            Server(
                id: $0 + 1, clientPort: ports[3 * $0], peerPort: ports[3 * $0 + 1], electionPort: ports[3 * $0 + 2],
                host: hosts.isEmpty ? .loopback : hosts[$0])
        }
        self.tickMilliseconds = tickMilliseconds
    }

    /// The environment that `docker/zookeeper/entrypoint.sh` gets for a server.
    public func environment(of id: Int) -> [String: String] {
        var environment = [
            "ZOO_TICK_TIME": "\(tickMilliseconds)",
            "ZOO_INIT_LIMIT": "20",
            "ZOO_SYNC_LIMIT": "6",
            "ZOO_MAX_CLIENT_CNXNS": "0",
            "ZOO_AUTOPURGE_PURGE_INTERVAL": "0",
            "ZOO_DATA_DIR": folder.file("\(id)/data"),
            "ZOO_CONF_DIR": folder.file("\(id)/conf"),
            // Small and quick to start. Without forced syncs data still survives kill -9, though not a power cut.
            "JVMFLAGS":
                "-Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dzookeeper.forceSync=no -Dzookeeper.preAllocSize=256",
        ]
        if servers.count == 1 {
            environment["ZOO_CLIENT_PORT"] = "\(servers[0].clientPort)"
            environment["ZOO_CLIENT_ADDRESS"] = servers[0].host.address
        } else {
            environment["ZOO_MY_ID"] = "\(id)"
            environment["ZOO_SERVERS"] = servers.map {
                "server.\($0.id)=\($0.host.address):\($0.peerPort):\($0.electionPort);\($0.address)"
            }.joined(separator: " ")
        }
        return environment
    }

    /// What a server has printed.
    public func output(of id: Int) -> String {
        (try? String(contentsOfFile: folder.file("\(id).log"), encoding: .utf8)) ?? ""
    }

    // MARK: - Faults

    /// kill -9.
    public func kill(_ id: Int) { process(id).kill() }
    /// SIGSTOP: connections stay open and nothing answers.
    public func pause(_ id: Int) { process(id).pause() }
    /// SIGCONT.
    public func resume(_ id: Int) { process(id).resume() }

    /// Starts a server that was killed, on its old data and ports; does not wait until it serves.
    public func launch(_ id: Int) throws {
        let process = try ChildProcess(
            servers[id - 1].host.prefix + [Repository.path("docker/zookeeper/entrypoint.sh")], environment: environment(of: id),
            output: folder.file("\(id).log"))
        processes.withLock { $0[id] = process }
    }

    /// kill -9 and `launch`.
    public func restart(_ id: Int) throws {
        kill(id)
        try launch(id)
    }

    public func killAll() { servers.forEach { kill($0.id) } }

    private func process(_ id: Int) -> ChildProcess { processes.withLock { $0[id]! } }

    // MARK: - Asking it

    /// `standalone`, `leader` or `follower`; nil where the server does not serve.
    public func mode(of id: Int) -> String? {
        fourLetterWord("srvr", port: servers[id - 1].clientPort, host: servers[id - 1].host.address)?
            .split(separator: "\n").first { $0.hasPrefix("Mode: ") }.map { String($0.dropFirst(6)) }
    }

    public var leader: Int? { servers.first { ["leader", "standalone"].contains(mode(of: $0.id)) }?.id }

    /// Waits until every server that was not killed serves, one of them as leader.
    public func waitUntilServing(timeout: Duration = .seconds(120)) async throws {
        do {
            try await eventually("ZooKeeper at \(connectString) serves", timeout: timeout) {
                let running = self.processes.withLock { $0 }.filter { $0.value.isRunning }.map(\.key)
                let modes = running.map { self.mode(of: $0) }
                return !modes.isEmpty && !modes.contains(nil)
                    && modes.count { $0 == "leader" || $0 == "standalone" } == 1
            }
        } catch let error as TimedOut {
            let logs = servers.map { "server \($0.id): \(output(of: $0.id).suffix(2000))" }.joined(separator: "\n")
            throw TimedOut(description: "\(error.description)\n\(logs)")
        }
    }
}

/// Sends one of ZooKeeper's four-letter words and returns the answer; nil if there is none within two seconds.
public func fourLetterWord(_ word: String, port: UInt16, host: String = "127.0.0.1") -> String? {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var patience = timeval(tv_sec: 2, tv_usec: 0)
    setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
    var address = loopback(port: port)
    guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { return nil }
    let connected = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
            connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
        }
    }
    guard connected, Foundation.send(descriptor, word, word.utf8.count, Int32(MSG_NOSIGNAL)) == word.utf8.count else {
        return nil
    }
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    while true {
        let count = recv(descriptor, &chunk, chunk.count, 0)
        if count < 0 { return nil }
        if count == 0 { return answer.isEmpty ? nil : String(decoding: answer, as: UTF8.self) }
        answer += chunk[..<count]
    }
}
