import CGRPCShims
import Machine

/// One call that is not one of the node's unary methods: a peer's link, a health watch, reflection, or a call of an
/// unknown method. It knows how to read, write and end; `ServerStreams` decides, and guards it with its lock.
final class ServerStream {
    enum Batch: UInt8 {
        case accepted = 8
        case closed = 9
        case opened = 10
        case read = 11
        case wrote = 12
        case ended = 13
    }

    /// What the call is for.
    enum Service: Equatable {
        /// C-core may put a call into it.
        case awaited
        /// A peer's frames. `from`: where the peer can be reached, once it has said so.
        case link(from: Address?)
        case healthCheck
        /// `service`: whose health is watched, once that was asked; `told`: what the client heard last.
        case healthWatch(service: String?, told: [UInt8])
        case reflection
        case unknown(method: String)

        init(path: String) {
            self =
                switch path {
                case "/aviary.internal.v1.Peers/Link": .link(from: nil)
                case "/grpc.health.v1.Health/Check": .healthCheck
                case "/grpc.health.v1.Health/Watch": .healthWatch(service: nil, told: [])
                case "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo":
                    .reflection
                default: .unknown(method: path)
                }
        }
    }

    let slot: Int
    let memory: UnsafeMutablePointer<aviary_server_stream>
    var service = Service.awaited
    /// Batches that have not come back.
    private(set) var pending = 0
    private var outgoing: [[UInt8]] = []
    private var ending: CallStatus?
    private var isWriting = false
    private var isReading = false
    private var isEnded = false
    private var isClosed = false

    init(slot: Int) {
        self.slot = slot
        memory = .allocate(capacity: 1)
        memory.initialize(to: aviary_server_stream())
    }

    deinit {
        if let call = memory.pointee.call { grpc_call_unref(call) }
        if let message = memory.pointee.received { grpc_byte_buffer_destroy(message) }
        if let message = memory.pointee.sent { grpc_byte_buffer_destroy(message) }
        memory.pointee.status.release()
        grpc_metadata_array_destroy(&memory.pointee.request_metadata)
        grpc_call_details_destroy(&memory.pointee.details)
        memory.deallocate()
    }

    /// Counts a batch that is about to start.
    func tag(_ batch: Batch) -> UnsafeMutableRawPointer? {
        pending += 1
        return Tag(slot: slot, batch: batch.rawValue).pointer
    }

    /// A batch came back. When none is left the stream can go.
    func returned() { pending -= 1 }

    // MARK: What its owner does with it

    /// Starts to serve an accepted call. The initial metadata goes out at once: it tells the other side that somebody
    /// listens.
    func open() {
        mustStart(aviary_stream_receive_close(memory, tag(.closed)), "the wait for a stream's end")
        isWriting = true
        mustStart(aviary_stream_send_initial_metadata(memory, tag(.opened)), "the initial metadata")
    }

    /// Asks for the next message. The network is read no further than that.
    func read() {
        guard !isReading, !isClosed, ending == nil else { return }
        isReading = true
        mustStart(aviary_stream_receive_message(memory, tag(.read)), "a read")
    }

    func write(_ bytes: [UInt8]) {
        guard ending == nil else { return }
        outgoing.append(bytes)
        flow()
    }

    func end(_ status: CallStatus) {
        guard ending == nil else { return }
        ending = status
        flow()
    }

    /// Whether everything written is on its way.
    var isIdle: Bool { !isWriting && outgoing.isEmpty }

    // MARK: What happened to it

    /// A read came back. What `body` makes of the message's bytes; nil, without a call, where there are no more
    /// messages.
    func received<Received>(_ body: (UnsafeRawBufferPointer) -> Received) -> Received? {
        isReading = false
        guard let message = memory.pointee.received else { return nil }
        memory.pointee.received = nil
        defer { grpc_byte_buffer_destroy(message) }
        return withContents(of: message, body)
    }

    /// The initial metadata or a message is on its way.
    func wrote() {
        isWriting = false
        if let message = memory.pointee.sent { grpc_byte_buffer_destroy(message) }
        memory.pointee.sent = nil
        flow()
    }

    /// The call is over for the other side, or the status is on its way.
    func closed() {
        isClosed = true
        outgoing = []
    }

    private func flow() {
        guard !isWriting, !isClosed, !isEnded else { return }
        if !outgoing.isEmpty {
            isWriting = true
            memory.pointee.sent = makeMessage(outgoing.removeFirst())
            mustStart(aviary_stream_send_message(memory, tag(.wrote)), "a message")
        } else if let ending {
            isEnded = true
            memory.pointee.status = aviary_status(ending)
            mustStart(aviary_stream_send_status(memory, tag(.ended)), "a status")
        }
    }
}
