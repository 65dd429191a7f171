import AviaryProtos
import CGRPCShims
import Machine

/// Asks a node's `grpc.health.v1.Health` once, as probes do.
public enum HealthClient {
    public enum Answer: Hashable, Sendable {
        case serving
        /// The node answers, but says that it does not serve (yet, or any more).
        case notServing
        /// No answer; one line says why.
        case unreachable(String)
    }

    /// Blocks the calling thread for at most about `timeout`.
    public static func check(_ address: Address, timeout: Nanoseconds) -> Answer {
        let channel = Channel(to: address, .outgoing)
        let method = grpc_channel_register_call(channel.handle, "/grpc.health.v1.Health/Check", nil, nil)
        let queue = CompletionQueue()
        // C-core fills this in later, so it must not move: memory of its own, not a local variable.
        let memory = UnsafeMutablePointer<aviary_client_call>.allocate(capacity: 1)
        defer { memory.deallocate() }
        memory.initialize(to: aviary_client_call())
        memory.pointee.call = grpc_channel_create_registered_call(
            channel.handle, nil, 0, queue.handle, method, aviary_deadline_after(max(0, timeout.count)), nil)
        memory.pointee.request = makeMessage(EmptyMessage())
        let tag = Tag(slot: 1, batch: 0)
        var answer = Answer.unreachable("")
        mustStart(aviary_client_unary(memory, tag.pointer), "a health check")
        queue.shutDown(after: tag) {
            answer = Self.answer(of: memory.pointee, from: address)
            memory.pointee.release()
        }
        return answer
    }

    private static func answer(of call: aviary_client_call, from address: Address) -> Answer {
        guard call.status == GRPC_STATUS_OK else {
            let reason = call.status == GRPC_STATUS_DEADLINE_EXCEEDED ? "no answer in time" : String(call.details)
            return .unreachable("\(address) cannot be asked: \(reason)")
        }
        let response = call.response.flatMap { message in
            withContents(of: message) { try? Grpc_Health_V1_HealthCheckResponse(serializedBytes: [UInt8]($0)) }
        }
        return response?.status == .serving ? .serving : .notServing
    }
}
