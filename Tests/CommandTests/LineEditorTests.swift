import Testing

@testable import aviary

@Suite struct LineEditorTests {
    /// Feeds what a terminal would send; returns the editor and the outcome of the last key.
    func type(_ input: String, history: [String] = [], commands: [String] = []) -> (LineEditor, LineEditor.Outcome) {
        var decoder = KeyDecoder()
        var editor = LineEditor(history: history, commands: commands)
        var outcome = LineEditor.Outcome.editing
        for byte in input.utf8 { if let key = decoder.feed(byte) { outcome = editor.press(key) } }
        return (editor, outcome)
    }

    @Test(arguments: [
        ("hello\r", "hello"),
        ("hllo\u{1}\u{1B}[Ce\r", "hello"),  // Ctrl-A, right
        ("hello!\u{7F}\r", "hello"),
        ("hello\u{1B}[D\u{1B}[D\u{B}\r", "hel"),  // left, left, Ctrl-K
        ("hello\u{1B}[D\u{1B}[D\u{15}\r", "lo"),  // Ctrl-U
        ("one two\u{17}three\r", "one three"),  // Ctrl-W
        ("one two\u{17}\u{19}\u{19}\r", "one twotwo"),  // Ctrl-W, Ctrl-Y twice
        ("hello\u{1B}[H\u{1B}[3~\r", "ello"),  // home, delete
        ("hello\u{1}\u{4}\u{5}!\r", "ello!"),  // Ctrl-A, Ctrl-D, Ctrl-E
        ("one two\u{1B}b\u{1B}bX\r", "Xone two"),  // Alt-B twice
        ("one two\u{1}\u{1B}fX\r", "oneX two"),  // Alt-F
        ("one two\u{1B}[1;5DX\r", "one Xtwo"),  // Ctrl-left
        ("Grüße 日本\u{7F}\r", "Grüße 日"),
        ("a\u{1B}[99~\u{1B}[?25h\u{1B}OAb\r", "ab"),  // sequences that mean nothing here
    ])
    func `Keys do what readline's do`(input: String, expected: String) {
        #expect(type(input).1 == .entered(expected))
    }

    @Test func `Up and down walk the history and come back to the line being typed`() {
        let history = ["first", "second"]
        #expect(type("dr\u{1B}[A\r", history: history).1 == .entered("second"))
        #expect(type("dr\u{1B}[A\u{1B}[A\u{1B}[A\r", history: history).1 == .entered("first"))
        #expect(type("dr\u{10}\u{10}\u{E}\u{E}\u{E}aft\r", history: history).1 == .entered("draft"))
    }

    @Test func `Ctrl-C gives up the line; Ctrl-D leaves on an empty line only`() {
        #expect(type("abc\u{3}").1 == .cancelled)
        #expect(type("\u{4}").1 == .endOfInput)
        #expect(type("abc\u{4}").1 == .editing)
        #expect(type("\u{C}").1 == .clearScreen)
    }

    @Test func `Tab completes commands`() {
        let commands = ["put", "get", "status", "stop"]
        #expect(type("p\tk v\r", commands: commands).1 == .entered("put k v"))
        #expect(type("s\tX\r", commands: commands).1 == .entered("stX"))
        #expect(type("q\t\tX\r", commands: commands).1 == .entered("qX"))
    }

    @Test func `Invalid bytes and broken sequences are swallowed`() {
        var decoder = KeyDecoder()
        var keys: [Key] = []
        for byte: UInt8 in [0xFF, 0xC3, 0x41, 0xE2, 0x82, 0xF0, 0x9F, 0x98, 0x80, 0x1B, 0x1B, 0x5B, 0x41, 0x00, 0x62] {
            if let key = decoder.feed(byte) { keys.append(key) }
        }
        #expect(keys == [.character("A"), .character("😀"), .up, .character("b")])
    }

    @Test func `A long line scrolls sideways so that the cursor stays in sight`() {
        var (editor, _) = type(String(repeating: "x", count: 30) + "END")
        #expect(editor.view(columns: 10).text.hasSuffix("END"))
        #expect(editor.view(columns: 10).cursorColumn <= 10)
        _ = editor.press(.home)
        #expect(editor.view(columns: 10) == ("xxxxxxxxxx", 0))
        (editor, _) = type("日本語")
        #expect(editor.view(columns: 20) == ("日本語", 6))
        #expect(editor.view(columns: 4).cursorColumn < 4)
    }
}
