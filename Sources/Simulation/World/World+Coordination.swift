import Machine

extension World {
    public var zooKeeperServers: Int { options.zooKeeper.servers }

    /// Cuts a process off from one ZooKeeper server, or ends that.
    public mutating func setZooKeeperCut(_ process: Int, server: Int, _ isCut: Bool) {
        if trace.isRecording {
            trace.tell(at: now, "\(name(process)) \(isCut ? "cut off from" : "reaches") ZooKeeper server \(server)")
        }
        zooKeeper.setCut(process, server, isCut, at: now)
        takeCoordinationOutput()
    }

    /// A ZooKeeper server loses the rest of the ensemble, and goes on serving what it knows for a while; or finds it again.
    public mutating func setZooKeeperServerIsolated(_ server: Int, _ isolated: Bool) {
        if trace.isRecording {
            trace.tell(at: now, "ZooKeeper server \(server) \(isolated ? "isolated" : "with the others again")")
        }
        zooKeeper.setIsolated(server, isolated, at: now)
        takeCoordinationOutput()
    }

    public mutating func setZooKeeperServerDown(_ server: Int, _ down: Bool) {
        if trace.isRecording { trace.tell(at: now, "ZooKeeper server \(server) \(down ? "down" : "up")") }
        zooKeeper.setDown(server, down, at: now)
        takeCoordinationOutput()
    }

    /// The ensemble has no leader: all connections drop, and none can be made until `endZooKeeperOutage`.
    public mutating func beginZooKeeperOutage() {
        if trace.isRecording { trace.tell(at: now, "ZooKeeper outage begins") }
        zooKeeper.beginOutage(at: now)
        takeCoordinationOutput()
    }

    public mutating func endZooKeeperOutage() {
        if trace.isRecording { trace.tell(at: now, "ZooKeeper outage ends") }
        zooKeeper.endOutage(at: now)
        takeCoordinationOutput()
    }

    /// Ends a process's sessions, as if nothing had been heard of them for too long.
    public mutating func expireSessions(of process: Int) {
        if trace.isRecording { trace.tell(at: now, "sessions of \(name(process)) expire") }
        for handle in zooKeeper.handlesOfProcess[process] { zooKeeper.expireSession(ofHandle: handle, at: now) }
        takeCoordinationOutput()
    }

    public mutating func healZooKeeper() {
        if trace.isRecording { trace.tell(at: now, "ZooKeeper healed") }
        zooKeeper.heal(at: now)
        takeCoordinationOutput()
    }
}
