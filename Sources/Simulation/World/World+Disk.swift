import Machine

extension World {
    @inlinable mutating func requestDisk(_ request: DiskRequest, of process: Int) {
        _load.diskRequests += 1
        let (end, lane) = disks[process].accept(request, at: now)
        agenda.plan(.disk(process: Int32(process), life: processes[process].life, lane), at: end)
    }

    @inlinable mutating func diskWorked(_ process: Int, _ lane: DiskLane) {
        guard let completion = disks[process].finishNext(lane, at: now) else { return }
        takeMarks(process)
        deliver(.disk(completion), to: process)
    }

    @inlinable mutating func takeMarks(_ process: Int) {
        guard !disks[process].marks.isEmpty else { return }
        for mark in disks[process].marks {
            count(mark)
            tell(.mark, lane: process, "disk: \(mark)")
        }
        disks[process].marks.removeAll()
    }

    // MARK: Faults

    /// Lets a fault wait for a moment at which the process's disk has requests under way or unsynced bytes: then
    /// `.trapSprung` occurs. Crashes at any moment would rarely meet one.
    @inlinable public mutating func setTrap(_ process: Int, _ fault: Fault) {
        processes[process].trap = fault
    }

    @inlinable mutating func springTrap(_ process: Int) {
        guard processes[process].hasTrap, processes[process].isUp, disks[process].canLoseSomething(),
            scheduling.chance(1, in: 3), let fault = processes[process].trap.take()
        else { return }
        occur(.trapSprung(process: process, fault))
    }

    /// How a process's disk fails from now on.
    @inlinable public mutating func setDiskFaults(_ process: Int, _ faults: DiskModel.Faults) {
        disks[process].faults = faults
    }

    /// The disk accepts nothing for a while: what is asked meanwhile ends afterwards.
    @inlinable public mutating func stallDisk(_ process: Int, for length: Nanoseconds) {
        disks[process].stall(until: now + length)
    }

    /// The disk works as it should again. What it has lost stays lost.
    @inlinable public mutating func recoverDisk(_ process: Int) {
        for (end, lane) in disks[process].recover(at: now) {
            agenda.plan(.disk(process: Int32(process), life: processes[process].life, lane), at: end)
        }
    }

    /// Flips bits somewhere in what a process's disk holds. Returns whether there was anything to hit.
    @discardableResult
    @inlinable public mutating func rotDisk(_ process: Int) -> Bool { harmDisk(process, 80) { $0.rot() } }

    /// Makes sectors somewhere on a process's disk unreadable. Returns whether there was anything to hit.
    @discardableResult
    @inlinable public mutating func loseSectors(_ process: Int) -> Bool { harmDisk(process, 81) { $0.loseSectors() } }

    /// Lets a process's page cache go: what a failed sync dropped, and what went elsewhere, is seen from now on.
    public mutating func forgetPageCache(_ process: Int) {
        _ = harmDisk(process, 82) {
            $0.forgetCache()
            return true
        }
    }

    /// The disk of a process that is down is lost: it starts again with an empty one.
    @inlinable public mutating func loseDisk(_ process: Int) {
        precondition(!processes[process].isUp, "the process is down")
        tell(.fault, lane: process, "its disk is replaced by an empty one")
        _ = harmDisk(process, 83) {
            $0.lose()
            return true
        }
    }

    /// The disk of a process that is down is as that of `source` was when its present, or last, life began: an empty one where that is
    /// not known (`Options.keepsImages`).
    @inlinable public mutating func restoreImage(_ process: Int, of source: Int) {
        let image = processes.indices.contains(source) ? processes[source].image : nil
        tell(.fault, lane: process, "its disk is as that of process \(source) was when that life began")
        restoreDisk(process, image ?? DiskCopy())
    }

    /// A process that is down starts again with the files of an earlier moment: `disk(_:).copy` of then.
    public mutating func restoreDisk(_ process: Int, _ copy: DiskCopy) {
        precondition(!processes[process].isUp, "the process is down")
        _ = harmDisk(process, 84) {
            $0.restore(copy)
            return true
        }
    }

    @inlinable mutating func harmDisk(_ process: Int, _ code: UInt64, _ harm: (inout DiskModel) -> Bool) -> Bool {
        let happened = harm(&disks[process])
        trace.fold(at: now, code, process) { [count = disks[process].harmCount] in $0.fold(count) }
        takeMarks(process)
        return happened
    }
}
