import Machine

// Timers are set in local time, and fire when the world has come to it.

extension World {
    @inlinable mutating func setTimer(_ id: TimerID, at local: Instant, of process: Int) {
        let due = max(processes[process].clock.moment(of: local), now) + options.timerLateness.draw(&scheduling)
        let slot: Int
        if let index = processes[process].timers.firstIndex(where: { $0.id == id }) {
            slot = index
            processes[process].timers[slot].due = due
            processes[process].timers[slot].local = local
            // The plan that stands looks at the timer in time, and again at `due`.
            if processes[process].timers[slot].plannedAt <= due { return }
        } else {
            slot = processes[process].timers.count
            processes[process].timers.append(ArmedTimer(id: id, local: local, due: due))
        }
        planTimer(process, slot, at: due)
    }

    @inlinable mutating func planTimer(_ process: Int, _ slot: Int, at time: Instant) {
        processes[process].timers[slot].plannedAt = time
        processes[process].timers[slot].plan &+= 1
        agenda.plan(
            .timer(
                process: Int32(process), life: processes[process].life, slot: Int32(slot),
                plan: processes[process].timers[slot].plan),
            at: time)
    }

    /// A process's clock runs at another rate from now on, in parts per million faster than the world's.
    @inlinable public mutating func setClockRate(_ process: Int, _ rate: Int64) {
        processes[process].clock.run(at: rate, from: now)
        replanTimers(process)
    }

    /// How much faster than the world a process's clock runs.
    @inlinable public func clockRate(_ process: Int) -> Int64 { processes[process].clock.rate }

    /// A process's clock jumps ahead. (It never goes back: that is the machines' contract.)
    @inlinable public mutating func stepClock(_ process: Int, ahead length: Nanoseconds) {
        processes[process].clock.offset += length.count
        replanTimers(process)
    }

    @inlinable mutating func replanTimers(_ process: Int) {
        // A timer is never early by the clock that it was set by.
        for slot in processes[process].timers.indices where processes[process].timers[slot].due < .never {
            let due = max(processes[process].clock.moment(of: processes[process].timers[slot].local), now)
            processes[process].timers[slot].due = due
            planTimer(process, slot, at: due)
        }
    }

    @inlinable mutating func cancelTimer(_ id: TimerID, of process: Int) {
        guard let slot = processes[process].timers.firstIndex(where: { $0.id == id }) else { return }
        processes[process].timers[slot].due = .never
    }

    @inlinable mutating func timerCame(_ process: Int, slot: Int, plan: UInt32) {
        guard processes[process].timers[slot].plan == plan else { return }
        let due = processes[process].timers[slot].due
        if due > now {
            processes[process].timers[slot].plannedAt = .never
            if due < .never { planTimer(process, slot, at: due) }
            return
        }
        processes[process].timers[slot].due = .never
        processes[process].timers[slot].plannedAt = .never
        deliver(.timerFired(processes[process].timers[slot].id), to: process)
    }
}
