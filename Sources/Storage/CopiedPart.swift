import Wire

/// # What a copy says
///
/// The beginning of a log that was copied from another store, or of one whose beginning was: each key's last entry, which term made
/// which entries, and what was remembered of client sessions, as of one committed position. It is gathered here piece by piece, by
/// the learner that takes the copy, and by everyone who reads its file; and checked, for nothing of it was made by this store.
///
/// Until its end is there it says nothing: an entry that was superseded before the end may be missing already while the one that
/// superseded it is not here yet.
struct CopiedPart: Sendable {
    private(set) var index = KeyIndex()
    private(set) var sessions = SessionTable()
    private(set) var runs: [TermRun] = []
    /// The last entry so far.
    private(set) var last = Position.zero
    /// The entries so far, from the first to the last of each term.
    private var seen: [TermRun] = []
    /// The session whose results are being read.
    private var memory: SessionMemory?
    private var newestSession: SessionID?
    private var newestResult: UInt64 = 0

    /// What is wrong with a piece: a clause.
    struct Fault: Error, Hashable, Sendable {
        var text: String
        init(_ text: String) { self.text = text }
    }

    mutating func take(_ entry: Entry) throws(Fault) {
        guard entry.position.seq > last.seq, entry.position.term >= last.term, runs.isEmpty, newestSession == nil else {
            throw Fault("entry \(entry.position) follows entry \(last)")
        }
        switch entry.operation {
        case .put, .delete: break
        case .beginTerm, .openSession, .closeSession: throw Fault("entry \(entry.position) of a copy changes no key")
        }
        last = entry.position
        if let run = seen.last, run.term == last.term {
            seen[seen.count - 1].last = last.seq
        } else {
            seen.append(TermRun(term: last.term, first: last.seq, last: last.seq))
        }
        _ = index.apply(entry.operation, at: last.seq)
    }

    mutating func take(_ run: TermRun) throws(Fault) {
        let before = runs.last ?? TermRun(term: 0, first: 0, last: 0)
        guard run.first == before.last + 1, run.last >= run.first, run.last < UInt64.max, runs.isEmpty || run.term > before.term
        else {
            throw Fault("run \(run.first) to \(run.last) of term \(run.term) follows \(before.last) of term \(before.term)")
        }
        runs.append(run)
    }

    mutating func begin(_ session: SessionID, lowestOpen: UInt64) throws(Fault) {
        endMemory()
        guard newestSession.map({ $0 < session }) ?? true else { throw Fault("session \(session) is out of order") }
        newestSession = session
        memory = SessionMemory(session: session, lowestOpen: lowestOpen, outcomes: [])
    }

    mutating func take(_ outcome: SessionMemory.Outcome) throws(Fault) {
        let before = memory?.outcomes.last?.sequence ?? 0
        guard let lowestOpen = memory?.lowestOpen, outcome.sequence > before, outcome.sequence >= lowestOpen else {
            throw Fault("result \(outcome.sequence) is out of order")
        }
        newestResult = max(newestResult, outcome.seq)
        memory?.outcomes.append(outcome)
    }

    private mutating func endMemory() {
        if let memory { sessions.insert(memory) }
        memory = nil
    }

    /// The copy is what was committed through there.
    mutating func take(_ end: CopyEnd) throws(Fault) {
        endMemory()
        guard let newest = runs.last, newest.term == end.position.term, newest.last == end.position.seq,
            end.position.seq >= last.seq, end.dropped <= end.position.seq
        else { throw Fault("the copy ends at \(end.position), and its runs do not") }
        guard newestResult <= end.position.seq, newestSession.map({ holds($0.opened) }) ?? true else {
            throw Fault("it remembers of sessions what happens after its end")
        }
        for entries in seen {
            guard holds(Position(term: entries.term, seq: entries.first)),
                holds(Position(term: entries.term, seq: entries.last))
            else {
                throw Fault("entries \(entries.first) to \(entries.last) of term \(entries.term) are in no run of that term")
            }
        }
    }

    /// Whether the log that was copied had that entry.
    func holds(_ position: Position) -> Bool { TermTable(runs).term(at: position.seq) == position.term && position.seq > 0 }
}
