// swift-tools-version: 6.1
import PackageDescription

/// The layers, from the bottom up. Arrows point down only; a target can import what it lists and nothing else.
///
/// *Pure* targets hold all node logic: no Foundation, Glibc, Dispatch, NIO or C module, no clock, no unseeded
/// randomness (`Tests/PurityTests` enforces it). The real world begins at `ZooKeeperAdapter`, `GRPCAdapter`,
/// `FileAdapter`; the simulated one is `Simulation`.
let swift6: [SwiftSetting] = [.swiftLanguageMode(.v6)]

let package = Package(
    name: "aviary",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "aviary", targets: ["aviary"]),
        .library(name: "AviaryClient", targets: ["AviaryClient"]),
        .library(name: "AviarySimulation", targets: ["Simulation"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
    ],
    targets: [
        // Pure: the contract and the vocabulary.
        .target(name: "Machine", swiftSettings: swift6),
        .target(name: "Wire", dependencies: ["Machine"], swiftSettings: swift6),

        // Pure: one machine family each.
        .target(name: "Placement", dependencies: ["Machine", "Wire"], swiftSettings: swift6),
        .target(
            name: "Storage",
            dependencies: ["Machine", "Wire", .product(name: "DequeModule", package: "swift-collections")],
            swiftSettings: swift6
        ),
        .target(name: "Coordination", dependencies: ["Machine", "Wire", "Placement"], swiftSettings: swift6),
        .target(
            name: "Replication",
            dependencies: [
                "Machine", "Wire", "Storage", "Coordination",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: swift6
        ),

        // Pure: the nodes.
        .target(
            name: "Nodes",
            dependencies: [
                "Machine", "Wire", "Placement", "Storage", "Coordination", "Replication",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: swift6
        ),

        // The simulated world, for any node; and the one of Aviary's nodes.
        .target(
            name: "Client",
            dependencies: [
                "Machine", "Wire", "Placement", .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: swift6
        ),
        .target(name: "Simulation", dependencies: ["Machine"], swiftSettings: swift6),
        .target(
            name: "ClusterSimulation",
            dependencies: [
                "Simulation", "Machine", "Wire", "Placement", "Storage", "Coordination", "Replication", "Nodes", "Client",
            ],
            swiftSettings: swift6
        ),
        .target(
            name: "SimulationCommands",
            dependencies: [
                "ClusterSimulation", "Simulation", "Machine",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swift6
        ),
        .executableTarget(
            name: "sim",
            dependencies: ["SimulationCommands", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            path: "Sources/sim", swiftSettings: swift6),

        // The real world.
        .target(
            name: "CZooKeeperShims",
            linkerSettings: [.linkedLibrary("zookeeper_mt")]
        ),
        .target(
            name: "CGRPCShims",
            linkerSettings: [.linkedLibrary("grpc"), .linkedLibrary("gpr")]
        ),
        .target(
            name: "AviaryProtos",
            dependencies: [.product(name: "SwiftProtobuf", package: "swift-protobuf")],
            swiftSettings: swift6
        ),
        .target(name: "ZooKeeperAdapter", dependencies: ["CZooKeeperShims", "Machine"], swiftSettings: swift6),
        .target(
            name: "GRPCAdapter",
            dependencies: [
                "CGRPCShims", "AviaryProtos", "Machine", "Wire",
                .product(name: "DequeModule", package: "swift-collections"),
            ],
            swiftSettings: swift6
        ),
        .target(
            name: "AviaryClient", dependencies: ["Client", "GRPCAdapter", "Machine", "Wire"], swiftSettings: swift6),
        .target(name: "FileAdapter", dependencies: ["Machine"], swiftSettings: swift6),
        .target(
            name: "Runtime",
            dependencies: [
                "Nodes", "Machine", "Wire", "ZooKeeperAdapter", "GRPCAdapter", "FileAdapter",
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "HeapModule", package: "swift-collections"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift6
        ),
        .executableTarget(
            name: "aviary",
            dependencies: [
                "AviaryClient", "Runtime", "Nodes", "Storage", "Coordination", "GRPCAdapter", "Machine", "Wire",
                "SimulationCommands",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Histogram", package: "hdrhistogram-swift"),
            ],
            path: "Sources/aviary",
            swiftSettings: swift6
        ),

        // Tests. One test target for each target that decides something; `IntegrationTests` runs real processes on a real ZooKeeper.
        .target(name: "TestSupport", dependencies: ["Wire"], path: "Tests/TestSupport", swiftSettings: swift6),
        .testTarget(name: "PurityTests", swiftSettings: swift6),
        .testTarget(name: "MachineTests", dependencies: ["Machine", "Wire"], swiftSettings: swift6),
        .testTarget(name: "PlacementTests", dependencies: ["Placement"], swiftSettings: swift6),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "Machine", "Wire"], swiftSettings: swift6),
        .testTarget(name: "CoordinationTests", dependencies: ["Coordination", "Machine", "Wire"], swiftSettings: swift6),
        .testTarget(
            name: "ReplicationTests", dependencies: ["Replication", "Coordination", "Storage", "Machine", "Wire"],
            swiftSettings: swift6),
        .testTarget(name: "NodesTests", dependencies: ["Nodes", "Machine", "Wire"], swiftSettings: swift6),
        .testTarget(name: "ClientTests", dependencies: ["Client", "Machine", "Placement", "Wire"], swiftSettings: swift6),
        .testTarget(name: "SimulationTests", dependencies: ["Simulation", "Machine"], swiftSettings: swift6),
        .testTarget(
            name: "ExplorationTests", dependencies: ["ClusterSimulation", "Simulation", "Machine"], swiftSettings: swift6),
        .testTarget(name: "StoryPageTests", dependencies: ["Simulation", "Machine", "TestSupport"], swiftSettings: swift6),
        .testTarget(
            name: "ClusterSimulationTests", dependencies: ["ClusterSimulation", "Simulation", "Machine", "Wire"],
            swiftSettings: swift6),
        .testTarget(
            name: "SimTests", dependencies: ["ClusterSimulation", "Simulation", "Coordination", "Wire", "Machine"],
            path: "SimTests",
            exclude: ["Planted", "Regressions"], swiftSettings: swift6),
        .testTarget(
            name: "SimulationCommandsTests",
            dependencies: ["SimulationCommands", "ClusterSimulation", "Simulation", "TestSupport"],
            swiftSettings: swift6),
        .testTarget(
            name: "ZooKeeperAdapterTests",
            dependencies: ["ZooKeeperAdapter", "Machine", "TestSupport"],
            swiftSettings: swift6
        ),
        .testTarget(
            name: "ConformanceTests", dependencies: ["Simulation", "ZooKeeperAdapter", "Machine", "TestSupport"],
            swiftSettings: swift6),
        .testTarget(
            name: "GRPCAdapterTests",
            dependencies: ["GRPCAdapter", "AviaryProtos", "Machine", "Wire", "TestSupport"],
            swiftSettings: swift6
        ),
        .testTarget(
            name: "AviaryClientTests",
            dependencies: ["AviaryClient", "Client", "GRPCAdapter", "Machine", "Wire", "TestSupport"],
            swiftSettings: swift6
        ),
        .testTarget(name: "FileAdapterTests", dependencies: ["FileAdapter", "Machine", "TestSupport"], swiftSettings: swift6),
        .testTarget(
            name: "DiskConformanceTests", dependencies: ["Simulation", "FileAdapter", "Machine", "TestSupport"],
            swiftSettings: swift6),
        .testTarget(
            name: "RuntimeTests",
            dependencies: [
                "Runtime", "GRPCAdapter", "Machine", "Wire", "TestSupport", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swift6
        ),
        .testTarget(
            name: "CommandTests", dependencies: ["aviary", "GRPCAdapter", "Machine", "Wire", "TestSupport"],
            swiftSettings: swift6),
        .testTarget(
            name: "IntegrationTests",
            dependencies: [
                "AviaryClient", "GRPCAdapter", "ZooKeeperAdapter", "Simulation", "Machine", "Wire", "TestSupport",
            ],
            exclude: ["python"],
            swiftSettings: swift6
        ),
    ]
)
