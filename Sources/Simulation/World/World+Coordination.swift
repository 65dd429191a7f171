import Machine

extension World {
    @inlinable public var zooKeeperServers: Int { options.zooKeeper.servers }
    /// The server that leads; nil while there is none. It may be cut off from the others, and nobody has noticed yet.
    @inlinable public var zooKeeperLeader: Int? { zooKeeper.leaderServer }

    /// Cuts a process off from one ZooKeeper server, or ends that.
    @inlinable public mutating func setZooKeeperCut(_ process: Int, server: Int, _ isCut: Bool) {
        tell(isCut ? .fault : .repair, lane: process, "\(isCut ? "cut off from" : "reaches") ZooKeeper server \(server)")
        _zooKeeper.setCut(process, server, isCut, at: now)
        takeCoordinationOutput()
    }

    /// Breaks a process's connections to ZooKeeper, as a reset does. It can connect again.
    @inlinable public mutating func breakZooKeeperConnections(of process: Int) {
        tell(.fault, lane: process, "its ZooKeeper connections break")
        _zooKeeper.breakConnections(of: process, at: now)
        takeCoordinationOutput()
    }

    /// A ZooKeeper server loses the rest of the ensemble, and goes on serving what it knows for a while; or finds it again.
    /// Where it leads, the others elect another in time, and it answers `sync` from what it has until it notices. Nothing
    /// happens in an ensemble of one.
    @inlinable public mutating func setZooKeeperServerIsolated(_ server: Int, _ isolated: Bool) {
        tell(
            isolated ? .fault : .repair, lane: laneOfZooKeeper,
            "server \(server) \(isolated ? "isolated" : "with the others again")")
        _zooKeeper.setIsolated(server, isolated, at: now)
        takeCoordinationOutput()
    }

    @inlinable public mutating func setZooKeeperServerDown(_ server: Int, _ down: Bool) {
        tell(down ? .fault : .repair, lane: laneOfZooKeeper, "server \(server) \(down ? "down" : "up")")
        _zooKeeper.setDown(server, down, at: now)
        takeCoordinationOutput()
    }

    /// The leader's server crashes: all connections drop, what was being decided survives or vanishes, the others elect another
    /// leader after a while, and every session has its full timeout again. The server comes back by itself.
    @inlinable public mutating func failOverZooKeeper() {
        let leader = zooKeeperLeader.map { "\($0)" } ?? "(none)"
        tell(.fault, lane: laneOfZooKeeper, "leader \(leader) crashes")
        _zooKeeper.failOver(at: now)
        takeCoordinationOutput()
    }

    /// A ZooKeeper server applies what is committed long after the others, or in time again.
    @inlinable public mutating func setZooKeeperServerSlow(_ server: Int, _ slow: Bool) {
        tell(slow ? .fault : .repair, lane: laneOfZooKeeper, "server \(server) \(slow ? "slow" : "in time again")")
        _zooKeeper.setSlow(server, slow, at: now)
    }

    /// The ensemble has no leader: all connections drop, and none can be made until `endZooKeeperOutage`.
    @inlinable public mutating func beginZooKeeperOutage() {
        tell(.fault, lane: laneOfZooKeeper, "outage begins")
        _zooKeeper.beginOutage(at: now)
        takeCoordinationOutput()
    }

    @inlinable public mutating func endZooKeeperOutage() {
        tell(.repair, lane: laneOfZooKeeper, "outage ends")
        _zooKeeper.endOutage(at: now)
        takeCoordinationOutput()
    }

    /// Ends a process's sessions, as if nothing had been heard of them for too long.
    @inlinable public mutating func expireSessions(of process: Int) {
        tell(.fault, lane: process, "its ZooKeeper sessions expire")
        for handle in _zooKeeper.handlesOfProcess[process] { _zooKeeper.expireSession(ofHandle: handle, at: now) }
        takeCoordinationOutput()
    }

    /// Whether a process's session has an ephemeral node.
    @inlinable func hasEphemeralNode(_ process: Int) -> Bool { !_zooKeeper.ephemeralNodes(of: process).isEmpty }

    /// Somebody deletes one of a process's ephemeral nodes by hand. `number` says which, by its place in the order of their
    /// paths, counted round.
    @inlinable public mutating func deleteEphemeralNode(of process: Int, number: Int) {
        let paths = _zooKeeper.ephemeralNodes(of: process)
        guard !paths.isEmpty else { return }
        let path = paths[number % paths.count]
        tell(.fault, lane: process, "somebody deletes its \(path)")
        _zooKeeper.deleteByHand(path, at: now)
        takeCoordinationOutput()
    }

    public mutating func healZooKeeper() {
        tell(.repair, lane: laneOfZooKeeper, "healed")
        _zooKeeper.heal(at: now)
        takeCoordinationOutput()
    }
}
