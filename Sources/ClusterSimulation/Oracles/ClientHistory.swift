import Machine
import Simulation

// Property: the operations of all clients on each key are linearizable (see `Linearizability` in Simulation).

/// What clients asked of each key, and what they were told: recorded while a run goes on, judged at its end.
///
/// The order of the calls to this recorder is the order of real time. An operation that never ended counts as one of unknown
/// outcome. Failed reads say nothing and are forgotten.
struct ClientHistory: Sendable {
    enum Request: Hashable, Sendable {
        /// Versions of a key are unique, whoever writes it.
        case put(version: Int)
        case get
        case delete
    }

    enum Result: Hashable, Sendable {
        case put
        case value(ReadState)
        case deleted(existed: Bool)
    }

    private struct Place {
        var key: Int
        var index: Int
    }

    /// By key.
    private var operations: [[RegisterOperation]] = []
    private var pending = LookupTable<CallID, Place>()
    private var closed: [Int] = []
    private var recorded = 0
    private var misfit: Violation?
    /// How many operations were begun.
    private(set) var count = 0

    private mutating func moment(_ time: Instant) -> RegisterOperation.Moment {
        recorded += 1
        return RegisterOperation.Moment(order: recorded, time: time)
    }

    /// From now on nothing is recorded of a key: what it held was given up. What is open stays of unknown outcome.
    mutating func close(key: Int) { closed.append(key) }

    // MARK: Recording

    /// - Parameter key: a small number that the key is known by.
    mutating func invoked(_ call: CallID, client: Int, key: Int, _ request: Request, at now: Instant) {
        while operations.count <= key { operations.append([]) }
        let action: RegisterOperation.Action =
            switch request {
            case .put(let version): .put(value: UInt64(version))
            case .get: .get(found: nil)
            case .delete: .delete(existed: false)
            }
        pending[call] = Place(key: key, index: operations[key].count)
        operations[key].append(
            RegisterOperation(number: call.number, client: client, action: action, invoked: moment(now), outcome: .unknown))
        count += 1
    }

    mutating func returned(_ call: CallID, _ result: Result, at now: Instant) {
        guard let place = pending.removeValue(forKey: call), !closed.contains(place.key) else { return }
        let moment = moment(now)
        let operation = operations[place.key][place.index]
        switch (operation.action, result) {
        case (.put, .put): break
        case (.get, .value(.missing)): break
        case (.get, .value(.version(let version))):
            operations[place.key][place.index].action = .get(found: UInt64(version))
        case (.get, .value(.foreign(let text))):
            return misfits("reads return what was written", "\(operation) read \(text)")
        case (.delete, .deleted(let existed)): operations[place.key][place.index].action = .delete(existed: existed)
        case (.put, _), (.get, _), (.delete, _):
            return misfits("answers fit their questions", "\(operation) was answered with \(result)")
        }
        operations[place.key][place.index].outcome = .returned(moment)
    }

    /// The outcome is unknown: the client gave up, or was told that nobody knows.
    mutating func unknown(_ call: CallID) { pending.removeValue(forKey: call) }

    /// The operation certainly did nothing.
    mutating func refused(_ call: CallID) {
        guard let place = pending.removeValue(forKey: call), !closed.contains(place.key) else { return }
        operations[place.key][place.index].outcome = .refused
    }

    private mutating func misfits(_ invariant: String, _ detail: String) {
        if misfit == nil { misfit = Violation(invariant, detail) }
    }

    // MARK: Judging

    /// The first key whose operations no order explains. A history that is too hard to judge is a violation, too: what was not
    /// judged is not green.
    func judge(nameOf: (Int) -> String = { "key \($0)" }, workLimit: Int = Linearizability.usualWorkLimit) -> Violation? {
        if let misfit { return misfit }
        for key in operations.indices {
            switch Linearizability.check(operations[key], workLimit: workLimit) {
            case .linearizable: break
            case .violated(let contradiction):
                return Violation("operations of clients are linearizable", "\(nameOf(key)): \(contradiction)")
            case .undecided(let reason):
                return Violation(
                    "histories of clients can be judged",
                    "\(nameOf(key)): \(operations[key].count) operations could not be judged: \(reason)")
            }
        }
        return nil
    }
}
