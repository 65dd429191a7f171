import DequeModule
import Machine
import Testing

@testable import Runtime

@Suite struct MailboxTests {
    let peer = Address(host: "peer", port: 1)

    func take(_ mailbox: Mailbox<String, String>, limit: Int = 4096) -> [NodeEvent<String, String>] {
        var batch = Deque<NodeEvent<String, String>>()
        mailbox.take(into: &batch, limit: limit, waitingUntil: .zero, now: { Instant(nanoseconds: 1) })
        return Array(batch)
    }

    @Test func `Requests beyond the bound are refused until some were taken`() {
        var bounds = MailboxBounds()
        bounds.requests = 2
        let mailbox = makeMailbox(bounds: bounds)
        #expect(mailbox.post(request: "a", call: CallID(1)))
        #expect(mailbox.post(request: "b", call: CallID(2)))
        #expect(!mailbox.post(request: "c", call: CallID(3)))
        #expect(take(mailbox, limit: 1) == [.requested("a", call: CallID(1))])
        #expect(mailbox.post(request: "d", call: CallID(4)))
        #expect(!mailbox.post(request: "e", call: CallID(5)))
        #expect(take(mailbox) == [.requested("b", call: CallID(2)), .requested("d", call: CallID(4))])
        #expect(mailbox.post(request: "f", call: CallID(6)))
    }

    @Test func `Requests are bounded by their bytes too`() {
        var bounds = MailboxBounds()
        bounds.requestBytes = 10
        let mailbox = makeMailbox(bounds: bounds)
        #expect(mailbox.post(request: "123456", call: CallID(1)))
        #expect(!mailbox.post(request: "12345", call: CallID(2)))
        #expect(mailbox.post(request: "1234", call: CallID(3)))
        #expect(take(mailbox).count == 2)
        #expect(mailbox.post(request: "1234567890", call: CallID(4)))
    }

    @Test func `Of a peer's messages the tail beyond the bound is lost, and counted`() {
        var bounds = MailboxBounds()
        bounds.messages = 3
        let mailbox = makeMailbox(bounds: bounds)
        #expect(mailbox.post(messages: ["1", "2"], from: peer) == 0)
        #expect(mailbox.post(messages: ["3", "4", "5"], from: peer) == 2)
        #expect(take(mailbox) == ["1", "2", "3"].map { .received($0, from: peer) })
        #expect(mailbox.post(messages: ["6"], from: peer) == 0)
    }

    @Test func `A flood of requests never displaces what ZooKeeper, the disk or the operator say`() {
        var bounds = MailboxBounds()
        bounds.requests = 1
        let mailbox = makeMailbox(bounds: bounds)
        _ = mailbox.post(request: "a", call: CallID(1))
        _ = mailbox.post(request: "b", call: CallID(2))
        mailbox.post(contentsOf: (0..<1000).map { .disk(DiskCompletion(id: DiskID($0), result: .done)) })
        mailbox.post(.coordination(CoordinationEvent(session: SessionToken(1), kind: .expired)))
        mailbox.post(.shutdownRequested)
        #expect(take(mailbox).count == 1003)
    }

    @Test func `An empty mailbox gives up waiting at the deadline`() {
        #expect(take(makeMailbox()).isEmpty)
        let start = MonotonicClock.now()
        var batch = Deque<NodeEvent<String, String>>()
        makeMailbox().take(
            into: &batch, limit: 1, waitingUntil: start + .milliseconds(20), now: MonotonicClock.now)
        #expect(batch.isEmpty)
        #expect(MonotonicClock.now() >= start + .milliseconds(19))
    }
}
