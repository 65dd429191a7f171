import Foundation
import Testing

/// Marks name the states that a sweep must reach: in machines (`Sometimes`) and in models (`Mark`). One that nobody sets would
/// make every sweep red; one that nobody has heard of in the documentation says nothing to those who read a report.
@Suite struct MarkTests {
    private static func cases(of file: String, in folder: String) throws -> [String] {
        let text = try #require(try Package.sources(in: folder).first { $0.path.hasSuffix("/" + file) }?.text)
        let lines = text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
        return lines.filter { $0.hasPrefix("case ") }.flatMap {
            $0.dropFirst("case ".count).split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
        }
    }

    /// The names among `marks` that no source uses as `.name`, other than the file that declares them.
    static func unused(_ marks: [String], in sources: [(path: String, text: String)], declaredIn file: String) -> [String] {
        var used: Set<String> = []
        for source in sources where !source.path.hasSuffix("/" + file) {
            for match in source.text.matches(of: /\.([a-z][A-Za-z]*)/) { used.insert(String(match.1)) }
        }
        return marks.filter { !used.contains($0) }
    }

    @Test func `Each mark of the machines is set somewhere`() throws {
        let marks = try Self.cases(of: "Sometimes.swift", in: "Sources/Machine")
        #expect(marks.count > 50, "the marks were not found")
        #expect(marks.count <= 256, "a mark is a byte, and SometimesSet has a bit for each")
        var sources: [(path: String, text: String)] = []
        for folder in ["Storage", "Coordination", "Replication", "Nodes"] {
            // Only what is said to have been reached.
            sources += try Package.sources(in: "Sources/\(folder)").map { path, text in
                (path, text.split(separator: "\n").filter { $0.contains("reached(") }.joined(separator: "\n"))
            }
        }
        #expect(Self.unused(marks, in: sources, declaredIn: "Sometimes.swift").isEmpty)
    }

    @Test func `Each mark of the models is set somewhere`() throws {
        let marks = try Self.cases(of: "Counters.swift", in: "Sources/Simulation")
        #expect(marks.count > 30, "the marks were not found")
        let sources = try Package.sources(in: "Sources/Simulation")
        #expect(Self.unused(marks, in: sources, declaredIn: "Counters.swift").isEmpty)
    }

    @Test func `A mark that nobody sets is seen`() {
        let sources = [("Sources/A/B.swift", "effects.reached(.one)"), ("Sources/A/Marks.swift", "x.reached(.two)")]
        #expect(Self.unused(["one", "two"], in: sources, declaredIn: "Marks.swift") == ["two"])
    }

    @Test func `The documentation lists the marks of the machines`() throws {
        let text = try String(contentsOf: Package.root.appending(path: "docs/simulation.md"), encoding: .utf8)
        let section = try #require(text.components(separatedBy: "<!-- marks -->").dropFirst().first)
        let listed = section.matches(of: /`([a-z][A-Za-z]*)`/).map { String($0.1) }
        #expect(listed == (try Self.cases(of: "Sometimes.swift", in: "Sources/Machine")))
    }
}
