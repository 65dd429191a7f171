import Wire

/// What an entry has to do with client sessions.
enum SessionEvent: Hashable, Sendable {
    case opens
    case closes(SessionID)
    case mutation(RequestIdentity)

    /// nil where it has nothing to do with them.
    init?(_ entry: Entry) {
        switch entry.operation {
        case .openSession: self = .opens
        case .closeSession(let session): self = .closes(session)
        case .put, .delete, .beginTerm:
            guard let identity = entry.identity else { return nil }
            self = .mutation(identity)
        }
    }

    /// The same from a log file.
    init?(_ record: LogImage.Record) {
        if record.content.elementsEqual("%session".utf8) {
            self = .opens
        } else if record.isOneLine {
            guard let session = SessionEvent.session(record.content) else { return nil }
            self = .closes(session)
        } else {
            let words = record.identity.split(separator: UInt8(ascii: " "))
            guard words.count == 3, let session = SessionEvent.session(words[0]), let sequence = LogImage.number(words[1]),
                let lowestOpen = LogImage.number(words[2])
            else { return nil }
            self = .mutation(RequestIdentity(session: session, sequence: sequence, lowestOpen: lowestOpen))
        }
    }

    private static func session(_ text: ArraySlice<UInt8>) -> SessionID? {
        let parts = text.split(separator: UInt8(ascii: ":"))
        guard parts.count == 2, let term = LogImage.number(parts[0]), let seq = LogImage.number(parts[1]) else { return nil }
        return SessionID(opened: Position(term: term, seq: seq))
    }
}
