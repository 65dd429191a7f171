import Machine
import Simulation
import Testing

@testable import ClusterSimulation

/// Runs written down: as text, and played again.
@Suite struct ScheduleTests {
    @Test func aScheduleRepeatsTheRunThatWroteItDownEvenThroughItsText() throws {
        // Some with clocks and clients of their own kind.
        let others = (1...100).lazy.map { RunName($0, profile: .swarm) }.filter { name in
            let plan = ClusterRun(name).plan
            return plan.operations <= 200 && (plan.wildClocks || plan.libraryClients > 0)
        }
        for name in [RunName(3, profile: .small), RunName(11, profile: .small)] + Array(others.prefix(4)) {
            let schedule = ClusterRun.schedule(of: name)
            #expect(schedule.operations.count > 10)
            let read = try ClusterSchedule(text: schedule.description)
            #expect(read == schedule)
            var again = ClusterRun(schedule: read)
            again.run()
            var first = ClusterRun(name)
            first.run()
            #expect(again.world.trace.hash == first.world.trace.hash)
            #expect(again.world.trace.length == first.world.trace.length)
        }
    }

    /// The machine that applications use decides whom they ask, and repeats for them.
    @Test func clientsOnTheLibraryDoTheirWorkAndTheirScheduleRepeatsIt() throws {
        let name = try #require(
            (1...100).lazy.map { RunName($0, profile: .swarm) }.first {
                let plan = ClusterRun($0).plan
                let isCalm = plan.mode == .liveness && !plan.wildClocks && plan.mix.shares.count < 6
                return plan.libraryClients == plan.clients && plan.operations == 200 && isCalm
            })
        let schedule = ClusterRun.schedule(of: name)
        var run = ClusterRun(name)
        run.run()
        #expect(run.violation == nil)
        #expect(run.operations.succeeded > 50)
        #expect(run.libraries.allSatisfy { $0.machine.operationsUnderWay == 0 && $0.lastOperation > 0 })
        var again = ClusterRun(schedule: try ClusterSchedule(text: schedule.description))
        again.run()
        #expect(again.world.trace.hash == run.world.trace.hash)
    }

    @Test func aScheduleSaysWhatItShowsThoughNumbersAreLeftOutOfThat() throws {
        var schedule = ClusterRun.schedule(of: RunName(3, profile: .small))
        schedule.fingerprint = Violation("nobody serves", "process 3 of 4 is down").fingerprint
        #expect(schedule.fingerprint?.contains("#") == true)
        #expect(try ClusterSchedule(text: schedule.description) == schedule)
    }

    @Test func aLineThatIsNotUnderstoodIsNamed() {
        func problem(_ text: String) -> String? {
            do {
                _ = try ClusterSchedule(text: text)
                return nil
            } catch { return "\(error)" }
        }
        #expect(problem("aviary schedule 1\nseed 7\n# a comment\n\nplan servers 2 # two\n") == nil)
        #expect(problem("aviary schedule 9\n")?.contains("line 1") == true)
        #expect(problem("aviary schedule 1\nseed x\n")?.contains("line 2") == true)
        #expect(problem("aviary schedule 1\nplan wings 2\n")?.contains("plan wings 2") == true)
        #expect(problem("aviary schedule 1\nplan servers two\n") != nil)
        #expect(problem("aviary schedule 1\nfault 1.5 flood processes=1\n") != nil)
        #expect(problem("aviary schedule 1\nfault 1.5 kill processes=x\n") != nil)
        #expect(problem("aviary schedule 1\nclient 0 1.0 put\n") != nil)
        #expect(problem("aviary schedule 1\nclient 0 1.0 put k to=1 within=0\n") != nil)
    }

    @Test func everyKindOfFaultIsALineOfText() {
        for kind in FaultKind.allCases {
            let fault = Fault(
                kind, processes: [1, 4], paths: [Fault.Path(from: 0, to: 3)], servers: [2], amount: -7,
                lasts: Nanoseconds(1_500_000_001), isTrap: true)
            #expect(Fault("\(fault)") == fault)
            #expect(Fault("\(Fault(kind))") == Fault(kind))
        }
    }

    @Test func lengthsAreExactInText() {
        for length in [0, 1, 999, 1_000_000_000, 12_345_678_901, -2_500_000_000] as [Int64] {
            #expect(Nanoseconds(seconds: Nanoseconds(length).seconds) == Nanoseconds(length))
        }
        for text in ["", ".", "1.", ".5", "1.0000000001", "1e3", "99999999999999999999", "--1"] {
            #expect(Nanoseconds(seconds: text) == nil, "\(text)")
        }
    }

    @Test func everyOptionThatASeedDrawsIsInItsSchedule() {
        // Two plans that differ anywhere differ in the text of a setting: else a schedule would lose it.
        for seed in 1...40 as ClosedRange<UInt64> {
            var random = SeededRandom(seed: seed)
            let plan = ClusterPlan(.swarm, mode: nil, drawnFrom: &random)
            let again = ClusterSchedule(seed: seed, plan: plan).plan
            #expect(again.world == plan.world)
            #expect(again.data.replication == plan.data.replication)
            #expect(again.data.storage == plan.data.storage)
            #expect(again.server == plan.server)
            #expect(again.mode == plan.mode)
            #expect(again.stores == plan.stores)
            #expect(
                (again.servers, again.clients, again.keysPerClient, again.sharedKeys) == (
                    plan.servers, plan.clients, plan.keysPerClient, plan.sharedKeys
                ))
        }
    }

    @Test func processesAndFaultsThatAreNotThereArePassedOver() throws {
        let text = """
            aviary schedule 1
            seed 5
            plan servers 1
            plan stores 2
            plan clients 1
            plan fault-time 3
            start 0 0
            start 1 0
            start 2 0
            start 99 0
            fault 1 kill processes=2,77 lasts=0.5
            fault 1.2 partition paths=0>88,88>0,1>2 lasts=0.5
            fault 1.4 zooKeeperServerDown servers=44 lasts=0.5
            fault 1.5 pause processes=1 lasts=0.2
            client 0 1 put c0k0 to=99 within=1
            client 44 1 put c0k1 to=0 within=1
            """
        var run = ClusterRun(schedule: try ClusterSchedule(text: text))
        run.run()
        #expect(run.violation == nil)
        #expect(run.faults[.kill] == 1)
    }

    @Test func absentProcessesAreMissedByNobody() throws {
        let text = """
            aviary schedule 1
            seed 5
            plan servers 2
            plan stores 3
            plan absent 1,3
            plan clients 1
            plan fault-time 2
            start 0 0
            start 2 0
            start 4 0
            client 0 1 put c0k0 to=0 within=1
            client 0 1.1 get c0k0 to=0 within=1
            """
        var run = ClusterRun(schedule: try ClusterSchedule(text: text))
        run.run()
        #expect(run.violation == nil)
        #expect(run.operations.succeeded >= 2)
    }
}

/// Shrinking: with judges that are made up, so that what must be left is known.
@Suite struct ShrinkingTests {
    @Test func theFewestElementsAreFound() {
        let needed = [3, 17, 90]
        var asked = 0
        let fewest = Reduction.fewest(Array(0..<100)) { kept in
            asked += 1
            return needed.allSatisfy(kept.contains)
        }
        #expect(fewest == needed)
        #expect(asked < 200)
        #expect(Reduction.fewest([1, 2, 3]) { _ in true }.isEmpty)
        #expect(Reduction.fewest([1, 2, 3]) { $0.count == 3 } == [1, 2, 3])
        #expect(Reduction.smallest(1_000, least: 1) { $0 >= 300 } <= 338)
        #expect(Reduction.smallest(1_000, least: 1) { _ in true } == 1)
    }

    @Test func aScheduleShrinksToWhatItsFailureNeeds() {
        let name = RunName(21, profile: .standard)
        var schedule = ClusterRun.schedule(of: name)
        schedule.faults += [.init(at: .seconds(2), fault: Fault(.kill, processes: [4, 5], lasts: .seconds(3)))]
        schedule.fingerprint = "made up"
        let client = schedule.operations[schedule.operations.count / 2].client
        // It needs a kill of process 4, servers 0, and some operation of one client.
        let shrinker = ScheduleShrinker(
            schedule, worlds: 1,
            judge: { candidate in
                let isKilled = candidate.faults.contains { $0.fault.kind == .kill && $0.fault.processes.contains(4) }
                let works = candidate.operations.contains { $0.client == client }
                return isKilled && works && candidate.starts.contains { $0.process == 0 } ? ("made up", .seconds(20)) : nil
            })
        let smallest = shrinker.shrink()
        #expect(smallest.faults.count == 1)
        #expect(smallest.faults.first?.fault.processes == [4])
        #expect((smallest.faults.first?.fault.lasts ?? .zero) <= .milliseconds(1))
        #expect(smallest.operations.count == 1)
        #expect(smallest.starts.map(\.process) == [0])
        #expect(smallest.plan.absent.count == 8)
        #expect(smallest.plan.world.network.latency == ClusterPlan.plain.world.network.latency)
    }

    /// Without a server or a group's stores nothing comes right, and that would be a shorter story of something else.
    @Test func whatDoesNotComeTrueKeepsThoseWhoCouldMakeItTrue() {
        for minSync in [1, 2] {
            var schedule = ClusterRun.schedule(of: RunName(21, profile: .standard))
            schedule.plan.data.replication.minSync = minSync
            let fingerprint = Demand.clientsSucceed.violated("client 0 had 0 successes in a row").fingerprint
            schedule.fingerprint = fingerprint
            // `min-sync` is made plain, too, unless it is needed.
            let shrinker = ScheduleShrinker(schedule, worlds: 1) { candidate in
                candidate.plan.data.replication.minSync == minSync ? (fingerprint, .seconds(20)) : nil
            }
            let smallest = shrinker.shrink()
            #expect(smallest.faults.isEmpty && smallest.operations.isEmpty)
            let plan = smallest.plan
            let present = (0..<plan.servers + plan.stores.reduce(0, +)).filter { !plan.absent.contains($0) }
            #expect(present.count { $0 < plan.servers } == 1)
            let groups = [0, 1].map { group in
                let first = plan.servers + group * plan.stores[0]
                return present.count { (first..<first + plan.stores[group]).contains($0) }
            }
            #expect(groups.allSatisfy { $0 == 0 || $0 == minSync } && groups.contains(minSync), "\(groups)")
        }
    }

    /// The first operation moves behind the second on its way to a whole second.
    @Test func timesAreRoundedOneByOneThoughThatChangesTheirOrder() {
        var plan = ClusterPlan()
        plan.faultTime = .microseconds(5_000_500)
        var schedule = ClusterSchedule(seed: 1, plan: plan)
        schedule.fingerprint = "made up"
        for (client, at) in [(0, Nanoseconds.milliseconds(1_010)), (1, .milliseconds(1_020))] {
            schedule.operations.append(
                ClusterSchedule.Operation(
                    at: at, client: client, kind: .get, key: "k", process: 0, patience: .milliseconds(900), tellsPatience: false
                ))
        }
        // The time of the faults must stay as it is, so not all can be rounded together. What is tried is always in order, and the
        // worlds are those around the one in which it last failed.
        let shrinker = ScheduleShrinker(schedule) { candidate in
            #expect(candidate.operations[0].at <= candidate.operations[1].at)
            return candidate.plan.faultTime == plan.faultTime && candidate.salt > 0 ? ("made up", .seconds(1)) : nil
        }
        shrinker.roundTimes()
        #expect(shrinker.smallest.operations.map(\.at) == [.seconds(2), .seconds(2)])
        #expect(shrinker.smallest.operations.map(\.patience) == [.seconds(1), .seconds(1)])
        #expect(shrinker.smallest.salt == 1)
    }

    @Test func anotherFailureIsNotTakenForTheSame() {
        var schedule = ClusterRun.schedule(of: RunName(4, profile: .small))
        schedule.fingerprint = "this one"
        let shrinker = ScheduleShrinker(schedule, judge: { _ in ("another one", .seconds(1)) })
        #expect(shrinker.shrink() == schedule)
    }

    @Test func fingerprintsForgetNumbersAndNothingElse() {
        let one = Violation("acknowledged writes survive", "client 3 (call 12) found c1k2=5, but c1k2=6 had been acknowledged")
        let two = Violation("acknowledged writes survive", "client 9 (call 7) found c0k0=1, but c0k0=3 had been acknowledged")
        let other = Violation("acknowledged writes survive", "client 9 (call 7) found c0k0=1, but c0k0=3 had been read")
        #expect(one.fingerprint == two.fingerprint)
        #expect(two.fingerprint != other.fingerprint)
    }
}
