import CGRPCShims
import Machine

@testable import GRPCAdapter

/// A gRPC call of any method with any bytes, for what `KVClient` does not do. One thread uses it, and every step waits.
final class RawCall {
    private let queue = grpc_completion_queue_create_for_next(nil)!
    private let channel: Channel
    private let memory = UnsafeMutablePointer<aviary_client_call>.allocate(capacity: 1)
    private var pending: Set<UInt8> = []

    struct Status: Equatable {
        var code: Int
        var message: String
        var outcome: String?
    }

    init(_ method: String, to address: Address) {
        channel = Channel(to: address, .outgoing)
        memory.initialize(to: aviary_client_call())
        let name = makeSlice(method)
        memory.pointee.call = grpc_channel_create_call(
            channel.handle, nil, 0, queue, name, nil, aviary_deadline_after(patience.count), nil)
        grpc_slice_unref(name)
        start(1) { aviary_client_send_initial_metadata(memory, $0) }
        start(2) { aviary_client_receive_initial_metadata(memory, $0) }
        start(3) { aviary_client_receive_status(memory, $0) }
    }

    /// Answers whether the bytes went out.
    func send(_ bytes: [UInt8]) -> Bool {
        let message = makeMessage(bytes)
        defer { grpc_byte_buffer_destroy(message) }
        start(4) { aviary_call_send_message(memory.pointee.call, message, $0) }
        return wait(for: 4)
    }

    func closeSending() {
        start(5) { aviary_client_send_close(memory, $0) }
        _ = wait(for: 5)
    }

    /// The next message; nil at the end.
    func receive() -> [UInt8]? {
        start(6) { aviary_client_receive_message(memory, $0) }
        _ = wait(for: 6)
        guard let message = memory.pointee.response else { return nil }
        memory.pointee.response = nil
        defer { grpc_byte_buffer_destroy(message) }
        return withContents(of: message) { [UInt8]($0) }
    }

    func status() -> Status {
        if pending.contains(3) { _ = wait(for: 3) }
        return Status(
            code: Int(memory.pointee.status.rawValue), message: String(memory.pointee.details),
            outcome: memory.pointee.trailing_metadata.value(of: CallStatus.outcomeKey))
    }

    func cancel() { grpc_call_cancel(memory.pointee.call, nil) }

    /// A whole call with at most one message each way.
    static func unary(_ method: String, to address: Address, _ request: [UInt8]?) -> (response: [UInt8]?, status: Status) {
        let call = RawCall(method, to: address)
        if let request { _ = call.send(request) }
        call.closeSending()
        let response = call.receive()
        return (response, call.status())
    }

    private func start(_ tag: UInt8, _ batch: (UnsafeMutableRawPointer?) -> grpc_call_error) {
        pending.insert(tag)
        mustStart(batch(UnsafeMutableRawPointer(bitPattern: UInt(tag))), "a batch of a test")
    }

    private func wait(for tag: UInt8) -> Bool {
        while true {
            let event = grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), nil)
            let back = UInt8(UInt(bitPattern: event.tag))
            pending.remove(back)
            if back == tag { return event.success != 0 }
        }
    }

    deinit {
        cancel()
        while let tag = pending.first { _ = wait(for: tag) }
        grpc_metadata_array_destroy(&memory.pointee.initial_metadata)
        grpc_metadata_array_destroy(&memory.pointee.trailing_metadata)
        grpc_slice_unref(memory.pointee.details)
        grpc_call_unref(memory.pointee.call)
        memory.deallocate()
        grpc_completion_queue_shutdown(queue)
        while grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), nil).type != GRPC_QUEUE_SHUTDOWN {}
        grpc_completion_queue_destroy(queue)
    }
}
