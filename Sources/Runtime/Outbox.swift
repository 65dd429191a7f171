import Machine

/// The effects of one batch on their way out: gathered per neighbour, in order within each.
///
/// All messages to a peer travel in one frame, all disk requests are handed over at once, all replies too; that is where
/// group commit and message batching come from. Neighbours work side by side, so nobody could see an order between them.
struct Outbox<Message: Sendable, Reply: Sendable> {
    private var disk: [DiskRequest] = []
    private var replies: [(Reply, CallID)] = []
    /// In the order in which the peers were first named.
    private var peers: [(address: Address, messages: [Message])] = []
    private var positions: [Address: Int] = [:]

    /// Performs `effects`; returns the halt among them, after which nothing more is performed.
    mutating func perform(
        _ effects: [NodeEffect<Message, Reply>], timers: inout TimerQueue, with neighbours: some Neighbours<Message, Reply>
    ) -> Halt? {
        var halt: Halt?
        loop: for effect in effects {
            switch effect {
            case .disk(let request): disk.append(request)
            case .send(let message, let peer): gather(message, to: peer)
            case .reply(let reply, let call): replies.append((reply, call))
            case .coordination(let effect): neighbours.perform(effect)
            case .setTimer(let id, let deadline): timers.set(id, at: deadline)
            case .cancelTimer(let id): timers.cancel(id)
            case .log(let line): neighbours.log(line)
            case .closeLink(let peer):
                sendAll(with: neighbours)
                neighbours.closeLink(to: peer)
            case .halt(let reason):
                halt = reason
                break loop
            }
        }
        // The disk first: it is the slowest, and its neighbours do not wait for it.
        if !disk.isEmpty {
            neighbours.perform(disk)
            disk.removeAll(keepingCapacity: true)
        }
        sendAll(with: neighbours)
        if !replies.isEmpty {
            neighbours.reply(replies)
            replies.removeAll(keepingCapacity: true)
        }
        return halt
    }

    private mutating func gather(_ message: Message, to peer: Address) {
        if let last = peers.indices.last, peers[last].address == peer {
            peers[last].messages.append(message)
        } else if let position = positions[peer] {
            peers[position].messages.append(message)
        } else {
            positions[peer] = peers.count
            peers.append((peer, [message]))
        }
    }

    private mutating func sendAll(with neighbours: some Neighbours<Message, Reply>) {
        guard !peers.isEmpty else { return }
        for (address, messages) in peers { neighbours.send(messages, to: address) }
        peers.removeAll(keepingCapacity: true)
        positions.removeAll(keepingCapacity: true)
    }
}
