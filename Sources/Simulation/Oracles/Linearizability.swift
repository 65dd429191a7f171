import Machine

// Property: there is one order of all operations on a register in which each takes effect at one moment between its
// invocation and its response, and each returns what that order says (Herlihy and Wing, "Linearizability", 1990).
//
// The register is a key of a store: it is absent or holds a value. Values are unique: no two puts write the same one.
// - `put` writes, whatever was there. `delete` removes, and tells whether something was there. `get` reads.
// - An operation with an *unknown* outcome takes effect at any moment after its invocation, even long after its client gave
//   up, or never.
// - A *refused* operation never took effect: whoever reads its value shows that the refusal was a lie.
// - An operation that returned before another was invoked precedes it; all others are concurrent.
//
// How it is decided. For registers in general the question is NP-complete (Gibbons and Korach, "Testing Shared Memories",
// 1997). Unique values make it easy, deletes less so, and unknown outcomes explode the usual search through orders (Wing and
// Gong 1993, Lowe 2017), for which each of them stays a candidate for ever. So values are taken out first:
//
// 1. Whoever read a value must have done so between its put and the next write. A put and the reads of its value therefore
//    form one *block* (a "zone" of Gibbons and Korach). Where its first response comes before its last invocation, the
//    register must hold the value from the one to the other: a *hold*, in which nothing else has room. Otherwise all of it can
//    happen at one moment between the two. (`RegisterBlocks`)
// 2. What is left knows only present and absent, and has deadlines: values that have to be present for a moment, deletes that
//    need something to remove, answers that need the key to be absent. A value that was read is done when its read is, so
//    everything with a deadline lies within an operation that returned: there is never more of it at a time than clients.
//    Writes with unknown outcome that nobody read have no deadline. They are all alike, and merely counted. (`RegisterSearch`)
//
// The check is exact: tests compare it with one that tries every order. Should the work exceed its bound, the verdict is
// `undecided`, which a caller must treat as a failure.

/// One operation of a client on a register.
public struct RegisterOperation: Hashable, Sendable {
    /// What was asked, and what was answered; the answer counts only where there was one.
    public enum Action: Hashable, Sendable {
        case put(value: UInt64)
        /// `found` is nil where the key was absent.
        case get(found: UInt64?)
        /// `existed`: whether there was something to remove.
        case delete(existed: Bool)
    }

    /// A point in the order of all invocations and responses of a run.
    public struct Moment: Hashable, Comparable, Sendable {
        /// What decides. Of two equal ones neither precedes the other.
        public var order: Int
        /// For people.
        public var time: Instant

        public init(order: Int, time: Instant) {
            self.order = order
            self.time = time
        }

        public static func < (a: Moment, b: Moment) -> Bool { a.order < b.order }
    }

    public enum Outcome: Hashable, Sendable {
        case returned(Moment)
        /// It certainly did nothing.
        case refused
        /// It takes effect at any time after its invocation, or never.
        case unknown
    }

    /// What the client's call is known by.
    public var number: UInt64
    public var client: Int
    public var action: Action
    public var invoked: Moment
    public var outcome: Outcome

    public init(number: UInt64, client: Int, action: Action, invoked: Moment, outcome: Outcome) {
        self.number = number
        self.client = client
        self.action = action
        self.invoked = invoked
        self.outcome = outcome
    }

    /// When it returned; nil where it did not.
    var response: Moment? {
        if case .returned(let moment) = outcome { moment } else { nil }
    }
}

extension RegisterOperation: CustomStringConvertible {
    public var description: String {
        let what =
            switch (action, outcome) {
            case (.put(let value), _): "put \(value)"
            case (.get(let found), .returned): "get: \(found.map { "found \($0)" } ?? "not found")"
            case (.get, _): "get"
            case (.delete(let existed), .returned): "delete: \(existed ? "there was a value" : "there was none")"
            case (.delete, _): "delete"
            }
        let end =
            switch outcome {
            case .returned(let moment): "returned at \(RegisterOperation.text(moment.time))"
            case .refused: "refused"
            case .unknown: "outcome unknown"
            }
        return "client \(client) #\(number) \(what), from \(RegisterOperation.text(invoked.time)), \(end)"
    }

    /// Seconds and microseconds.
    static func text(_ time: Instant) -> String {
        let micros = time.nanoseconds / 1_000
        let digits = String(micros % 1_000_000)
        return "\(micros / 1_000_000).\(String(repeating: "0", count: 6 - digits.utf8.count))\(digits)"
    }
}

/// Judges histories of one register each.
public enum Linearizability {
    public enum Verdict: Hashable, Sendable {
        /// `work` is how many states were looked at, for those who measure.
        case linearizable(work: Int)
        case violated(Contradiction)
        /// Nothing is proven. Not a success.
        case undecided(String)
    }

    /// Operations that no order explains.
    public struct Contradiction: Hashable, Sendable, CustomStringConvertible {
        public var headline: String
        /// The operations that contradict each other: without any one of them the rest could be explained. In the order of
        /// their invocations.
        public var operations: [RegisterOperation]

        public var description: String { ([headline] + operations.map(\.description)).joined(separator: "\n    ") }
    }

    /// How many states are looked at before the checker gives up. Histories of thousands of operations by a dozen clients
    /// need some tens of thousands.
    public static let usualWorkLimit = 5_000_000

    /// Whether the operations on one register, which is absent at first, are linearizable. Their order does not matter.
    public static func check(_ operations: [RegisterOperation], workLimit: Int = usualWorkLimit) -> Verdict {
        switch attempt(operations, workLimit: workLimit) {
        case .fits(let work): .linearizable(work: work)
        case .contradicts(let contradiction): .violated(contradiction)
        case .stuck(let stuck): .violated(minimal(operations, stuck, workLimit: workLimit))
        case .gaveUp(let reason): .undecided(reason)
        }
    }

    enum Attempt {
        case fits(work: Int)
        /// Found without a search, and minimal already.
        case contradicts(Contradiction)
        case stuck(RegisterSearch.Stuck)
        case gaveUp(String)
    }

    static func attempt(_ operations: [RegisterOperation], workLimit: Int) -> Attempt {
        var blocks = RegisterBlocks()
        switch blocks.build(operations) {
        case .built: break
        case .contradicts(let contradiction): return .contradicts(contradiction)
        case .unfit(let reason): return .gaveUp(reason)
        }
        var search = RegisterSearch(workLimit: workLimit)
        return switch search.run(blocks) {
        case .fits: .fits(work: search.work)
        case .stuck(let stuck): .stuck(stuck)
        case .gaveUp(let reason): .gaveUp(reason)
        }
    }
}
