import Machine
import Simulation
import Testing

@testable import ClusterSimulation

@Suite struct ClientHistoryTests {
    private func at(_ milliseconds: Int64) -> Instant { .zero + .milliseconds(milliseconds) }

    /// Two clients write one key, one after the other; then somebody reads it.
    private func afterTwoWrites(_ second: (inout ClientHistory) -> Void, read: ReadState) -> Violation? {
        var history = ClientHistory()
        history.invoked(CallID(1), client: 0, key: 3, .put(version: 1), at: at(0))
        history.returned(CallID(1), .put, at: at(1))
        history.invoked(CallID(2), client: 1, key: 3, .put(version: 2), at: at(1))
        second(&history)
        history.invoked(CallID(3), client: 0, key: 3, .get, at: at(9))
        history.returned(CallID(3), .value(read), at: at(10))
        return history.judge(nameOf: { "k\($0)" })
    }

    @Test func aReadSeesTheLastWrite() {
        #expect(afterTwoWrites({ $0.returned(CallID(2), .put, at: at(5)) }, read: .version(2)) == nil)
        let lost = afterTwoWrites({ $0.returned(CallID(2), .put, at: at(5)) }, read: .version(1))
        #expect(lost?.invariant == "operations of clients are linearizable")
        #expect(lost?.detail.contains("k3: ") == true)
        #expect(lost?.detail.contains("client 0 #3 get: found 1, from 0.009000, returned at 0.010000") == true)
        #expect(afterTwoWrites({ $0.returned(CallID(2), .put, at: at(5)) }, read: .missing) != nil)
        #expect(afterTwoWrites({ $0.returned(CallID(2), .put, at: at(5)) }, read: .version(7)) != nil)
    }

    @Test func outcomesDecideWhatMayBeSeen() {
        for outcome in [{ _ in }, { $0.unknown(CallID(2)) }] as [(inout ClientHistory) -> Void] {
            #expect(afterTwoWrites(outcome, read: .version(1)) == nil)
            #expect(afterTwoWrites(outcome, read: .version(2)) == nil)
            #expect(afterTwoWrites(outcome, read: .missing) != nil)
        }
        #expect(afterTwoWrites({ $0.refused(CallID(2)) }, read: .version(1)) == nil)
        #expect(afterTwoWrites({ $0.refused(CallID(2)) }, read: .version(2)) != nil)
    }

    /// At one moment of simulated time, what was recorded first came first.
    @Test func theOrderOfRecordingCounts() {
        var history = ClientHistory()
        history.invoked(CallID(1), client: 0, key: 0, .put(version: 1), at: at(0))
        history.returned(CallID(1), .put, at: at(0))
        history.invoked(CallID(2), client: 0, key: 0, .get, at: at(0))
        history.returned(CallID(2), .value(.missing), at: at(0))
        #expect(history.judge() != nil)
    }

    @Test func keysAreJudgedByThemselves() {
        var history = ClientHistory()
        for key in 0..<3 {
            let call = UInt64(key * 2 + 1)
            history.invoked(CallID(call), client: 0, key: key, .put(version: 1), at: at(0))
            history.returned(CallID(call), .put, at: at(1))
            history.invoked(CallID(call + 1), client: 0, key: key, .delete, at: at(2))
            history.returned(CallID(call + 1), .deleted(existed: key != 2), at: at(3))
        }
        #expect(history.count == 6)
        #expect(history.judge()?.detail.hasPrefix("key 2: ") == true)
    }

    @Test func answersThatNobodyAskedForAreTold() {
        #expect(afterTwoWrites({ _ in }, read: .foreign("x"))?.invariant == "reads return what was written")
        let misfit = afterTwoWrites({ $0.returned(CallID(2), .deleted(existed: true), at: at(5)) }, read: .version(1))
        #expect(misfit?.invariant == "answers fit their questions")
    }

    @Test func whatCannotBeJudgedIsNotGreen() {
        var history = ClientHistory()
        for client in 0..<8 {
            history.invoked(
                CallID(UInt64(client + 1)), client: client, key: 0, client < 4 ? .put(version: client + 1) : .delete, at: at(0))
        }
        for client in 0..<8 {
            history.returned(CallID(UInt64(client + 1)), client < 4 ? .put : .deleted(existed: true), at: at(9))
        }
        #expect(history.judge() == nil)
        #expect(history.judge(workLimit: 5)?.invariant == "histories of clients can be judged")
    }
}
