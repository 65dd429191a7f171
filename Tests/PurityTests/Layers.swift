import Foundation

/// A target as `Package.swift` declares it.
struct Target: Equatable {
    let name: String
    let isTest: Bool
    let isExecutable: Bool
    /// Names of targets and products that it lists.
    let dependencies: [String]
    /// Folder of its sources, from the package's root.
    let path: String
}

/// The package, read from its own manifest and sources.
enum Package {
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Targets that hold node logic or the simulated world.
    static let pureTargets = [
        "Machine", "Wire", "Placement", "Storage", "Coordination", "Replication", "Nodes", "Client", "Simulation",
        "ClusterSimulation",
    ]

    static func targets() throws -> [Target] {
        targets(inManifest: try String(contentsOf: root.appending(path: "Package.swift"), encoding: .utf8))
    }

    /// Reads the target declarations out of a manifest: each one's name, the names it lists, and its path.
    static func targets(inManifest manifest: String) -> [Target] {
        let declaration = /\.(target|executableTarget|testTarget)\(/
        var targets: [Target] = []
        for match in manifest.matches(of: declaration) {
            let body = balanced(manifest[match.range.upperBound...])
            guard let name = body.firstMatch(of: /name:\s*"([^"]+)"/)?.1 else { continue }
            let list = body.firstMatch(of: /dependencies:\s*\[/).map { body[$0.range.upperBound...] } ?? ""
            let names = balanced(list, open: "[", close: "]").replacing(/package:\s*"[^"]+"/, with: "").matches(of: /"([^"]+)"/)
            let kind = String(match.1)
            let path = body.firstMatch(of: /path:\s*"([^"]+)"/).map { String($0.1) }
            targets.append(
                Target(
                    name: String(name), isTest: kind == "testTarget", isExecutable: kind == "executableTarget",
                    dependencies: names.map { String($0.1) },
                    path: path ?? "\(kind == "testTarget" ? "Tests" : "Sources")/\(name)"))
        }
        return targets
    }

    /// The text up to the bracket that closes one opened before it.
    private static func balanced(_ text: Substring, open: Character = "(", close: Character = ")") -> Substring {
        var depth = 1
        for index in text.indices {
            if text[index] == open { depth += 1 }
            if text[index] == close { depth -= 1 }
            if depth == 0 { return text[..<index] }
        }
        return text
    }

    /// The Swift files of a folder, by their path from the package's root.
    static func sources(in folder: String) throws -> [(path: String, text: String)] {
        let base = root.appending(path: folder)
        guard let walk = FileManager.default.enumerator(atPath: base.path(percentEncoded: false)) else { return [] }
        let names = walk.compactMap { $0 as? String }.filter { $0.hasSuffix(".swift") }.sorted()
        return try names.map { ("\(folder)/\($0)", try String(contentsOf: base.appending(path: $0), encoding: .utf8)) }
    }
}
