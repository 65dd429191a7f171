import Machine
import Synchronization
import Wire

/// A client of the `aviary.v1` services.
///
/// It knows some servers and asks them in turn: another one only where the failure certainly did no harm (the server
/// could not be reached, or said that nothing was executed, or the request was a read). Every failure tells through
/// `ClientError.code` whether the request may have been executed; where the connection broke after a mutation was sent,
/// that is `aborted`.
///
/// Each client has one connection per server and a thread of its own. `start` may be called as often as one likes
/// without waiting; the blocking and async forms wait for one request.
public final class KVClient: Sendable {
    /// One request of a client.
    public struct CallHandle: Hashable, Sendable {
        let slot: Int
        let use: UInt64

        /// Of a request that was refused before it began.
        static let none = CallHandle(slot: -1, use: 0)
    }

    private let core: KVClientCore
    private let isShutDown = Atomic(false)

    /// - Parameters:
    ///   - servers: at least one; the first is asked first.
    ///   - callsInFlight: beyond this many unanswered requests, `start` fails with `resourceExhausted`.
    public init(servers: [Address], callsInFlight: Int = 100_000) {
        core = KVClientCore(servers: servers, callsInFlight: callsInFlight)
        core.run()
    }

    deinit {
        guard !isShutDown.load(ordering: .sequentiallyConsistent) else { return }
        // The last reference may go in a completion, on the very thread that shutting down waits for.
        OSThread.detach(name: "kv client end") { [core] in core.shutDown() }
    }

    /// Begins a request and returns at once.
    ///
    /// - Parameters:
    ///   - timeout: how long to wait in all, over every server tried. The server hears of it and may use it.
    ///   - completion: called exactly once, on the client's thread; on the caller's, before this returns, only where
    ///     the client has `callsInFlight` requests or is shut down. It must not block; it may start further requests.
    /// - Returns: what `cancel` takes.
    @discardableResult
    public func start(
        _ request: KeyRequest, timeout: Nanoseconds, completion: @escaping @Sendable (Result<ClientReply, ClientError>) -> Void
    ) -> CallHandle {
        core.start(.key(request, patience: nil), timeout: timeout, completion: .result(completion))
    }

    /// Begins one call to the first server, and returns at once: for those who decide for themselves what to do when it fails.
    ///
    /// - Parameter completion: called exactly once, as that of ``start(_:timeout:completion:)``.
    @discardableResult
    public func call(
        _ request: ClientRequest, timeout: Nanoseconds, completion: @escaping @Sendable (CallEnd) -> Void
    ) -> CallHandle {
        core.start(request, timeout: timeout, completion: .end(completion))
    }

    /// Gives a request up: it ends soon, with `aborted` if it was sent. One that is over is left alone.
    public func cancel(_ call: CallHandle) { core.cancel(call) }

    /// Ends the client: what is in flight is cancelled and answered before this returns. Not to be called in a
    /// completion.
    public func shutDown() {
        guard !isShutDown.exchange(true, ordering: .sequentiallyConsistent) else { return }
        core.shutDown()
    }

    // MARK: Waiting for one request

    /// Stores a value. Blocks the calling thread.
    public func put(key: [UInt8], value: [UInt8], timeout: Nanoseconds) throws(ClientError) {
        guard case .done(.put, _) = try wait(.put(key: key, value: value), timeout) else { throw Self.unfitting }
    }

    /// Stores a value.
    ///
    /// - Returns: the position of the state that the write led to: a stale read at least there sees it.
    @discardableResult
    public func put(key: [UInt8], value: [UInt8], timeout: Nanoseconds) async throws(ClientError) -> GroupPosition {
        guard case .done(.put, let position) = try await answer(.put(key: key, value: value), timeout) else {
            throw Self.unfitting
        }
        return position
    }

    /// Reads the value of a key; nil where there is none. Blocks the calling thread.
    public func get(key: [UInt8], timeout: Nanoseconds) throws(ClientError) -> [UInt8]? {
        guard case .done(.value(let value), _) = try wait(.get(key: key), timeout) else { throw Self.unfitting }
        return value
    }

    /// Reads the value of a key; nil where there is none.
    public func get(key: [UInt8], timeout: Nanoseconds) async throws(ClientError) -> [UInt8]? {
        guard case .done(.value(let value), _) = try await answer(.get(key: key), timeout) else { throw Self.unfitting }
        return value
    }

    /// Asks for anything about a key: for reads of other modes than the linearizable one, and for those who want to know the
    /// position of the state that the answer was made from.
    public func perform(
        _ request: KeyRequest, timeout: Nanoseconds
    ) async throws(ClientError) -> (result: KeyResult, position: GroupPosition) {
        guard case .done(let result, let position) = try await answer(request, timeout) else { throw Self.unfitting }
        return (result, position)
    }

    /// Reads the value of a key as the mode says; nil where there is none. The position is that of the state that was read.
    public func get(
        key: [UInt8], mode: ReadMode, timeout: Nanoseconds
    ) async throws(ClientError) -> (value: [UInt8]?, position: GroupPosition) {
        let (result, position) = try await perform(.get(key: key, mode: mode), timeout: timeout)
        guard case .value(let value) = result else { throw Self.unfitting }
        return (value, position)
    }

    /// Removes a key; false where it was not there. Blocks the calling thread.
    public func delete(key: [UInt8], timeout: Nanoseconds) throws(ClientError) -> Bool {
        guard case .done(.deleted(let existed), _) = try wait(.delete(key: key), timeout) else { throw Self.unfitting }
        return existed
    }

    /// Removes a key; false where it was not there.
    public func delete(key: [UInt8], timeout: Nanoseconds) async throws(ClientError) -> Bool {
        guard case .done(.deleted(let existed), _) = try await answer(.delete(key: key), timeout) else { throw Self.unfitting }
        return existed
    }

    /// The cluster as the server that answers sees it. Blocks the calling thread.
    public func status(timeout: Nanoseconds) throws(ClientError) -> ClusterStatus {
        guard case .status(let status) = try wait(.status, timeout) else { throw Self.unfitting }
        return status
    }

    /// The cluster as the server that answers sees it.
    public func status(timeout: Nanoseconds) async throws(ClientError) -> ClusterStatus {
        guard case .status(let status) = try await answer(.status, timeout) else { throw Self.unfitting }
        return status
    }

    /// Hands a group over to another primary.
    ///
    /// - Parameter request: which group, and to which store.
    public func transfer(_ request: TransferRequest, timeout: Nanoseconds) async throws(ClientError) -> Transferred {
        guard case .transferred(let result) = try await answer(.transfer(request), timeout) else { throw Self.unfitting }
        return result
    }

    /// Gives up a group's lost in-sync stores, or says what that would mean.
    public func recover(_ request: RecoverRequest, timeout: Nanoseconds) async throws(ClientError) -> Recovered {
        guard case .recovered(let result) = try await answer(.recover(request), timeout) else { throw Self.unfitting }
        return result
    }

    /// Each method's answers are decoded as that method's, so this is never seen.
    private static let unfitting = ClientError(.aborted, "the answer does not fit the request")

    private func wait(_ request: KeyRequest, _ timeout: Nanoseconds) throws(ClientError) -> ClientReply {
        try wait(.key(request, patience: nil), timeout)
    }

    private func answer(_ request: KeyRequest, _ timeout: Nanoseconds) async throws(ClientError) -> ClientReply {
        try await answer(.key(request, patience: nil), timeout)
    }

    private func wait(_ request: ClientRequest, _ timeout: Nanoseconds) throws(ClientError) -> ClientReply {
        let waiter = Waiter()
        _ = core.start(request, timeout: timeout, completion: .result { waiter.fulfil($0) })
        return try waiter.wait().get()
    }

    private func answer(_ request: ClientRequest, _ timeout: Nanoseconds) async throws(ClientError) -> ClientReply {
        let handle = Mutex(CallHandle.none)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let started = core.start(
                    request, timeout: timeout, completion: .result { continuation.resume(returning: $0) })
                handle.withLock { $0 = started }
                if Task.isCancelled { core.cancel(started) }
            }
        } onCancel: {
            core.cancel(handle.withLock { $0 })
        }
        return try result.get()
    }
}

/// Where a thread waits for the answer to its request.
private final class Waiter: Sendable {
    private let latch = Latch()
    private let result = Mutex<Result<ClientReply, ClientError>?>(nil)

    func fulfil(_ result: Result<ClientReply, ClientError>) {
        self.result.withLock { $0 = result }
        latch.open()
    }

    func wait() -> Result<ClientReply, ClientError> {
        latch.wait()
        return result.withLock { $0! }
    }
}
