import Machine

extension World {
    // MARK: Choosing

    /// Chooses a fault of a kind for the world as it is; nil where there is nobody to hit. Nothing happens yet.
    ///
    /// - Parameter mayHit: which processes are fair game.
    @inlinable public func drawFault(_ kind: FaultKind, mayHit: (Int) -> Bool, random: inout SeededRandom) -> Fault? {
        let targets = (0..<processCount).filter(mayHit)
        let living = targets.filter { isUp($0) }
        guard let anybody = targets.pick(&random) else { return nil }

        switch kind {
        case .kill, .powerLoss:
            let writers = living.filter { disks[$0].isInUse }
            let isTrap = !writers.isEmpty && random.chance(2, in: 3)
            guard let victim = (isTrap ? writers : living).pick(&random) else { return nil }
            return Fault(kind, processes: [victim], lasts: downTime(&random), isTrap: isTrap)
        case .bulkPowerLoss:
            // The first is the one that the trap waits for; most others go down with it.
            let writers = living.filter { disks[$0].isInUse }
            let isTrap = !writers.isEmpty && random.chance(2, in: 3)
            guard let victim = (isTrap ? writers : living).pick(&random) else { return nil }
            let others = targets.filter { $0 != victim && random.chance(4, in: 5) }
            return Fault(
                kind, processes: [victim] + others, amount: random.length(.zero...(.milliseconds(300))).count,
                lasts: downTime(&random), isTrap: isTrap)
        case .diskLoss:
            guard let victim = living.filter({ disks[$0].isInUse }).pick(&random) else { return nil }
            return Fault(kind, processes: [victim], lasts: downTime(&random))
        case .oldImage:
            guard let victim = living.filter({ disks[$0].isInUse }).pick(&random) else { return nil }
            let source = random.chance(2, in: 3) ? victim : targets.pick(&random) ?? victim
            return Fault(kind, processes: [victim], amount: Int64(source), lasts: downTime(&random))
        case .shutdown:
            guard let victim = living.pick(&random) else { return nil }
            return Fault(kind, processes: [victim])
        case .rollingRestart:
            var order = living
            for index in order.indices.dropLast() { order.swapAt(index, index + random.below(order.count - index)) }
            return Fault(kind, processes: order, amount: random.length(.milliseconds(10)...(.seconds(1))).count)
        case .pause, .pauseMidBatch:
            guard let victim = living.pick(&random) else { return nil }
            return Fault(kind, processes: [victim], lasts: faultTime(&random))
        case .slowProcess:
            guard let victim = living.pick(&random) else { return nil }
            let worst = random.length(.milliseconds(1)...(.milliseconds(400)))
            return Fault(kind, processes: [victim], amount: worst.count, lasts: faultTime(&random))
        case .clockRate:
            let furthest = max(options.faultyClockDrift, options.clockDrift)
            guard furthest > 0 else { return nil }
            // One that is as slow as can be takes every promise for longer than it was given.
            let rate = random.chance(1, in: 3) ? -furthest : Int64(random.below(Int(2 * furthest + 1))) - furthest
            return Fault(kind, processes: [anybody], amount: rate)
        case .clockStep:
            let longest = [Nanoseconds.milliseconds(500), .seconds(2), .seconds(20)][random.below(3)]
            return Fault(kind, processes: [anybody], amount: random.length(.milliseconds(1)...longest).count)
        case .isolation:
            // From everybody but ZooKeeper; that is a fault of its own.
            return cut(kind, bothWays(anybody, (0..<processCount).filter { $0 != anybody }), &random)
        case .hostCut:
            // Mostly one alone: who has nobody beside him learns nothing of what the others do. Some still hear what was sent, or are
            // still heard; perhaps late.
            let isOnHost = (0..<processCount).map { $0 == anybody || random.chance(1, in: 8) }
            let host = (0..<processCount).filter { isOnHost[$0] }
            let (isMute, isDeaf) = [(true, true), (true, true), (true, false), (false, true)][random.below(4)]
            let paths = host.flatMap { bothWays($0, (0..<processCount).filter { !isOnHost[$0] }) }
                .filter { isOnHost[$0.from] ? isMute : isDeaf }
            return Fault(
                kind, processes: host, paths: paths, servers: Array(0..<zooKeeperServers),
                amount: isMute && isDeaf ? 1 : [1, 100, 1_000][random.below(3)], lasts: faultTime(&random))
        case .partition:
            let side = (0..<processCount).map { _ in random.chance(1, in: 2) }
            let paths = (0..<processCount).flatMap { a in bothWays(a, (0..<a).filter { side[$0] != side[a] }) }
            return cut(kind, paths, &random)
        case .oneWayCut:
            var paths: [Fault.Path] = []
            let isMute = random.chance(1, in: 3)
            for other in 0..<processCount where other != anybody && (isMute || random.chance(1, in: 2)) {
                let isOut = isMute || random.chance(1, in: 2)
                paths.append(isOut ? Fault.Path(from: anybody, to: other) : Fault.Path(from: other, to: anybody))
            }
            return cut(kind, paths, &random)
        case .partialCut:
            guard let other = (0..<processCount).filter({ $0 != anybody }).pick(&random) else { return nil }
            return cut(kind, bothWays(anybody, [other]), &random)
        case .clientCut:
            let client = endpoint(ofClient: random.below(clientCount))
            return cut(kind, bothWays(client, (0..<processCount).filter { _ in random.chance(1, in: 2) }), &random)
        case .reset:
            let open = network.openPaths.filter { mayHit($0.from) && mayHit($0.to) }
            guard let path = open.pick(&random) else { return nil }
            return Fault(kind, paths: [path])
        case .slowPath:
            let factor = Int64([10, 100, 1_000][random.below(3)])
            let others = (0..<processCount).filter { $0 != anybody && random.chance(2, in: 3) }
            return Fault(kind, paths: bothWays(anybody, others), amount: factor, lasts: faultTime(&random))
        case .zooKeeperOutage:
            return _zooKeeper.isOut ? nil : Fault(kind, lasts: faultTime(&random))
        case .zooKeeperFailover: return zooKeeperLeader == nil ? nil : Fault(kind)
        case .zooKeeperReset:
            // At most moments nobody waits for a write.
            return Fault(kind, processes: [anybody], isTrap: random.chance(2, in: 3))
        case .zooKeeperServerSlow:
            return Fault(kind, servers: [random.below(zooKeeperServers)], lasts: faultTime(&random))
        case .zooKeeperCut:
            let all = random.chance(2, in: 3)
            let servers = (0..<zooKeeperServers).filter { _ in all || random.chance(1, in: 2) }
            return servers.isEmpty ? nil : Fault(kind, processes: [anybody], servers: servers, lasts: faultTime(&random))
        case .zooKeeperServerIsolated, .zooKeeperServerDown:
            // A minority, so that there is a leader.
            guard _zooKeeper.isWhole else { return nil }
            return Fault(kind, servers: [random.below(zooKeeperServers)], lasts: faultTime(&random))
        case .sessionExpiry:
            guard let victim = living.pick(&random) else { return nil }
            return Fault(kind, processes: [victim])
        case .nodeDeletion:
            // Sometimes somebody cleans up thoroughly.
            let owners = (0..<processCount).filter { isUp($0) && hasEphemeralNode($0) }
            guard let victim = living.filter({ owners.contains($0) }).pick(&random) else { return nil }
            let others = random.chance(1, in: 3) ? owners.filter { $0 != victim && random.chance(1, in: 2) } : []
            return Fault(kind, processes: [victim] + others, amount: Int64(random.below(4)))
        case .diskStall, .diskFull:
            return Fault(kind, processes: [anybody], lasts: faultTime(&random))
        case .bitRot, .sectorLoss:
            guard let victim = targets.filter({ disks[$0].isInUse }).pick(&random) else { return nil }
            return Fault(kind, processes: [victim])
        case .misdirectedWrites:
            return Fault(kind, processes: [anybody], amount: [1_000, 20_000][random.below(2)], lasts: faultTime(&random))
        case .slowDisk:
            return Fault(kind, processes: [anybody], amount: [5, 30, 200][random.below(3)], lasts: faultTime(&random))
        case .syncFailure:
            let chance: Int64 = [1_000, 10_000, 65_536][random.below(3)]
            return Fault(kind, processes: [anybody], amount: chance, lasts: faultTime(&random))
        case .appendFailure:
            return Fault(kind, processes: [anybody], amount: [500, 5_000, 65_536][random.below(3)], lasts: faultTime(&random))
        }
    }

    @inlinable func bothWays(_ a: Int, _ others: [Int]) -> [Fault.Path] {
        others.flatMap { [Fault.Path(from: a, to: $0), Fault.Path(from: $0, to: a)] }
    }

    @inlinable func cut(_ kind: FaultKind, _ paths: [Fault.Path], _ random: inout SeededRandom) -> Fault? {
        paths.isEmpty ? nil : Fault(kind, paths: paths, lasts: faultTime(&random))
    }

    /// How long a fault lasts: around the lengths that matter to leases, to retries, and to sessions.
    @inlinable func faultTime(_ random: inout SeededRandom) -> Nanoseconds {
        switch random.below(4) {
        case 0: random.length(.milliseconds(1)...(.milliseconds(150)))
        case 1: random.length(.milliseconds(100)...(.milliseconds(1_200)))
        case 2: random.length(.milliseconds(500)...(.seconds(4)))
        default: random.length(.seconds(2)...(.seconds(9)))
        }
    }

    @inlinable func downTime(_ random: inout SeededRandom) -> Nanoseconds {
        random.chance(1, in: 3) ? random.length(.milliseconds(1)...(.milliseconds(100))) : faultTime(&random)
    }

    // MARK: Beginning and ending

    /// Lets a fault happen. What it names and this world does not have, or what is down already, is passed over.
    ///
    /// A trap only begins to wait: an occurrence `.trapSprung` comes at its moment, and `spring` makes it a crash. Whoever
    /// drives the world ends the fault after `fault.lasts`, and starts what has crashed again.
    @inlinable public mutating func begin(_ fault: Fault) {
        trace.fold(at: now, 64, fault.kind.rawValue) { _ in }
        tell(.fault, "\(fault)")
        tellBars(of: fault)
        let processes = fault.processes.filter { $0 < processCount }
        let servers = fault.servers.filter { $0 < zooKeeperServers }
        switch fault.kind {
        case .kill, .powerLoss, .bulkPowerLoss, .diskLoss, .oldImage:
            guard let victim = processes.first else { return }
            if fault.isTrap { setTrap(victim, fault) } else { spring(fault) }
        case .shutdown: for process in processes { requestShutdown(process) }
        case .rollingRestart:
            for (index, process) in processes.enumerated() {
                let delay = Nanoseconds(fault.amount) * Int64(index)
                agenda.plan(.shutdown(process: Int32(process), life: self.processes[process].life), at: now + delay)
            }
        case .pause, .pauseMidBatch:
            for process in processes { pause(process, for: fault.lasts, midBatch: fault.kind == .pauseMidBatch) }
        case .slowProcess:
            let worst = Nanoseconds(max(0, fault.amount))
            for process in processes {
                setReaction(process, Spread(least: .zero, usual: worst / 4, worst: worst, tailPer1024: 100))
            }
        case .clockRate: for process in processes { setClockRate(process, fault.amount) }
        case .clockStep: for process in processes { stepClock(process, ahead: Nanoseconds(max(0, fault.amount))) }
        case .isolation, .partition, .oneWayCut, .partialCut, .clientCut:
            for path in known(fault.paths) { cutPath(from: path.from, to: path.to) }
        case .hostCut:
            for path in known(fault.paths) {
                cutPath(from: path.from, to: path.to)
                if fault.amount > 1 { setSlowness(from: path.to, to: path.from, factor: fault.amount) }
            }
            for process in processes { for server in servers { setZooKeeperCut(process, server: server, true) } }
        case .reset: for path in known(fault.paths) { resetConnection(from: path.from, to: path.to) }
        case .slowPath: for path in known(fault.paths) { setSlowness(from: path.from, to: path.to, factor: fault.amount) }
        case .zooKeeperOutage: beginZooKeeperOutage()
        case .zooKeeperFailover: failOverZooKeeper()
        case .zooKeeperReset:
            for process in processes {
                if fault.isTrap { _zooKeeper.setWriteTrap(process) } else { breakZooKeeperConnections(of: process) }
            }
        case .zooKeeperServerSlow: for server in servers { setZooKeeperServerSlow(server, true) }
        case .zooKeeperCut:
            for process in processes { for server in servers { setZooKeeperCut(process, server: server, true) } }
        case .zooKeeperServerIsolated: for server in servers { setZooKeeperServerIsolated(server, true) }
        case .zooKeeperServerDown: for server in servers { setZooKeeperServerDown(server, true) }
        case .sessionExpiry: for process in processes { expireSessions(of: process) }
        case .nodeDeletion: for process in processes { deleteEphemeralNode(of: process, number: Int(max(0, fault.amount))) }
        case .diskStall: for process in processes { stallDisk(process, for: fault.lasts) }
        case .bitRot: for process in processes { rotDisk(process) }
        case .sectorLoss: for process in processes { loseSectors(process) }
        case .slowDisk, .diskFull, .syncFailure, .appendFailure, .misdirectedWrites:
            var faults = DiskModel.Faults()
            switch fault.kind {
            case .slowDisk: faults.slowness = max(1, fault.amount)
            case .diskFull: faults.isFull = true
            case .syncFailure: faults.syncFailure = UInt64(max(0, fault.amount))
            case .misdirectedWrites: faults.misdirection = UInt64(max(0, fault.amount))
            default: faults.appendFailure = UInt64(max(0, fault.amount))
            }
            for process in processes { setDiskFaults(process, faults) }
        }
    }

    /// The crash that a fault is: kills its processes, or takes their power or their disks.
    @inlinable public mutating func spring(_ fault: Fault) {
        for process in fault.processes where process < processCount {
            let losesPower = fault.kind != .kill
            if isUp(process) { crash(process, losingPower: losesPower) } else if losesPower { losePowerWhileDown(process) }
            if fault.kind == .diskLoss { loseDisk(process) }
            if fault.kind == .oldImage { restoreImage(process, of: Int(clamping: fault.amount)) }
        }
    }

    /// Ends a fault. What has crashed stays down: only whoever drives the world knows what to start.
    @inlinable public mutating func end(_ fault: Fault) {
        let processes = fault.processes.filter { $0 < processCount }
        let servers = fault.servers.filter { $0 < zooKeeperServers }
        switch fault.kind {
        case .kill, .powerLoss, .bulkPowerLoss, .diskLoss, .oldImage, .shutdown, .rollingRestart, .reset, .sessionExpiry,
            .clockRate, .clockStep, .zooKeeperFailover, .zooKeeperReset, .nodeDeletion, .bitRot, .sectorLoss:
            return
        // They end by themselves.
        case .pause, .pauseMidBatch, .diskStall: return
        case .slowProcess: for process in processes { setReaction(process, options.reaction) }
        case .isolation, .partition, .oneWayCut, .partialCut, .clientCut:
            for path in known(fault.paths) { mendPath(from: path.from, to: path.to) }
        case .hostCut:
            for path in known(fault.paths) {
                mendPath(from: path.from, to: path.to)
                if fault.amount > 1 { setSlowness(from: path.to, to: path.from, factor: 1) }
            }
            for process in processes { for server in servers { setZooKeeperCut(process, server: server, false) } }
        case .slowPath: for path in known(fault.paths) { setSlowness(from: path.from, to: path.to, factor: 1) }
        case .zooKeeperOutage: endZooKeeperOutage()
        case .zooKeeperCut:
            for process in processes { for server in servers { setZooKeeperCut(process, server: server, false) } }
        case .zooKeeperServerSlow: for server in servers { setZooKeeperServerSlow(server, false) }
        case .zooKeeperServerIsolated: for server in servers { setZooKeeperServerIsolated(server, false) }
        case .zooKeeperServerDown: for server in servers { setZooKeeperServerDown(server, false) }
        case .slowDisk, .diskFull, .syncFailure, .appendFailure, .misdirectedWrites:
            for process in processes { recoverDisk(process) }
        }
        tell(.repair, "ends: \(fault)")
    }

    @inlinable func known(_ paths: [Fault.Path]) -> [Fault.Path] {
        paths.filter { $0.from < network.endpoints && $0.to < network.endpoints && $0.from != $0.to }
    }
}

extension Array {
    /// An element drawn evenly; nil where there is none, and then nothing is drawn.
    @inlinable func pick(_ random: inout SeededRandom) -> Element? { isEmpty ? nil : self[random.below(count)] }
}
