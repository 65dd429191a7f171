import CZooKeeperShims
import Machine

/// ZooKeeper does not create the node that a connect string names as chroot, and every request below a missing one fails. So
/// it is looked at before a session is first reported as connected, and made where it is missing: one `exists`, then a
/// create for each level, all on the session's own handle, which knows nothing of a chroot.
struct ChrootPreparation {
    /// Tells replies of this attempt from those of one that a broken connection ended.
    private(set) var attempt: UInt64 = 0
    /// When to look again after the ensemble refused.
    var retryAt: Nanoseconds?

    mutating func start() {
        attempt += 1
        retryAt = nil
    }

    /// What a reply belongs to, packed into a request's serial number. Requests of the machine have smaller ones.
    struct Step: Equatable {
        private static let mark: UInt64 = 1 << 39
        /// 0 is the look, n the creation of level n.
        var level: UInt64
        var attempt: UInt64

        init(level: Int, attempt: UInt64) {
            self.level = UInt64(level)
            self.attempt = attempt & 0xFFFF_FFFF
        }

        init?(serial: UInt64) {
            guard serial & Self.mark != 0 else { return nil }
            level = serial & 0x7F
            attempt = (serial & (Self.mark - 1)) >> 7
        }

        var serial: UInt64 { Self.mark | attempt << 7 | level }
    }
}

extension Session {
    private static let retryAfter = Nanoseconds.seconds(2)

    func prepareChroot(_ state: inout State) {
        guard let handle = state.handle else { return }
        state.phase = .preparingChroot
        state.chroot.start()
        let step = ChrootPreparation.Step(level: 0, attempt: state.chroot.attempt)
        let code = zks_exists(handle, ensemble.chroot, 0, Callbacks.request(key, step.serial))
        if code != 0 { chrootRefused(code, &state) }
    }

    func chrootAnswered(_ step: ChrootPreparation.Step, code: Int32, _ state: inout State) {
        guard state.phase == .preparingChroot, step.attempt == state.chroot.attempt, let handle = state.handle else { return }
        let levels = ensemble.chroot.split(separator: "/")
        switch (Int(step.level), CoordinationError(answer: code)) {
        case (0, .noNode) where code != 0:
            for level in 1...levels.count {
                let path = levels[..<level].map { "/" + $0 }.joined()
                let step = ChrootPreparation.Step(level: level, attempt: state.chroot.attempt)
                let code = zks_create(handle, path, [], 0, ZKS_PERSISTENT, Callbacks.request(key, step.serial))
                if code != 0 { return chrootRefused(code, &state) }
            }
            log(.notice, "creating the chroot in ZooKeeper", [LogField("path", ensemble.chroot)])
        case (0, _), (levels.count, _):
            // Somebody else may have made it in the meantime.
            if code == 0 || CoordinationError(code: code) == .nodeExists {
                state.chrootReady = true
                becomeConnected(&state)
            } else {
                chrootRefused(code, &state)
            }
        case _: break  // Whether an upper level was there or not shows in what becomes of the last one.
        }
    }

    private func chrootRefused(_ code: Int32, _ state: inout State) {
        state.chroot.retryAt = monotonicNow() + Self.retryAfter
        // A broken connection starts it all again by itself.
        let error = CoordinationError(answer: code)
        guard error != .connectionLoss, error != .sessionExpired else { return }
        log(
            .error, "cannot create the chroot in ZooKeeper",
            [LogField("path", ensemble.chroot), LogField("error", "\(error)"), LogField("ensemble", ensemble.text)])
    }
}
