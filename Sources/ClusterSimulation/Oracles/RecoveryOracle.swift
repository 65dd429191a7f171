import Machine
import Simulation

// Property: a store that was opened holds a right prefix of what was written to it, with everything that was synced, and
// never less than it had committed. Where its disk was damaged, it may refuse to open, or hold only what comes before the
// damage, but nothing wrong. A store whose disk was exchanged owes nothing. One that counted what it had not synced may hold less than
// it had committed, and must know: it says that it is not whole, and nobody else does. What it lacks when an operator makes it the
// beginning of a new history is given up, and asked for no more.

/// What each store had when its last open life ended, against what it has when it is open again.
struct RecoveryOracle: Sendable {
    struct Remains: Sendable {
        /// How far the store's commit mark had come in the last life, and in any.
        var commit: UInt64 = 0
        var highestCommit: UInt64 = 0
        /// How many logs had been put aside when the store was last opened: a log that went that way is nobody's loss.
        var asides = 0
        /// Whether any life counted what it had not synced.
        var wasWeak = false
        /// The history that `highestCommit` belongs to; looked at only where `wasWeak`: nobody else may ever have less.
        var lineage: [UInt8]?
        /// What was certainly on the medium, and what had been written at all; nil where the log was being replaced.
        var log: DiskModel.Remains?
        /// What had been done to the disk until then, and whether any damage was left of it.
        var harms = 0
        var isHarmed = false
    }

    struct Life: Hashable, Sendable {
        var life: UInt32 = 0
        var isOpen = false
        var commit: UInt64 = 0
    }

    private var lives: [Life]
    private var remains: [Remains]
    /// Whether any life before the present one counted what it had not synced: then an image of the disk may lack it.
    private var imageIsWeak: [Bool]
    /// How often a store was opened after a life that had left something.
    private(set) var recoveries = 0

    init(processes: Int) {
        lives = Array(repeating: Life(), count: processes)
        remains = Array(repeating: Remains(), count: processes)
        imageIsWeak = Array(repeating: false, count: processes)
    }

    /// A data node is started, perhaps under a policy that lets entries count before they are synced.
    mutating func starts(_ process: Int, isWeak: Bool) {
        imageIsWeak[process] = remains[process].wasWeak
        if isWeak { remains[process].wasWeak = true }
    }

    /// A data node took a batch.
    mutating func stepped(
        _ process: Int, life: UInt32, isOpen: Bool, commit: UInt64, last: UInt64, isWhole: Bool = true,
        disk: @autoclosure () -> DiskModel
    ) -> Violation? {
        if lives[process].life != life { lives[process] = Life(life: life) }
        if isOpen && !lives[process].isOpen {
            lives[process].isOpen = true
            lives[process].commit = commit
            return opened(process, last: last, isWhole: isWhole, disk())
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
        if remains[process].wasWeak, let lineage = LogImage.lineage(in: disk.pristineBytes(of: .log) ?? []),
            lineage != remains[process].lineage
        {
            remains[process].lineage = lineage
            remains[process].highestCommit = 0
        }
        remains[process].highestCommit = max(remains[process].highestCommit, lives[process].commit)
        remains[process].log = disk.remains.flatMap { $0.wasReplacing ? nil : $0 }
        remains[process].harms = disk.harmCount
        remains[process].isHarmed = disk.isHarmed(since: disk.harmCount)
    }

    /// A process has an empty disk now, or an image of one: nothing can be asked of its next life.
    /// - Parameter origin: whose disk it is an image of, as it was when that one's life began. What may have been missing from that may
    ///   be missing from this.
    mutating func diskWasExchanged(_ process: Int, imageOf origin: Int? = nil) {
        lives[process].isOpen = false
        let wasWeak = origin.map { imageIsWeak.indices.contains($0) && imageIsWeak[$0] } ?? false
        remains[process] = Remains(wasWeak: remains[process].wasWeak || wasWeak)
    }

    private mutating func opened(_ process: Int, last: UInt64, isWhole: Bool, _ disk: DiskModel) -> Violation? {
        let asides = disk.fileNames.count { $0.isAside }
        if asides != remains[process].asides {
            remains[process] = Remains(asides: asides, wasWeak: remains[process].wasWeak)
        }
        let left = remains[process]
        guard left.commit > 0 || left.log != nil else { return nil }
        if disk.wasExchanged(since: left.harms) {
            remains[process] = Remains(asides: asides, wasWeak: left.wasWeak)
            return nil
        }
        if !isWhole && !left.wasWeak {
            return Violation("who counts only what is synced is whole", "process \(process) says that it may lack something")
        }
        // What was damaged once may lack something for good, and cannot know.
        if left.isHarmed || disk.isHarmed(since: left.harms) { remains[process].highestCommit = last }
        recoveries += 1
        let bytes = disk.pristineBytes(of: .log) ?? []
        let found = LogImage(bytes)
        if found.last != last {
            return broken(process, "the node opened at \(last), its log holds \(found.summary)")
        }
        if isWhole, last < remains[process].highestCommit {
            return broken(process, "it opened with \(found.summary), but had committed \(remains[process].highestCommit)")
        }
        guard let log = left.log else { return nil }
        // Nearly always the bytes themselves tell; bytes that are a prefix hold records that are a prefix.
        let sound = disk.soundBytes(of: log)
        if !bytes.begins(with: sound) {
            let durable = LogImage(sound)
            if !durable.isPrefix(of: found) {
                return broken(process, "it opened with \(found.summary), but \(durable.summary) had been synced")
            }
        }
        if !log.written.begins(with: bytes) {
            let written = LogImage(log.written)
            if !found.isPrefix(of: written) {
                return broken(process, "it opened with \(found.summary), but only \(written.summary) had been written")
            }
        }
        return nil
    }

    private func broken(_ process: Int, _ detail: String) -> Violation {
        Violation("an opened store is a right prefix with everything synced", "process \(process): \(detail)")
    }
}
