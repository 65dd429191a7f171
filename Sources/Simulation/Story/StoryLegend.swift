/// What the kinds of a story mean, in a few words: for the legends of `StoryPage` and `StoryText`.
extension StoryEvent.Kind {
    public var meaning: String {
        switch self {
        case .step: "a process looked at an event"
        case .message: "a message arrived, or was lost"
        case .link: "a connection came up or went down"
        case .call: "a client's request arrived"
        case .answer: "a client got an answer"
        case .disk: "a disk has done something, or failed"
        case .timer: "a timer fired"
        case .zooKeeper: "ZooKeeper answered, or told something"
        case .log: "a line that the process logged"
        case .life: "a start, an end, a pause"
        case .fault: "something was broken on purpose"
        case .repair: "something was mended"
        case .state: "a process changed what it is"
        case .mark: "a noteworthy thing that a model did by itself"
        case .violation: "an invariant is broken"
        }
    }
}

extension StoryBar.Kind {
    public var meaning: String {
        switch self {
        case .down: "no life"
        case .paused: "paused: it sees nothing and does nothing"
        case .cut: "cut off, or some of its paths are"
        case .slow: "slow"
        case .diskFault: "a bad phase of its disk"
        case .primary: "primary of its group"
        case .standby: "standby of its group"
        case .learner: "learner, not yet level with its group"
        case .master: "the master"
        case .outage: "ZooKeeper, or a part of it, is away"
        case .phase: "a phase of the run"
        case .operation: "a client's operation"
        }
    }
}

extension StoryBar.Outcome {
    public var meaning: String {
        switch self {
        case .ok: "done"
        case .notDone: "not done, for certain"
        case .unknown: "unknown: it may have been done"
        }
    }
}
