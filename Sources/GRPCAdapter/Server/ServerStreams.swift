import CGRPCShims
import Machine
import Synchronization
import Wire

/// The streaming calls of a server, and those of methods that it does not have.
final class ServerStreams: Sendable {
    /// How many calls C-core may take from the network ahead of the queue's thread.
    private static let callsAhead = 8

    private nonisolated(unsafe) let server: OpaquePointer
    private nonisolated(unsafe) let queue: OpaquePointer
    private let limits: ServerLimits
    private let handlers: GRPCServer.Handlers
    private let health = HealthService()
    private let state = Mutex(State())
    private let dropped = Atomic(0)
    private let allGone = Latch()

    private struct State: ~Copyable {
        /// By slot.
        var streams: [ServerStream?] = []
        var free: [Int] = []
        /// Streams that are not awaited.
        var open = 0
        var isStopping = false
    }

    /// What a link brought for the node.
    private struct Delivery {
        var messages: [PeerMessage]
        var from: Address
    }

    init(server: OpaquePointer, queue: CompletionQueue, limits: ServerLimits, handlers: GRPCServer.Handlers) {
        self.server = server
        self.queue = queue.handle
        self.limits = limits
        self.handlers = handlers
    }

    /// Lets the first calls in; the server must have been started.
    func start() {
        state.withLock { state in
            for _ in 0..<Self.callsAhead { awaitCall(&state) }
        }
    }

    /// How many messages of peers were dropped because they made no sense.
    var droppedMessages: Int { dropped.load(ordering: .relaxed) }

    func setServing(_ serving: Bool) {
        guard health.setServing(serving) else { return }
        state.withLock { state in
            for case let stream? in state.streams { tellHealth(stream) }
        }
    }

    /// A batch came back. Runs on the queue's thread.
    func completed(_ batch: ServerStream.Batch, slot: Int, succeeded: Bool) {
        let (delivery, isLast) = state.withLock { state -> (Delivery?, Bool) in
            guard let stream = state.streams[slot] else { preconditionFailure("a batch came back to a stream that is gone") }
            var delivery: Delivery?
            switch batch {
            case .accepted: if succeeded { accepted(stream, &state) }
            case .closed: stream.closed()
            case .read: delivery = read(stream)
            case .opened, .wrote:
                stream.wrote()
                // One answer at a time: a client that asks faster than it reads waits.
                if case .reflection = stream.service, stream.isIdle { stream.read() }
            case .ended: break
            }
            stream.returned()
            if stream.pending == 0 { remove(stream, &state) }
            return (delivery, state.isStopping && state.free.count == state.streams.count)
        }
        if let delivery { handlers.received(delivery.messages, delivery.from) }
        if isLast { allGone.open() }
    }

    // MARK: Comings and goings

    private func awaitCall(_ state: inout State) {
        guard !state.isStopping else { return }
        let slot = state.free.popLast() ?? state.streams.count
        if slot == state.streams.count { state.streams.append(nil) }
        let stream = ServerStream(slot: slot)
        state.streams[slot] = stream
        mustStart(aviary_stream_request(server, stream.memory, queue, stream.tag(.accepted)), "the wait for a stream")
    }

    private func accepted(_ stream: ServerStream, _ state: inout State) {
        awaitCall(&state)
        state.open += 1
        stream.service = ServerStream.Service(path: String(stream.memory.pointee.details.method))
        stream.open()
        if case .unknown(let method) = stream.service {
            stream.end(.refused(GRPC_STATUS_UNIMPLEMENTED, "there is no method \(method)"))
        } else if state.open > limits.streams {
            let message = "\(limits.streams) streams are open, which is the limit of this node"
            stream.end(.refused(GRPC_STATUS_RESOURCE_EXHAUSTED, message))
        } else {
            stream.read()
        }
    }

    private func remove(_ stream: ServerStream, _ state: inout State) {
        if stream.service != .awaited { state.open -= 1 }
        state.streams[stream.slot] = nil
        state.free.append(stream.slot)
    }

    // MARK: The services

    private func read(_ stream: ServerStream) -> Delivery? {
        switch stream.service {
        case .link(let from): return readFrame(stream, from: from)
        case .healthCheck: checkHealth(stream)
        case .healthWatch: watchHealth(stream)
        case .reflection: reflect(stream)
        case .awaited, .unknown: preconditionFailure("a read came back to a stream that does not read")
        }
        return nil
    }

    private func readFrame(_ stream: ServerStream, from known: Address?) -> Delivery? {
        let received = stream.received { bytes in Result { () throws(Malformed) in try Frame(decoding: bytes) } }
        switch received {
        case nil:
            stream.write([])
            stream.end(.ok)
            return nil
        case .failure:
            stream.end(.refused(GRPC_STATUS_INVALID_ARGUMENT, "the message is not a Frame"))
            return nil
        case .success(let frame):
            guard let from = known ?? frame.from else {
                stream.end(.refused(GRPC_STATUS_INVALID_ARGUMENT, "the first frame does not say in `from` where its sender is"))
                return nil
            }
            stream.service = .link(from: from)
            dropped.add(frame.dropped, ordering: .relaxed)
            stream.read()
            return frame.messages.isEmpty ? nil : Delivery(messages: frame.messages, from: from)
        }
    }

    private func checkHealth(_ stream: ServerStream) {
        guard let service = healthRequest(stream) else { return }
        guard let status = health.status(of: service) else {
            return stream.end(.refused(GRPC_STATUS_NOT_FOUND, "there is no service \(service)"))
        }
        stream.write(status)
        stream.end(.ok)
    }

    private func watchHealth(_ stream: ServerStream) {
        guard let service = healthRequest(stream) else { return }
        stream.service = .healthWatch(service: service, told: [])
        tellHealth(stream)
    }

    /// Tells a watch what changed since it heard last.
    private func tellHealth(_ stream: ServerStream) {
        guard case .healthWatch(let service?, let told) = stream.service else { return }
        let status = health.status(of: service) ?? HealthService.serviceUnknown
        guard status != told else { return }
        stream.service = .healthWatch(service: service, told: status)
        stream.write(status)
    }

    /// The name of the service that a client asks about; nil, with the call ended, where it does not say.
    private func healthRequest(_ stream: ServerStream) -> String? {
        let received = stream.received { bytes in
            Result { () throws(Malformed) in try HealthService.service(decoding: bytes) }
        }
        if case .success(let service) = received { return service }
        stream.end(.refused(GRPC_STATUS_INVALID_ARGUMENT, "the message is not a HealthCheckRequest"))
        return nil
    }

    private func reflect(_ stream: ServerStream) {
        switch stream.received({ ReflectionService.shared.answer([UInt8]($0)) }) {
        case nil: stream.end(.ok)
        case .some(nil): stream.end(.refused(GRPC_STATUS_INVALID_ARGUMENT, "the message is not a ServerReflectionRequest"))
        case .some(let answer?): stream.write(answer)
        }
    }

    // MARK: Shutting down

    /// No calls are awaited from now on; streams that are open go on. To be called before the server is told to stop:
    /// those that are awaited come back then.
    func stop() { state.withLock { $0.isStopping = true } }

    /// After every call was cancelled: waits until C-core is done with all of them.
    func awaitEnd() { allGone.wait() }
}
