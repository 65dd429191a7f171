import Machine

/// A story about one or more ZooKeeper sessions, told step after step. Every step is over before the next begins: all
/// answers are there, and all that the step makes the ensemble say to anybody has been heard. So the story has one right
/// transcript, and whoever plays it can be compared with whoever else does.
///
/// Sessions have numbers from 1 on; a number is used once. Paths begin below a node that is the script's own.
struct ZooKeeperScript: Sendable {
    enum Step: Sendable {
        /// A new session connects.
        case open(Int)
        /// Requests of one session, sent at once without waiting for answers in between.
        case ask(Int, [CoordinationOperation])
        /// Requests, and the session's end, without waiting in between; then requests on the closed session.
        case close(Int, before: [CoordinationOperation], after: [CoordinationOperation])
        /// The session's connection breaks, and none can be made.
        case cut(Int)
        /// A connection can be made again; waits until there is one.
        case restore(Int)
        /// The session's connection breaks until the ensemble has ended the session; then the client hears of it.
        case expire(Int)
        /// The leader crashes; waits until all are connected again.
        case failOver
    }

    var name: String
    var steps: [Step]

    /// How many sessions there are at most.
    var sessions: Int {
        steps.reduce(0) { count, step in
            if case .open(let session) = step { max(count, session) } else { count }
        }
    }
}

extension ZooKeeperScript.Step {
    /// Whether the order in which one session hears of several watches is the ensemble's own business: a session's nodes go,
    /// and watches are set again, in the order of hash tables.
    var hearsInAnyOrder: Bool {
        switch self {
        case .open, .ask, .cut: false
        case .close, .restore, .expire, .failOver: true
        }
    }

    func closes(_ session: Int) -> Bool { if case .close(session, _, _) = self { true } else { false } }

    func below(_ root: String) -> Self {
        switch self {
        case .ask(let session, let operations): .ask(session, operations.map { $0.below(root) })
        case .close(let session, let before, let after):
            .close(session, before: before.map { $0.below(root) }, after: after.map { $0.below(root) })
        case .open, .cut, .restore, .expire, .failOver: self
        }
    }
}

extension CoordinationOperation {
    /// The same below a node: "" is that node. What does not begin with a slash is left as it is, to be refused.
    func below(_ root: String) -> CoordinationOperation {
        func at(_ path: String) -> String { path.isEmpty || path.utf8.first == UInt8(ascii: "/") ? root + path : path }
        return switch self {
        case .create(let path, let data, let mode): .create(path: at(path), data: data, mode: mode)
        case .delete(let path, let version): .delete(path: at(path), version: version)
        case .set(let path, let data, let version): .set(path: at(path), data: data, version: version)
        case .get(let path, let watch): .get(path: at(path), watch: watch)
        case .exists(let path, let watch): .exists(path: at(path), watch: watch)
        case .children(let path, let watch): .children(path: at(path), watch: watch)
        case .sync(let path): .sync(path: at(path))
        case .multi(let operations):
            .multi(
                operations.map { operation in
                    switch operation {
                    case .check(let path, let version): .check(path: at(path), version: version)
                    case .create(let path, let data, let mode): .create(path: at(path), data: data, mode: mode)
                    case .delete(let path, let version): .delete(path: at(path), version: version)
                    case .set(let path, let data, let version): .set(path: at(path), data: data, version: version)
                    }
                })
        }
    }
}
