import Machine
import Simulation

// Property: a store that was opened holds a right prefix of what was written to it, with everything that was synced, and
// never less than it had committed.

/// What each store had when its last open life ended, against what it has when it is open again.
struct RecoveryOracle: Sendable {
    struct Remains: Sendable {
        /// How far the store's commit mark had come.
        var commit: UInt64 = 0
        /// What was certainly on the medium, and what had been written at all; nil where the log was being replaced.
        var log: (durable: LogImage, written: LogImage)?
    }

    struct Life: Hashable, Sendable {
        var life: UInt32 = 0
        var isOpen = false
        var commit: UInt64 = 0
    }

    private var lives: [Life]
    private var remains: [Remains]
    /// How often a store was opened after a life that had left something.
    private(set) var recoveries = 0

    init(processes: Int) {
        lives = Array(repeating: Life(), count: processes)
        remains = Array(repeating: Remains(), count: processes)
    }

    /// A data node took a batch.
    mutating func stepped(
        _ process: Int, life: UInt32, isOpen: Bool, commit: UInt64, last: UInt64, disk: @autoclosure () -> DiskModel
    ) -> Violation? {
        if lives[process].life != life { lives[process] = Life(life: life) }
        if isOpen && !lives[process].isOpen {
            lives[process].isOpen = true
            lives[process].commit = commit
            return opened(process, last: last, disk())
        }
        if commit < lives[process].commit {
            return Violation(
                "a store's commit mark only grows", "process \(process) went back from \(lives[process].commit) to \(commit)")
        }
        lives[process].commit = commit
        return nil
    }

    /// A life ended; `disk` remembers what it left.
    mutating func ended(_ process: Int, _ disk: DiskModel) {
        // A life that did not come to open its store leaves what it found, and what it found was judged against.
        guard lives[process].isOpen else { return }
        lives[process].isOpen = false
        remains[process].commit = lives[process].commit
        remains[process].log = disk.remains.flatMap { left in
            left.wasReplacing ? nil : (LogImage(left.durable), LogImage(left.written))
        }
    }

    private mutating func opened(_ process: Int, last: UInt64, _ disk: DiskModel) -> Violation? {
        let left = remains[process]
        guard left.commit > 0 || left.log != nil else { return nil }
        recoveries += 1
        let found = LogImage(disk.visibleBytes(of: .log) ?? [])
        if (found.records.last?.seq ?? 0) != last {
            return broken(process, "the node opened at \(last), its log holds \(found.summary)")
        }
        if last < left.commit { return broken(process, "it opened with \(found.summary), but had committed \(left.commit)") }
        guard let log = left.log else { return nil }
        if !log.durable.isPrefix(of: found) {
            return broken(process, "it opened with \(found.summary), but \(log.durable.summary) had been synced")
        }
        if !found.isPrefix(of: log.written) {
            return broken(process, "it opened with \(found.summary), but only \(log.written.summary) had been written")
        }
        return nil
    }

    private func broken(_ process: Int, _ detail: String) -> Violation {
        Violation("an opened store is a right prefix with everything synced", "process \(process): \(detail)")
    }
}
