import CGRPCShims
import Machine
import Synchronization
import Wire

/// A node's outgoing links: one `Peers.Link` stream to each peer that it sends to.
///
/// A link is made by the first `send` and keeps the order of what is sent. When it fails, `linkDown` is reported,
/// whatever had not arrived is lost, and messages are dropped for a moment (`PeerLimits.firstBackoff` and so on); the
/// first `send` after that makes the next link. A peer that is silent (its host is gone, its process is stopped) fails
/// within seconds: C-core pings it.
public final class PeerLinks: Sendable {
    private let from: Address
    private let limits: PeerLimits
    private let linkUp: @Sendable (Address) -> Void
    private let linkDown: @Sendable (Address) -> Void
    private let queue = CompletionQueue()
    private let state = Mutex(State())
    private let allGone = Latch()
    private let dropped = Atomic(0)

    private struct State: ~Copyable {
        var peers: [Address: Peer] = [:]
        /// By slot, until the last batch came back.
        var connections: [PeerConnection?] = []
        var free: [Int] = []
        var isStopping = false
    }

    private struct Peer {
        var connection: PeerConnection?
        var backoff: Nanoseconds
        /// Until then messages are dropped.
        var pausedUntil: ContinuousClock.Instant?
    }

    /// - Parameters:
    ///   - from: where the peers can reach this node.
    ///   - linkUp: messages to this peer travel. On the links' thread; must only enqueue.
    ///   - linkDown: messages to this peer are lost from some unknown point in the past on. Also reported where a first
    ///     attempt to connect fails. On the links' thread; must only enqueue.
    public init(
        from: Address, limits: PeerLimits = PeerLimits(), linkUp: @escaping @Sendable (Address) -> Void,
        linkDown: @escaping @Sendable (Address) -> Void
    ) {
        self.from = from
        self.limits = limits
        self.linkUp = linkUp
        self.linkDown = linkDown
        queue.start(threadName: "links \(from.port)") { [self] tag, succeeded in
            guard let batch = PeerConnection.Batch(rawValue: tag.batch) else {
                preconditionFailure("a tag that nobody gave out")
            }
            completed(batch, slot: tag.slot, succeeded: succeeded)
        }
    }

    /// Sends the messages, in order, in as few frames as their size allows. At most once: lost when the link fails,
    /// dropped while it may not be made again. Never blocks.
    public func send(_ messages: [PeerMessage], to peer: Address) {
        guard !messages.isEmpty else { return }
        guard let connection = connection(to: peer) else {
            dropped.add(messages.count, ordering: .relaxed)
            return
        }
        dropped.add(connection.value.send(messages), ordering: .relaxed)
    }

    /// Ends the link to this peer, without a report. A later `send` makes a new one at once.
    public func close(_ peer: Address) {
        state.withLock { state in
            if let connection = state.peers.removeValue(forKey: peer)?.connection { connection.close() }
        }
    }

    /// Ends all links, without reports, and everything else. To be called once, and not from a report.
    public func shutDown() {
        let isIdle = state.withLock { state in
            state.isStopping = true
            state.peers = [:]
            for case let connection? in state.connections { connection.close() }
            return state.free.count == state.connections.count
        }
        if !isIdle { allGone.wait() }
        queue.shutDown()
    }

    /// How many messages were dropped so far because there was no link, or because they were too large for one.
    public var droppedMessages: Int { dropped.load(ordering: .relaxed) }

    // MARK: Connections

    private func connection(to address: Address) -> UncheckedSendable<PeerConnection>? {
        state.withLock { state in
            guard !state.isStopping else { return nil }
            if let connection = state.peers[address]?.connection { return UncheckedSendable(connection) }
            if let pausedUntil = state.peers[address]?.pausedUntil, ContinuousClock.now < pausedUntil { return nil }
            let slot = state.free.popLast() ?? state.connections.count
            if slot == state.connections.count { state.connections.append(nil) }
            let connection = PeerConnection(slot: slot, from: from, to: address, limits: limits, queue: queue)
            state.connections[slot] = connection
            state.peers[address, default: Peer(backoff: limits.firstBackoff)].connection = connection
            return UncheckedSendable(connection)
        }
    }

    /// A batch came back. Runs on the queue's thread.
    private func completed(_ batch: PeerConnection.Batch, slot: Int, succeeded: Bool) {
        let known = state.withLock { state in state.connections[slot].map { UncheckedSendable($0) } }
        guard let connection = known?.value else { preconditionFailure("a batch came back to a connection that is gone") }
        let (change, isGone) = connection.completed(batch, succeeded: succeeded)
        switch change {
        case .none: break
        case .up: linkUp(connection.address)
        case .down(let wasUp):
            failed(slot, connection.address, wasUp: wasUp)
            linkDown(connection.address)
        }
        if isGone, remove(slot) { allGone.open() }
    }

    private func failed(_ slot: Int, _ address: Address, wasUp: Bool) {
        state.withLock { state in
            guard var peer = state.peers[address], peer.connection?.slot == slot else { return }
            if wasUp { peer.backoff = limits.firstBackoff }
            peer.connection = nil
            peer.pausedUntil = ContinuousClock.now + .nanoseconds(peer.backoff.count)
            peer.backoff = min(peer.backoff * 2, limits.lastBackoff)
            state.peers[address] = peer
        }
    }

    /// True if that was the last connection a stopping node waited for.
    private func remove(_ slot: Int) -> Bool {
        state.withLock { state in
            state.connections[slot] = nil
            state.free.append(slot)
            return state.isStopping && state.free.count == state.connections.count
        }
    }
}
