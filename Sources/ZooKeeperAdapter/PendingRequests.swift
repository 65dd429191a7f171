import Machine

/// The requests of a session that have not been answered, in the order in which they were made.
struct PendingRequests {
    /// Under consecutive serial numbers, from `oldest` up to, but without, `next`.
    private var requests: [UInt64: Request] = [:]
    private var oldest: UInt64 = 0
    private var next: UInt64 = 0
    /// No request before this one is held.
    private var unsent: UInt64 = 0

    var count: Int { requests.count }
    var isEmpty: Bool { requests.isEmpty }

    subscript(serial: UInt64) -> Request? { requests[serial] }

    mutating func append(_ request: Request) {
        requests[next] = request
        next += 1
    }

    /// The serial number of the oldest request that is held.
    var firstHeld: UInt64? {
        mutating get {
            while unsent < next {
                if case .held = requests[unsent]?.stage { return unsent }
                unsent += 1
            }
            return nil
        }
    }

    mutating func sent(_ serial: UInt64, _ shape: Request.Shape) { requests[serial]?.stage = .sent(shape) }

    mutating func answer(_ serial: UInt64, _ reply: CoordinationReply) { requests[serial]?.stage = .answered(reply) }

    mutating func answerAll(_ reply: CoordinationReply) {
        for serial in oldest..<next {
            switch requests[serial]?.stage {
            case .held, .sent: answer(serial, reply)
            case .answered, nil: break
            }
        }
    }

    /// Answers what was held since before `limit`.
    mutating func answerHeld(since limit: Nanoseconds, _ reply: CoordinationReply) {
        for serial in oldest..<next {
            if case .held(_, let since) = requests[serial]?.stage, since < limit { answer(serial, reply) }
        }
    }

    /// Takes out the oldest request if it is answered.
    mutating func popAnswered() -> (CoordinationID, CoordinationReply)? {
        guard let request = requests[oldest], case .answered(let reply) = request.stage else { return nil }
        requests[oldest] = nil
        oldest += 1
        return (request.id, reply)
    }
}
