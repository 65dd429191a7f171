import Machine

// What was committed reaches the servers and, as events, the clients; and what of it all tells two states apart.

extension SteppedEnsemble {
    func tree(of client: Int) -> DataTree { clients[client].past ?? leader.tree }

    /// Decides, and lets the servers know: at once, or later. What changes nothing leaves no trace, unlike in the real
    /// history, where it takes a zxid: so more states are equal.
    mutating func commit(_ body: (inout Leader) -> CoordinationReply) -> CoordinationReply {
        let before = leader
        let reply = body(&leader)
        if case .failed = reply {
            leader = before
            return reply
        }
        let transaction = leader.transaction(leader.historyEnd - 1)
        committed.append(transaction)
        isTreeKnown = false
        for client in clients.indices {
            if clients[client].past != nil { continue }
            if lags, clients[client].state != .absent {
                clients[client].past = before.tree
                touch(client, 1)
            } else {
                apply(transaction, client)
                clients[client].applied = leader.historyEnd
            }
        }
        forget()
        return reply
    }

    mutating func closeSession(_ index: Int) {
        let session = sessions.remove(at: index)
        touch(session.client, UInt64(bitPattern: session.id))
        _ = commit { leader in
            leader.closeSession(session.id)
            return .deleted
        }
    }

    mutating func catchUp(_ client: Int) {
        guard clients[client].past != nil else { return }
        clients[client].past = nil
        for index in clients[client].applied..<leader.historyEnd { apply(leader.transaction(index), client) }
        clients[client].applied = leader.historyEnd
        touch(client, 2)
        forget()
    }

    /// The events of a transaction that the client's server applies.
    mutating func apply(_ transaction: Transaction, _ client: Int) {
        for change in transaction.changes {
            for (_, path, kind) in clients[client].server.fire(change) where clients[client].state == .connected {
                append(Packet(event: .watchFired(path: path, kind), zxid: transaction.zxid, answered: nil), client)
            }
        }
    }

    mutating func forget() {
        leader.forget(before: clients.reduce(leader.historyEnd) { min($0, $1.applied) }, slack: 1)
    }

    // MARK: Fingerprints

    /// What concerns one client and its sessions, but for what its server shows.
    package func fold(client: Int, into digest: inout Fingerprint) {
        digest.omitted += ["past", "applied"]
        digest.foldContent(of: clients[client])
        for session in sessions where session.client == client { digest.foldContent(of: session) }
    }

    /// The committed state, and what servers show that are behind.
    package mutating func foldTrees(into digest: inout Fingerprint) {
        if !isTreeKnown {
            treePrint = leader.tree.fingerprint
            isTreeKnown = true
        }
        digest.fold(treePrint)
        for client in clients {
            if let past = client.past { digest.fold(past.fingerprint) } else { digest.fold(0 as UInt64) }
        }
    }

    /// Notes that something happened to a client's part, and what.
    mutating func touch(_ client: Int, _ what: UInt64) {
        inputs[client] = (inputs[client] ^ what) &* 0xD6E8_FEB8_6659_FD93 &+ 0x2545_F491_4F6C_DD1D
        inputs[client] ^= inputs[client] >> 29
    }
}

extension DataTree {
    fileprivate var fingerprint: UInt64 {
        var digest = Fingerprint()
        func walk(_ path: String) {
            guard let node = self[path] else { return }
            digest.fold(node.data)
            digest.fold(UInt64(bitPattern: node.ephemeralOwner))
            digest.fold(UInt64(UInt32(bitPattern: node.version)) << 32 | UInt64(UInt32(bitPattern: node.creations)))
            for zxid in [node.czxid, node.mzxid, node.pzxid] { digest.fold(UInt64(bitPattern: zxid)) }
            for child in node.children {
                digest.fold(child)
                walk(path == "/" ? "/" + child : path + "/" + child)
            }
            digest.fold(0 as UInt64)
        }
        walk("/")
        return digest.value
    }
}
