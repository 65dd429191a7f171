import Machine
import Testing

@testable import Simulation

@Suite struct LinearizabilityTests {
    func isRight(_ operations: [RegisterOperation]) -> Bool {
        if case .linearizable = Linearizability.check(operations) { true } else { false }
    }

    /// The numbers of the operations that are blamed.
    func blamed(_ operations: [RegisterOperation]) -> [UInt64] {
        if case .violated(let found) = Linearizability.check(operations) { found.operations.map(\.number).sorted() } else { [] }
    }

    // MARK: Values

    @Test func readsReturnTheLastWrite() {
        #expect(isRight([]))
        #expect(isRight(history("|get -| |put 1| |get 1| |put 2| |get 2|")))
        #expect(blamed(history("|put 1| |put 2| |get 1|")) == [1, 2, 3])
        #expect(blamed(history("|put 1| |get -|")) == [1, 2])
    }

    @Test func concurrentOperationsTakeEffectInAnyOrder() {
        #expect(isRight(history("|--put 1---| ", "  |--put 2--|", "            |get 1| |get 1|")))
        #expect(isRight(history("|--put 1---| ", "  |--put 2--|", "            |get 2| |get 2|")))
        #expect(blamed(history("|--put 1---| ", "  |--put 2--|", "               |get 1| |get 2|")) == [1, 2, 3, 4])
        #expect(isRight(history("|---------put 1---------|", "  |get -|   |get 1|")))
    }

    @Test func whatOneReaderSawTheNextSeesToo() {
        #expect(blamed(history("|put 1| |----------put 2----------|", "          |get 2|  |get 1|")) == [1, 2, 3, 4])
    }

    @Test func valuesComeFromSomewhere() {
        #expect(blamed(history("|get 7|")) == [1])
        #expect(blamed(history("|get 1| |put 1|")) == [1, 2])
    }

    // MARK: Outcomes

    @Test func anUnknownWriteHappensLateOrNever() {
        #expect(isRight(history("|put 1| |put 2?", "                |get 1| |get 1|")))
        #expect(isRight(history("|put 1| |put 2?", "                |get 1| |get 2|")))
        #expect(blamed(history("|put 1| |put 2?", "                |get 2| |get 1|")).count == 4)
        #expect(isRight(history("|put 1| |del?", "                 |get 1| |get -|")))
        #expect(blamed(history("|put 1| |del?", "                 |get -| |get 1|")).contains(1))
    }

    @Test func anUnknownWriteHappensOnceAtMost() {
        #expect(isRight(history("|put 1| |put 2| |put 3| ", "|del?          ", "                         |get 3| |get -|")))
        // One delete of unknown outcome cannot remove two values.
        let twice = history("|put 1|         |put 2|", "|del?", "        |get -|         |get -|")
        #expect(!isRight(twice))
        #expect(isRight(twice + history("", "", "", "|del?")))
    }

    @Test func unknownWritesMakeWhatOthersRemove() {
        #expect(!isRight(history("|del +|")))
        #expect(isRight(history("|put 1?", "         |del +|")))
        #expect(!isRight(history("|put 1?", "         |del +|  |del +|")))
        #expect(isRight(history("|put 1?  |put 2?", "                   |del +| |del +|")))
        #expect(!isRight(history("         |put 1?", "|del +|")))
    }

    @Test func refusedWritesNeverHappen() {
        #expect(isRight(history("|put 1| |put 2x |get 1|")))
        #expect(blamed(history("|put 1| |put 2x |get 2|")) == [2, 3])
        #expect(!isRight(history("|put 1x |del +|")))
        #expect(!isRight(history("|put 1| |delx |get -|")))
    }

    // MARK: Deletes

    @Test func aDeleteRemovesAndTells() {
        #expect(isRight(history("|del -| |put 1| |del +| |del -| |get -|")))
        #expect(blamed(history("|put 1| |del -|")) == [1, 2])
        #expect(!isRight(history("|put 1| |del +| |get 1|")))
        #expect(!isRight(history("|put 1| |del +| |del +|")))
        // Both at once: one of them was first.
        #expect(isRight(history("|put 1| |--del +--|", "          |--del -----|")))
        #expect(!isRight(history("|put 1| |--del +--|", "          |--del +-----|")))
    }

    /// A put that returned between two deletes that both removed something was removed by one of them; so was the one before.
    @Test func deletesNeedAValueEach() {
        #expect(isRight(history("|put 1| |--del +--|", "     |--del +-----|", "           |put 2|")))
        #expect(!isRight(history("|put 1| |--del +--|", "     |--del +-----|", "           |put 2|      |get 2|")))
        // The second put may only be overwritten where no delete needs it.
        #expect(isRight(history("|-------put 1------|", "|-------put 2------|", "                      |del +| |get -|")))
        #expect(!isRight(history("|-------put 1------|", "|-------put 2------|", "                      |del +| |del +|")))
        #expect(isRight(history("|-------put 1------|", "|-------put 2------|", "      |-----------del +| |del +|")))
    }

    @Test func aKeyThatIsReadBeforeAndAfterIsThereInBetween() {
        #expect(blamed(history("|put 1|         |get 1|", "        |get -|")) == [1, 2, 3])
        #expect(!isRight(history("|put 1|         |get 1|", "        |del +|")))
        #expect(!isRight(history("|put 1|         |get 1|", "        |put 2|")))
        #expect(isRight(history("|put 1|         |get 1|", "        |put 2x", "        |put 3?", "        |del?")))
    }

    // MARK: The checker itself

    @Test func whatIsBlamedIsMinimal() {
        // A long right history around a wrong answer.
        var operations: [RegisterOperation] = []
        for number in 0..<300 {
            let start = number * 10
            let action: RegisterOperation.Action =
                switch number % 3 {
                case 0: .put(value: UInt64(number + 1))
                case 1: .get(found: UInt64(number))
                default: .delete(existed: true)
                }
            operations.append(
                RegisterOperation(
                    number: UInt64(number), client: 0, action: action, invoked: moment(start),
                    outcome: .returned(moment(start + 5))))
        }
        #expect(isRight(operations))
        operations[152].action = .delete(existed: false)
        #expect(blamed(operations) == [150, 152])
        guard case .violated(let found) = Linearizability.check(operations) else { return }
        #expect(found.description.contains("client 0 #152 delete: there was none, from 1.520000, returned at 1.525000"))
    }

    @Test func aBoundOnWorkIsNoSuccess() {
        let wide = history(
            "|------put 1------|", "|------put 2------|", "|------del +------|", "|------del +------|", "|get -|")
        guard case .undecided = Linearizability.check(wide, workLimit: 3) else {
            Issue.record("the bound must be told")
            return
        }
        guard case .undecided = Linearizability.check(history("|put 1| |put 1|")) else {
            Issue.record("values that are not unique cannot be judged")
            return
        }
    }

    /// Small histories, right and wrong, against a checker that tries everything.
    @Test(arguments: 0..<8)
    func agreesWithTryingEveryOrder(_ part: Int) {
        var random = RandomHistories(seed: UInt64(part) + 1)
        var counts = (right: 0, wrong: 0)
        for number in 0..<3_000 {
            var shape = RandomHistories.Shape()
            shape.clients = 2 + number % 4
            shape.operations = 3 + number % 6
            shape.unknown = [0, 15, 40][number / 7 % 3]
            shape.reads = [20, 45, 60][part % 3]
            shape.deletes = [20, 50, 70][number / 3 % 3]
            let operations = random.next(shape)
            let truth = BruteForce.isLinearizable(operations)
            if truth { counts.right += 1 } else { counts.wrong += 1 }
            if isRight(operations) != truth {
                Issue.record("in truth \(truth ? "right" : "wrong"): \(operations.map(\.description))")
                return
            }
        }
        #expect(counts.right > 500 && counts.wrong > 500)
        print("linearizability, part \(part): \(counts.right) right histories and \(counts.wrong) wrong ones")
    }

    /// What is blamed is wrong by itself, whatever of unknown outcome there is beside it.
    @Test func blameIsSound() {
        var random = RandomHistories(seed: 99)
        var looked = 0
        for _ in 0..<1_500 {
            let operations = random.next(RandomHistories.Shape(clients: 4, operations: 9, wrong: 100))
            guard case .violated(let found) = Linearizability.check(operations), found.operations.count > 1 else { continue }
            looked += 1
            let possible = operations.filter { $0.outcome == .unknown && !found.operations.contains($0) }
            #expect(found.operations.allSatisfy { operations.contains($0) })
            #expect(!BruteForce.isLinearizable(found.operations + possible))
        }
        #expect(looked > 300)
    }
}

/// How long it takes, as a figure to look at; nothing is asserted about time. (For figures that mean something: `-c release`.)
@Suite struct LinearizabilityTimes {
    @Test(arguments: [(12, 6), (16, 0), (12, 40)])
    func thousandsOfOperations(_ clients: Int, _ unknown: Int) {
        var random = RandomHistories(seed: 7)
        let shape = RandomHistories.Shape(
            clients: clients, operations: 5_000, reads: 45, deletes: 35, unknown: unknown, wrong: 0)
        let operations = random.next(shape)
        let lost = operations.lazy.filter { $0.outcome == .unknown }.count
        var verdict = Linearizability.Verdict.undecided("")
        let time = ContinuousClock().measure { verdict = Linearizability.check(operations) }
        guard case .linearizable(let work) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        print("linearizability: 5,000 operations, \(clients) clients, \(lost) of unknown outcome: \(time), \(work) states")
        // One answer wrong, late in the run; where nothing was unknown, it can be told.
        guard unknown == 0, let last = operations.lastIndex(where: { $0.action == .delete(existed: true) }) else { return }
        var wrong = operations
        wrong[last].action = .delete(existed: false)
        let longer = ContinuousClock().measure { verdict = Linearizability.check(wrong) }
        print("  with a wrong answer: \(longer)")
    }
}
