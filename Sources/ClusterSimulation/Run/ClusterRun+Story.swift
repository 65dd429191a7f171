import Machine
import Nodes
import Simulation
import Wire

// What only the scenario knows for the story: what stores and servers are in the cluster.

extension ClusterRun {
    /// The story of the run so far; full where its trace records everything.
    public func story(again: String) -> Story {
        let kinds = roles.map { $0 == .server ? Story.Lane.Kind.server : .data }
        var story = world.story(title: "A run of Aviary", seed: seed, processes: kinds)
        story.plan = plan.summary
        story.again = again
        story.violation = violation.map {
            Story.Broken(invariant: $0.invariant, detail: $0.detail, time: world.now, subjects: subjects(of: $0))
        }
        story.legend =
            [
                Story.Explanation(
                    "s0, s1, …", "servers: they take clients' requests; one is the master, who appoints primaries"),
                Story.Explanation(
                    "a3, b4, …", "stores of the groups alpha, beta, …; 3 is the process's number, as in processes=3 of a fault"),
                Story.Explanation(
                    "number", "of a registration: one life of a store, as in insync=[1, 2] and (1 to 2)", where: "number="),
                Story.Explanation("term", "the reign of one primary; later ones have higher terms", where: "term"),
                Story.Explanation(
                    "in-sync set", "the stores that a commit waits for; only they may become primary", where: "sync"),
                Story.Explanation("3:17", "the log entry with sequence number 17, written in term 3", where: ":"),
                Story.Explanation(
                    "heartbeat", "an append without entries: it renews the promise not to ack others", where: "heartbeat"),
                Story.Explanation("#4, #64713", "the clients' fourth operation; a forward of one", where: "#"),
                Story.Explanation("get c1k2", "a key that only client 1 writes (c1h2: after the faults)", where: "et c"),
                Story.Explanation("put s0 as s0=5", "the fifth value of key s0, which all clients write", where: "put s"),
                Story.Explanation("zk1 9.4", "ZooKeeper session 1 of a process: its request 4 of part 9", where: "zk"),
            ]
            + FaultKind.allCases.filter { faults[$0] > 0 }.map { Story.Explanation($0.name, $0.meaning) }
            + [Story.Explanation("trap", "it waits until the disk has something to lose", where: " trap")]
        return story
    }

    /// What the events have in common that have to do with a violation: the calls that it names, or else the keys.
    private func subjects(of violation: Violation) -> [String] {
        let words = violation.detail.split { " \n,:()".contains($0) }.map(String.init)
        let calls = words.filter { $0.first == "#" && Int($0.dropFirst()) != nil }
        return calls.isEmpty ? words.filter { keyNamed[$0] != nil } : calls
    }

    /// Tells what a process is, where that has changed.
    mutating func tellRole(_ process: Int) {
        guard world.trace.isRecording else { return }
        let (kind, text) = world.role(process)
        let label = "\(kind.map { $0.rawValue } ?? "") \(text)"
        if shownRoles.count < roles.count { shownRoles = Array(repeating: "", count: roles.count) }
        guard shownRoles[process] != label else { return }
        shownRoles[process] = label
        world.endBars([.primary, .standby, .learner, .master], lane: process)
        if let kind { world.beginBar(kind, lane: process, text) }
        world.tell(.state, lane: process, text)
    }
}

extension ClusterWorld {
    fileprivate mutating func role(_ process: Int) -> (StoryBar.Kind?, String) {
        let role = ask(process) { node, now -> (StoryBar.Kind?, String) in
            if let server = node.server { return server.isMaster ? (.master, "master") : (nil, "server") }
            guard let status = node.data?.status(at: now) else { return (nil, "nothing") }
            switch status.role {
            case .starting: return (nil, "starting")
            case .learner: return (.learner, "learner")
            case .standby: return (.standby, "standby, term \(status.term)")
            case .takingOffice: return (.primary, "taking office, term \(status.term)")
            case .primary: return (.primary, "primary, term \(status.term)\(status.leased ? "" : ", no lease")")
            }
        }
        return role ?? (nil, "down")
    }
}
