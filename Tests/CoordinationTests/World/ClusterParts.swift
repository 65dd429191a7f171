import Coordination
import Machine
import Wire

/// A server or a store of group `g`, with as much of the node around the machines as it takes.
enum ClusterPart: Part {
    case server(ServerPart)
    case store(StorePart)

    mutating func begin(_ session: Session, at now: Instant, into sink: inout Sink) {}

    mutating func step(
        _ event: CoordinationEvent, change: Session.Change?, _ session: Session, at now: Instant, into sink: inout Sink
    ) {
        switch self {
        case .server(var part):
            part.step(event, change: change, session, at: now, into: &sink)
            self = .server(part)
        case .store(var part):
            part.step(event, change: change, session, at: now, into: &sink)
            self = .store(part)
        }
    }

    mutating func timerFired(_ timer: TimerID, _ session: Session, at now: Instant, into sink: inout Sink) {
        switch self {
        case .server(var part):
            part.timerFired(timer, session, at: now, into: &sink)
            self = .server(part)
        case .store(var part):
            part.timerFired(timer, session, at: now, into: &sink)
            self = .store(part)
        }
    }
}

struct ServerPart {
    let address: Address
    var random: SeededRandom
    var registration: Registration
    var master: MasterView
    var ring: RingView
    var election: Election
    var groups = SortedMap<String, GroupView>()
    var mastership: Mastership?
    var masterPort = CoordinationPort(owner: 7)
    var number: UInt64?

    init(_ index: Int, seed: UInt64) {
        address = Address(host: "server\(index)", port: 1)
        random = SeededRandom(seed: seed &* 1000 &+ UInt64(index))
        registration = Registration(place: .server, owner: 1, timer: TimerID(purpose: 1), random: random.fork())
        master = MasterView(owner: 2, timer: TimerID(purpose: 2), random: random.fork())
        ring = RingView(owner: 3, timer: TimerID(purpose: 3), random: random.fork())
        election = Election(owner: 4, timer: TimerID(purpose: 4), random: random.fork())
        groups["g"] = GroupView(group: "g", owner: 5, timer: TimerID(purpose: 5), random: random.fork())
    }

    mutating func step(
        _ event: CoordinationEvent, change: Session.Change?, _ session: Session, at now: Instant, into sink: inout Sink
    ) {
        switch change {
        case .established:
            let content = ServerRegistration(address: address, guid: random.uuid()).bytes
            registration.begin(content: content, session: session, at: now, into: &sink)
        case .expired:
            number = nil
            resign()
        case .reconnected, .disconnected, .closed, nil: break
        }
        switch registration.step(event, session: session, at: now, into: &sink) {
        case .registered(let number): self.number = number
        case .found, nil: break
        }
        _ = master.step(event, session: session, at: now, into: &sink)
        _ = ring.step(event, session: session, at: now, into: &sink)
        groups.update("g") { _ = $0.step(event, session: session, at: now, into: &sink) }
        switch election.step(event, session: session, at: now, into: &sink) {
        case .elected(let epoch):
            mastership = Mastership(
                epoch: epoch, port: masterPort, session: session, timer: TimerID(purpose: 7), virtualNodes: 2,
                random: random.fork())
            master.refresh(session: session, at: now, into: &sink)
        case .otherMaster: master.refresh(session: session, at: now, into: &sink)
        case nil: break
        }
        mastership?.step(event, groups: &groups, ring: &ring, session: session, at: now, into: &sink)
        act(session, at: now, into: &sink)
    }

    mutating func timerFired(_ timer: TimerID, _ session: Session, at now: Instant, into sink: inout Sink) {
        registration.timerFired(timer, session: session, at: now, into: &sink)
        master.timerFired(timer, session: session, at: now, into: &sink)
        ring.timerFired(timer, session: session, at: now, into: &sink)
        election.timerFired(timer, session: session, at: now, into: &sink)
        groups.update("g") { $0.timerFired(timer, session: session, at: now, into: &sink) }
        act(session, at: now, into: &sink)
    }

    private mutating func act(_ session: Session, at now: Instant, into sink: inout Sink) {
        if mastership?.isDeposed == true || (mastership != nil && master.isCurrent(session) && !master.isOurs(session)) {
            resign()
        }
        if let number, !election.isRunning, master.isVacant(session) || (mastership == nil && master.isOurs(session)) {
            election.begin(address: address, number: number, session: session, at: now, into: &sink)
        }
        mastership?.review(groups, ring: ring, session: session, at: now, into: &sink)
    }

    private mutating func resign() {
        if let mastership { masterPort = mastership.usedPort }
        mastership = nil
    }
}

/// A store whose log is always whole. As primary it keeps the in-sync set equal to what is registered.
struct StorePart {
    let address: Address
    let store: StoreID
    var random: SeededRandom
    var registration: Registration
    var view: GroupView
    var port = CoordinationPort(owner: 3)
    var writing: CoordinationID?
    var lineage: Lineage?
    var number: UInt64?

    init(_ index: Int, seed: UInt64) {
        address = Address(host: "store\(index)", port: 1)
        store = StoreID("s\(index)")
        random = SeededRandom(seed: seed &* 1000 &+ 500 &+ UInt64(index))
        registration = Registration(place: .group("g"), owner: 1, timer: TimerID(purpose: 1), random: random.fork())
        view = GroupView(group: "g", owner: 2, timer: TimerID(purpose: 2), random: random.fork())
    }

    mutating func step(
        _ event: CoordinationEvent, change: Session.Change?, _ session: Session, at now: Instant, into sink: inout Sink
    ) {
        switch change {
        case .established:
            port.session = session.token
            writing = nil
            let content = StoreRegistration(
                address: address, store: store, whole: true, lineage: lineage, last: .zero, keys: false, guid: random.uuid())
            registration.begin(content: content.bytes, session: session, at: now, into: &sink)
        case .expired: number = nil
        case .reconnected, .disconnected, .closed, nil: break
        }
        switch registration.step(event, session: session, at: now, into: &sink) {
        case .registered(let number): self.number = number
        case .found, nil: break
        }
        _ = view.step(event, session: session, at: now, into: &sink)
        if case .reply(let id, _) = event.kind, id == writing {
            writing = nil
            view.refresh(session: session, at: now, into: &sink)
        }
        act(session, into: &sink)
    }

    mutating func timerFired(_ timer: TimerID, _ session: Session, at now: Instant, into sink: inout Sink) {
        registration.timerFired(timer, session: session, at: now, into: &sink)
        view.timerFired(timer, session: session, at: now, into: &sink)
        act(session, into: &sink)
    }

    private mutating func act(_ session: Session, into sink: inout Sink) {
        guard let number, writing == nil, view.isCurrent(session), var config = view.config else { return }
        lineage = config.lineage
        let me = MemberID(store: store, number: number)
        guard config.primary == me else { return }
        let before = config.inSync
        config.inSync = view.members.map { MemberID(store: $0.1.store, number: $0.0) }.filter { member in
            // Of the lives of one store only the newest.
            !view.members.contains { $0.1.store == member.store && $0.0 > member.number }
        }
        guard config.inSync.contains(me), config.inSync != before else { return }
        var operations = config.inSync.map { MultiOperation.check(path: Paths.member($0.number, ofGroup: "g"), version: -1) }
        operations.append(.set(path: Paths.config(ofGroup: "g"), data: config.bytes, version: view.configVersion))
        writing = port.request(.multi(operations), into: &sink)
    }
}
