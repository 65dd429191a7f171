import Foundation
import Machine
import TestSupport
import Testing

/// How nodes refuse to start, and how they wait for a ZooKeeper that is not there.
@Suite(.timeLimit(.minutes(2))) struct NodeCommandTests {
    /// A ZooKeeper that nobody runs.
    let zooKeeper = "127.0.0.1:\(FreePorts.take())"
    let folder = TemporaryFolder("node")

    func environment(port: UInt16, _ more: [String: String] = [:]) -> [String: String] {
        [
            "zooaddr": zooKeeper, "serverip": "127.0.0.1", "serverport": "\(port)", "name": "zdata1",
            "dbfile": folder.file("db.txt"), "rbfile": folder.file("rollback.txt"),
        ].merging(more) { $1 }
    }

    func launch(_ command: String, port: UInt16, log: String) throws -> ChildProcess {
        try ChildProcess([Binary.path, command], environment: environment(port: port), output: folder.file(log))
    }

    @Test(arguments: [
        (["zooaddr": ""], "zooaddr is not set"),
        (["zooaddr": "no port here"], "ZooKeeper"),
        (["serverport": "65536"], "serverport"),
        (["serverip": "a b"], "serverip"),
        (["name": "lock"], "lock"),
        (["name": "no/slash"], "no/slash"),
        (["rbfile": "db.txt", "dbfile": "db.txt"], "must differ"),
        (["loglevel": "loud"], "loglevel"),
    ])
    func `A setting that is wrong ends a node with one line and exit code 2`(change: [String: String], words: String) throws {
        let result = try Binary.run(["data"], environment: environment(port: FreePorts.take(), change))
        #expect(result.code == 2)
        #expect(result.complaint?.contains(words) == true, "\(result.error)")
    }

    @Test func `A wrong flag is refused in one line`() throws {
        for arguments in [["server", "--bogus"], ["bogus"], ["data", "--name"], ["put", "only-a-key"]] {
            let result = try Binary.run(arguments)
            #expect(result.code == 2)
            #expect(result.complaint != nil, "\(result.error)")
        }
    }

    @Test(arguments: ["server", "data"])
    func `Without ZooKeeper a node keeps trying, says so, and ends cleanly when asked to`(command: String) async throws {
        let node = try launch(command, port: FreePorts.take(), log: "node.log")
        try await eventually("the node complains about ZooKeeper", timeout: .seconds(60)) {
            node.output.contains("WARNING") && node.output.contains(zooKeeper)
        }
        #expect(node.isRunning)
        #expect(try await node.terminate() == .code(0))
        #expect(node.output.contains("stopped"))
    }

    @Test func `A port that is taken is refused in one line`() async throws {
        let port = FreePorts.take()
        let first = try launch("server", port: port, log: "first.log")
        try await eventually("the first node listens", timeout: .seconds(60)) { first.output.contains("server node starting") }
        let second = try Binary.run(["server"], environment: environment(port: port))
        #expect(second.code == 2)
        #expect(second.complaint?.hasPrefix("cannot listen on 127.0.0.1:\(port)") == true, "\(second.error)")
        #expect(try await first.terminate(SIGINT) == .code(0))
    }

    @Test func `A dbfile that another process holds is refused in one line`() async throws {
        let first = try launch("data", port: FreePorts.take(), log: "first.log")
        try await eventually("the first node has opened its log", timeout: .seconds(60)) {
            first.output.contains("log created")
        }
        let second = try Binary.run(["data"], environment: environment(port: FreePorts.take()))
        #expect(second.code == 2)
        #expect(second.error.split(separator: "\n").last?.contains(folder.file("db.txt")) == true, "\(second.error)")
        #expect(try await first.terminate() == .code(0))
    }

    @Test func `A dbfile that cannot be read, or is something else, is refused and left alone`() throws {
        try FileManager.default.createDirectory(atPath: folder.file("folder"), withIntermediateDirectories: false)
        try Data("something else\n".utf8).write(to: URL(filePath: folder.file("letter.txt")))
        for dbfile in [folder.file("folder"), folder.file("missing/db.txt"), folder.file("letter.txt")] {
            let result = try Binary.run(["data"], environment: environment(port: FreePorts.take(), ["dbfile": dbfile]))
            #expect(result.code == 2, "\(dbfile)")
            let last = result.error.split(separator: "\n").last ?? ""
            #expect(last.hasPrefix("aviary: ") && last.contains(dbfile), "\(result.error)")
        }
        #expect(try String(contentsOfFile: folder.file("letter.txt"), encoding: .utf8) == "something else\n")
    }
}
