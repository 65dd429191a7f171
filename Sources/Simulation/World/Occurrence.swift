import Machine

/// What the world tells whoever drives it: the points at which a scenario looks, judges and acts.
///
/// What is large is held elsewhere: there is one of these for every batch, and it is nearly always `stepped`.
public enum Occurrence<Reply: Sendable>: Sendable {
    /// A process took a batch of events, and its effects are on their way.
    case stepped(process: Int)
    /// A process ended its life by itself; it is down.
    indirect case halted(process: Int, Halt)
    /// The moment came that a trap waited for (`World.setTrap`).
    indirect case trapSprung(process: Int, Fault)
    /// A client's call ended.
    indirect case answered(CallID, CallOutcome<Reply>)
    /// The moment came that was asked for with `World.alarm(at:_:)`.
    case alarm(UInt64)
}

/// How a client's call ended. A call over a cut path does not end: the client gives up with `World.abandon`.
public enum CallOutcome<Reply: Sendable>: Sendable {
    case reply(Reply)
    /// No connection: the request never reached a process.
    case refused
    /// The connection broke: the request may have been executed.
    case broken
}

extension CallOutcome where Reply: Traceable {
    @inlinable var brief: String {
        switch self {
        case .reply(let reply): reply.brief
        case .refused: "refused"
        case .broken: "broken"
        }
    }
}

/// What is on the world's agenda. Small and trivial; contents wait in the models.
@usableFromInline enum Happening: Sendable {
    case wake(process: Int32, life: UInt32)
    case timer(process: Int32, life: UInt32, slot: Int32, plan: UInt32)
    case opening(connection: Int32, generation: UInt32)
    case arrival(connection: Int32, generation: UInt32)
    case givingUp(connection: Int32, generation: UInt32)
    case linkDown(from: Int32, life: UInt32, to: Int32)
    case call(CallID, CallStep)
    case disk(process: Int32, life: UInt32, DiskLane)
    case coordination(ZooKeeperHappening)
    case resume(process: Int32, life: UInt32)
    case shutdown(process: Int32, life: UInt32)
    case alarm(UInt64)
}
