import Foundation
import Synchronization

/// A process that a test started, and that cannot outlive the test process.
///
/// It runs in a session of its own, so that a signal from the terminal does not reach it and one signal ends it with all
/// its children. The kernel kills it when the test process dies (`PR_SET_PDEATHSIG`, through util-linux's `setpriv`).
/// Standard output and error go to a file.
public final class ChildProcess: Sendable {
    public enum Exit: Hashable, Sendable {
        case code(Int32)
        case signal(Int32)
    }

    public let pid: pid_t
    public let outputPath: String
    private let exit = Mutex<Exit?>(nil)
    private let isPaused = Mutex(false)

    /// - Parameters:
    ///   - command: the program (a path, or a name on the PATH) and its arguments.
    ///   - environment: added to this process's own.
    ///   - output: the file for standard output and error; appended to, so that a restarted program keeps one story.
    public init(
        _ command: [String], environment: [String: String] = [:], output: String, folder: String? = nil
    ) throws {
        // Both wrappers replace themselves by what they start: the pid stays.
        let wrapped = (folder.map { ["env", "-C", $0] } ?? []) + ["setpriv", "--pdeathsig", "KILL", "--"] + command
        let merged = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        // The death signal is tied to the thread that spawns, not to the process: that thread must never end, and the
        // threads of the concurrency pool do.
        pid = try SpawnerThread.shared.run { try spawn(wrapped, environment: merged, output: output) }
        outputPath = output
        Leftovers.shared.add(process: pid)
    }

    deinit { kill() }

    public var output: String { (try? String(contentsOfFile: outputPath, encoding: .utf8)) ?? "" }

    /// The way it ended, or nil while it runs.
    public var exitStatus: Exit? { reap(options: WNOHANG) }
    public var isRunning: Bool { exitStatus == nil }

    /// Sends a signal to the process and its children.
    public func send(_ signal: Int32) {
        exit.withLock { if $0 == nil { _ = Foundation.kill(-pid, signal) } }
    }

    /// SIGSTOP, and waits until every thread of the process stands still: the signal alone only asks for it.
    public func pause() {
        let wasPaused = isPaused.withLock { isPaused in
            defer { isPaused = true }
            return isPaused
        }
        // A stop is reported once.
        if wasPaused { return }
        send(SIGSTOP)
        _ = reap(options: WUNTRACED)
    }

    public func resume() {
        send(SIGCONT)
        isPaused.withLock { $0 = false }
    }

    /// kill -9, and waits for the end.
    @discardableResult public func kill() -> Exit {
        send(SIGKILL)
        return reap(options: 0)!
    }

    /// Asks it to end (SIGTERM, or another signal) and waits; kill -9 if it has not ended in time.
    @discardableResult
    public func terminate(_ signal: Int32 = SIGTERM, timeout: Duration = .seconds(30)) async throws -> Exit {
        send(signal)
        do {
            return try await waitForExit(timeout: timeout)
        } catch is TimedOut {
            return kill()
        }
    }

    /// For what ends by itself at once.
    func waitForExitBlocking() -> Exit { reap(options: 0)! }

    public func waitForExit(timeout: Duration = .seconds(60)) async throws -> Exit {
        try await eventuallyValue("process \(pid) ends", timeout: timeout) { self.exitStatus }
    }

    private func reap(options: Int32) -> Exit? {
        exit.withLock { exit in
            if let exit { return exit }
            var status: Int32 = 0
            var result: pid_t
            repeat { result = waitpid(pid, &status, options) } while result == -1 && errno == EINTR
            guard result == pid else { return result == 0 ? nil : .code(-1) }
            let isStopped = status & 0xFF == 0x7F
            if isStopped { return nil }
            let signal = status & 0x7F
            exit = signal == 0 ? .code((status >> 8) & 0xFF) : .signal(signal)
            Leftovers.shared.remove(process: pid)
            return exit
        }
    }
}

public struct SpawnFailed: Error, CustomStringConvertible {
    public let description: String
}

private func spawn(_ command: [String], environment: [String: String], output: String) throws -> pid_t {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
    posix_spawn_file_actions_adddup2(&actions, 1, 2)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var noSignals = sigset_t()
    sigemptyset(&noSignals)
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    var allSignals = sigset_t()
    sigfillset(&allSignals)
    posix_spawnattr_setsigdefault(&attributes, &allSignals)
    let newSession: Int32 = 0x80  // POSIX_SPAWN_SETSID, which glibc shows to C with _GNU_SOURCE only
    posix_spawnattr_setflags(&attributes, Int16(newSession | Int32(POSIX_SPAWN_SETSIGMASK) | Int32(POSIX_SPAWN_SETSIGDEF)))

    let arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
    let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0)=\($1)") } + [nil]
    defer { (arguments + variables).forEach { free($0) } }
    var pid: pid_t = 0
    let code = posix_spawnp(&pid, command[0], &actions, &attributes, arguments, variables)
    guard code == 0 else {
        throw SpawnFailed(description: "cannot start \(command.joined(separator: " ")): \(String(cString: strerror(code)))")
    }
    return pid
}

/// A thread that never ends and runs what it is given, one after the other.
private final class SpawnerThread: Sendable {
    static let shared = SpawnerThread()
    private let jobs = Mutex<[@Sendable () -> Void]>([])
    private let available = DispatchSemaphore(value: 0)

    private init() {
        let thread = Thread { [self] in
            while true {
                available.wait()
                jobs.withLock { $0.removeFirst() }()
            }
        }
        thread.name = "spawner"
        thread.start()
    }

    func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) throws -> Value {
        let box = ResultBox<Value>()
        let done = DispatchSemaphore(value: 0)
        jobs.withLock {
            $0.append {
                let result = Result { try body() }
                box.result.withLock { $0 = result }
                done.signal()
            }
        }
        available.signal()
        done.wait()
        return try box.result.withLock { $0! }.get()
    }

    private final class ResultBox<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }
}
