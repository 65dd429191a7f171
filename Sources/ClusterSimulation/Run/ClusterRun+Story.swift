import Machine
import Nodes
import Simulation
import Wire

// What only the scenario knows for the story: what stores and servers are in the cluster.

extension ClusterRun {
    /// The story of the run so far; full where its trace records everything.
    public func story(again: String) -> Story {
        let kinds = roles.map { $0 == .server ? Story.Lane.Kind.server : .data }
        var story = world.story(title: "Aviary, seed \(seed)", seed: seed, processes: kinds)
        story.plan = plan.summary
        story.again = again
        story.violation = violation.map {
            Story.Broken(invariant: $0.invariant, detail: $0.detail, time: world.now)
        }
        story.legend = [
            Story.Explanation("s0, s1, …", "servers"),
            Story.Explanation("a3, b4, …", "stores of the groups alpha, beta, …"),
            Story.Explanation("term", "the reign of one primary; later ones have higher terms"),
            Story.Explanation("3:17", "the log entry with sequence number 17, written in term 3"),
            Story.Explanation("c1k2=5", "the fifth write of client 1's key c1k2"),
            Story.Explanation("zk1 9.4", "ZooKeeper session 1 of a process: its request 4 of part 9"),
        ]
        return story
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
