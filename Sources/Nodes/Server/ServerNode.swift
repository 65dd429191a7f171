import Coordination
import Machine
import Placement
import Wire

/// # A server
///
/// The front door of a cluster: it takes any request about any key, and sends it on to the primary of the group that owns
/// the key. One of the servers is also the master, who gives groups their primaries.
///
/// It keeps nothing that could be lost. What it knows of groups, primaries and the ring comes from ZooKeeper and may be
/// old; it is a hint where to send a request, and the primary that gets it checks for itself. So a server goes on serving
/// while ZooKeeper is away, and after its session expired.
///
///     started ──► running ── shutdownRequested ──► draining ── nothing under way ──► closing ──► ended
///
/// `ServerNode+Coordination` is what it does with ZooKeeper, `ServerNode+Requests` how it serves keys,
/// `ServerNode+Status` how it describes the cluster, `ServerNode+Lifecycle` how it begins and ends.
public struct ServerNode: Node {
    enum Phase: Hashable, Sendable {
        case unstarted, running, draining, closing, ended
    }

    /// Which part of the node asked ZooKeeper.
    enum Owner {
        static let registration: UInt32 = 1
        static let servers: UInt32 = 2
        static let master: UInt32 = 3
        static let catalog: UInt32 = 4
        static let ring: UInt32 = 5
        static let election: UInt32 = 6
        static let mastership: UInt32 = 7
        /// This and those above are group views.
        static let firstGroup: UInt32 = 16
    }

    /// What timers are for.
    enum Timer: UInt32 {
        case session = 1
        case registration, servers, master, catalog, ring, election, mastership
        /// The instances are those of the group views.
        case groups
        case requests
        case status
        case shutdown
        case recovery

        var id: TimerID { TimerID(purpose: rawValue) }
    }

    let address: Address
    let options: ServerOptions
    var random: SeededRandom
    var phase = Phase.unstarted

    var session: Session
    var registration: Registration
    var servers: ServersView
    var master: MasterView
    var catalog: CatalogView
    var ring: RingView
    var groups = SortedMap<String, GroupView>()
    /// Why a group that has no primary cannot get one: every request for it asks.
    var impasses = SortedMap<String, String>()
    /// Of the next group view; never used again.
    var nextGroupOwner = Owner.firstGroup
    var election: Election
    /// There while this server is master, as far as it knows.
    var mastership: Mastership?
    /// Between two masterships, the way of the master to ZooKeeper.
    var masterPort = CoordinationPort(owner: Owner.mastership)

    /// Whether anything came from ZooKeeper, or for its sake, in this batch.
    var coordinationStirred = false

    /// The number of this life; nil while it is not registered.
    var number: UInt64?

    var requests: RequestTable
    var links = PrimaryLinks()
    /// Counts stale reads, so that they go round the replicas.
    var staleTurn = 0
    /// When the timer that looks at the requests is set for.
    var requestsDue: Instant?
    var status: StatusRound?
    /// By the identity of the message.
    var transfers = SortedMap<UInt64, PendingTransfer>()
    var recoveries = SortedMap<UInt64, PendingRecovery>()
    /// Whether a route may have changed since parked requests were last tried.
    var routesChanged = false
    /// Where data nodes are registered, or were when they were sent something that is not answered.
    var knownPeers: [Address] = []
    /// Where data nodes were registered when that was last looked at, group by group.
    var lastPresent: [Address]?

    /// - Parameters:
    ///   - address: where clients and nodes reach this server.
    ///   - random: the source of every identity and jitter of this life; two lives must not have the same.
    public init(address: Address, options: ServerOptions = .init(), random: SeededRandom) {
        self.address = address
        self.options = options
        var random = random
        session = Session(timer: Timer.session.id)
        registration = Registration(
            place: .server, owner: Owner.registration, timer: Timer.registration.id, random: random.fork())
        servers = ServersView(owner: Owner.servers, timer: Timer.servers.id, random: random.fork())
        master = MasterView(owner: Owner.master, timer: Timer.master.id, random: random.fork())
        catalog = CatalogView(owner: Owner.catalog, timer: Timer.catalog.id, random: random.fork())
        ring = RingView(owner: Owner.ring, timer: Timer.ring.id, random: random.fork())
        election = Election(owner: Owner.election, timer: Timer.election.id, random: random.fork())
        requests = RequestTable(random: &random)
        self.random = random
    }

    public mutating func step(_ event: AviaryEvent, at now: Instant, into effects: inout Sink) {
        guard phase != .ended else { return }
        switch event {
        case .started: start(at: now, into: &effects)
        case .coordination(let event): coordinated(event, at: now, into: &effects)
        case .received(let message, let sender): received(message, from: sender, at: now, into: &effects)
        case .linkUp(let peer): linkUp(peer, at: now, into: &effects)
        case .linkDown(let peer):
            linkDown(peer, at: now, into: &effects)
            suspectLost(peer, into: &effects)
        case .requested(.key(let request, let patience), let call):
            keyRequested(request, patience: patience, call: call, at: now, into: &effects)
        case .requested(.status, let call): statusRequested(call, at: now, into: &effects)
        case .requested(.routes, let call): routesRequested(call, into: &effects)
        case .requested(.transfer(let request), let call):
            transferRequested(request, call: call, at: now, into: &effects)
        case .requested(.recover(let request), let call):
            recoverRequested(request, from: .call(call), at: now, into: &effects)
        case .cancelled(let call): cancelled(call)
        case .disk: break
        case .timerFired(let timer): timerFired(timer, at: now, into: &effects)
        case .shutdownRequested: shutdownRequested(at: now, into: &effects)
        case .batchEnded: batchEnded(at: now, into: &effects)
        }
    }

    private mutating func received(
        _ message: PeerMessage, from sender: Address, at now: Instant, into effects: inout Sink
    ) {
        switch message {
        case .forwardReply(let id, let reply):
            if transferAnswered(id, reply, into: &effects) || recoveryAnswered(id, reply, into: &effects) { return }
            forwardAnswered(id, reply, from: sender, at: now, into: &effects)
        case .statusReply(let id, let replica):
            if links.isProbed(sender, by: id) { linkUp(sender, at: now, into: &effects) }
            statusAnswered(id, replica, at: now, into: &effects)
            if !recoveries.isEmpty { recoveryHeard(id, replica, at: now, into: &effects) }
        case .suspicion(let suspicion): suspected(suspicion, from: sender, at: now, into: &effects)
        case .probeReply(let reply): probeAnswered(reply, from: sender, into: &effects)
        case .recover(let id, let request):
            recoverRequested(request, from: .server(sender, id: id), at: now, into: &effects)
        case .ping(let id): effects.append(.send(.pong(id: id), to: sender))
        // Between data nodes, or for one.
        case .append, .appendReply, .copyPiece, .forward, .transfer, .statusQuery, .probe, .pong: break
        }
    }

    private mutating func timerFired(_ timer: TimerID, at now: Instant, into effects: inout Sink) {
        switch Timer(rawValue: timer.purpose) {
        case .requests: requestsTimerFired(at: now, into: &effects)
        case .status: finishStatus(at: now, into: &effects)
        case .shutdown: shutdownTimerFired(at: now, into: &effects)
        case .recovery: recoveryTimerFired(at: now, into: &effects)
        case .session, .registration, .servers, .master, .catalog, .ring, .election, .mastership, .groups:
            coordinationTimerFired(timer, at: now, into: &effects)
        case nil: break
        }
    }

    private mutating func batchEnded(at now: Instant, into effects: inout Sink) {
        if coordinationStirred {
            coordinationStirred = false
            advanceCoordination(at: now, into: &effects)
        }
        if routesChanged { routesDidChange(at: now, into: &effects) }
        setRequestsTimer(at: now, into: &effects)
        if phase == .draining, requests.isEmpty, status == nil { closeSession(at: now, into: &effects) }
    }

    private mutating func cancelled(_ call: CallID) {
        requests.remove(call: call)
        status?.calls.removeAll { $0 == call }
        for (id, transfer) in transfers where transfer.call == call { transfers[id] = nil }
        for (id, recovery) in recoveries where recovery.asker == .call(call) { recoveries[id] = nil }
    }

    /// Whether this server takes itself for the master. For those who watch.
    /// (Kept beside `mastership`: to ask an optional whether it is there may copy the whole of it.)
    public internal(set) var isMaster = false

    /// The number under which this life is registered, as far as it knows.
    public var registeredNumber: UInt64? { number }
}
