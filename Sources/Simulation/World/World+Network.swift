import Machine

extension World {
    /// Sends a message of a living process; opens the connection where there is none.
    @inlinable mutating func send(_ message: N.Message, from sender: Int, to address: Address) {
        // Nobody was ever there: as if it were down, without a connection to break.
        guard let receiver = process(at: address) else { return }
        _load.messages += 1
        let link = network.path(sender, receiver)
        let slot: Int
        if let current = network.links[link].connection {
            slot = current
        } else {
            guard now >= network.links[link].retryAt else {
                count(.messageInBackOff)
                tell(.message, lane: receiver, from: sender, sent: now, isLost: true, message.brief)
                return
            }
            slot = network.open(from: sender, to: receiver)
            planOpening(slot)
        }
        guard network.connections[slot].inFlight.count < network.options.capacity else {
            count(.linkOverflow)
            breakConnection(slot, keeping: network.connections[slot].inFlight.count, noticed: true)
            return
        }
        _load.saw(link: network.connections[slot].inFlight.count + 1)
        if let arrival = network.send(message, over: slot, now: now) {
            agenda.plan(.arrival(connection: Int32(slot), generation: network.connections[slot].generation), at: arrival)
        }
    }

    @inlinable mutating func planOpening(_ slot: Int) {
        let (from, to) = (network.connections[slot].from, network.connections[slot].to)
        let isCut = network.isCut(from: from, to: to) || network.isCut(from: to, to: from)
        let delay =
            isCut
            ? network.options.givingUp.draw(&network.random)
            : network.latency(from: from, to: to) + network.latency(from: to, to: from)
        agenda.plan(.opening(connection: Int32(slot), generation: network.connections[slot].generation), at: now + delay)
    }

    /// A connection attempt ends.
    @inlinable mutating func openingEnded(_ slot: Int) {
        let (from, to) = (network.connections[slot].from, network.connections[slot].to)
        guard processes[to].isUp, !network.isCut(from: from, to: to), !network.isCut(from: to, to: from) else {
            count(.connectionRefused)
            breakConnection(slot, keeping: 0, noticed: true)
            return
        }
        deliver(.linkUp(processes[to].address), to: from)
        if let arrival = network.opened(slot, now: now) {
            agenda.plan(.arrival(connection: Int32(slot), generation: network.connections[slot].generation), at: arrival)
        }
    }

    /// The next messages of a connection arrive, unless a cut holds them up.
    @inlinable mutating func messagesArrived(_ slot: Int) {
        network.connections[slot].arrivalPlanned = false
        let (from, to) = (network.connections[slot].from, network.connections[slot].to)
        guard !network.isCut(from: from, to: to) else { return }
        let now = now
        while !network.connections[slot].inFlight.isEmpty, network.connections[slot].inFlight.look(at: 0, { $0.arrival <= now })
        {
            guard let next = network.connections[slot].inFlight.popFirst() else { break }
            deliver(.received(next.message, from: processes[from].address), to: to, from: from, sent: next.sent)
        }
        if network.connections[slot].inFlight.isEmpty && network.connections[slot].state == .draining {
            network.free(slot)
        } else if let arrival = network.planArrival(slot, notBefore: now) {
            agenda.plan(.arrival(connection: Int32(slot), generation: network.connections[slot].generation), at: arrival)
        }
    }

    /// Breaks a connection; its sender hears of it now (`noticed`) or later.
    @inlinable mutating func breakConnection(_ slot: Int, keeping: Int, noticed: Bool) {
        let (from, to) = (network.connections[slot].from, network.connections[slot].to)
        let link = network.path(from, to)
        network.links[link].retryAt = now + network.options.backOff.draw(&network.random)
        let wasCurrent = network.links[link].connection == slot
        tellLost(slot, keeping: keeping)
        network.detach(slot, keeping: keeping)
        guard wasCurrent, processes[from].isUp else { return }
        if noticed {
            deliver(.linkDown(processes[to].address), to: from)
        } else {
            let delay = network.options.noticing.draw(&network.random)
            network.links[link].retryAt = network.links[link].retryAt + delay
            agenda.plan(.linkDown(from: Int32(from), life: processes[from].life, to: Int32(to)), at: now + delay)
        }
    }

    /// The node says that it needs the link no more: what was sent still arrives. What it sends later opens another one at once.
    @inlinable mutating func closeLink(from sender: Int, to address: Address) {
        guard let receiver = process(at: address) else { return }
        network.links[network.path(sender, receiver)].retryAt = .zero
        guard let slot = network.links[network.path(sender, receiver)].connection else { return }
        network.detach(slot, keeping: network.connections[slot].inFlight.count)
    }

    /// The network's part of a process's death.
    @inlinable mutating func breakConnections(of process: Int) {
        for slot in network.connections.indices where network.connections[slot].state != .free {
            if network.connections[slot].to == process {
                let wasCurrent = network.connections[slot].state != .draining
                if wasCurrent {
                    breakConnection(slot, keeping: 0, noticed: false)
                } else {
                    tellLost(slot, keeping: 0)
                    network.free(slot)
                }
            } else if network.connections[slot].from == process, network.connections[slot].state != .draining {
                let kept = network.random.below(network.connections[slot].inFlight.count + 1)
                tellLost(slot, keeping: kept)
                network.detach(slot, keeping: kept)
            }
        }
        for peer in 0..<network.endpoints {
            network.links[network.path(process, peer)].retryAt = .zero
        }
    }

    /// Tells of the messages of a connection that will never arrive.
    @inlinable mutating func tellLost(_ slot: Int, keeping: Int) {
        guard trace.isRecording else { return }
        let (from, to) = (network.connections[slot].from, network.connections[slot].to)
        let kept = network.connections[slot].state == .opening ? 0 : keeping
        for index in 0..<network.connections[slot].inFlight.count where index >= kept {
            let lost = network.connections[slot].inFlight[index]
            tell(.message, lane: to, from: from, sent: lost.sent, isLost: true, lost.message.brief)
        }
    }

    // MARK: Faults

    /// Cuts the way from one endpoint to another. Cuts add up: each needs its own `mendPath`.
    @inlinable public mutating func cutPath(from: Int, to: Int) {
        network.cut(from: from, to: to)
        for slot in network.connections.indices where network.connections[slot].state != .free {
            let (one, other) = (network.connections[slot].from, network.connections[slot].to)
            guard one == from && other == to || one == to && other == from, network.connections[slot].state != .draining else {
                continue
            }
            let delay = network.options.givingUp.draw(&network.random)
            agenda.plan(.givingUp(connection: Int32(slot), generation: network.connections[slot].generation), at: now + delay)
        }
    }

    /// Takes one cut away: what waited goes on its way.
    @inlinable public mutating func mendPath(from: Int, to: Int) {
        network.mend(from: from, to: to)
        guard !network.isCut(from: from, to: to) else { return }
        for slot in network.connections.indices where network.connections[slot].state != .free {
            guard network.connections[slot].from == from, network.connections[slot].to == to else { continue }
            let delay = network.latency(from: from, to: to)
            if network.connections[slot].state != .opening, let arrival = network.planArrival(slot, notBefore: now + delay) {
                agenda.plan(.arrival(connection: Int32(slot), generation: network.connections[slot].generation), at: arrival)
            }
        }
    }

    /// A connection over a cut path is given up, if the path is still cut.
    @inlinable mutating func connectionGivenUp(_ slot: Int) {
        let (from, to) = (network.connections[slot].from, network.connections[slot].to)
        let forth = network.isCut(from: from, to: to)
        guard network.connections[slot].state == .open, forth || network.isCut(from: to, to: from) else { return }
        count(.connectionGivenUp)
        breakConnection(slot, keeping: forth ? 0 : network.connections[slot].inFlight.count, noticed: true)
    }

    /// Breaks the connection between two processes, if there is one, as a reset would.
    @discardableResult
    @inlinable public mutating func resetConnection(from: Int, to: Int) -> Bool {
        guard let slot = network.links[network.path(from, to)].connection, network.connections[slot].state == .open else {
            return false
        }
        let kept = network.random.below(network.connections[slot].inFlight.count + 1)
        let noticed = network.random.chance(1, in: 2)
        let peer = name(to)
        tell(.fault, lane: from, "reset of the connection to \(peer)")
        breakConnection(slot, keeping: kept, noticed: noticed)
        return true
    }

    /// Multiplies the latency of a path; 1 is as usual.
    @inlinable public mutating func setSlowness(from: Int, to: Int, factor: Int64) {
        network.setSlowness(from: from, to: to, factor: factor)
    }
}
