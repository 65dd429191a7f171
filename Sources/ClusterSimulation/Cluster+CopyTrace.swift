import Machine
import Simulation
import Wire

// What of the pieces of a copy tells two runs apart.

extension CopyPiece {
    var brief: String {
        let what =
            switch content {
            case .entries(let entries):
                "\(entries.count) entries to \(entries.last?.position ?? .zero)"
            case .runs(let runs): "\(runs.count) runs"
            case .sessions(let memories): "\(memories.count) sessions"
            case .end(let end): "its end \(end.position)"
            case .nothing: "nothing yet"
            }
        return "piece \(index) of copy \(copy): \(what)"
    }

    func fold(into hash: inout TraceHash) {
        hash.fold(term)
        hash.fold(from.number)
        hash.fold(to)
        hash.fold(copy)
        hash.fold(index)
        hash.fold(sentAt)
        switch content {
        case .entries(let entries): for entry in entries { entry.fold(into: &hash) }
        case .runs(let runs):
            for run in runs {
                hash.fold(run.term)
                hash.fold(run.first)
                hash.fold(run.last)
            }
        case .sessions(let memories):
            for memory in memories {
                memory.session.opened.fold(into: &hash)
                hash.fold(memory.lowestOpen)
                for outcome in memory.outcomes {
                    hash.fold(outcome.sequence)
                    hash.fold(outcome.seq)
                    hash.fold(outcome.existed.map { $0 ? 1 : 2 } ?? 0 as UInt64)
                }
            }
        case .end(let end):
            end.position.fold(into: &hash)
            hash.fold(end.dropped)
        case .nothing: hash.fold(1 as UInt64)
        }
    }
}
