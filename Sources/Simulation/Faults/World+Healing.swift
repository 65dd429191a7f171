import Machine

extension World {
    /// Ends every fault: no cut, no slowness, no pause, no failing disk; ZooKeeper is whole. Down processes stay down.
    public mutating func healEverything() {
        tell(.repair, "everything healed")
        for lane in 0...laneOfWorld { endBars([.cut, .slow, .diskFault, .outage, .paused], lane: lane) }
        trace.fold(at: now, 65, 0) { _ in }
        for from in 0..<network.endpoints {
            for to in 0..<network.endpoints {
                while network.isCut(from: from, to: to) { mendPath(from: from, to: to) }
                network.setSlowness(from: from, to: to, factor: 1)
            }
        }
        healZooKeeper()
        for process in 0..<processCount {
            recoverDisk(process)
            setReaction(process, options.reaction)
            resume(process)
            processes[process].trap = nil
        }
    }
}
