import CGRPCShims
import Machine
import Synchronization
import Wire

/// The unary calls of a server: those that C-core may fill with the next request, and those that wait for their reply.
///
/// A call's memory is a slot that is used again and again. Its way: *awaited* (C-core may put a request into it), *in
/// flight* (the node has it), *answered* or *abandoned* (the client went away first), and *free* again when every batch
/// that was started on it has come back. Requests and ends come on the queue's thread, replies from any thread; the
/// table's lock is held only to look up and to change a phase. A `CallID` names the slot and which of its uses, so that
/// a late reply finds nothing instead of somebody else's call.
final class UnaryCalls: Sendable {
    typealias Memory = UnaryCallTable.Memory

    enum Batch: UInt8 {
        case requested = 0
        case closed = 1
        case answered = 2
        /// The answer and the call's end in one, for calls that no node was told of.
        case refused = 3
    }

    private let table: Mutex<UnaryCallTable>
    private nonisolated(unsafe) let server: OpaquePointer
    private nonisolated(unsafe) let queue: OpaquePointer
    private nonisolated(unsafe) let registrations: [UnsafeMutableRawPointer]
    private let limits: ServerLimits
    private let handlers: GRPCServer.Handlers
    private let noneOpen = Latch()
    private let allFree = Latch()

    /// Registers the methods; the server must not have been started.
    init(server: OpaquePointer, queue: CompletionQueue, limits: ServerLimits, handlers: GRPCServer.Handlers) {
        self.server = server
        self.queue = queue.handle
        self.limits = limits
        table = Mutex(UnaryCallTable(limit: limits.callsInFlight))
        self.handlers = handlers
        registrations = UnaryMethod.allCases.map {
            grpc_server_register_method(server, $0.path, nil, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0)!
        }
    }

    /// Lets the first calls in; the server must have been started.
    func start() {
        for method in UnaryMethod.allCases {
            for _ in 0..<method.callsAhead { awaitCall(of: method) }
        }
    }

    /// A batch came back. Runs on the queue's thread.
    func completed(_ batch: Batch, slot: Int, succeeded: Bool) {
        switch batch {
        case .requested: succeeded ? requested(slot) : ended(slot)
        case .closed: closed(slot)
        case .answered, .refused: ended(slot)
        }
    }

    private func tag(_ slot: Int, _ batch: Batch) -> UnsafeMutableRawPointer? { Tag(slot: slot, batch: batch.rawValue).pointer }

    // MARK: Requests

    private func awaitCall(of method: UnaryMethod) {
        guard let (slot, memory) = table.withLock({ $0.awaitCall(of: method) }) else { return }
        mustStart(
            aviary_server_request_call(server, registrations[method.rawValue], memory.pointer, queue, tag(slot, .requested)),
            "the wait for a call")
    }

    private func requested(_ slot: Int) {
        let (memory, method, admission) = table.withLock { $0.requested(slot) }
        awaitCall(of: method)
        switch admission {
        case .admitted(let id): admitted(slot, memory, method, id)
        case .crowded:
            let message = "\(limits.callsInFlight) calls are in flight, which is the limit of this node"
            refuse(slot, memory, .refused(GRPC_STATUS_RESOURCE_EXHAUSTED, message))
        case .draining: refuse(slot, memory, .refused(GRPC_STATUS_UNAVAILABLE, "the node is shutting down"))
        }
    }

    private func admitted(_ slot: Int, _ memory: Memory, _ method: UnaryMethod, _ id: CallID) {
        switch readRequest(memory, method) {
        case .failure(let refusal):
            table.withLock { $0.refused(slot) }
            refuse(slot, memory, refusal.status)
        case .success(let request):
            // The node hears of the call only after this, so nobody else starts a batch on it meanwhile.
            mustStart(aviary_server_receive_close(memory.pointer, tag(slot, .closed)), "the wait for a call's end")
            handlers.requested(request, id)
        }
    }

    private struct Refusal: Error {
        var status: CallStatus
        init(_ code: grpc_status_code, _ message: String) { status = .refused(code, message) }
    }

    private func readRequest(_ memory: Memory, _ method: UnaryMethod) -> Result<ClientRequest, Refusal> {
        guard let message = memory.pointer.pointee.request else {
            return .failure(Refusal(GRPC_STATUS_INVALID_ARGUMENT, "\(method.path): the call has no message"))
        }
        defer {
            grpc_byte_buffer_destroy(message)
            memory.pointer.pointee.request = nil
        }
        let size = grpc_byte_buffer_length(message)
        guard size <= limits.requestBytes else {
            let text = "\(method.path): the message has \(size) bytes; the limit is \(limits.requestBytes)"
            return .failure(Refusal(GRPC_STATUS_RESOURCE_EXHAUSTED, text))
        }
        let left = aviary_nanoseconds_until(memory.pointer.pointee.deadline)
        let patience = left < 0 ? nil : Nanoseconds(left)
        do throws(Malformed) {
            switch method {
            case .status: return .success(.status)
            case .routes: return .success(.routes)
            case .transfer:
                let request = try withContents(of: message) { bytes throws(Malformed) in
                    try TransferRequest(from: ProtobufReader(bytes))
                }
                return .success(.transfer(request))
            case .recover:
                let request = try withContents(of: message) { bytes throws(Malformed) in
                    try RecoverRequest(from: ProtobufReader(bytes))
                }
                return .success(.recover(request))
            case .put, .get, .delete, .openSession:
                guard let kind = method.kind else { throw Malformed() }
                let request = try withContents(of: message) { bytes throws(Malformed) in try KeyRequest(kind, decoding: bytes) }
                return .success(.key(request, patience: patience))
            }
        } catch {
            return .failure(Refusal(GRPC_STATUS_INVALID_ARGUMENT, "\(method.path): the message is not of the request's type"))
        }
    }

    /// Ends a call that no node was told of.
    private func refuse(_ slot: Int, _ memory: Memory, _ status: CallStatus) {
        memory.pointer.pointee.status = aviary_status(status)
        mustStart(aviary_server_reply(memory.pointer, 1, tag(slot, .refused)), "a refusal")
    }

    // MARK: Replies

    /// Answers a call, from any thread. A call that is over, or was never there, is ignored.
    func reply(_ reply: ClientReply, to id: CallID) {
        guard let (slot, memory, method) = table.withLock({ $0.answer(id) }) else { return }
        switch method.response(with: reply) {
        case .success(let message): memory.pointer.pointee.response = message
        case .failure(let error): memory.pointer.pointee.status = aviary_status(CallStatus(error))
        }
        mustStart(aviary_server_reply(memory.pointer, 0, tag(slot, .answered)), "a reply")
    }

    // MARK: Ends

    private func closed(_ slot: Int) {
        // An end that comes before the answer is the client's doing, or the network's.
        if let abandoned = table.withLock({ $0.closed(slot) }) { handlers.cancelled(abandoned) }
        ended(slot)
    }

    /// A batch of the slot is over; the last one frees it.
    private func ended(_ slot: Int) {
        guard let memory = table.withLock({ $0.ended(slot) }) else { return }
        if let call = memory.pointer.pointee.call { grpc_call_unref(call) }
        if let request = memory.pointer.pointee.request { grpc_byte_buffer_destroy(request) }
        if let response = memory.pointer.pointee.response { grpc_byte_buffer_destroy(response) }
        memory.pointer.pointee.status.release()
        grpc_metadata_array_destroy(&memory.pointer.pointee.request_metadata)
        let progress = table.withLock { $0.release(slot) }
        if progress.noneOpen { noneOpen.open() }
        if progress.allFree { allFree.open() }
    }

    // MARK: Shutting down

    /// Refuses new calls from now on, and waits until those in flight are answered and the answers are on their way.
    func drain(atMost grace: Nanoseconds) {
        if !table.withLock({ $0.drain() }) { _ = noneOpen.wait(atMost: max(0, grace.count)) }
    }

    /// No calls are awaited from now on. To be called before the server is told to stop: those that are awaited come
    /// back then.
    func stop() { table.withLock { $0.stop() } }

    /// After every call was cancelled: waits until C-core is done with all of them.
    func awaitEnd() { allFree.wait() }
}
