import CGRPCShims
import Machine
import Wire

/// A request that a client wants answered, through as many attempts as it takes.
struct ClientAttempt: Sendable {
    let method: UnaryMethod
    let request: ClientRequest
    let deadline: UncheckedSendable<gpr_timespec>
    let completion: Completion
    /// The server that is being asked, as an index.
    var server: Int
    /// How many servers were asked, this one included.
    var asked = 1
    /// The newest refusal that a server itself has given.
    var answer: ClientError?

    var isRead: Bool {
        switch request {
        case .key(let request, _): request.isRead
        case .status, .routes: true
        case .transfer, .recover: false
        }
    }

    /// Who waits, and for what.
    enum Completion: Sendable {
        /// For the answer, of whatever server.
        case result(@Sendable (Result<ClientReply, ClientError>) -> Void)
        /// For what becomes of this one call.
        case end(@Sendable (CallEnd) -> Void)
    }
}

/// The calls of a client that are not over, by slot. A plain value under its owner's lock.
struct ClientCallTable: ~Copyable {
    typealias Memory = CallMemory<aviary_client_call>

    private struct Slot {
        let memory: Memory
        /// How many requests the slot has held. Part of the `CallHandle`.
        var uses: UInt64 = 0
        var attempt: ClientAttempt?
        /// The call as long as it may be cancelled.
        var call: OpaquePointer?
        var isCancelled = false
    }

    /// The requests that wait for one server's connection.
    private struct WaitingRoom {
        var slots: [Int] = []
        /// Whether somebody is watching the connection for them.
        var isWatched = false
    }

    private var slots: [Slot] = []
    private var free: [Int] = []
    private var waitingRooms: [WaitingRoom]
    private(set) var isStopping = false

    init(servers: Int) { waitingRooms = Array(repeating: WaitingRoom(), count: servers) }

    deinit { for slot in slots { slot.memory.pointer.deallocate() } }

    var inFlight: Int { slots.count - free.count }

    /// Takes a slot for a request.
    mutating func begin(_ attempt: ClientAttempt) -> (slot: Int, memory: Memory, handle: KVClient.CallHandle) {
        let index: Int
        if let last = free.popLast() {
            index = last
        } else {
            index = slots.count
            slots.append(Slot(memory: Memory(pointer: .allocate(capacity: 1))))
        }
        slots[index].memory.pointer.initialize(to: aviary_client_call())
        slots[index].uses += 1
        slots[index].attempt = attempt
        slots[index].isCancelled = false
        return (index, slots[index].memory, KVClient.CallHandle(slot: index, use: slots[index].uses))
    }

    /// The request waits for its server's connection. True if the caller is to watch it.
    mutating func wait(_ slot: Int, for server: Int) -> Bool {
        waitingRooms[server].slots.append(slot)
        defer { waitingRooms[server].isWatched = true }
        return !waitingRooms[server].isWatched
    }

    /// Nobody waits for the connection any more. Returns who did.
    mutating func leaveWaitingRoom(of server: Int) -> [Int] {
        defer { waitingRooms[server] = WaitingRoom() }
        return waitingRooms[server].slots
    }

    /// Takes out who need not wait any longer for a connection: the deadline has passed, or the request was given up.
    /// `earliest`: the nearest deadline of those that stay; nil where nobody stays and the watch is over.
    mutating func leaveLate(of server: Int) -> (left: [Int], earliest: gpr_timespec?) {
        var left: [Int] = []
        var earliest: gpr_timespec?
        waitingRooms[server].slots.removeAll { slot in
            guard let deadline = slots[slot].attempt?.deadline.value else { return true }
            if isStopping || slots[slot].isCancelled || aviary_nanoseconds_until(deadline) == 0 {
                left.append(slot)
                return true
            }
            earliest = earliest.map { gpr_time_min($0, deadline) } ?? deadline
            return false
        }
        waitingRooms[server].isWatched = earliest != nil
        return (left, earliest)
    }

    /// The next server is asked.
    mutating func retry(_ slot: Int, _ attempt: ClientAttempt) {
        slots[slot].attempt = attempt
        slots[slot].memory.pointer.initialize(to: aviary_client_call())
    }

    mutating func waiting(_ slot: Int) -> (memory: Memory, attempt: ClientAttempt) {
        guard let attempt = slots[slot].attempt else { preconditionFailure("a request waited that never began") }
        return (slots[slot].memory, attempt)
    }

    /// The call exists. False if it is to be cancelled as soon as it has begun.
    mutating func started(_ slot: Int) -> Bool {
        slots[slot].call = slots[slot].memory.pointer.pointee.call
        return !slots[slot].isCancelled && !isStopping
    }

    /// The call is over and is no longer touched from here.
    mutating func ended(_ slot: Int) -> (memory: Memory, attempt: ClientAttempt, isCancelled: Bool) {
        guard let attempt = slots[slot].attempt else { preconditionFailure("a call ended that never began") }
        slots[slot].call = nil
        return (slots[slot].memory, attempt, slots[slot].isCancelled || isStopping)
    }

    /// The request has its answer. True if that was the last one a stopping client waited for.
    mutating func release(_ slot: Int) -> Bool {
        slots[slot].attempt = nil
        free.append(slot)
        return isStopping && inFlight == 0
    }

    mutating func cancel(_ handle: KVClient.CallHandle) {
        guard slots[handle.slot].uses == handle.use, slots[handle.slot].attempt != nil else { return }
        slots[handle.slot].isCancelled = true
        if let call = slots[handle.slot].call { grpc_call_cancel(call, nil) }
    }

    /// Cancels everything, and what begins later. True if there is nothing to wait for.
    mutating func stop() -> Bool {
        isStopping = true
        for slot in slots {
            if let call = slot.call { grpc_call_cancel(call, nil) }
        }
        return inFlight == 0
    }
}
