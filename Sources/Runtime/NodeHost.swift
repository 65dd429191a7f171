import Dispatch
import FileAdapter
import GRPCAdapter
import Logging
import Machine
import Synchronization
import Wire
import ZooKeeperAdapter

/// What a node needs to know of the world in which it lives.
public struct HostSettings: Sendable {
    /// Where the node listens, and where others reach it. Port 0 takes a free one.
    public var address: Address
    /// ZooKeeper connect string: `host:port[,host:port…][/chroot]`.
    public var zooKeeper: String
    /// ZooKeeper session timeout to ask for; the ensemble has the last word.
    public var sessionTimeout = Nanoseconds.milliseconds(4000)
    /// Paths of the store's files by their role; empty: the node keeps nothing on disk.
    public var files: [FileName: String] = [:]
    /// Limits of the gRPC server.
    public var server = ServerLimits()
    /// How long the node may take to finish after it was asked to.
    public var shutdownPatience = Nanoseconds.seconds(10)

    public init(address: Address, zooKeeper: String) {
        self.address = address
        self.zooKeeper = zooKeeper
    }
}

/// Runs one node in production: its event loop on a thread of its own, between real adapters.
///
/// Several hosts can live in one process; they share nothing. A host lives once:
///
///     let host = try NodeHost(settings: settings, logger: logger) { ServerNode(address: $0, random: $1) }
///     let reason = await host.run()
public final class NodeHost<N: Node>: Sendable
where N.Message == PeerMessage, N.Request == ClientRequest, N.Reply == ClientReply {
    /// Where the node is reached, with the port that it really got.
    public let address: Address

    private let mailbox: Mailbox<PeerMessage, ClientRequest>
    private let frontDoor: FrontDoor
    private let adapters: Adapters
    private let shutdownPatience: Nanoseconds
    private let life: Mutex<Life>

    private enum Life: Sendable {
        case waiting(N)
        case running([CheckedContinuation<Halt, Never>])
        case ended(Halt)
    }

    /// Binds the node's port and prepares its adapters; the node is not stepped before ``start()``.
    ///
    /// - Parameter makeNode: makes the node, given where it is reached and a generator seeded from the system's entropy.
    /// - Throws: an error whose description is one clear line, where the connect string is malformed or the port is taken.
    public init(settings: HostSettings, logger: Logger, makeNode: (Address, SeededRandom) -> N) throws {
        try ZooKeeperCoordinator.validate(connectString: settings.zooKeeper)
        let mailbox = Mailbox<PeerMessage, ClientRequest>(requestBytes: { $0.weight }, messageBytes: { $0.weight })
        frontDoor = FrontDoor(mailbox: mailbox, logger: logger)
        let server = try GRPCServer(listen: settings.address, limits: settings.server, handlers: frontDoor.handlers)
        frontDoor.open(server)
        let address = Address(host: settings.address.host, port: server.port)
        adapters = Adapters(
            coordinator: ZooKeeperCoordinator(
                connectString: settings.zooKeeper, sessionTimeout: settings.sessionTimeout,
                deliver: { mailbox.post(.coordination($0)) }, log: { logger.log($0) }),
            links: PeerLinks(
                from: address, linkUp: { mailbox.post(.linkUp($0)) }, linkDown: { mailbox.post(.linkDown($0)) }),
            server: server,
            files: settings.files.isEmpty
                ? nil : FileStore(paths: settings.files, deliver: { mailbox.post(contentsOf: $0.map { .disk($0) }) }),
            logger: logger)
        self.mailbox = mailbox
        self.address = address
        shutdownPatience = settings.shutdownPatience
        var entropy = SystemRandomNumberGenerator()
        life = Mutex(.waiting(makeNode(address, SeededRandom(seed: entropy.next()))))
    }

    deinit {
        // A host that never lived still holds a port and threads; one that lived closed them at its end.
        guard case .waiting = life.withLock({ $0 }) else { return }
        adapters.shutDown(grace: .zero)
        frontDoor.close()
    }

    /// Begins the node's life; does nothing where it has begun.
    public func start() {
        let born: N? = life.withLock { life in
            guard case .waiting(let node) = life else { return nil }
            life = .running([])
            return node
        }
        guard let born else { return }
        startThread(name: "aviary-node") { [self] in
            var loop = EventLoop(node: born, mailbox: mailbox, neighbours: adapters, shutdownPatience: shutdownPatience)
            adapters.server.setServing(true)
            let reason = loop.run()
            adapters.server.setServing(false)
            close()
            end(reason)
        }
    }

    /// Asks the node to finish what is in flight and end; its life then ends with `finished`, at the latest when
    /// ``HostSettings/shutdownPatience`` has passed.
    public func requestShutdown() {
        mailbox.post(.shutdownRequested)
    }

    /// Begins the node's life where it has not begun, and waits for its end: everything is closed, or has had its time to be.
    public func run() async -> Halt {
        start()
        return await withCheckedContinuation { continuation in
            let ended: Halt? = life.withLock { life in
                switch life {
                case .waiting: preconditionFailure("the life was begun above")
                case .ended(let reason): return reason
                case .running(let waiters):
                    life = .running(waiters + [continuation])
                    return nil
                }
            }
            if let ended { continuation.resume(returning: ended) }
        }
    }

    /// Closes everything, but does not wait for ever: a disk that hangs must not keep a node from its end.
    private func close() {
        let closed = DispatchSemaphore(value: 0)
        startThread(name: "aviary-close") { [self] in
            adapters.shutDown(grace: .seconds(1))
            frontDoor.close()
            closed.signal()
        }
        let patience = max(shutdownPatience, .seconds(1))
        if closed.wait(timeout: .now() + .nanoseconds(Int(patience.count))) == .timedOut {
            adapters.logger.warning("the connections and files could not be closed in time")
        }
    }

    private func end(_ reason: Halt) {
        let waiters: [CheckedContinuation<Halt, Never>] = life.withLock { life in
            guard case .running(let waiters) = life else { preconditionFailure("a life ends once") }
            life = .ended(reason)
            return waiters
        }
        for waiter in waiters { waiter.resume(returning: reason) }
    }
}
