import Testing

/// The rules themselves: what is bad is seen, what is good is left alone.
@Suite struct PurityRulesTests {
    func problems(_ source: String) -> [Violation] {
        PurityRules.check(source, file: "Sample.swift", imports: ["Machine", "DequeModule"])
    }

    @Test(arguments: [
        "import Foundation",
        "import struct Foundation.Date",
        "@_exported import Glibc",
        "@preconcurrency import Dispatch",
        "import NIOCore",
        "import CGRPCShims",
        "import Synchronization",
        "let t = ContinuousClock.now",
        "let t: SuspendingClock",
        "func f() async {}",
        "func f() { Task { step() } }",
        "let x = Date()",
        "var g = SystemRandomNumberGenerator()",
        "let n = Int.random(in: 0..<5)",
        "let n = Int.random(\n  in: f(using: 3))",
        "let b = Bool.random()",
        "let a = names.shuffled()",
        "names.shuffle()",
        "let e = names.randomElement()",
        "let d: [String: Int]",
        "let d: [String:[Int]]",
        "let d = [:]",
        "let d = [1: 2]",
        "let d = [\n  \"a\": 1,\n  \"b\": 2,\n]",
        "func f(_ x: Int) -> [Int: Int]",
        "let d = [a ? b : c: 1]",
        "let d = Dictionary(grouping: x) { $0 }",
        "let s: Set<Int> = []",
        "let h = x.hashValue",
        "var h = Hasher(); h.combine(1); return h.finalize()",
        "xs.sort { ObjectIdentifier($0) < ObjectIdentifier($1) }",
        "nonisolated(unsafe) let x = 1",
        "final class C: @unchecked Sendable {}",
        "var counter = 0",
        "public var counter: Int = 0",
        "struct S { static var shared = S() }",
        "struct S { private static var cache: [Int] = [] }",
        "struct S { static var n: Int { didSet {} } }",
        "struct S { static var n: Int\n static let m = 1 }",
        "print(1)",
        "let s = \"\\(Int.random(in: 0...1))\"",
        "let s = \"\"\"\n  \\(names.shuffled())\n  \"\"\"",
        "let s = #\"\\#(Date())\"#",
    ])
    func `A bad line is seen`(source: String) {
        #expect(!problems(source).isEmpty)
    }

    @Test(arguments: [
        "import Machine",
        "@testable import DequeModule",
        "// import Foundation",
        "/* Task { /* Date() */ Set<Int>() */",
        "let text = \"import Foundation; Task; [a: b]\"",
        "let text = #\"a \"Task\" \\(Date())\"#",
        "let text = \"\"\"\n  Task \"quoted\" [a: b]\n  \"\"\"",
        "let text = \"\\(names.count) Task\"",
        "let n = Int.random(in: 0..<5, using: &random)",
        "let a = names.shuffled(using: &random)",
        "let e = names.randomElement(\n    using: &generator)",
        "mutating func random() -> UInt64 { 0 }",
        "let a = [x ? 1 : 2, 3]",
        "let v = table[key: 1]",
        "let v = counts[k, default: 0]",
        "let a = [f(x: 1), g { (y: Int) in y }]",
        "let a: [(key: Int, value: Int)] = []",
        "switch x { case [1]: break }",
        "let c = { [self] in f() }",
        "func f(date: Int, print: Bool) { g(date: 1, print: true) }",
        "let t = event.task",
        "struct S { static var zero: S { S() } }",
        "struct S { public static var limit: Int\n  {\n    3 } }",
        "struct S { var n = 0; mutating func f() { var m = 1 } }",
        "var computed: Int { 3 }",
        "protocol P { static var n: Int { get } }",
        "func hash(into hasher: inout Hasher) { hasher.combine(n) }",
    ])
    func `A good line is left alone`(source: String) {
        #expect(problems(source) == [])
    }

    @Test func `A violation says where it is`() {
        let source = "/* one\n two */ let a = 1\n\nlet d: [Int: Int]\n"
        #expect(problems(source).map(\.line) == [4])
    }
}
