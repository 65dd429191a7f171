import Coordination
import Machine
import Simulation
import Testing
import Wire

@testable import ClusterSimulation

/// How soon a group of three serves again when its primary is hit, with ZooKeeper sessions of twenty seconds: in the world's
/// time, with a ZooKeeper none of whose servers is far behind, and with the usual times of replication (a heartbeat each
/// 100 ms, leases of 400 ms, a probe's patience of 400 ms).
///
/// Processes 0 and 1 are servers, 2 to 4 the stores; 2 is primary when the fault happens, after six seconds.
@Suite struct FailoverTests {
    /// What came of a fault.
    struct Outcome {
        /// Until a process served that is not the one that was hit.
        var another: Int64?
        /// How long, all in all, nobody served before that; or in the time that was looked at, where nobody else did.
        var pause: Int64 = 0
        /// Until a smaller in-sync set was in force: from then on writes do not wait for the store that was hit.
        var shrunk: Int64?
        var reached = SometimesCounts()
        var violation: Violation?
    }

    static let hit = 6
    /// The session's end could not help before that.
    static let watched = 8

    private func outcome(of faults: String, seed: UInt64) throws -> Outcome {
        var text = """
            aviary schedule 1
            seed \(seed)
            plan servers 2
            plan stores 3
            plan clients 1
            plan fault-time 20
            plan reaction 0,0,0,0
            plan random-batches no
            plan network-latency 0.0001,0.0005,0.004,8
            plan zookeeper-servers 3
            plan zookeeper-timeout 20
            plan zookeeper-lag 0.0001,0.001,0.02,8

            """
        for (process, start) in ["0.1", "0.2", "0.3", "1.5", "2.5"].enumerated() { text += "start \(process) \(start)\n" }
        text += faults.split(separator: "\n").map { "fault \(Self.hit) \($0)\n" }.joined()
        for tenth in stride(from: 45, to: 180, by: 3) {
            text += "client 0 \(tenth / 10).\(tenth % 10) put c0k\(tenth / 3 % 3) to=\(tenth / 3 % 2) within=0.15\n"
        }
        var run = ClusterRun(schedule: try ClusterSchedule(text: text))
        let fault = Instant.zero + .seconds(Int64(Self.hit))
        run.run(until: { $0.world.now >= fault - .milliseconds(150) })
        let isPrimary = run.world.isServing(2)
        #expect(isPrimary, "the first store is primary")

        var outcome = Outcome()
        var before = run.world.now
        while run.world.now < fault + .seconds(Int64(Self.watched)), run.goOn() {
            let now = run.world.now
            let servers = (2...4).filter { run.world.isServing($0) }
            if servers.isEmpty { outcome.pause += (now - before).milliseconds }
            before = now
            if outcome.shrunk == nil, now > fault, inSyncStores(run) < 3 { outcome.shrunk = (now - fault).milliseconds }
            if outcome.another == nil, servers.contains(where: { $0 != 2 }) { outcome.another = (now - fault).milliseconds }
        }
        outcome.reached = run.world.reached
        run.run()
        outcome.violation = run.violation
        return outcome
    }

    private func inSyncStores(_ run: ClusterRun) -> Int {
        let path = Paths.config(ofGroup: ClusterPlan.groupNames[0])
        return run.world.zooKeeper.committedData(at: path).flatMap { GroupConfig($0) }?.inSync.count ?? 0
    }

    /// The same in several worlds; prints the times.
    private func outcomes(of faults: String, _ name: String) throws -> [Outcome] {
        let outcomes = try (1...3).map { try outcome(of: faults, seed: $0) }
        for outcome in outcomes { if let violation = outcome.violation { Issue.record("\(name): \(violation)") } }
        let times = outcomes.map { $0.another.map(String.init) ?? "-" }.joined(separator: ", ")
        let shrunk = outcomes.map { $0.shrunk.map(String.init) ?? "-" }.joined(separator: ", ")
        print(
            "\(name): another serves after \(times) ms; nobody served for \(outcomes.map(\.pause)) ms; "
                + "the in-sync set shrank after \(shrunk) ms")
        return outcomes
    }

    @Test func aCrash() throws {
        for outcome in try outcomes(of: "kill processes=2 lasts=11", "a crash") {
            #expect(try #require(outcome.another) <= 550)
            #expect(outcome.reached[.primaryDeposed] == 1)
        }
    }

    @Test func aCrashAndAnotherLifeAtOnce() throws {
        let outcomes = try outcomes(of: "kill processes=2 lasts=0.2", "a crash and a restart")
        for outcome in outcomes { #expect(try #require(outcome.another) <= 550) }
        // Where the probe came before the next life, nobody answers it.
        #expect(outcomes.contains { $0.reached[.probeAnsweredByAnotherLife] > 0 })
    }

    /// Nothing says that it is gone. When it wakes it finds its registration gone, and comes again.
    @Test func aPause() throws {
        for outcome in try outcomes(of: "pause processes=2 lasts=6", "a pause") {
            #expect(try #require(outcome.another) <= 950)
            #expect(outcome.reached[.deposedPrimaryRejoined] == 1)
        }
    }

    @Test func theWholeGroupCannotBeBlamedForAPauseOfAStandby() throws {
        for outcome in try outcomes(of: "pause processes=3 lasts=6", "a pause of a standby") {
            #expect(outcome.another == nil)
            #expect(outcome.reached[.suspicionSent] == 0)
            #expect(outcome.reached[.memberShrunkForSilence] == 1)
            #expect(try #require(outcome.shrunk) <= 450)
            #expect(outcome.pause <= 50)
        }
    }

    @Test func aStandbyThatDies() throws {
        for outcome in try outcomes(of: "kill processes=3 lasts=11", "a crash of a standby") {
            #expect(outcome.another == nil)
            #expect(try #require(outcome.shrunk) <= 450)
        }
    }

    /// No other standby says that the primary is heard; the master does.
    @Test func bothStandbysDie() throws {
        let faults = "kill processes=3 lasts=11\nkill processes=4 lasts=11"
        for outcome in try outcomes(of: faults, "a crash of both standbys") {
            #expect(outcome.another == nil)
            #expect(try #require(outcome.shrunk) <= 450)
            #expect(outcome.reached[.witnessHeard] > 0)
        }
    }

    /// Nobody answers for a while: the primary may be the one that is cut off, and waits longer.
    @Test func everybodyElseDies() throws {
        let faults = "kill processes=0,1,3,4 lasts=11"
        for outcome in try outcomes(of: faults, "a crash of everybody else") {
            #expect(outcome.another == nil)
            // 1.4 s after the last answer, which came a heartbeat before the fault at most.
            #expect((1_300...1_700).contains(try #require(outcome.shrunk)))
            #expect(outcome.reached[.witnessAsked] > 0 && outcome.reached[.witnessHeard] == 0)
        }
    }

    /// From everybody but ZooKeeper.
    @Test func aPrimaryThatNobodyReaches() throws {
        let faults = "isolation paths=2>0,2>1,2>3,2>4,0>2,1>2,3>2,4>2 lasts=12"
        for outcome in try outcomes(of: faults, "cut off from all nodes") {
            #expect(try #require(outcome.another) <= 950)
            #expect(outcome.reached[.deposedPrimaryRejoined] == 1)
        }
    }

    /// From the other stores, but neither from the master nor from ZooKeeper: it stays, and goes on without them.
    @Test func aPrimaryThatOnlyTheStoresDoNotReach() throws {
        for outcome in try outcomes(of: "partialCut paths=2>3,2>4,3>2,4>2 lasts=12", "cut off from the stores") {
            #expect(outcome.another == nil)
            #expect(outcome.pause <= 100)
            #expect(outcome.reached[.primaryDeposed] == 0)
        }
    }

    /// From ZooKeeper, but not from its group: leases do not need it.
    @Test func aPrimaryWithoutZooKeeper() throws {
        for outcome in try outcomes(of: "zooKeeperCut processes=2 servers=0,1,2 lasts=12", "cut off from ZooKeeper") {
            #expect(outcome.another == nil)
            #expect(outcome.pause == 0)
            #expect(outcome.reached[.suspicionSent] == 0)
        }
    }

    /// It heartbeats on; nobody else can tell.
    @Test func aDiskThatHangs() throws {
        for outcome in try outcomes(of: "diskStall processes=2 lasts=12", "a hanging disk") {
            #expect(try #require(outcome.another) <= 2_200)
            #expect(outcome.reached[.resignedForHungDisk] == 1)
        }
    }

    /// It is asked to end, and hands over: nobody waits for a lease to run out.
    @Test func aShutdown() throws {
        for outcome in try outcomes(of: "shutdown processes=2 lasts=11", "a shutdown") {
            #expect(try #require(outcome.another) <= 100)
            #expect(outcome.pause <= 100)
            #expect(outcome.reached[.handedOverAtShutdown] == 1)
            #expect(outcome.reached[.suspicionSent] == 0)
        }
    }

    /// The next is asked only after the first was found dead, too.
    @Test func thePrimaryAndItsFirstHeir() throws {
        for outcome in try outcomes(of: "kill processes=2,3 lasts=11", "a crash of two") {
            #expect(try #require(outcome.another) <= 2_500)
        }
    }
}
