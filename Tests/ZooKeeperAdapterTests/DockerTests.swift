import Foundation
import TestSupport
import Testing

/// What can be tested of `docker/` without a Docker engine.
@Suite struct DockerTests {
    @Test func theEntryPointBringsUpAnEnsembleWithOneLeader() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 3)
        let modes = ensemble.servers.map { ensemble.mode(of: $0.id) }
        #expect(modes.count { $0 == "leader" } == 1 && modes.count { $0 == "follower" } == 2)
        for server in ensemble.servers {
            let environment = ensemble.environment(of: server.id)
            let myid = try String(contentsOfFile: environment["ZOO_DATA_DIR"]! + "/myid", encoding: .utf8)
            #expect(myid == "\(server.id)\n")
            let configuration = try String(contentsOfFile: environment["ZOO_CONF_DIR"]! + "/zoo.cfg", encoding: .utf8)
            for entry in environment["ZOO_SERVERS"]!.split(separator: " ") { #expect(configuration.contains("\n\(entry)\n")) }
            let check = try await run(["docker/zookeeper/healthcheck.sh", "\(server.clientPort)"])
            #expect(check.exit == .code(0))
        }
        ensemble.kill(1)
        #expect(try await run(["docker/zookeeper/healthcheck.sh", "\(ensemble.servers[0].clientPort)"]).exit == .code(1))
    }

    @Test func aDataFolderStaysWithItsServer() async throws {
        let folder = TemporaryFolder("entrypoint")
        let port = FreePorts.take()
        let environment = [
            "ZOO_DATA_DIR": folder.file("data"), "ZOO_CONF_DIR": folder.file("conf"), "ZOO_CLIENT_PORT": "\(port)",
        ]
        try FileManager.default.createDirectory(atPath: folder.file("data"), withIntermediateDirectories: true)
        try Data("2\n".utf8).write(to: URL(fileURLWithPath: folder.file("data/myid")))
        let result = try await run(["docker/zookeeper/entrypoint.sh"], environment.merging(["ZOO_MY_ID": "1"]) { $1 })
        #expect(result.exit == .code(2))
        #expect(result.output == "zookeeper entrypoint: ZOO_MY_ID is 1, but \(folder.file("data")) belongs to server 2\n")
    }

    @Test(arguments: [
        (["ZOO_SERVERS": "server.1=a:2888:3888"], "ZOO_MY_ID is not set"),
        (["ZOO_SERVERS": "server.1=a:2888:3888", "ZOO_MY_ID": "2"], "ZOO_SERVERS has no server.2"),
        (["ZOO_SERVERS": "server.1=a:2888:3888", "ZOO_MY_ID": "one"], "ZOO_MY_ID is 'one'"),
        (["ZOO_SERVERS": "server.1=a:2888:3888", "ZOO_MY_ID": "256"], "must be a number from 1 to 255"),
        (["ZOO_SERVERS": "a:2888:3888", "ZOO_MY_ID": "1"], "ZOO_SERVERS has 'a:2888:3888'"),
        (["ZOO_SERVERS": "server.1=a:2888", "ZOO_MY_ID": "1"], "ZOO_SERVERS has 'server.1=a:2888'"),
        (["ZOO_SERVERS": "server.1=a:2888:99999", "ZOO_MY_ID": "1"], "is '99999'"),
        (["ZOO_SERVERS": "server.1=a:1:2;0", "ZOO_MY_ID": "1"], "is '0'"),
        (["ZOO_SERVERS": "server.1=a:1:2 server.1=b:1:2", "ZOO_MY_ID": "1"], "two entries for server.1"),
        (["ZOO_SERVERS": "server.1=a b:1:2", "ZOO_MY_ID": "1"], "ZOO_SERVERS has 'server.1=a'"),
        (["ZOO_TICK_TIME": "fast"], "ZOO_TICK_TIME is 'fast'"),
        (["ZOO_CLIENT_PORT": "0"], "ZOO_CLIENT_PORT is '0'"),
        (["ZOO_DATA_DIR": "data"], "must be an absolute path"),
        (["ZOO_DATA_DIR": "/proc/none"], "cannot be created"),
        (["ZOO_CONF_DIR": "/tmp/with space"], "ZOO_CONF_DIR is '/tmp/with space'"),
        (["ZOO_HOME": "/none"], "there is no /none/bin/zkServer.sh"),
        (["ZOO_LOG_LEVEL": "LOUD"], "ZOO_LOG_LEVEL is 'LOUD'"),
    ])
    func aMalformedSettingGivesOneClearLine(_ settings: [String: String], _ expected: String) async throws {
        let folder = TemporaryFolder("entrypoint")
        let paths = ["ZOO_DATA_DIR": folder.file("data"), "ZOO_CONF_DIR": folder.file("conf")]
        let result = try await run(["docker/zookeeper/entrypoint.sh"], paths.merging(settings) { $1 })
        #expect(result.exit == .code(2))
        #expect(result.output.hasPrefix("zookeeper entrypoint: ") && result.output.contains(expected), "\(result.output)")
        #expect(result.output.count { $0 == "\n" } == 1, "\(result.output)")
    }

    /// With PyYAML from the system, or else in a virtual environment.
    @Test func theComposeFileNamesOnlyWhatExists() async throws {
        var python = "python3"
        let folder = TemporaryFolder("python")
        if try await run([python, "-c", "import yaml"]).exit != .code(0) {
            for command in [
                ["python3", "-m", "venv", folder.file("venv")], [folder.file("venv/bin/pip"), "install", "-q", "pyyaml"],
            ] {
                let result = try await run(command)
                try #require(result.exit == .code(0), "\(result.output)")
            }
            python = folder.file("venv/bin/python")
        }
        let result = try await run([python, "docker/check.py"])
        #expect(result.exit == .code(0), "\(result.output)")

        // The check can fail.
        for (right, wrong, fault) in [
            ("zoo2:2181", "zoo9:2181", "names the host zoo9"), ("zdata1b:/var/lib", "zdata1c:/var/lib", "volume zdata1c"),
            ("dockerfile: docker/aviary", "dockerfile: docker/none", "no Dockerfile"), ("dbfile:", "dbflie:", "setting dbflie"),
            ("127.0.0.1:1927", "127.0.0.1:1926", "publishes"),
        ] {
            let compose = try String(contentsOfFile: Repository.path("docker/compose.yaml"), encoding: .utf8)
            try #require(compose.contains(right))
            let copy = folder.file("compose.yaml")
            try compose.replacingOccurrences(of: right, with: wrong).write(toFile: copy, atomically: true, encoding: .utf8)
            let result = try await run([python, "docker/check.py", copy])
            #expect(result.exit == .code(1) && result.output.contains(fault), "\(result.output)")
        }
    }

    /// Runs a command from the top of the checkout to its end.
    private func run(
        _ command: [String], _ environment: [String: String] = [:]
    ) async throws -> (exit: ChildProcess.Exit, output: String) {
        let folder = TemporaryFolder("run")
        let process = try ChildProcess(command, environment: environment, output: folder.file("out"), folder: Repository.root)
        let exit = try await process.waitForExit(timeout: .seconds(120))
        return (exit, process.output)
    }
}
