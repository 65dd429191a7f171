import Glibc

/// Reads lines from the terminal on standard input, with editing and history.
final class Terminal {
    private let commands: [String]
    private var decoder = KeyDecoder()

    /// - Parameter commands: words that Tab completes at the start of a line.
    init(commands: [String]) { self.commands = commands }

    /// Whether there is a person at a terminal that can edit lines.
    static var isInteractive: Bool {
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1, let kind = getenv("TERM") else { return false }
        return String(cString: kind) != "dumb"
    }

    /// The next line; nil at the end of input. Ctrl-C gives up the line and begins a new one.
    func readLine(prompt: String, history: [String]) -> String? {
        guard let saved = Self.enterRawMode() else { return Swift.readLine() }
        var cooked = saved
        // The terminal is raw only while a line is typed, so that Ctrl-C ends a request that takes too long.
        defer { tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked) }

        var editor = LineEditor(history: history, commands: commands)
        draw(editor, prompt: prompt)
        var byte: UInt8 = 0
        while true {
            let count = read(STDIN_FILENO, &byte, 1)
            if count < 0, errno == EINTR { continue }
            guard count == 1 else { return nil }
            guard let key = decoder.feed(byte) else { continue }
            switch editor.press(key) {
            case .editing: draw(editor, prompt: prompt)
            case .clearScreen:
                write("\u{1B}[H\u{1B}[2J")
                draw(editor, prompt: prompt)
            case .entered(let line):
                write("\r\n")
                return line
            case .cancelled:
                write("^C\r\n")
                editor = LineEditor(history: history, commands: commands)
                draw(editor, prompt: prompt)
            case .endOfInput:
                write("\r\n")
                return nil
            }
        }
    }

    /// Byte by byte, without echo and signals, but output still ends lines as programs write them. Returns the mode before.
    private static func enterRawMode() -> termios? {
        var mode = termios()
        guard tcgetattr(STDIN_FILENO, &mode) == 0 else { return nil }
        let saved = mode
        mode.c_iflag &= ~tcflag_t(BRKINT | ICRNL | INPCK | ISTRIP | IXON)
        mode.c_lflag &= ~tcflag_t(ECHO | ICANON | IEXTEN | ISIG)
        withUnsafeMutableBytes(of: &mode.c_cc) { characters in
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
        }
        guard tcsetattr(STDIN_FILENO, TCSADRAIN, &mode) == 0 else { return nil }
        return saved
    }

    private func draw(_ editor: LineEditor, prompt: String) {
        let view = editor.view(columns: Self.columns - prompt.count - 1)
        // One write a key, so that nothing flickers: start of line, prompt and text, clear the rest, put the cursor.
        write("\r\(prompt)\(view.text)\u{1B}[K\r\u{1B}[\(prompt.count + view.cursorColumn)C")
    }

    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return 80 }
        return Int(size.ws_col)
    }

    private func write(_ text: String) { StandardStream.output.write(text) }
}
