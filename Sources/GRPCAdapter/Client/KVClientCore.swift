import CGRPCShims
import Machine
import Synchronization
import Wire

/// What is behind a `KVClient`: its channels, its queue, and the requests on their way.
///
/// A request is one gRPC call at a time, to one server. If that certainly did no harm and did not work, the next server is asked,
/// each at most once.
final class KVClientCore: Sendable {
    private let channels: [Channel]
    private nonisolated(unsafe) let registrations: [[UnsafeMutableRawPointer]]
    private let queue = CompletionQueue()
    private let table = Mutex(ClientCallTable())
    /// The server that worked last.
    private let preferred = Atomic(0)
    private let callsInFlight: Int
    private let idle = Latch()

    init(servers: [Address], callsInFlight: Int) {
        precondition(!servers.isEmpty, "a client needs the address of a server")
        self.callsInFlight = callsInFlight
        let channels = servers.map { Channel(to: $0, Self.arguments) }
        self.channels = channels
        registrations = channels.map { channel in
            UnaryMethod.allCases.map { grpc_channel_register_call(channel.handle, $0.path, nil, nil)! }
        }
    }

    /// Starts the queue's thread, which keeps this object until `shutDown`.
    func run() {
        queue.start(threadName: "kv client") { [self] tag, _ in ended(tag.slot) }
    }

    private static var arguments: ChannelArguments {
        var arguments = ChannelArguments.outgoing
        arguments.set(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, 64 << 20)
        // A server that has vanished without a sign is noticed within these.
        arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, 5_000)
        arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2_000)
        return arguments
    }

    func start(
        _ method: UnaryMethod, _ request: KeyRequest?, timeout: Nanoseconds,
        completion: @escaping @Sendable (Result<ClientReply, ClientError>) -> Void
    ) -> KVClient.CallHandle {
        let attempt = ClientAttempt(
            method: method, request: request, deadline: UncheckedSendable(aviary_deadline_after(max(0, timeout.count))),
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
            completion(.failure(error))
            return .none
        case .success((let slot, let memory, let handle)):
            call(attempt, slot, memory)
            return handle
        }
    }

    private func call(_ attempt: ClientAttempt, _ slot: Int, _ memory: ClientCallTable.Memory) {
        let call = grpc_channel_create_registered_call(
            channels[attempt.server].handle, nil, 0, queue.handle,
            registrations[attempt.server][attempt.method.rawValue], attempt.deadline.value, nil)!
        memory.pointer.pointee.call = call
        memory.pointer.pointee.request = attempt.request.map { makeMessage($0) } ?? makeMessage(EmptyMessage())
        if !table.withLock({ $0.started(slot) }) { grpc_call_cancel(call, nil) }
        mustStart(aviary_client_unary(memory.pointer, Tag(slot: slot, batch: 0).pointer), "a call")
    }

    /// A call is over. Runs on the queue's thread.
    private func ended(_ slot: Int) {
        let (memory, attempt, isCancelled) = table.withLock { $0.ended(slot) }
        guard let call = memory.pointer.pointee.call else { preconditionFailure("a call ended that never began") }
        let channel = channels[attempt.server]
        let outcome = CallOutcome(
            of: memory.pointer.pointee, method: attempt.method, isRead: attempt.isRead, server: channel.address,
            neverLeft: channel.neverLeft(call))
        Self.release(&memory.pointer.pointee)
        let result: Result<ClientReply, ClientError>
        switch outcome {
        case .finished(let finished): result = finished
        case .mayTryNext(let error):
            let next = (attempt.server + 1) % channels.count
            _ = preferred.compareExchange(expected: attempt.server, desired: next, ordering: .relaxed)
            if attempt.asked < channels.count, !isCancelled, aviary_nanoseconds_until(attempt.deadline.value) != 0 {
                var attempt = attempt
                attempt.server = next
                attempt.asked += 1
                table.withLock { $0.retry(slot, attempt) }
                return self.call(attempt, slot, memory)
            }
            result = .failure(error)
        }
        // First the answer, then the slot: whoever waits for the client's end has heard of everything.
        attempt.completion(result)
        if table.withLock({ $0.release(slot) }) { idle.open() }
    }

    private static func release(_ call: inout aviary_client_call) {
        grpc_byte_buffer_destroy(call.request)
        if let response = call.response { grpc_byte_buffer_destroy(response) }
        grpc_metadata_array_destroy(&call.initial_metadata)
        grpc_metadata_array_destroy(&call.trailing_metadata)
        grpc_slice_unref(call.details)
        grpc_call_unref(call.call)
        call = aviary_client_call()
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
