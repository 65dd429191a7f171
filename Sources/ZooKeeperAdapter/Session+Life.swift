import CZooKeeperShims
import Glibc
import Machine

/// What a session's own thread does, from first to last.
extension Session {
    private static let tick = Nanoseconds.milliseconds(250)
    /// How long no server may be reached before the operator is told, and again, and again.
    private static let warnAfter = Nanoseconds.seconds(3)
    private static let warnAgainAfter = Nanoseconds.seconds(10)
    private static let resolveAgainAfter = Nanoseconds.seconds(5)
    /// How long a close waits for the answers to what was asked before it.
    private static let drainAtMost = Nanoseconds.seconds(1)

    private enum Woken {
        case resolved(Resolver.Answer)
        case over
    }

    /// - Parameter over: called last, when nothing of the session is left.
    func start(over: @escaping @Sendable () -> Void) {
        startThread { [self] in
            watchOver()
            end()
            over()
        }
    }

    /// Opens the handle and stays until the session is to be closed or has expired.
    private func watchOver() {
        var addresses = Resolver.Answer()
        var lastWarning: Nanoseconds?
        resolve()
        var lastResolved = monotonicNow()
        // A resolver that hangs is not asked again.
        var isResolving = true
        while true {
            let woken = state.wait(atMost: Self.tick) { state -> Woken? in
                if state.closeRequested || state.phase == .expired { return .over }
                defer { state.resolved = nil }
                return state.resolved.map { .resolved($0) }
            }
            switch woken {
            case .over: return
            case .resolved(let answer):
                isResolving = false
                if let failure = answer.failure { complaint.withLock { $0 = "cannot resolve \(failure)" } }
                if !answer.addresses.isEmpty, answer != addresses, use(answer) { addresses = answer }
            case nil: break
            }

            let now = monotonicNow()
            let lastReached = state.withLock { state -> Nanoseconds? in
                let reply = CoordinationReply.failed(.connectionLoss, operations: [])
                state.pending.answerHeld(since: now - timeout, reply)
                advance(&state)
                if state.phase == .preparingChroot, let retryAt = state.chroot.retryAt, now >= retryAt { prepareChroot(&state) }
                return state.phase == .unconnected ? state.lastReached : nil
            }
            guard let lastReached else {
                lastWarning = nil
                continue
            }
            if !isResolving, now - lastResolved >= Self.resolveAgainAfter {
                // A server may have come back under another address.
                lastResolved = now
                isResolving = true
                resolve()
            }
            if now - lastReached >= Self.warnAfter, lastWarning.map({ now - $0 >= Self.warnAgainAfter }) ?? true {
                lastWarning = now
                log(
                    .warning, "ZooKeeper is not reached, trying on",
                    [
                        LogField("ensemble", ensemble.text), LogField("for", "\((now - lastReached).milliseconds / 1000) s"),
                        LogField("cause", cause),
                    ])
            }
        }
    }

    private func resolve() {
        Resolver.resolve(ensemble.servers) { [weak self] answer in self?.state.withLock { $0.resolved = answer } }
    }

    /// Opens the handle with these addresses, or gives them to the handle that there is; false to be tried again.
    private func use(_ answer: Resolver.Answer) -> Bool {
        if let handle = state.withLock({ $0.handle }) {
            // Nobody else closes the handle, so it is safe to use without the lock. Where a server is reached already it
            // stays: the library would break the connection without answering what is pending.
            if zks_current_state(handle) == ZKS_CONNECTED { return false }
            return zks_set_servers(handle, answer.hosts) == 0
        }
        // The library's threads call back as soon as they run, and must find the handle: it is made under the lock.
        return state.withLock { state in
            state.handle = zks_open(answer.hosts, Int32(clamping: timeout.milliseconds), key)
            if state.handle == nil {
                let reason = String(cString: strerror(errno))
                complaint.withLock { $0 = "cannot start a ZooKeeper client: \(reason)" }
            }
            return state.handle != nil
        }
    }

    private func end() {
        // What was asked before the close is answered first, if it can be.
        _ = state.wait(atMost: Self.drainAtMost) { state in
            !state.pending.isEmpty && state.phase == .connected ? nil : true
        }
        let handle = state.withLock { state in
            defer { state.handle = nil }
            return state.handle
        }
        if let handle { zks_close(handle) }
        // The library drops requests that it has not sent when it closes, without a word.
        state.withLock { state in
            answerAll(.closing, &state)
            state.isOver = true
            if state.closeRequested { tellClosed(&state) }
        }
    }
}
