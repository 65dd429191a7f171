import Foundation
import TestSupport
import Testing
import Wire

/// A client that shares nothing with Aviary but the proto.
@Suite("A Python client", .serialized)
struct PythonClientTests {
    @Test(.timeLimit(.minutes(10)))
    func grpcioTalksToTheCluster() async throws {
        let ensemble = try await ZooKeeperEnsemble.start(servers: 1)
        let cluster = LiveCluster(ensemble: ensemble, servers: 1, groups: [("birds", 2)])
        try await cluster.start()

        let folder = TemporaryFolder("python")
        let python = folder.file("venv/bin/python")
        func run(_ command: [String], environment: [String: String] = [:]) throws -> String {
            let result = try Command.run(command, environment: environment, folder: folder.path)
            try #require(result.code == 0, "\(command.joined(separator: " "))\n\(result.output)\n\(result.error)")
            return result.output
        }
        _ = try run(["python3", "-m", "venv", folder.file("venv")])
        _ = try run([
            python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "grpcio", "grpcio-tools",
            "grpcio-health-checking", "grpcio-reflection",
        ])
        _ = try run([
            python, "-m", "grpc_tools.protoc", "--proto_path=\(Repository.path("proto"))", "--python_out=\(folder.path)",
            "--grpc_python_out=\(folder.path)", "aviary/v1/kv.proto", "aviary/v1/cluster.proto",
        ])
        let output = try run(
            [
                python, Repository.path("Tests/IntegrationTests/python/kv_client.py"),
                cluster.node("server1").address.description,
            ],
            environment: ["PYTHONPATH": folder.path]
        )
        #expect(output.contains("ok reflection"))
    }
}
