import Foundation
import Synchronization

/// Where a process runs: on this machine, or on a host of a `TestNetwork`.
public struct TestHost: Hashable, Sendable {
    /// Its IP address.
    public let address: String
    /// The words that start a command there.
    public let prefix: [String]

    public static let loopback = TestHost(address: "127.0.0.1", prefix: [])
}

/// Hosts of their own on this machine, whose packets can be lost: network namespaces, each with one link (veth) to a router, which
/// is a namespace too. What is cut is dropped by the router without a sign, as by a switch that has died: nothing is refused,
/// connections just hang.
///
/// It needs root and a kernel with namespaces, veth and policy routing. What it makes has the process's id in its name and goes with
/// the last reference; what a killed run has left goes with the next one.
public final class TestNetwork: Sendable {
    public let hosts: [TestHost]

    private let name: String
    /// The priorities of the rules that lose packets. (A rule is taken back by its priority: by its selector another one might go,
    /// such as "from a to b" where "from a" is meant.)
    private let rules = Mutex<[Int]>([])

    /// - Throws: `TestNetwork.Unavailable`, with one line that says why.
    public init(hosts count: Int) throws {
        precondition((1...200).contains(count))
        try TestNetwork.removeLeftovers()
        let name = "avt\(getpid())"
        let router = "\(name)-0"
        try ip("netns", "add", router)
        Leftovers.shared.add(namespace: router)
        var names: [String] = []
        let subnet: Int
        do {
            try ip("-n", router, "link", "set", "lo", "up")
            try TestNetwork.run("ip", "netns", "exec", router, "sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward")
            subnet = try TestNetwork.connect(router, name: name)
            for host in 1...count {
                let namespace = "\(name)-\(host)"
                try ip("netns", "add", namespace)
                Leftovers.shared.add(namespace: namespace)
                names.append(namespace)
                try ip("link", "add", "h\(host)", "netns", router, "type", "veth", "peer", "name", "eth0", "netns", namespace)
                try ip("-n", router, "addr", "add", "10.\(subnet).\(host).1/24", "dev", "h\(host)")
                try ip("-n", router, "link", "set", "h\(host)", "up")
                try ip("-n", namespace, "addr", "add", "10.\(subnet).\(host).2/24", "dev", "eth0")
                try ip("-n", namespace, "link", "set", "lo", "up")
                try ip("-n", namespace, "link", "set", "eth0", "up")
                try ip("-n", namespace, "route", "add", "default", "via", "10.\(subnet).\(host).1")
            }
        } catch {
            for namespace in names + [router] { Leftovers.shared.remove(namespace: namespace) }
            throw error
        }
        self.name = name
        hosts = (1...count).map {
            TestHost(address: "10.\(subnet).\($0).2", prefix: ["ip", "netns", "exec", "\(name)-\($0)"])
        }
    }

    deinit {
        for host in 0...hosts.count { Leftovers.shared.remove(namespace: "\(name)-\(host)") }
    }

    /// Joins this machine's own network to the router, on the first subnet that is free. Returns the subnet.
    private static func connect(_ router: String, name: String) throws -> Int {
        try ip("link", "add", name, "type", "veth", "peer", "name", "uplink", "netns", router)
        try ip("-n", router, "link", "set", "uplink", "up")
        try ip("link", "set", name, "up")
        var last = Unavailable(description: "no subnet is free")
        for attempt in 0..<64 {
            let subnet = 64 + (Int(getpid()) + attempt) % 128
            do {
                // Fails where the route is there already: somebody else's.
                try ip("route", "add", "10.\(subnet).0.0/16", "dev", name)
            } catch let error as Unavailable {
                last = error
                continue
            }
            try ip("addr", "add", "10.\(subnet).0.1/24", "dev", name)
            try ip("-n", router, "addr", "add", "10.\(subnet).0.2/24", "dev", "uplink")
            try ip("route", "replace", "10.\(subnet).0.0/16", "via", "10.\(subnet).0.2", "dev", name)
            return subnet
        }
        throw last
    }

    // MARK: Cutting

    /// Loses whatever goes to a host or comes from it, also from this machine.
    public func cut(_ host: TestHost) throws {
        try block(["to", host.address])
        try block(["from", host.address])
    }

    /// Loses whatever goes between two hosts.
    public func cut(_ one: TestHost, _ other: TestHost) throws {
        try block(["from", one.address, "to", other.address])
        try block(["from", other.address, "to", one.address])
    }

    /// Everything arrives again.
    public func heal() throws {
        while let priority = rules.withLock({ $0.popLast() }) {
            try ip("-n", "\(name)-0", "rule", "del", "priority", "\(priority)")
        }
    }

    private func block(_ selector: [String]) throws {
        let priority = rules.withLock { rules in
            let priority = 1000 + rules.count
            rules.append(priority)
            return priority
        }
        try ip(["-n", "\(name)-0", "rule", "add", "priority", "\(priority)"] + selector + ["blackhole"])
    }

    // MARK: Commands

    public struct Unavailable: Error, CustomStringConvertible {
        public let description: String
    }

    /// Namespaces of test processes that are gone.
    private static func removeLeftovers() throws {
        for line in try run("ip", "netns", "list").split(separator: "\n") {
            guard let name = line.split(separator: " ").first, name.hasPrefix("avt"),
                let owner = pid_t(name.dropFirst(3).prefix { $0 != "-" }), kill(owner, 0) == -1, errno == ESRCH
            else { continue }
            try ip("netns", "del", String(name))
        }
    }
}

@discardableResult
private func ip(_ words: String...) throws -> String { try ip(words) }

@discardableResult
private func ip(_ words: [String]) throws -> String { try TestNetwork.run(["ip"] + words) }

extension TestNetwork {
    @discardableResult
    fileprivate static func run(_ words: String...) throws -> String { try run(words) }

    @discardableResult
    fileprivate static func run(_ words: [String]) throws -> String {
        let folder = TemporaryFolder("ip")
        let exit: ChildProcess.Exit
        let child: ChildProcess
        do {
            child = try ChildProcess(words, output: folder.file("output"))
            exit = child.waitForExitBlocking()
        } catch {
            throw Unavailable(description: "\(words.joined(separator: " ")): \(error)")
        }
        let output = child.output
        guard exit == .code(0) else {
            let said = output.split(separator: "\n").first.map { ": \($0)" } ?? ""
            throw Unavailable(description: "\(words.joined(separator: " ")) ended with \(exit)\(said)")
        }
        return output
    }
}
