import Machine

/// The story of a run: what happened in a world, as a person wants to see it.
///
/// A story is a value that knows nothing of the world it was taken from. A recorder makes one out of a run; `StoryPage`
/// shows it as a page, `StoryText` as lines. All times are the world's, not those of any process's clock.
public struct Story: Hashable, Sendable {
    /// Somebody to whom things happen; a row of the picture.
    public struct Lane: Hashable, Sendable {
        public enum Kind: String, CaseIterable, Sendable { case server, data, client, zooKeeper, world }
        public var name: String
        public var kind: Kind

        public init(_ name: String, _ kind: Kind) {
            self.name = name
            self.kind = kind
        }
    }

    /// The broken invariant, and when it was found broken.
    public struct Broken: Hashable, Sendable {
        public var invariant: String
        public var detail: String
        public var time: Instant
        /// Words that the texts of the events have that have to do with it, such as the key that was lost; empty where there are none.
        public var subjects: [String]

        public init(invariant: String, detail: String, time: Instant, subjects: [String] = []) {
            self.invariant = invariant
            self.detail = detail
            self.time = time
            self.subjects = subjects
        }
    }

    /// A word or sign that the texts of this run use, explained. What the kinds of events and bars mean is known anyway.
    public struct Explanation: Hashable, Sendable {
        public var term: String
        public var meaning: String
        /// It needs no explanation where no event's text has this in it; nil where it always does.
        public var sign: String?

        public init(_ term: String, _ meaning: String, where sign: String? = nil) {
            self.term = term
            self.meaning = meaning
            self.sign = sign
        }
    }

    public var title: String
    public var seed: UInt64
    public var lanes: [Lane]
    /// In any order. One whose lane does not exist is shown nowhere.
    public var events: [StoryEvent]
    /// In any order; bars of one lane may overlap.
    public var bars: [StoryBar]
    public var violation: Broken?
    /// The expanded options, as text of any number of lines.
    public var plan: String
    /// The line to paste that runs it again.
    public var again: String
    public var legend: [Explanation]

    public init(
        title: String, seed: UInt64, lanes: [Lane], events: [StoryEvent] = [], bars: [StoryBar] = [],
        violation: Broken? = nil, plan: String = "", again: String = "", legend: [Explanation] = []
    ) {
        self.title = title
        self.seed = seed
        self.lanes = lanes
        self.events = events
        self.bars = bars
        self.violation = violation
        self.plan = plan
        self.again = again
        self.legend = legend
    }
}

/// One thing that happened.
public struct StoryEvent: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        /// A process looked at something that none of the other kinds names.
        case step
        case message
        /// A connection between two processes came up or went down.
        case link
        /// A client's request arrived, or its answer.
        case call, answer
        case disk, timer, zooKeeper
        /// A line that a process logged.
        case log
        /// A process started, died, was paused or went on.
        case life
        /// Something was broken, or mended.
        case fault, repair
        /// A process changed what it is, such as its role.
        case state
        /// A model did something noteworthy by itself.
        case mark
        case violation
    }

    /// When it happened; for a message, when it arrived.
    public var time: Instant
    /// Whose it is: an index into `Story.lanes`. For a message, to whom it went.
    public var lane: Int
    public var kind: Kind
    /// One line.
    public var text: String
    /// The lane that a message, call or answer came from.
    public var from: Int?
    /// When it left there.
    public var sent: Instant?
    /// A message that never arrived: it is drawn as a broken arrow that leaves its sender at `sent`.
    public var isLost: Bool
    /// The position in the trace.
    public var index: UInt64

    public init(
        time: Instant, lane: Int, kind: Kind, text: String, from: Int? = nil, sent: Instant? = nil, isLost: Bool = false,
        index: UInt64
    ) {
        self.time = time
        self.lane = lane
        self.kind = kind
        self.text = text
        self.from = from
        self.sent = sent
        self.isLost = isLost
        self.index = index
    }
}

/// A stretch of time on a lane.
public struct StoryBar: Hashable, Sendable {
    public enum Kind: String, CaseIterable, Sendable {
        /// No life: killed, without power, or not yet started.
        case down
        case paused
        /// Paths to others do not carry.
        case cut
        case slow, diskFault
        /// What a store is in its group, with the term in the text.
        case primary, standby, learner
        case master
        /// ZooKeeper, or a part of it, does not answer.
        case outage
        /// A part of the run, such as its faults, its recovery and its audit.
        case phase
        /// What a client asked for, from the call to what it learnt.
        case operation
    }

    /// What a client learnt of its operation. None yet: the run ended before.
    public enum Outcome: String, CaseIterable, Sendable { case ok, notDone, unknown }

    public var lane: Int
    public var kind: Kind
    public var begin: Instant
    /// `Instant.never`, or anything behind the last event, where it lasts to the end.
    public var end: Instant
    public var text: String
    public var outcome: Outcome?

    public init(lane: Int, kind: Kind, begin: Instant, end: Instant, text: String, outcome: Outcome? = nil) {
        self.lane = lane
        self.kind = kind
        self.begin = begin
        self.end = end
        self.text = text
        self.outcome = outcome
    }
}
