import Machine

/// What the nodes of Aviary are stepped by and answer with.
public typealias AviaryEvent = NodeEvent<PeerMessage, ClientRequest>
public typealias AviaryEffect = NodeEffect<PeerMessage, ClientReply>
/// The one effect sink that goes through a whole node.
public typealias Sink = Effects<PeerMessage, ClientReply>
