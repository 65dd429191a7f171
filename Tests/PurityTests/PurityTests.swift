import Testing

/// Node logic and the simulated world are pure; this is what keeps them so.
@Suite struct PurityTests {
    @Test(arguments: Package.pureTargets)
    func `A pure target is pure`(name: String) throws {
        let target = try #require(try Package.targets().first { $0.name == name })
        let files = try Package.sources(in: target.path)
        #expect(!files.isEmpty, "no sources found in \(target.path): this test would say nothing")
        let imports = target.dependencies + PurityRules.pureLibraries
        for file in files {
            let mayHash = file.path == "Sources/Machine/LookupTable.swift"
            for violation in PurityRules.check(file.text, file: file.path, imports: imports, mayHash: mayHash) {
                Issue.record("\(violation)")
            }
        }
    }

    @Test func `A pure target depends on pure ones alone`() throws {
        let allowed = Package.pureTargets + PurityRules.pureLibraries
        for target in try Package.targets() where Package.pureTargets.contains(target.name) {
            for dependency in target.dependencies where !allowed.contains(dependency) {
                Issue.record("\(target.name) depends on \(dependency), which is not pure")
            }
        }
    }
}
