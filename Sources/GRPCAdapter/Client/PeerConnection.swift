import CGRPCShims
import DequeModule
import Machine
import Synchronization
import Wire

/// One try at a link: a channel, the stream on it, and what waits to be sent. It connects, is up, and is over; it never
/// comes back.
///
/// Messages are encoded by whoever sends them and wait as slices of C-core's memory. One message of the stream is on
/// its way at a time, and takes all that waits meanwhile, up to a frame's size: Protocol Buffers merge repeated fields,
/// so frames are joined by putting their bytes together.
final class PeerConnection: Sendable {
    enum Batch: UInt8 {
        case opened = 0
        case answered = 1
        case wrote = 2
        case over = 3
    }

    /// What a completion means for the link.
    enum Change {
        case none
        case up
        case down(wasUp: Bool)
    }

    private enum Phase {
        case connecting
        case up
        /// Given up, by either side; nothing is sent any more.
        case over
    }

    let slot: Int
    let address: Address
    private let limits: PeerLimits
    private let channel: Channel
    private nonisolated(unsafe) let call: OpaquePointer
    private let memory: CallMemory<aviary_client_call>
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var phase = Phase.connecting
        /// Frames, or parts of one, that wait.
        var waiting: Deque<grpc_slice> = []
        var waitingBytes = 0
        /// The message on its way.
        var sent: UncheckedSendable<MessagePointer>?
        /// Batches that have not come back.
        var pending = 0
        var wasUp = false
        /// The node closed the link and wants to hear no more of it.
        var isSilent = false

        deinit { for slice in waiting { grpc_slice_unref(slice) } }
    }

    /// Begins to connect.
    init(slot: Int, from: Address, to address: Address, limits: PeerLimits, queue: CompletionQueue) {
        self.slot = slot
        self.address = address
        self.limits = limits
        channel = Channel(to: address, Self.arguments)
        // Copied: a string literal that Swift hands to C lives only as long as that one call.
        let method = makeSlice("/aviary.internal.v1.Peers/Link")
        defer { grpc_slice_unref(method) }
        call = grpc_channel_create_call(channel.handle, nil, 0, queue.handle, method, nil, aviary_deadline_after(-1), nil)
        memory = CallMemory(pointer: .allocate(capacity: 1))
        memory.pointer.initialize(to: aviary_client_call())
        memory.pointer.pointee.call = call
        state = Mutex(State())
        state.withLock { state in
            state.pending = 3
            mustStart(aviary_client_receive_status(memory.pointer, tag(.over)), "the wait for a link's end")
            mustStart(aviary_client_receive_initial_metadata(memory.pointer, tag(.answered)), "the wait for a link's answer")
            mustStart(aviary_client_send_initial_metadata(memory.pointer, tag(.opened)), "a link")
            let opening = makeSlice(FrameOpening(from: from))
            state.waitingBytes += aviary_slice_length(opening)
            state.waiting.append(opening)
        }
    }

    deinit {
        grpc_metadata_array_destroy(&memory.pointer.pointee.initial_metadata)
        grpc_metadata_array_destroy(&memory.pointer.pointee.trailing_metadata)
        grpc_slice_unref(memory.pointer.pointee.details)
        memory.pointer.deallocate()
        grpc_call_unref(call)
    }

    private static var arguments: ChannelArguments {
        var arguments = ChannelArguments.outgoing
        // A silent peer is noticed within these. Leases notice sooner; this is for the link to be made anew.
        arguments.set(GRPC_ARG_KEEPALIVE_TIME_MS, 1_000)
        arguments.set(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 2_000)
        return arguments
    }

    private func tag(_ batch: Batch) -> UnsafeMutableRawPointer? { Tag(slot: slot, batch: batch.rawValue).pointer }

    // MARK: Sending

    /// Queues the messages. Returns how many were dropped.
    func send(_ messages: [PeerMessage]) -> Int {
        let (frames, dropped) = encode(messages)
        return state.withLock { state in
            guard state.phase != .over else {
                for frame in frames { grpc_slice_unref(frame.value) }
                return messages.count
            }
            for frame in frames {
                state.waitingBytes += aviary_slice_length(frame.value)
                state.waiting.append(frame.value)
            }
            if state.waitingBytes > limits.queuedBytes { giveUp(&state) } else { flow(&state) }
            return dropped
        }
    }

    /// The messages in frames of about `limits.frameBytes`, without those that are too large.
    private func encode(_ messages: [PeerMessage]) -> (frames: [UncheckedSendable<grpc_slice>], dropped: Int) {
        var frames: [UncheckedSendable<grpc_slice>] = []
        var dropped = 0
        var first = 0
        var size = 0
        func cut(before end: Int) {
            if first < end { frames.append(UncheckedSendable(makeSlice(FrameMessages(messages: messages[first..<end])))) }
            first = end
            size = 0
        }
        for (index, message) in messages.enumerated() {
            let bytes = ProtobufSizer.size(of: message)
            if size > 0, size + bytes > limits.frameBytes { cut(before: index) }
            if bytes > limits.messageBytes {
                cut(before: index)
                first = index + 1
                dropped += 1
            } else {
                size += bytes
            }
        }
        cut(before: messages.count)
        return (frames, dropped)
    }

    /// Sends what waits, as one message, unless one is on its way.
    private func flow(_ state: inout State) {
        guard state.phase != .over, state.sent == nil, !state.waiting.isEmpty else { return }
        var slices: [grpc_slice] = []
        var bytes = 0
        while let next = state.waiting.first, slices.isEmpty || bytes + aviary_slice_length(next) <= limits.frameBytes {
            bytes += aviary_slice_length(next)
            slices.append(state.waiting.removeFirst())
        }
        state.waitingBytes -= bytes
        let message = grpc_raw_byte_buffer_create(&slices, slices.count)!
        for slice in slices { grpc_slice_unref(slice) }
        state.sent = UncheckedSendable(message)
        state.pending += 1
        mustStart(aviary_call_send_message(call, message, tag(.wrote)), "a frame")
    }

    private func giveUp(_ state: inout State) {
        state.phase = .over
        grpc_call_cancel(call, nil)
    }

    /// Ends the link; nothing more is reported.
    func close() {
        state.withLock { state in
            state.isSilent = true
            giveUp(&state)
        }
    }

    // MARK: What happened

    /// A batch came back. `isGone`: it was the last one.
    func completed(_ batch: Batch, succeeded: Bool) -> (change: Change, isGone: Bool) {
        state.withLock { state in
            var change = Change.none
            switch batch {
            case .opened: break
            case .answered:
                if succeeded, state.phase == .connecting {
                    state.phase = .up
                    state.wasUp = true
                    change = .up
                }
            case .wrote:
                if let sent = state.sent.take() { grpc_byte_buffer_destroy(sent.value) }
                if succeeded { flow(&state) }
            case .over:
                state.phase = .over
                if !state.isSilent { change = .down(wasUp: state.wasUp) }
            }
            state.pending -= 1
            return (change, state.pending == 0)
        }
    }
}
