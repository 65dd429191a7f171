import Glibc
import Machine
import Testing
import Wire

@testable import GRPCAdapter

@Suite struct PeerLinksTests {
    enum Change: Hashable {
        case up(Address)
        case down(Address)
    }

    /// A node's outgoing links, with their reports recorded.
    private final class Node: Sendable {
        let changes = Recorder<Change>()
        let links: PeerLinks
        static let address = Address(host: "10.0.0.9", port: 1926)

        init(limits: PeerLimits = PeerLimits(firstBackoff: .milliseconds(1), lastBackoff: .milliseconds(20))) {
            links = PeerLinks(
                from: Self.address, limits: limits, linkUp: { [changes] in changes.append(.up($0)) },
                linkDown: { [changes] in changes.append(.down($0)) })
        }

        /// Sends a query again and again, since messages may be dropped, until the condition holds.
        func send(to peer: Address, until isEnough: () -> Bool) -> Bool {
            for _ in 0..<3_000 {
                links.send([.statusQuery(id: 0)], to: peer)
                if isEnough() { return true }
                usleep(10_000)
            }
            return false
        }
    }

    private func queries(_ ids: Range<UInt64>) -> [PeerMessage] { ids.map { .statusQuery(id: $0) } }

    @Test func messagesArriveInOrderWithTheirSendersAddress() throws {
        let server = try TestServer()
        let node = Node()
        for start in stride(from: 0, to: 10_000, by: 100) as StrideTo<UInt64> {
            node.links.send(queries(start..<start + 100), to: server.address)
        }
        #expect(server.messages.wait { $0.count == 10_000 })
        #expect(server.messages.all.map(\.message) == queries(0..<10_000))
        #expect(server.messages.all.allSatisfy { $0.from == Node.address })
        #expect(node.changes.wait { $0 == [.up(server.address)] })
        node.links.shutDown()
        server.shutDown()
        #expect(node.changes.all == [.up(server.address)])
    }

    @Test func everyKindOfMessageArrives() throws {
        let server = try TestServer()
        let node = Node()
        node.links.send(Samples.messages, to: server.address)
        #expect(server.messages.wait { $0.count == Samples.messages.count })
        #expect(server.messages.all.map(\.message) == Samples.messages)
        #expect(server.server.droppedMessages == 0)
        node.links.shutDown()
        server.shutDown()
    }

    @Test func largeBatchesAreCutIntoFramesAndStayInOrder() throws {
        let server = try TestServer()
        let node = Node()
        let value = [UInt8](repeating: 5, count: 1 << 20)
        let messages = (0..<40).map { PeerMessage.forward(id: $0, .put(key: [1], value: value)) }
        node.links.send(messages, to: server.address)
        #expect(server.messages.wait { $0.count == 40 })
        #expect(server.messages.all.map(\.message) == messages)
        node.links.shutDown()
        server.shutDown()
    }

    @Test func aMessageThatIsTooLargeIsDroppedAndTheOthersArrive() throws {
        let server = try TestServer()
        let node = Node(limits: PeerLimits(frameBytes: 100, messageBytes: 1_000))
        let large = PeerMessage.forward(id: 9, .put(key: [1], value: [UInt8](repeating: 5, count: 1_000)))
        node.links.send(queries(0..<3) + [large] + queries(3..<6) + [large], to: server.address)
        #expect(server.messages.wait { $0.count == 6 })
        #expect(server.messages.all.map(\.message) == queries(0..<6))
        #expect(node.links.droppedMessages == 2)
        node.links.shutDown()
        server.shutDown()
    }

    @Test func aPeerThatIsNotThereIsDownEachTimeItIsTried() throws {
        let (listener, port) = listenOnLoopback()
        close(listener)
        let peer = Address(host: "127.0.0.1", port: port)
        let node = Node()
        #expect(node.send(to: peer) { node.changes.all.count >= 3 })
        #expect(Set(node.changes.all) == [.down(peer)])
        node.links.shutDown()
    }

    @Test func aLinkComesBackWithItsPeer() throws {
        var server = try TestServer()
        let peer = server.address
        let node = Node()
        for round in 1...3 {
            #expect(node.send(to: peer) { node.changes.all.last == .up(peer) })
            #expect(server.messages.wait { !$0.isEmpty })
            server.shutDown()
            #expect(node.changes.wait { $0.last == .down(peer) })
            #expect(node.changes.all.filter { $0 == .up(peer) }.count == round)
            server = try TestServer(port: peer.port)
        }
        node.links.shutDown()
        server.shutDown()
    }

    @Test func aLinkThatIsCutIsMadeAgain() throws {
        let server = try TestServer()
        let relay = Relay(to: server.address)
        let node = Node()
        #expect(node.send(to: relay.address) { node.changes.all == [.up(relay.address)] })
        relay.cut()
        #expect(node.changes.wait { $0 == [.up(relay.address), .down(relay.address)] })
        #expect(node.send(to: relay.address) { node.changes.all.last == .up(relay.address) })
        node.links.shutDown()
        relay.end()
        server.shutDown()
    }

    @Test func aPeerThatFallsSilentIsNoticed() throws {
        let server = try TestServer()
        let relay = Relay(to: server.address)
        let node = Node()
        #expect(node.send(to: relay.address) { node.changes.all == [.up(relay.address)] })
        relay.fallSilent()
        node.links.send(queries(0..<10), to: relay.address)
        #expect(node.changes.wait { $0.last == .down(relay.address) })
        node.links.shutDown()
        relay.end()
        server.shutDown()
    }

    @Test func aPeerThatNeverSpeaksIsNoticed() throws {
        let (listener, port) = listenOnLoopback()
        let peer = Address(host: "127.0.0.1", port: port)
        let node = Node()
        node.links.send(queries(0..<1), to: peer)
        #expect(node.changes.wait { $0 == [.down(peer)] })
        node.links.shutDown()
        close(listener)
    }

    @Test func aQueueBeyondItsBoundDropsTheLink() throws {
        let (listener, port) = listenOnLoopback()
        let peer = Address(host: "127.0.0.1", port: port)
        let node = Node(limits: PeerLimits(queuedBytes: 1 << 20, firstBackoff: patience, lastBackoff: patience))
        let message = PeerMessage.forward(id: 1, .put(key: [1], value: [UInt8](repeating: 0, count: 100_000)))
        for _ in 0..<15 { node.links.send([message], to: peer) }
        #expect(node.changes.wait { $0 == [.down(peer)] })
        node.links.send([message], to: peer)
        #expect(node.links.droppedMessages >= 1)
        node.links.shutDown()
        close(listener)
    }

    @Test func aClosedLinkIsSilentAndMadeAnewAtOnce() throws {
        let server = try TestServer()
        let node = Node(limits: PeerLimits(firstBackoff: patience, lastBackoff: patience))
        node.links.send(queries(0..<1), to: server.address)
        #expect(node.changes.wait { $0 == [.up(server.address)] })
        #expect(server.messages.wait { $0.count == 1 })
        node.links.close(server.address)
        node.links.close(Address(host: "127.0.0.1", port: 1))
        node.links.send(queries(1..<2), to: server.address)
        #expect(server.messages.wait { $0.count == 2 })
        #expect(node.changes.wait { $0 == [.up(server.address), .up(server.address)] })
        node.links.shutDown()
        node.links.send(queries(2..<3), to: server.address)
        server.shutDown()
    }

    @Test func nonsenseFromAPeerIsDroppedAndCounted() throws {
        let server = try TestServer()
        let link = RawCall("/aviary.internal.v1.Peers/Link", to: server.address)
        #expect(link.send(FrameOpening(from: Node.address).encoded() + [0x12, 0]))
        #expect(link.send(FrameMessages(messages: [.statusQuery(id: 1)]).encoded()))
        #expect(server.messages.wait { $0.count == 1 })
        #expect(server.server.droppedMessages == 1)
        link.closeSending()
        #expect(link.receive() == [])
        #expect(link.status().code == 0)
        server.shutDown()
    }

    @Test func aLinkOfNobodyIsRefused() throws {
        let server = try TestServer()
        for first in [[], [0x0A, 1, 0x78], FrameMessages(messages: [.statusQuery(id: 1)]).encoded(), [0xFF]] as [[UInt8]] {
            let link = RawCall("/aviary.internal.v1.Peers/Link", to: server.address)
            _ = link.send(first)
            #expect(link.status().code == 3)
        }
        #expect(server.messages.all.isEmpty)
        server.shutDown()
    }

    @Test func streamsBeyondTheLimitAreRefused() throws {
        var limits = ServerLimits()
        limits.streams = 2
        let server = try TestServer(limits: limits)
        let links = (0..<2).map { _ in RawCall("/aviary.internal.v1.Peers/Link", to: server.address) }
        for link in links {
            #expect(
                link.send(FrameOpening(from: Node.address).encoded() + FrameMessages(messages: [.statusQuery(id: 1)]).encoded())
            )
        }
        #expect(server.messages.wait { $0.count == 2 })
        #expect(RawCall("/aviary.internal.v1.Peers/Link", to: server.address).status().code == 8)
        server.shutDown()
    }
}
