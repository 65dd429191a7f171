import Machine
import Simulation
import Wire

// What tells two states of a group apart, and what people read of an action.

extension GroupSystem {
    public mutating func fold(into digest: inout Fingerprint, memo: inout FingerprintMemo) {
        for index in nodes.indices where ensemble.inputs[index] != 0 {
            prints[index] = memo.digest(after: prints[index], input: ensemble.inputs[index]) { read(index) }
            ensemble.inputs[index] = 0
        }
        if ensemble.inputs[2] != 0 {
            prints[2] = memo.digest(after: prints[2], input: ensemble.inputs[2]) {
                var own = Fingerprint()
                own.horizon = Nanoseconds(1)
                ensemble.fold(client: 2, into: &own)
                own.foldContent(of: master.value)
                return own.value
            }
            ensemble.inputs[2] = 0
        }
        for own in prints { digest.fold(own) }
        ensemble.foldTrees(into: &digest)
        for number in [budget.crashes, budget.breaks, budget.expiries, budget.losses, budget.ticks] { digest.fold(number) }
        digest.fold(isRequested)
        digest.fold(isAcknowledged)
        digest.fold(reign)
    }

    /// A store with its ZooKeeper client, its disk, and what is on the way to it.
    func read(_ index: Int) -> UInt64 {
        var own = Fingerprint()
        own.now = now
        own.horizon = Self.tick * 3
        ensemble.fold(client: index, into: &own)
        if let node = nodes[index] {
            own.foldContent(of: node.value.node)
            for (timer, at) in node.value.timers {
                own.foldContent(of: timer)
                if Self.isMeasured(timer) { own.fold(at) }
            }
        }
        disks[index].value.fold(into: &own)
        for message in links[1 - index] { own.foldContent(of: message) }
        own.fold(lives[index])
        return own.value
    }

    /// Something happened to a store, by this number.
    mutating func note(_ index: Int, _ what: UInt64) {
        var digest = Fingerprint()
        digest.fold(ensemble.inputs[index])
        digest.fold(what)
        ensemble.inputs[index] = digest.value
    }

    /// A message as it is told apart from others, whenever it is sent.
    func number(of message: PeerMessage) -> UInt64 {
        var hash = TraceHash()
        switch message {
        case .append(var append):
            append.sentAt -= now.nanoseconds
            PeerMessage.append(append).fold(into: &hash)
        case .appendReply(var reply):
            reply.echo -= now.nanoseconds
            PeerMessage.appendReply(reply).fold(into: &hash)
        case .copyPiece(var piece):
            piece.sentAt -= now.nanoseconds
            PeerMessage.copyPiece(piece).fold(into: &hash)
        case .forward, .forwardReply, .transfer, .recover, .statusQuery, .statusReply, .suspicion, .probe, .probeReply, .ping,
            .pong:
            message.fold(into: &hash)
        }
        return hash.value
    }

    public func brief(_ action: Action) -> String {
        switch action {
        case .request: "store 0: a client asks to put k=v"
        case .ensemble(let step), .loss(let step), .expiry(let step): ensemble.brief(step)
        case .coordination(let index): "store \(index): talks with ZooKeeper"
        case .timer(let index, let timer): "store \(index): \(Self.name(of: timer))"
        case .message(let from): "store \(1 - from): hears \(links[from].first.map(\.brief) ?? "nothing")"
        case .disk(let index):
            "store \(index): its disk ends \(disks[index].value.next.map { "\($0)".prefix { $0 != "(" } } ?? "")"
        case .master: "the master looks, and does what is needed"
        case .time(let next): "time passes, to \(next.nanoseconds / 1_000_000) ms"
        case .crash(let index, let losingPower): "store \(index): dies" + (losingPower ? ", with the power" : "")
        case .restart(let index): "store \(index): starts again"
        case .linkBreaks(let from): "what store \(from) has sent is lost (\(links[from].count) messages)"
        }
    }

    static func name(of timer: TimerID) -> String {
        switch timer.purpose {
        case 3: "its heartbeat is due"
        case 4: "its promise has run out"
        case 6: "looks whether it is stuck"
        default: "a pause ends"
        }
    }
}
