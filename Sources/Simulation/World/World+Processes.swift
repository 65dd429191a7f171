import Machine

extension World {
    /// Starts a process that is down: a new life of `node` on the disk that it finds.
    @inlinable public mutating func start(_ process: Int, _ node: N) {
        precondition(!processes[process].isUp, "a process has one life at a time")
        processes[process].life += 1
        processes[process].isUp = true
        if options.keepsImages { processes[process].image = disks[process].copy }
        if let slot = processes[process].slot {
            nodes[slot] = node
        } else {
            processes[process].slot = nodes.count
            nodes.append(node)
        }
        // Instants of another life mean nothing: the clock may have been reset in between.
        processes[process].clock.offset = Int64(scheduling.below(1 << 40))
        let life = processes[process].life
        tell(.life, lane: process, "started, life \(life)")
        endBars([.down], lane: process)
        trace.fold(at: now, 2, process) { $0.fold(UInt64(0)) }
        deliver(.started, to: process)
    }

    /// Ends a life without warning: `kill -9`, or the loss of power, which takes unsynced bytes with it.
    @inlinable public mutating func crash(_ process: Int, losingPower: Bool) {
        precondition(processes[process].isUp, "only a living process crashes")
        tell(.life, lane: process, losingPower ? "lost power" : "was killed")
        trace.fold(at: now, 3, process) { $0.fold(losingPower ? 1 : 0 as UInt64) }
        end(process, losingPower: losingPower)
    }

    /// Power is lost while the process is down.
    @inlinable public mutating func losePowerWhileDown(_ process: Int) {
        precondition(!processes[process].isUp, "the process is down")
        tell(.life, lane: process, "lost power while down")
        disks[process].losePower()
        takeMarks(process)
    }

    @inlinable mutating func end(_ process: Int, losingPower: Bool) {
        processes[process].isUp = false
        processes[process].inbox.removeAll()
        processes[process].notes.removeAll()
        endBars([.paused, .primary, .standby, .learner, .master], lane: process)
        beginBar(.down, lane: process, losingPower ? "without power" : "down")
        processes[process].timers.removeAll()
        processes[process].withheld = []
        processes[process].isWaking = false
        processes[process].isPaused = false
        processes[process].pausesMidBatch = false
        disks[process].processEnded(losingPower: losingPower)
        takeMarks(process)
        breakConnections(of: process)
        _zooKeeper.processEnded(process, at: now)
        takeCoordinationOutput()
        breakCalls(at: process)
    }

    /// Asks a node to end cleanly, as SIGTERM does.
    @inlinable public mutating func requestShutdown(_ process: Int) {
        tell(.life, lane: process, "asked to shut down")
        deliver(.shutdownRequested, to: process)
    }

    /// Stops a living process from running. `midBatch`: between its next step and the effects of that step.
    @inlinable public mutating func pause(_ process: Int, for length: Nanoseconds, midBatch: Bool) {
        guard processes[process].isUp, !processes[process].isPaused else { return }
        trace.fold(at: now, 4, process) { $0.fold(length.count) }
        if midBatch {
            processes[process].pausesMidBatch = true
        } else {
            tell(.life, lane: process, "paused")
            beginBar(.paused, lane: process, "paused")
            processes[process].isPaused = true
            _zooKeeper.setPaused(process, true, at: now)
            takeCoordinationOutput()
        }
        agenda.plan(.resume(process: Int32(process), life: processes[process].life), at: now + length)
    }

    /// Lets a paused process run again: it acts on what it had decided, then sees everything that came meanwhile.
    @inlinable public mutating func resume(_ process: Int) {
        processes[process].pausesMidBatch = false
        guard processes[process].isUp, processes[process].isPaused else { return }
        tell(.life, lane: process, "goes on")
        endBars([.paused], lane: process)
        processes[process].isPaused = false
        _zooKeeper.setPaused(process, false, at: now)
        takeCoordinationOutput()
        var decided = processes[process].withheld
        processes[process].withheld = []
        perform(&decided, of: process)
        planBatch(process)
    }

    /// How long events wait before the process looks at them, from now on.
    @inlinable public mutating func setReaction(_ process: Int, _ reaction: Spread) { processes[process].reaction = reaction }
}
