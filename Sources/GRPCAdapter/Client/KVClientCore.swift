import CGRPCShims
import Machine
import Synchronization
import Wire

/// What is behind a `KVClient`: its channels, its queue, and the requests on their way.
///
/// A request is one gRPC call at a time, to one server. If that certainly did no harm and did not work, the next server
/// is asked, each at most once.
///
/// A call is made only on a connection. C-core would take calls before that and connect meanwhile, but then its
/// UNAVAILABLE does not tell a request that never left from one that broke off after it was sent. So requests wait here
/// until the connection is there, and what fails while it waits certainly did not happen.
final class KVClientCore: Sendable {
    private let channels: [Channel]
    private nonisolated(unsafe) let registrations: [[UnsafeMutableRawPointer]]
    private let queue = CompletionQueue()
    private let table: Mutex<ClientCallTable>
    /// The server that worked last.
    private let preferred = Atomic(0)
    private let callsInFlight: Int
    private let idle = Latch()

    init(servers: [Address], callsInFlight: Int) {
        precondition(!servers.isEmpty, "a client needs the address of a server")
        self.callsInFlight = callsInFlight
        table = Mutex(ClientCallTable(servers: servers.count))
        let channels = servers.map { Channel(to: $0, Self.arguments) }
        self.channels = channels
        registrations = channels.map { channel in
            UnaryMethod.allCases.map { grpc_channel_register_call(channel.handle, $0.path, nil, nil)! }
        }
    }

    /// Starts the queue's thread, which keeps this object until `shutDown`.
    func run() {
        queue.start(threadName: "kv client") { [self] tag, _ in
            switch Batch(rawValue: tag.batch) {
            case .call: ended(tag.slot)
            case .watch: watch(tag.slot)
            case nil: preconditionFailure("a tag that nobody gave out")
            }
        }
    }

    private enum Batch: UInt8 {
        /// All of a call; the tag's slot is the request's.
        case call = 0
        /// A connection's state changed, or it is time to look; the slot is the server's index.
        case watch = 1
    }

    /// How often somebody who waits for a connection is looked after.
    private static let watchInterval = Nanoseconds.milliseconds(100)

    private static var arguments: ChannelArguments {
        var arguments = ChannelArguments.outgoing
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 64 << 20)
        // A server that has vanished without a sign is noticed within these.
        arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, 5_000)
        arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2_000)
        return arguments
    }

    func start(
        _ request: ClientRequest, timeout: Nanoseconds, completion: ClientAttempt.Completion
    ) -> KVClient.CallHandle {
        let attempt = ClientAttempt(
            method: UnaryMethod(request), request: request,
            deadline: UncheckedSendable(aviary_deadline_after(max(0, timeout.count))),
            completion: completion, server: preferred.load(ordering: .relaxed))
        let begun = table.withLock { table -> Result<(Int, ClientCallTable.Memory, KVClient.CallHandle), ClientError> in
            if table.isStopping { return .failure(ClientError(.unavailable, "the client is shut down")) }
            if table.inFlight >= callsInFlight {
                return .failure(
                    ClientError(.resourceExhausted, "\(callsInFlight) calls are in flight, which is the limit of this client"))
            }
            return .success(table.begin(attempt))
        }
        switch begun {
        case .failure(let error):
            switch completion {
            case .result(let tell): tell(.failure(error))
            case .end(let tell): tell(.unreachable(error.message))
            }
            return .none
        case .success((let slot, let memory, let handle)):
            send(attempt, slot, memory)
            return handle
        }
    }

    private func send(_ attempt: ClientAttempt, _ slot: Int, _ memory: ClientCallTable.Memory) {
        if channels[attempt.server].isConnected {
            call(attempt, slot, memory)
        } else if table.withLock({ $0.wait(slot, for: attempt.server) }) {
            // The queue's thread goes on: a caller that starts the next request when one fails must not do so ever
            // deeper in its own stack.
            channels[attempt.server].watch(nil, until: aviary_deadline_after(0), queue, watchTag(attempt.server))
        }
    }

    private func watchTag(_ server: Int) -> Tag { Tag(slot: server, batch: Batch.watch.rawValue) }

    /// Looks after the requests that wait for a server's connection. Runs on the queue's thread.
    private func watch(_ server: Int) {
        switch channels[server].connect() {
        case .connected:
            for slot in table.withLock({ $0.leaveWaitingRoom(of: server) }) {
                let (memory, attempt) = table.withLock { $0.waiting(slot) }
                call(attempt, slot, memory)
            }
        case .failed:
            for slot in table.withLock({ $0.leaveWaitingRoom(of: server) }) { unsent(slot, "no connection") }
        case .underway(let state):
            let (late, earliest) = table.withLock { $0.leaveLate(of: server) }
            for slot in late { unsent(slot, "no connection in time") }
            guard let earliest else { return }
            let deadline = gpr_time_min(earliest, aviary_deadline_after(Self.watchInterval.count))
            channels[server].watch(state, until: deadline, queue, watchTag(server))
        }
    }

    private func call(_ attempt: ClientAttempt, _ slot: Int, _ memory: ClientCallTable.Memory) {
        let call = grpc_channel_create_registered_call(
            channels[attempt.server].handle, nil, 0, queue.handle,
            registrations[attempt.server][attempt.method.rawValue], attempt.deadline.value, nil)!
        memory.pointer.pointee.call = call
        memory.pointer.pointee.request = attempt.request.message
        if !table.withLock({ $0.started(slot) }) { grpc_call_cancel(call, nil) }
        mustStart(aviary_client_unary(memory.pointer, Tag(slot: slot, batch: Batch.call.rawValue).pointer), "a call")
    }

    /// A call is over. Runs on the queue's thread.
    private func ended(_ slot: Int) {
        let (memory, attempt, isCancelled) = table.withLock { $0.ended(slot) }
        let address = channels[attempt.server].address
        if case .end(let tell) = attempt.completion {
            let end = CallEnd(of: memory.pointer.pointee, attempt, server: address)
            memory.pointer.pointee.release()
            tell(end)
            return release(slot)
        }
        let outcome = CallOutcome(of: memory.pointer.pointee, attempt, server: address)
        memory.pointer.pointee.release()
        conclude(outcome, slot, memory, attempt, isCancelled: isCancelled)
    }

    /// A request waited for a connection in vain.
    private func unsent(_ slot: Int, _ reason: String) {
        let (memory, attempt, isCancelled) = table.withLock { $0.ended(slot) }
        let reason = isCancelled ? "the call was given up" : reason
        if case .end(let tell) = attempt.completion {
            tell(.unreachable(reason))
            return release(slot)
        }
        let outcome = CallOutcome.unsent(to: channels[attempt.server].address, reason)
        conclude(outcome, slot, memory, attempt, isCancelled: isCancelled)
    }

    private func conclude(
        _ outcome: CallOutcome, _ slot: Int, _ memory: ClientCallTable.Memory, _ attempt: ClientAttempt, isCancelled: Bool
    ) {
        let result: Result<ClientReply, ClientError>
        switch outcome {
        case .finished(let finished): result = finished
        case .mayTryNext(let error, let isAnswer):
            // What a server said tells more than that another one cannot be reached.
            let worthTelling = isAnswer ? error : attempt.answer ?? error
            let next = (attempt.server + 1) % channels.count
            _ = preferred.compareExchange(expected: attempt.server, desired: next, ordering: .relaxed)
            if attempt.asked < channels.count, !isCancelled, aviary_nanoseconds_until(attempt.deadline.value) != 0 {
                var attempt = attempt
                attempt.server = next
                attempt.asked += 1
                if isAnswer { attempt.answer = error }
                table.withLock { $0.retry(slot, attempt) }
                return send(attempt, slot, memory)
            }
            result = .failure(worthTelling)
        }
        // First the answer, then the slot: whoever waits for the client's end has heard of everything.
        if case .result(let tell) = attempt.completion { tell(result) }
        release(slot)
    }

    private func release(_ slot: Int) {
        if table.withLock({ $0.release(slot) }) { idle.open() }
    }

    func cancel(_ handle: KVClient.CallHandle) {
        guard handle != .none else { return }
        table.withLock { $0.cancel(handle) }
    }

    /// Cancels what is in flight and waits until all of it is answered. Not from a completion.
    func shutDown() {
        if !table.withLock({ $0.stop() }) { idle.wait() }
        queue.shutDown()
    }
}
