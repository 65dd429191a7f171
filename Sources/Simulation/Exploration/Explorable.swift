/// # Systems that can be explored exhaustively
///
/// A seed walks one path; an exploration walks them all. The system is a value: a state is a copy of it, and an action is
/// one thing that may happen next: a message arrives, a request is executed, a timer fires, a fault strikes. Whatever could
/// be in a different order in reality must be a different order of actions here.
///
/// What makes the space finite is the system's own business: it holds a budget for each kind of fault, and folds into its
/// fingerprint only what can make a difference later (no serial numbers, no random state, time relative to now).
///
/// After the model checkers that run the implementation itself (Stateright; P. Godefroid, "Model Checking for Programming
/// Languages using VeriSoft", 1997), without a model of the protocol beside it.
public protocol Explorable: Sendable {
    associatedtype Action: Sendable

    /// Everything that may happen next, in an order that depends on the state alone.
    func actions() -> [Action]

    /// Makes it happen; returns the invariant that this broke.
    mutating func perform(_ action: Action) -> Violation?

    /// Folds everything in which two states can differ that matters later. `mutating`, so that the fingerprints of parts can
    /// be kept.
    mutating func fold(into digest: inout Fingerprint, memo: inout FingerprintMemo)

    /// Whether the action is one of the environment's tricks, which may happen and need not.
    func isFault(_ action: Action) -> Bool

    /// Whether everything that should come right has. From each state such a one must be reachable without further faults.
    var isSettled: Bool { get }

    /// The landmarks that this state is at, as bits: the indices of `landmarks`.
    var reached: UInt64 { get }

    /// States that an exploration worth its name has come by.
    static var landmarks: [String] { get }

    /// One line for people.
    func brief(_ action: Action) -> String
}

/// What an exploration found.
public struct Exploration: Sendable {
    /// Different states.
    public var states = 0
    /// Actions that were performed, those that led to a known state included.
    public var transitions = 0
    /// The longest of the shortest paths that were walked.
    public var depth = 0
    /// The most states of one depth.
    public var widest = 0
    /// How often a part of a state had to be read by reflection.
    public var readings = 0
    /// Whether there was nothing left to perform: not cut off by depth or number of states.
    public var isExhausted = false
    public var finding: Finding?
    /// The landmarks that were reached, as bits.
    public var reached: UInt64 = 0

    /// A broken invariant, with a shortest path to it.
    public struct Finding: Sendable {
        public var violation: Violation
        public var path: [String]
    }

    public init() {}

    /// A line of figures, and the finding, if there is one, as a story.
    public var summary: String {
        let figures =
            "\(states) states, \(transitions) transitions, depth \(depth), "
            + (isExhausted ? "exhausted" : finding == nil ? "cut off" : "stopped at the finding")
        guard let finding else { return figures }
        let steps = finding.path.enumerated().map { "  \($0 + 1). \($1)" }
        return ([figures, "broken: \(finding.violation)"] + steps).joined(separator: "\n")
    }
}
