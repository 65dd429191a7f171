import Foundation

/// A planted mistake: a small find-and-replace rule on the sources, so that the sources themselves stay clean.
///
///     bug: 19                             the line of the list of known mistakes
///     title: the rename is not made durable
///     masked: <why>                       other rules make up for it: it need not be caught
///     test: <filter>                      the unit test that sees it, as `swift test --filter` names it
///     file: <path>
///     <<<<
///     <text that occurs exactly once>
///     ====
///     <what replaces it>
///     >>>>
struct PlantedMistake {
    struct Edit {
        var file: String
        var find: String
        var replacement: String
    }

    let name: String
    let bug: String
    let title: String
    let masked: String?
    let test: String?
    let edits: [Edit]

    init(file: URL) throws {
        name = file.deletingPathExtension().lastPathComponent
        let lines = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
        var fields: [String: String] = [:]
        var edits: [Edit] = []
        var path: String?
        var index = 0
        while index < lines.count {
            let line = lines[index]
            index += 1
            if line == "<<<<" {
                guard let middle = lines[index...].firstIndex(of: "===="), let end = lines[middle...].firstIndex(of: ">>>>"),
                    let path
                else { throw SimError("\(file.lastPathComponent): an edit without `file:`, `====` or `>>>>`") }
                edits.append(
                    Edit(
                        file: path, find: lines[index..<middle].joined(separator: "\n"),
                        replacement: lines[(middle + 1)..<end].joined(separator: "\n")))
                index = end + 1
            } else if let colon = line.firstIndex(of: ":") {
                let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                if line[..<colon] == "file" { path = value } else { fields[String(line[..<colon])] = value }
            } else if !line.allSatisfy(\.isWhitespace) {
                throw SimError("\(file.lastPathComponent): not understood: \(line)")
            }
        }
        guard let bug = fields["bug"], let title = fields["title"], !edits.isEmpty else {
            throw SimError("\(file.lastPathComponent): a rule has `bug:`, `title:` and at least one edit")
        }
        self.bug = bug
        self.title = title
        masked = fields["masked"]
        test = fields["test"]
        self.edits = edits
    }

    /// Plants it into a copy of the sources. A rule that no longer applies throws.
    func plant(in tree: URL) throws {
        for edit in edits {
            let file = tree.appending(path: edit.file)
            try text(of: file, with: edit).replacingOccurrences(of: edit.find, with: edit.replacement)
                .write(to: file, atomically: true, encoding: .utf8)
        }
    }

    /// Throws where the rule no longer applies.
    func check(in tree: URL) throws {
        for edit in edits { _ = try text(of: tree.appending(path: edit.file), with: edit) }
    }

    /// A file's text, in which the edit's text occurs once.
    private func text(of file: URL, with edit: Edit) throws -> String {
        guard let text = try? String(contentsOf: file, encoding: .utf8) else {
            throw SimError("\(name) NO LONGER APPLIES: there is no \(edit.file)")
        }
        let count = text.components(separatedBy: edit.find).count - 1
        guard count == 1 else {
            throw SimError("\(name) NO LONGER APPLIES: its text occurs \(count) times in \(edit.file)")
        }
        return text
    }
}

/// A copy of the package in which mistakes are planted and built. Files that are equal keep their times, so that builds stay
/// incremental.
struct PlantedTree {
    let root: URL
    let work: URL

    var tree: URL { work.appending(path: "tree") }
    private var scratch: URL { work.appending(path: "build") }
    /// The simulator as built from the copy.
    var binary: URL { scratch.appending(path: "release/sim") }

    func restore() throws {
        let names = try shell(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "Package.swift", "Sources", "Tests", "SimTests"],
            in: root
        ).text.split(separator: "\n").map(String.init)
        var kept: Set<String> = []
        for name in names {
            let source = root.appending(path: name)
            guard let data = try? Data(contentsOf: source) else { continue }
            kept.insert(name)
            let target = tree.appending(path: name)
            if (try? Data(contentsOf: target)) == data { continue }
            try FileManager.default.createDirectory(
                at: target.deletingLastPathComponent(), withIntermediateDirectories: true)
            try data.write(to: target)
        }
        let base = tree.standardizedFileURL.path + "/"
        for folder in ["Sources", "Tests", "SimTests"] {
            let walker = FileManager.default.enumerator(at: tree.appending(path: folder), includingPropertiesForKeys: nil)
            for case let file as URL in walker ?? .init() {
                var isFolder: ObjCBool = false
                let name = String(file.standardizedFileURL.path.dropFirst(base.count))
                if FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder), !isFolder.boolValue,
                    !kept.contains(name)
                {
                    try FileManager.default.removeItem(at: file)
                }
            }
        }
        let resolved = root.appending(path: "Package.resolved")
        if let data = try? Data(contentsOf: resolved) { try data.write(to: tree.appending(path: "Package.resolved")) }
    }

    func read(_ file: String) throws -> String { try String(contentsOf: tree.appending(path: file), encoding: .utf8) }

    func write(_ text: String, to file: String) throws {
        if (try? read(file)) == text { return }
        try Data(text.utf8).write(to: tree.appending(path: file))
    }

    func build() throws {
        try build([
            "-c", "release", "--product", "sim", "--scratch-path", scratch.path, "-Xswiftc", "-cross-module-optimization",
        ])
    }

    /// Builds the tests of the copy, and runs those that a filter names; returns whether they pass.
    func passes(test filter: String) throws -> Bool {
        let place = ["--scratch-path", work.appending(path: "tests").path]
        try build(["--build-tests"] + place)
        let result = try shell(["swift", "test", "--skip-build", "--filter", filter] + place, in: tree)
        guard !result.text.contains("No matching test cases") else { throw SimError("there is no test \(filter)") }
        return result.code == 0
    }

    private func build(_ words: [String]) throws {
        let result = try shell(["swift", "build"] + words, in: tree)
        guard result.code == 0 else { throw SimError("does not build:\n\(result.text.suffix(3_000))") }
    }

    private func shell(_ words: [String], in folder: URL) throws -> ProcessEnd {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = words
        process.currentDirectoryURL = folder
        return try process.finish(complaints: .amongOutput)
    }
}
