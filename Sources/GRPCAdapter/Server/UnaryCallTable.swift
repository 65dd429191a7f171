import CGRPCShims
import Machine

/// Where each unary call of a server is on its way; see `UnaryCalls`. A plain value: no C-core function is called from
/// here.
struct UnaryCallTable: ~Copyable {
    typealias Memory = CallMemory<aviary_server_call>

    private enum Phase {
        case free
        case awaited(UnaryMethod)
        case inFlight(UnaryMethod)
        case answered
        case abandoned
        /// Ended without the node.
        case refused
    }

    /// What to do with a request that came in.
    enum Admission {
        case admitted(CallID)
        /// As many calls are open as may be.
        case crowded
        case draining
    }

    private struct Slot {
        let memory: Memory
        /// How many calls the slot has held. Part of the `CallID`.
        var uses: UInt64 = 0
        var phase = Phase.free
        /// Batches that have not come back.
        var pending = 0
    }

    private var slots: [Slot] = []
    private var free: [Int] = []
    /// Calls that were admitted and are not over.
    private var open = 0
    private let limit: Int
    private var isDraining = false
    private var isStopping = false

    init(limit: Int) { self.limit = limit }

    deinit { for slot in slots { slot.memory.pointer.deallocate() } }

    /// Takes a slot for the next call; nil when no more are taken in.
    mutating func awaitCall(of method: UnaryMethod) -> (slot: Int, memory: Memory)? {
        guard !isStopping else { return nil }
        let index: Int
        if let last = free.popLast() {
            index = last
        } else {
            index = slots.count
            slots.append(Slot(memory: Memory(pointer: .allocate(capacity: 1))))
        }
        slots[index].memory.pointer.initialize(to: aviary_server_call())
        slots[index].uses += 1
        slots[index].phase = .awaited(method)
        slots[index].pending = 1
        return (index, slots[index].memory)
    }

    /// A request came into the slot. The batch that brought it is over, and the one that the caller starts next takes
    /// its place among the pending.
    mutating func requested(_ slot: Int) -> (memory: Memory, method: UnaryMethod, admission: Admission) {
        guard case .awaited(let method) = slots[slot].phase else {
            preconditionFailure("a request came into a slot that awaits none")
        }
        if isDraining || open >= limit {
            slots[slot].phase = .refused
            return (slots[slot].memory, method, isDraining ? .draining : .crowded)
        }
        slots[slot].phase = .inFlight(method)
        open += 1
        return (slots[slot].memory, method, .admitted(id(of: slot)))
    }

    /// An admitted call turns out to be none for the node.
    mutating func refused(_ slot: Int) {
        slots[slot].phase = .refused
        open -= 1
    }

    /// Claims the call for one answer; nil where it is over or was never there.
    mutating func answer(_ id: CallID) -> (slot: Int, memory: Memory, method: UnaryMethod)? {
        let index = Int(id.number & Self.slotMask)
        guard index < slots.count, self.id(of: index) == id, case .inFlight(let method) = slots[index].phase else { return nil }
        slots[index].phase = .answered
        slots[index].pending += 1
        return (index, slots[index].memory, method)
    }

    /// The call is over for the other side. Returns its identity if the node still owes an answer.
    mutating func closed(_ slot: Int) -> CallID? {
        guard case .inFlight = slots[slot].phase else { return nil }
        slots[slot].phase = .abandoned
        return id(of: slot)
    }

    /// A batch came back. Returns the memory to clean up if it was the slot's last.
    mutating func ended(_ slot: Int) -> Memory? {
        slots[slot].pending -= 1
        return slots[slot].pending == 0 ? slots[slot].memory : nil
    }

    /// The slot's memory is clean.
    mutating func release(_ slot: Int) -> (noneOpen: Bool, allFree: Bool) {
        switch slots[slot].phase {
        case .answered, .abandoned: open -= 1
        case .awaited, .refused: break
        case .free, .inFlight: preconditionFailure("a slot was released while a call was in it, or twice")
        }
        slots[slot].phase = .free
        free.append(slot)
        return (isDraining && open == 0, isStopping && free.count == slots.count)
    }

    /// No calls are admitted from now on. True if none is open.
    mutating func drain() -> Bool {
        isDraining = true
        return open == 0
    }

    /// No calls are even awaited from now on.
    mutating func stop() { isStopping = true }

    // Enough slots for any limit, and 2^40 uses of each.
    private static let slotBits: UInt64 = 24
    private static let slotMask: UInt64 = (1 << slotBits) - 1

    private func id(of slot: Int) -> CallID { CallID(slots[slot].uses << Self.slotBits | UInt64(slot)) }
}
