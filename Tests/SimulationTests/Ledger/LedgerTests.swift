import Foundation
import Machine
import Simulation
import Testing

/// The worked example of docs/simulation-library.md: a machine of one's own under the simulator.
@Suite struct LedgerTests {
    @Test func theLedgerKeepsWhatItConfirmed() {
        for seed in 1...60 as ClosedRange<UInt64> {
            var run = LedgerRun(seed: seed, isHasty: false)
            run.run()
            #expect(run.violation == nil, "seed \(seed)")
            #expect(run.confirmed > 50)
        }
    }

    @Test func aHastyLedgerIsFoundOut() {
        let red = (1...20 as ClosedRange<UInt64>).first { seed in
            var run = LedgerRun(seed: seed, isHasty: true)
            run.run()
            return run.violation != nil
        }
        #expect(red != nil)
    }

    @Test func aSeedDecidesEverything() {
        var runs = [LedgerRun(seed: 7, isHasty: true), LedgerRun(seed: 7, isHasty: true), LedgerRun(seed: 8, isHasty: true)]
        for index in runs.indices { runs[index].run() }
        #expect(runs[0].hash == runs[1].hash)
        #expect(runs[0].hash != runs[2].hash)
    }

    @Test func aFailureShrinksToOneFaultAndAStory() throws {
        let seed = try #require(
            (1...20 as ClosedRange<UInt64>).first { seed in
                var run = LedgerRun(seed: seed, isHasty: true)
                run.run()
                return run.violation != nil
            })
        let fewest = Reduction.fewest(LedgerRun.draw(seed)) { faults in
            var run = LedgerRun(seed: seed, isHasty: true, faults: faults)
            run.run()
            return run.violation != nil
        }
        #expect(fewest.count == 1)
        #expect(fewest.first?.fault.kind == .powerLoss, "a killed process leaves its bytes in the page cache")

        var run = LedgerRun(seed: seed, isHasty: true, faults: fewest, trace: .all)
        run.run()
        let lines = StoryText.lines(run.story(seed: seed))
        #expect(lines.contains { $0.contains("lost power") })
        #expect(lines.contains { $0.contains("confirmed amounts survive") })
    }

    /// The code in the article is this code.
    @Test func theArticleShowsWhatIsTested() throws {
        let here = URL(filePath: #filePath).deletingLastPathComponent()
        let root = here.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let article = try String(contentsOf: root.appending(path: "docs/simulation-library.md"), encoding: .utf8)
        for file in ["Ledger.swift", "LedgerRun.swift"] {
            let source = try String(contentsOf: here.appending(path: file), encoding: .utf8)
            #expect(article.contains("```swift\n\(source)```"), "\(file) differs from docs/simulation-library.md")
        }
    }
}
