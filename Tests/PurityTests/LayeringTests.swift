import Testing

/// Arrows point down only (docs/architecture.md): a target may lean on lower layers, never on its own or a higher one.
@Suite struct LayeringTests {
    /// From the bottom up. Targets of one layer do not know each other.
    static let layers: [[String]] = [
        ["Machine"],
        ["Wire", "CZooKeeperShims", "CGRPCShims", "AviaryProtos"],
        ["Placement", "Storage", "Simulation"],
        ["Coordination", "Client"],
        ["Replication"],
        ["Nodes"],
        ["ZooKeeperAdapter", "GRPCAdapter", "FileAdapter"],
        ["Runtime", "ClusterSimulation", "AviaryClient"],
        ["SimulationCommands"],
        ["aviary", "sim"],
    ]

    /// Targets that no product holds: they may lean on anything.
    static let support = ["TestSupport"]

    static func problems(of targets: [Target]) -> [String] {
        var rank: [String: Int] = [:]
        for (height, names) in layers.enumerated() { for name in names { rank[name] = height } }
        var problems: [String] = []
        for target in targets where !target.isTest && !support.contains(target.name) {
            guard let own = rank[target.name] else {
                problems.append("\(target.name) has no layer; say in LayeringTests where it belongs")
                continue
            }
            for dependency in target.dependencies {
                guard let other = rank[dependency] else {
                    if support.contains(dependency) {
                        problems.append("\(target.name) leans on \(dependency), which is for tests")
                    }
                    continue
                }
                if other >= own { problems.append("\(target.name) leans on \(dependency), which is not below it") }
            }
        }
        return problems
    }

    @Test func `Arrows point down`() throws {
        let targets = try Package.targets()
        #expect(targets.count > 20, "the manifest was not read")
        #expect(Self.problems(of: targets).isEmpty)
    }

    /// SwiftPM lets a file import what its target reaches only through others; then the manifest would not show the arrow.
    @Test func `A target imports only what it lists`() throws {
        let targets = try Package.targets()
        let own = targets.map(\.name)
        for target in targets where !target.isTest {
            for file in try Package.sources(in: target.path) {
                for module in Self.imports(of: file.text) where own.contains(module) && !target.dependencies.contains(module) {
                    Issue.record("\(file.path) imports \(module), which Package.swift does not list for \(target.name)")
                }
            }
        }
    }

    private static func imports(of source: String) -> [String] {
        let tokens = SwiftScanner.tokens(of: source)
        return zip(tokens, tokens.dropFirst()).filter { $0.0.text == "import" && $0.0.kind == .word }.map(\.1.text)
    }

    @Test func `An arrow that points up or sideways is seen`() {
        func problems(_ name: String, _ dependencies: [String]) -> [String] {
            Self.problems(of: [Target(name: name, isTest: false, isExecutable: false, dependencies: dependencies, path: "")])
        }
        #expect(problems("Nodes", ["Replication", "Machine"]).isEmpty)
        #expect(problems("Machine", ["Wire"]).count == 1)
        #expect(problems("Nodes", ["GRPCAdapter"]).count == 1)
        #expect(problems("Storage", ["Placement"]).count == 1)
        #expect(problems("Runtime", ["ClusterSimulation"]).count == 1)
        #expect(problems("Runtime", ["TestSupport"]).count == 1)
        #expect(problems("Newcomer", []).count == 1)
    }

    @Test func `A manifest is read as it is written`() {
        let targets = Package.targets(
            inManifest: """
                .target(name: "A", swiftSettings: swift6),
                .target(
                    name: "B",
                    dependencies: ["A", .product(name: "DequeModule", package: "swift-collections")],
                    swiftSettings: swift6
                ),
                .testTarget(name: "T", dependencies: ["B"], path: "Elsewhere/T"),
                """)
        #expect(
            targets == [
                Target(name: "A", isTest: false, isExecutable: false, dependencies: [], path: "Sources/A"),
                Target(name: "B", isTest: false, isExecutable: false, dependencies: ["A", "DequeModule"], path: "Sources/B"),
                Target(name: "T", isTest: true, isExecutable: false, dependencies: ["B"], path: "Elsewhere/T"),
            ])
    }
}
