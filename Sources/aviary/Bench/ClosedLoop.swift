import Foundation
import GRPCAdapter
import Histogram
import Machine
import Synchronization
import Wire

/// A load of requests of which a fixed number is in flight: each answer starts the next. Latency runs from the start of
/// a request to its answer.
final class ClosedLoop: Sendable {
    struct Load: Sendable {
        var inFlight: Int
        var keys: UInt64
        var valueBytes: Int
        /// Share of reads, in percent.
        var readPercent: UInt64
        var timeout: Nanoseconds
    }

    struct Tally {
        var done: UInt64 = 0
        var failed: UInt64 = 0
        var notFound: UInt64 = 0
        var firstFailure: String?
        /// Microseconds; up to a minute, three digits right.
        var latency = Histogram<UInt64>(highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: .three)
    }

    private struct State {
        var tally = Tally()
        var random: SeededRandom
        var isStopping = false
        var inFlight = 0
        /// The next key to write in order; nil where keys are drawn.
        var filling: UInt64?
    }

    private let client: KVClient
    private let load: Load
    private let value: [UInt8]
    private let state: Mutex<State>
    private let idle = DispatchSemaphore(value: 0)

    /// - Parameter fills: write every key once, in order, instead of drawing keys.
    init(client: KVClient, load: Load, fills: Bool, seed: UInt64) {
        self.client = client
        self.load = load
        var random = SeededRandom(seed: seed)
        value = (0..<load.valueBytes).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        state = Mutex(State(random: random, filling: fills ? 0 : nil))
    }

    var tally: Tally { state.withLock { $0.tally } }

    func start() {
        state.withLock { $0.inFlight = load.inFlight }
        for _ in 0..<load.inFlight { next() }
    }

    /// Waits until every key is written (`fills`), or forever.
    func wait() { idle.wait() }

    /// Starts no more requests and waits for those in flight.
    func stop() {
        let wasIdle = state.withLock {
            $0.isStopping = true
            return $0.inFlight == 0
        }
        if !wasIdle { idle.wait() }
    }

    private func next() {
        guard let request = draw() else { return }
        let began = ContinuousClock.now
        client.start(request, timeout: load.timeout) { [self] result in
            let elapsed = ContinuousClock.now - began
            count(
                result,
                micros: UInt64(elapsed.components.seconds) * 1_000_000
                    + UInt64(elapsed.components.attoseconds / 1_000_000_000_000))
            next()
        }
    }

    /// The next request; nil where this slot is to end.
    private func draw() -> KeyRequest? {
        let (request, isLast) = state.withLock { state -> (KeyRequest?, Bool) in
            if state.isStopping || state.filling == load.keys {
                state.inFlight -= 1
                return (nil, state.inFlight == 0)
            }
            if let number = state.filling {
                state.filling = number + 1
                return (.put(key: key(number), value: value), false)
            }
            let key = key(state.random.next(upperBound: load.keys))
            let isRead = state.random.chance(load.readPercent, in: 100)
            return (isRead ? .get(key: key) : .put(key: key, value: value), false)
        }
        if isLast { idle.signal() }
        return request
    }

    private func key(_ number: UInt64) -> [UInt8] { Array("bench-\(number)".utf8) }

    private func count(_ result: Result<ClientReply, ClientError>, micros: UInt64) {
        state.withLock { state in
            switch result {
            case .success(let reply):
                if case .done(.value(nil), _) = reply { state.tally.notFound += 1 }
                state.tally.done += 1
                state.tally.latency.record(min(micros, 60_000_000))
            case .failure(let error):
                state.tally.failed += 1
                if state.tally.firstFailure == nil { state.tally.firstFailure = describe(error, isRead: true) }
            }
        }
    }
}
