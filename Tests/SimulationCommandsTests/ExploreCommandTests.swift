import Testing

@testable import SimulationCommands

@Suite struct ExploreCommandTests {
    /// Each option that counts sets what it says and nothing else, and is refused outside its range.
    private func checkCounts<Command: ExplorationCommand>(_: Command.Type, _ names: [String]) throws {
        let usual = try Command.parse([])
        #expect(usual.counts.map(\.name) == names)
        for (index, count) in usual.counts.enumerated() {
            let given = try Command.parse(["--\(count.name)", "7"]).counted
            for (place, other) in usual.counts.enumerated() {
                let value = given[keyPath: other.option]
                #expect(value == (place == index ? 7 : other.value), "--\(count.name) 7 makes \(other.name) \(value)")
            }
            #expect(throws: (any Error).self, "\(count.name)") {
                try Command.parse(["--\(count.name)", "\(count.range.upperBound + 1)"])
            }
        }
    }

    @Test func eachCountSetsItsOption() throws {
        try checkCounts(ExploreRegistration.self, ["nodes", "losses", "expiries"])
        try checkCounts(ExploreElection.self, ["servers", "losses", "expiries", "restarts", "events"])
        try checkCounts(ExploreGroup.self, ["crashes", "breaks", "expiries", "losses", "ticks"])
        try checkCounts(ExploreStorage.self, ["crashes", "appends", "truncations", "closes", "unit"])
    }

    @Test func flagsSetTheirOptions() throws {
        let usual = try ExploreRegistration.parse([]).counted
        #expect(!usual.lags && usual.answersAtOnce && usual.isPrepared)
        #expect(try ExploreRegistration.parse(["--lags"]).counted.lags)
        #expect(try !ExploreRegistration.parse(["--apart"]).counted.answersAtOnce)
        #expect(try !ExploreRegistration.parse(["--fresh"]).counted.isPrepared)
        #expect(try ExploreElection.parse(["--lags"]).counted.lags)
        #expect(try !ExploreElection.parse(["--apart"]).counted.answersAtOnce)
    }
}
