import DequeModule
import Glibc
import Machine

/// How much may wait for a node's next batch.
struct MailboxBounds: Sendable {
    /// Client requests, and the bytes of their keys and values. Beyond either, a request is refused at the door.
    var requests = 10_000
    var requestBytes = 128 << 20
    /// Peer messages, and the bytes that they carry. Beyond either, messages are lost, as on a bad network.
    var messages = 65_536
    var messageBytes = 256 << 20
}

/// Where the threads of gRPC, ZooKeeper and the disk leave events for a node's loop.
///
/// Posting takes a lock for the length of an insertion and never waits for the node. What the outside can flood is
/// bounded (``MailboxBounds``); replies of ZooKeeper, completions of the disk and cancellations never are: there is at most
/// one for each thing that the node or a counted request asked for.
final class Mailbox<Message: Sendable, Request: Sendable>: @unchecked Sendable {
    typealias Event = NodeEvent<Message, Request>

    private struct State {
        var queue = Deque<Event>()
        var requests = 0
        var requestBytes = 0
        var messages = 0
        var messageBytes = 0
        var isWaiting = false
    }

    private let bounds: MailboxBounds
    private let requestBytes: @Sendable (Request) -> Int
    private let messageBytes: @Sendable (Message) -> Int
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let arrived = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    /// Guarded by `mutex`.
    private var state = State()

    /// - Parameters:
    ///   - requestBytes: bytes that a request holds on to.
    ///   - messageBytes: bytes that a message holds on to.
    init(
        bounds: MailboxBounds = MailboxBounds(), requestBytes: @escaping @Sendable (Request) -> Int,
        messageBytes: @escaping @Sendable (Message) -> Int
    ) {
        self.bounds = bounds
        self.requestBytes = requestBytes
        self.messageBytes = messageBytes
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Waits are measured on a clock that nobody sets. (It stands still in a suspension; a late timer is legal.)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(arrived, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(arrived)
        pthread_mutex_destroy(mutex)
        arrived.deallocate()
        mutex.deallocate()
    }

    // MARK: Posting, from any thread

    /// Leaves an event that is never refused.
    func post(_ event: Event) {
        withLock { state in state.queue.append(event) }
    }

    /// Leaves events that are never refused, in order.
    func post(contentsOf events: [Event]) {
        withLock { state in state.queue.append(contentsOf: events) }
    }

    /// Leaves a client's request; false, and nothing happened, where as much waits as may.
    func post(request: Request, call: CallID) -> Bool {
        let bytes = requestBytes(request)
        return withLock { state in
            guard state.requests < bounds.requests, state.requestBytes + bytes <= bounds.requestBytes else { return false }
            state.requests += 1
            state.requestBytes += bytes
            state.queue.append(.requested(request, call: call))
            return true
        }
    }

    /// Leaves the messages of a peer; returns how many of them were lost because as much waits as may.
    func post(messages: [Message], from peer: Address) -> Int {
        let sizes = messages.map(messageBytes)
        return withLock { state in
            for (i, message) in messages.enumerated() {
                guard state.messages < bounds.messages, state.messageBytes + sizes[i] <= bounds.messageBytes else {
                    // The rest goes too: a receiver copes better with a lost tail than with a hole.
                    return messages.count - i
                }
                state.messages += 1
                state.messageBytes += sizes[i]
                state.queue.append(.received(message, from: peer))
            }
            return 0
        }
    }

    // MARK: Taking, from the loop's thread alone

    /// Takes what is there, up to `limit` events in the order of their arrival, into the empty `batch`. Where nothing is
    /// there, waits for something, but not beyond `deadline` (nil: for as long as it takes).
    func take(into batch: inout Deque<Event>, limit: Int, waitingUntil deadline: Instant?, now: () -> Instant) {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if state.queue.isEmpty { wait(until: deadline, now: now) }
        if state.queue.count <= limit {
            swap(&state.queue, &batch)
            state.requests = 0
            state.requestBytes = 0
            state.messages = 0
            state.messageBytes = 0
        } else {
            for _ in 0..<limit {
                let event = state.queue.removeFirst()
                release(event)
                batch.append(event)
            }
        }
    }

    /// Waits for one arrival or the deadline; may also return for no reason, which the loop cannot tell from a late timer.
    private func wait(until deadline: Instant?, now: () -> Instant) {
        state.isWaiting = true
        defer { state.isWaiting = false }
        guard let deadline else {
            pthread_cond_wait(arrived, mutex)
            return
        }
        let left = (deadline - now()).count
        guard left > 0 else { return }
        let end = MonotonicClock.read(CLOCK_MONOTONIC) + min(left, Nanoseconds.seconds(3600).count)
        var time = timespec(tv_sec: Int(end / 1_000_000_000), tv_nsec: Int(end % 1_000_000_000))
        pthread_cond_timedwait(arrived, mutex, &time)
    }

    /// Gives back what an event counted for.
    private func release(_ event: Event) {
        switch event {
        case .requested(let request, _):
            state.requests -= 1
            state.requestBytes -= requestBytes(request)
        case .received(let message, _):
            state.messages -= 1
            state.messageBytes -= messageBytes(message)
        case .started, .coordination, .linkUp, .linkDown, .cancelled, .disk, .timerFired, .shutdownRequested, .batchEnded:
            break
        }
    }

    private func withLock<Result>(_ body: (inout State) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        let result = body(&state)
        let wake = state.isWaiting && !state.queue.isEmpty
        if wake { state.isWaiting = false }
        pthread_mutex_unlock(mutex)
        if wake { pthread_cond_signal(arrived) }
        return result
    }
}
