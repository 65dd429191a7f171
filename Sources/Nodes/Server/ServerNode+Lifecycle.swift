import Coordination
import Machine
import Wire

// How a server begins and ends.

extension ServerNode {
    mutating func start(at now: Instant, into effects: inout Sink) {
        guard phase == .unstarted else { return }
        phase = .running
        session.open(at: now, into: &effects)
    }

    /// Takes nothing new, and lets what is under way finish.
    mutating func shutdownRequested(at now: Instant, into effects: inout Sink) {
        switch phase {
        case .unstarted: halt(into: &effects)
        case .running:
            phase = .draining
            effects.log(.info, "shutting down", [LogField("underWay", requests.count)])
            effects.append(.setTimer(Timer.shutdown.id, at: now + options.drainTime))
        case .draining, .closing, .ended: break
        }
    }

    /// Nothing is under way any more, or it took too long: the session, and with it number and mastership, is given back.
    mutating func closeSession(at now: Instant, into effects: inout Sink) {
        guard phase == .draining else { return }
        phase = .closing
        failAllRequests(into: &effects)
        finishStatus(at: now, into: &effects)
        session.close(into: &effects)
        effects.append(.setTimer(Timer.shutdown.id, at: now + options.drainTime))
    }

    mutating func sessionClosed(into effects: inout Sink) {
        if phase == .closing { halt(into: &effects) }
    }

    mutating func shutdownTimerFired(at now: Instant, into effects: inout Sink) {
        switch phase {
        case .draining: closeSession(at: now, into: &effects)
        case .closing: halt(into: &effects)
        case .unstarted, .running, .ended: break
        }
    }

    private mutating func halt(into effects: inout Sink) {
        phase = .ended
        effects.append(.halt(.finished))
    }
}
