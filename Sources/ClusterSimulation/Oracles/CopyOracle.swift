import Machine
import Simulation
import Wire

// Property: a log that begins as a copy holds exactly the state that its group's committed entries make, through the copy's position:
// of each key that exists there its last entry, at its place; which term made which entries; and what is remembered of each session.

/// The copied part of a log file against the entries that the group committed.
enum CopyOracle {
    static func difference(_ log: LogImage, process: Int, committed: [EntryIdentity]) -> Violation? {
        guard let copied = log.copied else { return nil }
        func wrong(_ what: String) -> Violation {
            Violation("a copy is the state at its position", "process \(process) holds a copy as of \(copied.end), and \(what)")
        }
        guard copied.end[1] <= UInt64(committed.count) else {
            return wrong("its group has committed \(committed.count) entries")
        }
        let through = Int(copied.end[1])
        if let run = wrongRun(copied.runs, committed, through: through) { return wrong("run \(run) is none of its group's") }
        var state = State()
        for (index, entry) in committed[..<through].enumerated() { state.apply(entry, UInt64(index + 1)) }

        var found = State()
        for record in log.copiedPart {
            let entry = EntryIdentity(record)
            guard record.seq <= copied.end[1], committed[Int(record.seq) - 1] == entry else {
                return wrong("entry \(record.term):\(record.seq) of it was not committed")
            }
            found.apply(entry, record.seq)
        }
        for key in state.keys where found.put[key] != state.put[key] {
            let (has, should) = (found.put[key].map { "\($0)" } ?? "nothing", state.put[key].map { "\($0)" } ?? "nothing")
            return wrong("of a key it has entry \(has), where \(should) is the last")
        }
        guard copied.memories == state.memories else {
            return wrong("it remembers of sessions \(copied.memories), instead of \(state.memories)")
        }
        return nil
    }

    private static func wrongRun(_ runs: [[UInt64]], _ committed: [EntryIdentity], through: Int) -> [UInt64]? {
        var seq = 0
        for run in runs {
            guard run.count == 3, run[1] == UInt64(seq + 1), run[2] <= UInt64(through) else { return run }
            while seq < Int(run[2]) {
                guard committed[seq].term == run[0] else { return run }
                seq += 1
            }
        }
        return seq == through ? nil : []
    }

    /// What entries make, one after the other.
    private struct State {
        /// The entry that put each key.
        var put = LookupTable<UInt64, UInt64>()
        var keys: [UInt64] = []
        private var sessions = SortedMap<SessionID, (lowestOpen: UInt64, outcomes: [(sequence: UInt64, text: String)])>()

        /// As a copy says it.
        var memories: [String] {
            zip(sessions.keys, sessions.values).flatMap { session, memory in
                ["\(session) \(memory.lowestOpen)"] + memory.outcomes.map(\.text)
            }
        }

        mutating func apply(_ entry: EntryIdentity, _ seq: UInt64) {
            var word = "put"
            if let key = entry.key {
                let existed = put[key] != nil
                if entry.value == nil { word = existed ? "deleted" : "missing" }
                keys.append(key)
                put[key] = entry.value == nil ? nil : seq
            }
            switch entry.memory {
            case nil: break
            case .opens: sessions[SessionID(opened: Position(term: entry.term, seq: seq))] = (1, [])
            case .closes(let session): sessions[session] = nil
            case .mutation(let identity):
                sessions.update(identity.session) { memory in
                    memory.lowestOpen = max(memory.lowestOpen, identity.lowestOpen)
                    memory.outcomes.removeAll { $0.sequence < memory.lowestOpen }
                    guard identity.sequence >= memory.lowestOpen else { return }
                    memory.outcomes.append((identity.sequence, "\(identity.sequence) \(seq) \(word)"))
                    memory.outcomes.sort { $0.sequence < $1.sequence }
                }
            }
        }
    }
}
