import Coordination
import Machine
import Simulation
import Wire

/// The master of an exploration in which only its decisions matter: the production `GroupView`, `GroupPlan` and `Mastership`,
/// which look and act in one go, at any moment. (What may happen between a master's look and its act is `ElectionSystem`'s.)
struct GroupMaster: Sendable {
    private enum Owner {
        static let ring: UInt32 = 1
        static let mastership: UInt32 = 2
        static let group: UInt32 = 3
    }

    let client: Int
    var session = Session(timer: TimerID(purpose: 1))
    private var ring: RingView
    private var groups = SortedMap<String, GroupView>()
    private var mastership: Mastership?
    private var now = Instant.zero

    init(client: Int, group: String) {
        self.client = client
        var random = SeededRandom(seed: 99)
        ring = RingView(owner: Owner.ring, timer: TimerID(purpose: 2), random: random.fork())
        groups[group] = GroupView(group: group, owner: Owner.group, timer: TimerID(purpose: 3), random: random.fork())
    }

    /// Whether there is something that it has not taken notice of.
    func isBehind(_ ensemble: SteppedEnsemble) -> Bool { !ensemble.isQuiet(client) }

    /// Looks at everything anew, and does what is needed, until nothing is.
    mutating func act(_ ensemble: inout SteppedEnsemble) {
        now = now + .seconds(60)
        var sink = Sink()
        session.open(at: now, into: &sink)
        perform(&sink, &ensemble)
        while let step = ensemble.steps(of: client).first {
            for event in ensemble.perform(step) { hear(event, &ensemble) }
        }
    }

    private mutating func hear(_ event: CoordinationEvent, _ ensemble: inout SteppedEnsemble) {
        var sink = Sink()
        if session.step(event, at: now, into: &sink) == .established {
            mastership = Mastership(
                epoch: 0, port: CoordinationPort(owner: Owner.mastership), session: session, timer: TimerID(purpose: 4),
                virtualNodes: 1, random: SeededRandom(seed: 7))
            groups.update(at: 0) { [session, now] in $0.begin(session: session, at: now, into: &sink) }
        }
        _ = ring.step(event, session: session, at: now, into: &sink)
        groups.update(at: 0) { [session, now] in _ = $0.step(event, session: session, at: now, into: &sink) }
        mastership?.step(event, groups: &groups, ring: &ring, session: session, at: now, into: &sink)
        mastership?.review(groups, ring: ring, session: session, at: now, into: &sink)
        perform(&sink, &ensemble)
    }

    private mutating func perform(_ sink: inout Sink, _ ensemble: inout SteppedEnsemble) {
        for effect in sink.drain() {
            switch effect {
            case .coordination(let effect): for event in ensemble.perform(effect, of: client) { hear(event, &ensemble) }
            case .setTimer(let timer, let at):
                // A pause is over at once.
                now = max(now, at)
                var more = Sink()
                ring.timerFired(timer, session: session, at: now, into: &more)
                groups.update(at: 0) { [session, now] in $0.timerFired(timer, session: session, at: now, into: &more) }
                perform(&more, &ensemble)
            case .cancelTimer, .send, .closeLink, .reply, .disk, .log, .halt: break
            }
        }
    }
}
