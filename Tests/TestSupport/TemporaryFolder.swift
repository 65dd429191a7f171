import Foundation
import Synchronization

/// A folder of a test's own under the system's temporary folder; removed with its content when the last reference goes,
/// or at the latest when the test process exits.
public final class TemporaryFolder: Sendable {
    public let path: String

    public init(_ purpose: String = "test") {
        let parent = FileManager.default.temporaryDirectory.path
        path = "\(parent)/aviary-\(purpose)-\(UUID().uuidString.prefix(8).lowercased())"
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch {
            fatalError("cannot create the temporary folder \(path): \(error)")
        }
        Leftovers.shared.add(folder: path)
    }

    /// The path of a file in the folder.
    public func file(_ name: String) -> String { "\(path)/\(name)" }

    deinit { Leftovers.shared.remove(folder: path) }
}

/// What must not outlive the test process: processes are killed and folders removed at exit. (A test process that is killed
/// itself takes its children with it all the same; see `ChildProcess`.)
final class Leftovers: Sendable {
    static let shared = Leftovers()

    private struct State {
        var folders: Set<String> = []
        var processes: Set<pid_t> = []
        var namespaces: Set<String> = []
    }
    private let state = Mutex(State())

    private init() {
        atexit {
            let left = Leftovers.shared.state.withLock { $0 }
            for pid in left.processes { kill(-pid, SIGKILL) }
            for pid in left.processes { waitpid(pid, nil, 0) }
            for folder in left.folders { try? FileManager.default.removeItem(atPath: folder) }
            for namespace in left.namespaces { deleteNetworkNamespace(namespace) }
        }
    }

    func add(folder: String) { state.withLock { _ = $0.folders.insert(folder) } }

    func remove(folder: String) {
        state.withLock { _ = $0.folders.remove(folder) }
        try? FileManager.default.removeItem(atPath: folder)
    }

    func add(process: pid_t) { state.withLock { _ = $0.processes.insert(process) } }
    func remove(process: pid_t) { state.withLock { _ = $0.processes.remove(process) } }

    func add(namespace: String) { state.withLock { _ = $0.namespaces.insert(namespace) } }

    func remove(namespace: String) {
        guard state.withLock({ $0.namespaces.remove(namespace) }) != nil else { return }
        deleteNetworkNamespace(namespace)
    }
}

/// Also while the process exits: so nothing but a plain call.
private func deleteNetworkNamespace(_ name: String) {
    var pid: pid_t = 0
    let words = ["ip", "netns", "del", name]
    let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { arguments.forEach { free($0) } }
    guard posix_spawnp(&pid, "ip", nil, nil, arguments, environ) == 0 else { return }
    waitpid(pid, nil, 0)
}
