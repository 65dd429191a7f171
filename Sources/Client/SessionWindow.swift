import DequeModule
import Machine
import Wire

/// This client's session in one group: it numbers the mutations and knows which of them are open.
struct SessionWindow: Sendable {
    let group: String
    let session: SessionID
    /// The lowest open sequence number; equal to `next` where none is open.
    private(set) var lowestOpen: UInt64 = 1
    private(set) var next: UInt64 = 1
    /// From `lowestOpen` on: whether each is over.
    private var isOver: Deque<Bool> = []

    init(group: String, session: SessionID) {
        self.group = group
        self.session = session
    }

    /// How many numbers the group must remember for this client.
    var span: Int { isOver.count }

    /// The next mutation's number.
    mutating func begin() -> UInt64 {
        defer { next += 1 }
        isOver.append(false)
        return next
    }

    /// The identity under which to send a mutation now.
    func identity(_ sequence: UInt64) -> RequestIdentity {
        RequestIdentity(
            group: group, session: session, sequence: sequence, lowestOpen: min(lowestOpen, sequence))
    }

    /// Nobody waits for this one any more.
    mutating func end(_ sequence: UInt64) {
        guard sequence >= lowestOpen, sequence < next else { return }
        isOver[Int(sequence - lowestOpen)] = true
        while isOver.first == true {
            isOver.removeFirst()
            lowestOpen += 1
        }
    }
}
