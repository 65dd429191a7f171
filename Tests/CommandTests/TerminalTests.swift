import Foundation
import Machine
import TestSupport
import Testing

/// The prompt on a terminal: what keys do there, and that the terminal is left as it was.
@Suite(.timeLimit(.minutes(2))) struct TerminalTests {
    @Test func `Lines are edited, remembered, and Ctrl-D leaves`() async throws {
        let store = try Store()
        let folder = TemporaryFolder("prompt")
        let terminal = try Teletype()
        let process = Process()
        process.executableURL = URL(filePath: Binary.path)
        process.arguments = ["client", "--server", store.address.description, "--timeout", "20"]
        process.environment = ["PATH": "/usr/bin:/bin", "HOME": folder.path, "TERM": "xterm"]
        process.standardInput = terminal.slave
        process.standardOutput = terminal.slave
        process.standardError = terminal.slave
        try process.run()
        defer { if process.isRunning { process.terminate() } }

        try await terminal.expect("aviary> ")
        terminal.type("pt k 'a value'\u{1}\u{6}u\r")  // Ctrl-A, Ctrl-F: mends the typing error
        try await terminal.expect("OK\r\n")
        try await terminal.expect("aviary> ")
        terminal.type("g\tk\r")
        try await terminal.expect("a value\r\n")
        terminal.type("rubbish\u{3}")
        try await terminal.expect("^C")
        terminal.type("\u{1B}[A\u{7F}\u{7F}\u{7F}\u{7F}\u{7F}del k\r")  // up: "get k", made "del k"
        try await terminal.expect("del k")
        try await terminal.expect("OK\r\n")
        try await terminal.expect("aviary> ")
        terminal.type("\u{4}")
        try await eventually("the prompt ends", timeout: .seconds(60)) { !process.isRunning }
        #expect(process.terminationStatus == 0)
        #expect(terminal.echoes)
        let history = try String(contentsOfFile: folder.file(".aviary_history"), encoding: .utf8)
        #expect(history == "put k 'a value'\nget k\ndel k\n")
    }
}

/// A pseudo-terminal: the test holds the end at which a person would sit.
private final class Teletype {
    private let master: FileHandle
    let slave: FileHandle
    private var seen: [UInt8] = []

    init() throws {
        // What posix_openpt and its kin do, which Glibc's module does not show.
        let handle = open("/dev/ptmx", O_RDWR | O_NOCTTY)
        var locked: Int32 = 0
        var number: Int32 = 0
        let (setLock, getNumber): (UInt, UInt) = (0x4004_5431, 0x8004_5430)  // TIOCSPTLCK, TIOCGPTN
        guard handle >= 0, ioctl(handle, setLock, &locked) == 0, ioctl(handle, getNumber, &number) == 0 else {
            throw POSIXError(.ENODEV)
        }
        let other = open("/dev/pts/\(number)", O_RDWR | O_NOCTTY)
        guard other >= 0 else { throw POSIXError(.ENODEV) }
        _ = fcntl(handle, F_SETFL, O_NONBLOCK)
        master = FileHandle(fileDescriptor: handle, closeOnDealloc: true)
        slave = FileHandle(fileDescriptor: other, closeOnDealloc: true)
    }

    func type(_ keys: String) { try? master.write(contentsOf: Data(keys.utf8)) }

    /// Waits until the terminal has shown this, after what was waited for before.
    func expect(_ text: String) async throws {
        let wanted = Array(text.utf8)
        try await eventually("the terminal shows \(text.debugDescription)", timeout: .seconds(60)) {
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(master.fileDescriptor, &chunk, chunk.count)
            if count > 0 { seen += chunk[..<count] }
            guard let position = seen.indices.first(where: { seen[$0...].starts(with: wanted) }) else { return false }
            seen.removeFirst(position + wanted.count)
            return true
        }
    }

    /// Whether the terminal shows what is typed, as it does before and after a prompt.
    var echoes: Bool {
        var mode = termios()
        return tcgetattr(slave.fileDescriptor, &mode) == 0 && mode.c_lflag & tcflag_t(ECHO) != 0
    }
}
