import AviaryClient
import Machine
import Simulation
import Synchronization
import Testing

/// What clients of a real cluster asked and were told, key by key, in the order in which it happened: for the checker that judges
/// the simulator's clients, too.
final class RegisterHistory: Sendable {
    /// An operation that failed, as its client saw it.
    struct Failure: Sendable {
        let what: String
        let began: ContinuousClock.Instant
        let ended: ContinuousClock.Instant
        let error: AviaryError
    }

    private struct Book {
        /// Invocations and responses, counted together: their order is what the checker goes by.
        var moments = 0
        var operations = 0
        var ofKey: [String: [RegisterOperation]] = [:]
        var failures: [Failure] = []
        /// How long the operations took that were done, since this was last asked.
        var longest: Duration = .zero
    }
    private let book = Mutex(Book())
    private let start = ContinuousClock.now

    var count: Int { book.withLock { $0.operations } }
    var keys: [String] { book.withLock { $0.ofKey.keys.sorted() } }

    /// The failures and the longest operation since the last call.
    func takeFailures() -> (failures: [Failure], longest: Duration) {
        book.withLock { book in
            defer {
                book.failures = []
                book.longest = .zero
            }
            return (book.failures, book.longest)
        }
    }

    /// A value that nobody else writes.
    private func invoke() -> (number: Int, moment: RegisterOperation.Moment) {
        book.withLock { book in
            book.operations += 1
            return (book.operations, moment(&book))
        }
    }

    private func moment(_ book: inout Book) -> RegisterOperation.Moment {
        book.moments += 1
        let (seconds, attoseconds) = (ContinuousClock.now - start).components
        return .init(order: book.moments, time: .zero + .seconds(seconds) + Nanoseconds(attoseconds / 1_000_000_000))
    }

    /// Performs one operation, and writes down what came of it.
    private func perform(
        _ key: String, client: Int, _ what: String, unanswered: (UInt64) -> RegisterOperation.Action,
        _ body: (_ value: UInt64) async throws(AviaryError) -> RegisterOperation.Action
    ) async -> Bool {
        let (number, invoked) = invoke()
        let began = ContinuousClock.now
        var action = unanswered(UInt64(number))
        var failure: AviaryError?
        do throws(AviaryError) {
            action = try await body(UInt64(number))
        } catch {
            failure = error
        }
        let ended = ContinuousClock.now
        book.withLock { book in
            let outcome: RegisterOperation.Outcome =
                switch failure?.outcome {
                case nil: .returned(moment(&book))
                case .notDone: .refused
                case .unknown: .unknown
                }
            book.ofKey[key, default: []].append(
                RegisterOperation(
                    number: UInt64(number), client: client, action: action, invoked: invoked, outcome: outcome))
            if let failure {
                book.failures.append(Failure(what: "\(what) \(key)", began: began, ended: ended, error: failure))
            } else {
                book.longest = max(book.longest, ended - began)
            }
        }
        return failure == nil
    }

    @discardableResult
    func put(_ key: String, through aviary: AviaryClient, client: Int) async -> Bool {
        await perform(key, client: client, "put", unanswered: { .put(value: $0) }) { value throws(AviaryError) in
            try await aviary.put(key, "\(value)")
            return .put(value: value)
        }
    }

    @discardableResult
    func get(_ key: String, _ consistency: AviaryClient.Consistency, through aviary: AviaryClient, client: Int) async -> Bool {
        await perform(key, client: client, "get", unanswered: { _ in .get(found: nil) }) { _ throws(AviaryError) in
            let bytes = try await aviary.get(key, consistency).value
            // A value that nobody wrote is one that no operation explains.
            return .get(found: bytes.map { UInt64(String(decoding: $0, as: UTF8.self)) ?? .max })
        }
    }

    @discardableResult
    func delete(_ key: String, through aviary: AviaryClient, client: Int) async -> Bool {
        await perform(key, client: client, "delete", unanswered: { _ in .delete(existed: false) }) { _ throws(AviaryError) in
            .delete(existed: try await aviary.delete(key).existed)
        }
    }

    /// Judges every key. Returns how many operations the longest history has.
    func judge() -> Int {
        let histories = book.withLock { $0.ofKey }
        for (key, operations) in histories.sorted(by: { $0.key < $1.key }) {
            switch Linearizability.check(operations) {
            case .linearizable: continue
            case .violated(let contradiction): Issue.record("\(key) is not linearizable: \(contradiction)")
            case .undecided(let reason): Issue.record("\(key), \(operations.count) operations: undecided, \(reason)")
            }
        }
        return histories.values.map(\.count).max() ?? 0
    }
}
