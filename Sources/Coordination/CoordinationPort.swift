import Machine
import Wire

/// The way of one part of a node to ZooKeeper: it numbers that part's requests, so that the part knows its replies.
///
/// A serial is never used twice in the life of a node, whatever the session: a late reply of an earlier session cannot
/// be taken for one of this.
public struct CoordinationPort: Hashable, Sendable {
    /// Which part of the node asks.
    public let owner: UInt32
    /// The session that requests go out on.
    public var session: SessionToken
    private var serial: UInt64

    /// `lane` keeps the ports of one owner apart.
    public init(owner: UInt32, lane: UInt8 = 0, session: SessionToken = SessionToken(0)) {
        self.owner = owner
        self.session = session
        serial = UInt64(lane) << 56
    }

    /// Asks, and returns the identity that the reply will carry.
    @discardableResult
    public mutating func request(_ operation: CoordinationOperation, into sink: inout Sink) -> CoordinationID {
        serial += 1
        let id = CoordinationID(owner: owner, serial: serial)
        sink.append(.coordination(.request(session, id, operation)))
        return id
    }
}
