import Machine
import Testing

@testable import ClusterSimulation
@testable import Simulation

@Suite struct WorkTests {
    private let shape = WorkOracle.Shape(
        servers: 3, stores: [3, 3], clients: 4, shortestPatience: .milliseconds(500), windowAppends: 128)

    /// What a second looks like with so much of each.
    private func judge(
        messages: UInt64 = 0, coordination: UInt64 = 0, disk: UInt64 = 0, calls: UInt64 = 0, steps: UInt64 = 0,
        underWay: Int = 0, after: Nanoseconds = .seconds(1)
    ) -> Violation? {
        var oracle = WorkOracle(shape)
        var load = WorldLoad()
        oracle.begin(WorkOracle.Mark(time: .zero, steps: 0, load: load, underWay: underWay))
        load.messages = messages
        load.coordinationRequests = coordination
        load.diskRequests = disk
        load.calls = calls
        return oracle.quiet(WorkOracle.Mark(time: .zero + after, steps: steps, load: load, underWay: 0))
    }

    @Test func aQuietClusterIsRight() {
        // Four standbys, each with ten heartbeats and their answers, and twenty operations.
        #expect(judge(messages: 80 + 20 * 10, coordination: 5, disk: 60, calls: 20, steps: 900) == nil)
    }

    @Test func stormsAreSeen() {
        let storms = [
            judge(messages: 5_000, calls: 5), judge(coordination: 1_000, calls: 5), judge(disk: 1_000, calls: 5),
            judge(messages: 80, calls: 5, steps: 20_000),
        ]
        for (storm, what) in zip(storms, ["messages", "requests to ZooKeeper", "disk requests", "steps"]) {
            #expect(storm?.invariant == "work is bounded")
            #expect(storm?.detail.contains(" \(what) in 1000 ms") == true)
        }
    }

    @Test func boundsGrowWithWhatIsAskedFor() {
        #expect(judge(messages: 5_000, calls: 200, steps: 20_000) == nil)
        #expect(judge(messages: 3_000, calls: 5, steps: 20_000) != nil)
        // What had piled up before is answered now.
        #expect(judge(messages: 3_000, calls: 5, steps: 9_000, underWay: 2_000) == nil)
        #expect(judge(messages: 5_000, calls: 5, after: .milliseconds(999)) == nil)
        #expect(judge(messages: 5_000, calls: 5, steps: 20_000, after: .seconds(8)) == nil)
    }

    /// Opening reads the whole log.
    @Test func aStoreThatOpensMayReadMuch() {
        for (lives, isOpen) in [(1, true), (0, false), (0, true)] {
            var oracle = WorkOracle(shape)
            var load = WorldLoad()
            oracle.begin(WorkOracle.Mark(time: .zero, steps: 0, load: load, underWay: 0, storesAreOpen: isOpen))
            load.diskRequests = 1_000
            let found = oracle.quiet(
                WorkOracle.Mark(time: .zero + .seconds(1), steps: 2_000, load: load, underWay: 0, lives: lives))
            #expect((found == nil) == (lives > 0 || !isOpen))
        }
    }

    @Test func queuesHaveBounds() {
        let oracle = WorkOracle(shape)
        var load = WorldLoad()
        load.longestInbox = 1_500
        load.longestLink = 1_000
        load.mostOpenCalls = 4
        #expect(oracle.queues(load) == nil)
        load.longestInbox = 10_000
        #expect(oracle.queues(load)?.detail.contains("one inbox held 10000") == true)
        load.longestInbox = 0
        load.longestLink = 2_000
        #expect(oracle.queues(load)?.detail.contains("one link held 2000") == true)
        load.longestLink = 0
        load.mostOpenCalls = 20
        #expect(oracle.queues(load)?.invariant == "queues are bounded")
    }
}
