import Machine
import Testing

@testable import aviary

@Suite struct ShellWordsTests {
    func words(_ line: String) throws -> [String] { try ShellWords.split(line).map { String(decoding: $0, as: UTF8.self) } }

    @Test(arguments: [
        ("put key value", ["put", "key", "value"]),
        ("  put\tkey   value  ", ["put", "key", "value"]),
        ("", []),
        (#"put "a b" 'c d'"#, ["put", "a b", "c d"]),
        (#"put "" ''"#, ["put", "", ""]),
        (#"a\ b "c\"d" 'e\f' x'y z'w"#, ["a b", "c\"d", "e\\f", "xy zw"]),
        (#"\n\t\r\0\\\'\""#, ["\n\t\r\0\\'\""]),
        (#"caf\xc3\xa9 "Grüße" 日本"#, ["café", "Grüße", "日本"]),
    ])
    func `Quotes and escapes read much as in a shell`(line: String, expected: [String]) throws {
        #expect(try words(line) == expected)
    }

    @Test(arguments: [#"put "a"#, "put 'a", #"put a\"#, #"put \q"#, #"put \x4"#, #"put \xzz"#, #"put "\x"#])
    func `What is not closed or no escape is refused in one line`(line: String) {
        let problem = #expect(throws: ShellWords.Problem.self) { try ShellWords.split(line) }
        #expect(problem?.message.contains("\n") == false)
    }

    @Test func `A quoted word reads back as the same bytes`() throws {
        var random = SeededRandom(seed: 1)
        var samples: [[UInt8]] = [[], Array(0...255), Array("plain".utf8), Array("日本 \u{1F600}\u{200B}".utf8), [0xFF, 0x41]]
        for _ in 0..<2000 {
            samples.append((0..<Int.random(in: 0..<12, using: &random)).map { _ in UInt8.random(in: 0...255, using: &random) })
        }
        for bytes in samples {
            let quoted = ShellWords.quote(bytes)
            #expect(try ShellWords.split(quoted) == [bytes])
            #expect(quoted.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 })
        }
    }

    @Test func `Values that are plain text are shown as they are, others as they would be typed`() {
        #expect(ShellWords.show(Array("it's plain: Grüße = 1".utf8)) == "it's plain: Grüße = 1")
        #expect(ShellWords.show([]) == "\"\"")
        #expect(ShellWords.show([0, 255]) == #""\x00\xff""#)
        #expect(ShellWords.show(Array("a\u{1B}[2J".utf8)) == #""a\x1b[2J""#)
    }
}
