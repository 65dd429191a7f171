import Machine

/// A point in a group's log: the term that made the entry, and its sequence number (1 is the first). `zero` is before all.
public struct Position: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var term: UInt64
    public var seq: UInt64

    @inlinable public init(term: UInt64, seq: UInt64) {
        self.term = term
        self.seq = seq
    }

    @inlinable public static var zero: Position { Position(term: 0, seq: 0) }
    public static func < (a: Position, b: Position) -> Bool { (a.term, a.seq) < (b.term, b.seq) }
    public var description: String { "\(term):\(seq)" }
}

/// What an entry does to the store.
public enum Operation: Hashable, Sendable {
    case put(key: [UInt8], value: [UInt8])
    case delete(key: [UInt8])
    /// The first entry of a term: changes no key, but proves that its term's primary reached the in-sync set.
    case beginTerm
    /// Opens a client session, whose identity is this entry's position.
    case openSession
    /// Ends a client session, and the memory of what it had done: it was idle for too long, or had to make room.
    case closeSession(SessionID)

    /// The bytes of key and value, for budgets.
    public var payloadBytes: Int {
        switch self {
        case .put(let key, let value): key.count + value.count
        case .delete(let key): key.count
        case .beginTerm, .openSession, .closeSession: 0
        }
    }
}

/// One entry of a group's log.
public struct Entry: Hashable, Sendable {
    public var position: Position
    public var operation: Operation
    /// By what a repeat of this put or delete is known; nil where its client did not say.
    public var identity: RequestIdentity?

    public init(position: Position, operation: Operation, identity: RequestIdentity? = nil) {
        self.position = position
        self.operation = operation
        self.identity = identity
    }

    /// Whether it has an identity only where there is something to repeat.
    public var isConsistent: Bool {
        switch operation {
        case .put, .delete: true
        case .beginTerm, .openSession, .closeSession: identity == nil
        }
    }
}

/// A stretch of consecutive entries of one term, both ends included.
public struct TermRun: Hashable, Sendable {
    public var term: UInt64
    public var first: UInt64
    public var last: UInt64

    public init(term: UInt64, first: UInt64, last: UInt64) {
        self.term = term
        self.first = first
        self.last = last
    }
}

/// One disk: the UUID in its log's header. It survives restarts.
public struct StoreID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var text: String
    public init(_ text: String) { self.text = text }
    public var description: String { text }
    public static func < (a: StoreID, b: StoreID) -> Bool { a.text < b.text }
}

/// What a registration of a store makes anew, and leaves in ZooKeeper and in the store's log: a disk that does not hold the one that
/// ZooKeeper has is a copy of the store's, or an old image of it. A UUID.
public struct LifeNonce: Hashable, Sendable, CustomStringConvertible {
    public var text: String

    /// nil where the text cannot be one.
    public init?(_ text: some StringProtocol) {
        guard text.utf8.count == 36, text.utf8.allSatisfy(Self.isCharacter) else { return nil }
        self.text = String(text)
    }

    public var description: String { text }

    /// Whether a UUID may have it.
    public static func isCharacter(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: "-") || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
    }
}

/// One life of a store: the store, and the number under which this life is registered in its group.
public struct MemberID: Hashable, Comparable, Sendable, CustomStringConvertible {
    public var store: StoreID
    public var number: UInt64

    public init(store: StoreID, number: UInt64) {
        self.store = store
        self.number = number
    }

    public var description: String { "\(store)/\(number)" }
    /// Numbers first: two lives of one group never have the same.
    @inlinable public static func == (a: MemberID, b: MemberID) -> Bool { a.number == b.number && a.store == b.store }
    public static func < (a: MemberID, b: MemberID) -> Bool { (a.number, a.store) < (b.number, b.store) }
}

/// One history of a group; it changes only when an operator accepts the loss of data.
public struct Lineage: Hashable, Sendable, CustomStringConvertible {
    public var text: String
    public init(_ text: String) { self.text = text }
    public var description: String { text }
}
