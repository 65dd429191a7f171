import Machine
import Synchronization

@testable import Runtime

/// A node that writes down what it is stepped by, and answers as its script says.
struct ToyNode: Node {
    typealias Message = String
    typealias Request = String
    typealias Reply = String

    struct Step: Equatable, Sendable {
        let event: NodeEvent<String, String>
        let now: Instant
    }

    let diary: Diary
    let script: @Sendable (NodeEvent<String, String>, Instant, inout Effects<String, String>) -> Void

    mutating func step(_ event: NodeEvent<String, String>, at now: Instant, into effects: inout Effects<String, String>) {
        diary.write(Step(event: event, now: now))
        script(event, now, &effects)
    }
}

/// What the toy nodes and neighbours of a test have seen, in order.
final class Diary: Sendable {
    private let pages = Mutex<[ToyNode.Step]>([])

    func write(_ step: ToyNode.Step) { pages.withLock { $0.append(step) } }
    var steps: [ToyNode.Step] { pages.withLock { $0 } }
    var events: [NodeEvent<String, String>] { steps.map(\.event) }

    /// The events of each batch, without the closing `batchEnded`.
    var batches: [[NodeEvent<String, String>]] {
        var batches: [[NodeEvent<String, String>]] = []
        var current: [NodeEvent<String, String>] = []
        for event in events {
            if case .batchEnded = event {
                batches.append(current)
                current = []
            } else {
                current.append(event)
            }
        }
        return batches
    }
}

/// Neighbours that write down what they are handed.
final class ToyNeighbours: Neighbours, Sendable {
    enum Call: Equatable, Sendable {
        case coordination(CoordinationEffect)
        case disk([DiskRequest])
        case send([String], to: Address)
        case closeLink(Address)
        case reply([String], to: [CallID])
        case log(String)
    }

    private let seen = Mutex<[Call]>([])
    var calls: [Call] { seen.withLock { $0 } }
    private func note(_ call: Call) { seen.withLock { $0.append(call) } }

    func perform(_ effect: CoordinationEffect) { note(.coordination(effect)) }
    func perform(_ requests: [DiskRequest]) { note(.disk(requests)) }
    func send(_ messages: [String], to peer: Address) { note(.send(messages, to: peer)) }
    func closeLink(to peer: Address) { note(.closeLink(peer)) }
    func reply(_ replies: [(String, CallID)]) { note(.reply(replies.map(\.0), to: replies.map(\.1))) }
    func log(_ line: LogLine) { note(.log(line.event)) }
}

func makeMailbox(bounds: MailboxBounds = MailboxBounds()) -> Mailbox<String, String> {
    Mailbox(bounds: bounds, requestBytes: { $0.utf8.count }, messageBytes: { $0.utf8.count })
}

/// A clock that a test sets.
final class ToyClock: Sendable {
    private let time = Mutex(Instant.zero)
    func set(_ now: Instant) { time.withLock { $0 = now } }
    func now() -> Instant { time.withLock { $0 } }
}
