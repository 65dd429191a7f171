import Machine

extension World {
    /// Lets a fault happen to a random victim. Returns what ends it and after how long; empty where nothing was hit.
    ///
    /// - Parameter mayHit: which processes are fair game.
    public mutating func inject(
        _ kind: FaultKind, mayHit: (Int) -> Bool, random: inout SeededRandom
    ) -> [(after: Nanoseconds, Repair)] {
        let targets = (0..<processCount).filter(mayHit)
        let living = targets.filter { isUp($0) }
        guard !targets.isEmpty else { return [] }
        func anyLiving() -> Int? { living.isEmpty ? nil : living[random.below(living.count)] }
        trace.fold(at: now, 64, kind.rawValue) { _ in }

        switch kind {
        case .kill, .powerLoss, .bulkPowerLoss:
            let writers = living.filter { disks[$0].isInUse }
            if !writers.isEmpty, random.chance(2, in: 3) {
                setTrap(writers[random.below(writers.count)], kind)
                return []
            }
            guard let victim = anyLiving() else { return [] }
            return strike(victim, kind, mayHit: mayHit, random: &random)
        case .shutdown:
            guard let victim = anyLiving() else { return [] }
            requestShutdown(victim)
            return []
        case .pause, .pauseMidBatch:
            guard let victim = anyLiving() else { return [] }
            pause(victim, for: faultTime(&random), midBatch: kind == .pauseMidBatch)
            return []
        case .slowProcess:
            guard let victim = anyLiving() else { return [] }
            let worst = random.length(.milliseconds(1)...(.milliseconds(400)))
            setReaction(victim, Spread(least: .zero, usual: worst / 4, worst: worst, tailPer1024: 100))
            return [(faultTime(&random), .usualReaction(process: victim))]
        case .isolation:
            // From everybody but ZooKeeper; that is a fault of its own.
            let victim = targets[random.below(targets.count)]
            return cut(bothWays(victim, (0..<processCount).filter { $0 != victim }), &random)
        case .partition:
            let side = (0..<processCount).map { _ in random.chance(1, in: 2) }
            return cut((0..<processCount).flatMap { a in bothWays(a, (0..<a).filter { side[$0] != side[a] }) }, &random)
        case .oneWayCut:
            let victim = targets[random.below(targets.count)]
            var paths: [Repair.Path] = []
            for other in 0..<processCount where other != victim && random.chance(1, in: 2) {
                paths.append(
                    random.chance(1, in: 2) ? Repair.Path(from: victim, to: other) : Repair.Path(from: other, to: victim))
            }
            return cut(paths, &random)
        case .partialCut:
            let victim = targets[random.below(targets.count)]
            let others = (0..<processCount).filter { $0 != victim }
            return cut(others.isEmpty ? [] : bothWays(victim, [others[random.below(others.count)]]), &random)
        case .clientCut:
            let client = endpoint(ofClient: random.below(clientCount))
            var lost: [Int] = []
            for process in 0..<processCount where random.chance(1, in: 2) { lost.append(process) }
            return cut(bothWays(client, lost), &random)
        case .reset:
            var hit = false
            for _ in 0..<4 where !hit {
                let from = targets[random.below(targets.count)]
                let to = targets[random.below(targets.count)]
                if from != to { hit = resetConnection(from: from, to: to) }
            }
            return []
        case .slowPath:
            let slow = targets[random.below(targets.count)]
            let factor = Int64([10, 100, 1_000][random.below(3)])
            let paths = (0..<processCount).flatMap { other in
                other == slow || random.chance(1, in: 3)
                    ? [] : [Repair.Path(from: slow, to: other), Repair.Path(from: other, to: slow)]
            }
            for path in paths { setSlowness(from: path.from, to: path.to, factor: factor) }
            return [(faultTime(&random), .usualSpeed(paths))]
        case .zooKeeperOutage:
            guard !zooKeeper.isOut else { return [] }
            beginZooKeeperOutage()
            return [(faultTime(&random), .zooKeeperOutageOver)]
        case .zooKeeperCut:
            let victim = targets[random.below(targets.count)]
            let all = random.chance(2, in: 3)
            let servers = (0..<zooKeeperServers).filter { _ in all || random.chance(1, in: 2) }
            for server in servers { setZooKeeperCut(victim, server: server, true) }
            return [(faultTime(&random), .zooKeeperReached(process: victim, servers: servers))]
        case .zooKeeperServerIsolated:
            // A minority, so that there is a leader.
            guard (0..<zooKeeperServers).allSatisfy({ !zooKeeper.servers[$0].isIsolated && !zooKeeper.servers[$0].isDown })
            else { return [] }
            let server = random.below(zooKeeperServers)
            setZooKeeperServerIsolated(server, true)
            return [(faultTime(&random), .zooKeeperServerBack(server: server))]
        case .zooKeeperServerDown:
            guard (0..<zooKeeperServers).allSatisfy({ !zooKeeper.servers[$0].isIsolated && !zooKeeper.servers[$0].isDown })
            else { return [] }
            let server = random.below(zooKeeperServers)
            setZooKeeperServerDown(server, true)
            return [(faultTime(&random), .zooKeeperServerUp(server: server))]
        case .sessionExpiry:
            guard let victim = anyLiving() else { return [] }
            expireSessions(of: victim)
            return []
        case .diskStall:
            stallDisk(targets[random.below(targets.count)], for: faultTime(&random))
            return []
        case .slowDisk:
            let slowness = Int64([5, 30, 200][random.below(3)])
            return failDisk(targets, &random) { $0.slowness = slowness }
        case .diskFull: return failDisk(targets, &random) { $0.isFull = true }
        case .syncFailure:
            let chance = UInt64([1_000, 10_000, 65_536][random.below(3)])
            return failDisk(targets, &random) { $0.syncFailure = chance }
        case .appendFailure:
            let chance = UInt64([500, 5_000, 65_536][random.below(3)])
            return failDisk(targets, &random) { $0.appendFailure = chance }
        }
    }

    private mutating func failDisk(
        _ targets: [Int], _ random: inout SeededRandom, _ change: (inout DiskModel.Faults) -> Void
    ) -> [(after: Nanoseconds, Repair)] {
        let victim = targets[random.below(targets.count)]
        var faults = DiskModel.Faults()
        change(&faults)
        setDiskFaults(victim, faults)
        return [(faultTime(&random), .diskHealthy(process: victim))]
    }

    private func bothWays(_ a: Int, _ others: [Int]) -> [Repair.Path] {
        others.flatMap { [Repair.Path(from: a, to: $0), Repair.Path(from: $0, to: a)] }
    }

    private mutating func cut(_ paths: [Repair.Path], _ random: inout SeededRandom) -> [(after: Nanoseconds, Repair)] {
        for path in paths { cutPath(from: path.from, to: path.to) }
        return paths.isEmpty ? [] : [(faultTime(&random), .mend(paths))]
    }

    /// Kills a process, or takes its power, alone or with most others. Returns when who starts again.
    public mutating func strike(
        _ victim: Int, _ kind: FaultKind, mayHit: (Int) -> Bool, random: inout SeededRandom
    ) -> [(after: Nanoseconds, Repair)] {
        guard kind == .bulkPowerLoss else {
            if isUp(victim) { crash(victim, losingPower: kind == .powerLoss) }
            return [(downTime(&random), .restart(process: victim))]
        }
        var repairs: [(after: Nanoseconds, Repair)] = []
        let together = downTime(&random)
        for process in 0..<processCount where process == victim || mayHit(process) && random.chance(4, in: 5) {
            if isUp(process) { crash(process, losingPower: true) } else { losePowerWhileDown(process) }
            repairs.append((together + random.length(.zero...(.seconds(1))), .restart(process: process)))
        }
        return repairs
    }

    /// Ends a fault. `restart` is the scenario's, who knows what to start.
    public mutating func repair(_ repair: Repair) {
        switch repair {
        case .restart: break
        case .mend(let paths): for path in paths { mendPath(from: path.from, to: path.to) }
        case .usualSpeed(let paths): for path in paths { setSlowness(from: path.from, to: path.to, factor: 1) }
        case .usualReaction(let process): setReaction(process, options.reaction)
        case .zooKeeperReached(let process, let servers):
            for server in servers { setZooKeeperCut(process, server: server, false) }
        case .zooKeeperServerBack(let server): setZooKeeperServerIsolated(server, false)
        case .zooKeeperServerUp(let server): setZooKeeperServerDown(server, false)
        case .zooKeeperOutageOver: endZooKeeperOutage()
        case .diskHealthy(let process): recoverDisk(process)
        }
    }

    /// How long a fault lasts: around the lengths that matter to leases, to retries, and to sessions.
    private func faultTime(_ random: inout SeededRandom) -> Nanoseconds {
        switch random.below(4) {
        case 0: random.length(.milliseconds(1)...(.milliseconds(150)))
        case 1: random.length(.milliseconds(100)...(.milliseconds(1_200)))
        case 2: random.length(.milliseconds(500)...(.seconds(4)))
        default: random.length(.seconds(2)...(.seconds(9)))
        }
    }

    private func downTime(_ random: inout SeededRandom) -> Nanoseconds {
        random.chance(1, in: 3) ? random.length(.milliseconds(1)...(.milliseconds(100))) : faultTime(&random)
    }
}
