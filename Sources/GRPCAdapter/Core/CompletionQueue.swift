import CGRPCShims
import Synchronization

/// What a completion is about: which call of its owner, and which of that call's batches.
///
/// C-core carries tags as pointers. Integers cannot dangle: whatever comes back is looked up in a table.
struct Tag {
    var slot: Int
    var batch: UInt8

    init(slot: Int, batch: UInt8) {
        self.slot = slot
        self.batch = batch
    }

    fileprivate init(_ pointer: UnsafeMutableRawPointer?) {
        let bits = UInt(bitPattern: pointer)
        self.init(slot: Int(bits >> 4), batch: UInt8(bits & 15))
    }

    var pointer: UnsafeMutableRawPointer? { UnsafeMutableRawPointer(bitPattern: UInt(slot) << 4 | UInt(batch)) }
}

/// A completion queue of C-core and the one thread that takes its completions. That thread also does the network's
/// work: C-core reads and writes sockets while somebody waits on a queue.
final class CompletionQueue: Sendable {
    nonisolated(unsafe) let handle: OpaquePointer
    private let thread = Mutex<OSThread?>(nil)

    init() {
        GRPCLibrary.start()
        handle = grpc_completion_queue_create_for_next(nil)
    }

    /// Starts the thread. `completed` runs on it, with a batch's tag and whether the batch succeeded.
    func start(threadName: String, completed: @escaping @Sendable (Tag, Bool) -> Void) {
        let queue = UncheckedSendable(handle)
        let started = OSThread(name: threadName) {
            let never = gpr_inf_future(GPR_CLOCK_MONOTONIC)
            while true {
                let event = grpc_completion_queue_next(queue.value, never, nil)
                switch event.type {
                case GRPC_OP_COMPLETE: completed(Tag(event.tag), event.success != 0)
                case GRPC_QUEUE_SHUTDOWN: return
                default: preconditionFailure("a completion queue without a deadline timed out")
                }
            }
        }
        thread.withLock { $0 = started }
    }

    /// Hands out what is still queued, then ends the thread and the queue. No batch may be started any more.
    func shutDown() {
        grpc_completion_queue_shutdown(handle)
        thread.withLock { $0.take() }?.join()
        grpc_completion_queue_destroy(handle)
    }

    /// For a queue whose thread was never started: waits for this one tag, then ends the queue.
    func shutDown(after tag: Tag, _ body: () -> Void) {
        let never = gpr_inf_future(GPR_CLOCK_MONOTONIC)
        while grpc_completion_queue_next(handle, never, nil).tag != tag.pointer {}
        body()
        grpc_completion_queue_shutdown(handle)
        while grpc_completion_queue_next(handle, never, nil).type != GRPC_QUEUE_SHUTDOWN {}
        grpc_completion_queue_destroy(handle)
    }
}

/// Lets a handle of C-core's cross to another thread, where C-core promises that this is safe.
struct UncheckedSendable<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}

/// Memory of one call that C-core reads and fills in. Whoever runs the call's current phase may touch it; tables hand
/// it on.
struct CallMemory<Value>: @unchecked Sendable {
    let pointer: UnsafeMutablePointer<Value>
}

/// C-core refuses a batch only when it is used wrongly, which is our own mistake.
func mustStart(_ error: grpc_call_error, _ batch: StaticString) {
    precondition(error == GRPC_CALL_OK, "cannot start \(batch): \(String(cString: grpc_call_error_to_string(error)))")
}
