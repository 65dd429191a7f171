import Simulation
import Testing

@testable import ClusterSimulation

/// Runs that go on from a copy.
@Suite struct BranchingTests {
    @Test func aBranchIsRunAgainByItsName() throws {
        var brancher = Brancher()
        brancher.rarity = 1
        var compared = 0
        for seed in 1...6 as ClosedRange<UInt64> {
            let name = RunName(seed, profile: .small)
            let (own, branches) = brancher.run(name)
            #expect(own.hash == RunReport.of(name).hash, "branching does not change the run that it branches off")
            for branch in branches {
                let words = branch.again.split(separator: " ")
                let branchText = try #require(words.last.map(String.init))
                var again = name
                again.branches = [try #require(Branch(text: branchText))]
                let report = RunReport.of(again)
                #expect(report.hash == branch.hash, "\(branch.again)")
                #expect(report.hash != own.hash)
                compared += 1
            }
        }
        #expect(compared >= 6)
    }

    @Test func branchesDiffer() {
        var brancher = Brancher()
        brancher.rarity = 1
        // The first run has nothing to be rarer than.
        _ = brancher.run(RunName(2, profile: .small))
        let (_, branches) = brancher.run(RunName(3, profile: .small))
        let hashes = branches.map(\.hash.value).sorted()
        #expect(!hashes.isEmpty)
        #expect(zip(hashes, hashes.dropFirst()).allSatisfy { $0 != $1 })
    }
}
