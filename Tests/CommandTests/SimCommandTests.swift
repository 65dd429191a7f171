import Foundation
import TestSupport
import Testing

/// `aviary sim`, as a person or a fleet runs it.
@Suite(.timeLimit(.minutes(5))) struct SimCommandTests {
    func sim(_ arguments: String...) throws -> Binary.Result { try Binary.run(["sim"] + arguments) }

    @Test func `A seed is told, as text and as JSON, always the same`() throws {
        let told = try sim("run", "--seed", "3", "--profile", "small")
        #expect(told.code == 0)
        #expect(told.text.contains("seed 3: green"))
        let one = try sim("run", "--seed", "3", "--profile", "small", "--json")
        let two = try sim("run", "--seed", "3", "--profile", "small", "--json")
        #expect(one.text.contains(#""hash":""#))
        #expect(one.text == two.text)
        #expect(try sim("run", "--seed", "3", "--profile", "small", "--twice").text.contains("equal, event for event"))
    }

    @Test func `A run is written down, and played again`() throws {
        let folder = TemporaryFolder("sim")
        let file = folder.file("run.schedule")
        let first = try sim("run", "--seed", "4", "--profile", "small", "--json", "--save", file)
        #expect(first.code == 0)
        let again = try sim("run", "--schedule", file, "--json")
        func hash(_ result: Binary.Result) throws -> String? {
            let document = try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any]
            return document?["hash"] as? String
        }
        #expect(try hash(first) == hash(again))
    }

    @Test func `The story is a page and lines`() throws {
        let folder = TemporaryFolder("sim")
        let page = folder.file("story.html")
        let told = try sim("run", "--seed", "3", "--profile", "small", "--trace", "--html", page)
        #expect(told.text.contains("what a column's lane is meanwhile"))
        let html = try String(contentsOfFile: page, encoding: .utf8)
        #expect(html.hasPrefix("<!DOCTYPE html>"))
        #expect(html.contains("registered"))
    }

    @Test func `Shards of a sweep add up to the whole`() throws {
        let folder = TemporaryFolder("sim")
        func document(_ result: Binary.Result) throws -> [String: Any] {
            #expect(result.code == 0)
            return try #require(try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
        }
        var files: [String] = []
        for shard in 0..<3 {
            let part = try sim("sweep", "--seeds", "1..10", "--profile", "small", "--json", "--shard", "\(shard)/3")
            files.append(folder.file("part\(shard)"))
            try Data(part.output).write(to: URL(filePath: files[shard]))
        }
        let merged = try document(Binary.run(["sim", "merge", "--json"] + files))
        let whole = try document(sim("sweep", "--seeds", "1..10", "--profile", "small", "--json"))
        let (mergedSummary, wholeSummary) = (merged["summary"] as? NSDictionary, whole["summary"] as? NSDictionary)
        #expect(mergedSummary?["runs"] as? Int == 10)
        #expect(mergedSummary == wholeSummary)
    }

    @Test func `What is wrong is said in one line`() throws {
        let folder = TemporaryFolder("sim")
        let file = folder.file("bad.schedule")
        try Data("aviary schedule 1\nplan wings 2\n".utf8).write(to: URL(filePath: file))
        let bad = try sim("run", "--schedule", file)
        #expect(bad.code == 2)
        #expect(bad.complaint?.contains("plan wings 2") == true, "\(bad.error)")
        #expect(try sim("run").complaint?.contains("--seed") == true)
        #expect(try sim("run", "--schedule", "/nowhere").complaint?.contains("/nowhere") == true)
        #expect(try sim("sweep", "--seeds", "9..1").code == 2)
        #expect(try sim("sweep", "--seeds", "1...600").complaint?.contains("A..B") == true)
        #expect(try sim("sweep", "--shard", "3/3").code == 2)
        #expect(try sim("sweep", "--seeds", "1..2", "--shard", "0/9").complaint?.contains("fewer seeds") == true)
        #expect(try sim("merge", file).complaint?.contains("bad.schedule") == true)
        #expect(try sim("shrink", "--seed", "3", "--profile", "small").complaint?.contains("green") == true)
        #expect(try sim("score", "99", "--package", folder.path).complaint?.contains("no such rule") == true)
    }

    @Test func walksASmallSystem() throws {
        let told = try sim("explore", "registration", "--losses", "0", "--expiries", "0")
        #expect(told.code == 0)
        #expect(told.text.contains("exhausted"), "\(told.text)")
        #expect(told.text.contains("    reached: every node has a number"))
        #expect(told.text.contains("NOT reached: a number is given again after its session"))
        let cut = try sim("explore", "storage", "--states", "10")
        #expect(cut.code == 0 && !cut.text.contains("exhausted"), "\(cut.text)")
        let wrong = try sim("explore", "group", "--crashes", "101")
        #expect(wrong.code == 2)
        #expect(wrong.complaint == "--crashes is 101, and must be from 0 to 100", "\(wrong.complaint ?? "")")
    }
}
