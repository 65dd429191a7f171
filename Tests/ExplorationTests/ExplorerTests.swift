import Simulation
import Testing

/// Two processes that each read a shared counter and write back one more: the classic lost update, unless they lock.
private struct Counter: Explorable {
    enum Action: Sendable, Equatable {
        case read(Int), write(Int), giveUp(Int)
    }

    let locks: Bool
    /// Whether a process may die with the lock.
    var deaths = 0
    var isMourning = false
    var value = 0
    var seen: [Int?] = [nil, nil]
    var isDone = [false, false]
    var holder: Int?

    func actions() -> [Action] {
        var actions: [Action] = []
        for process in 0..<2 where !isDone[process] {
            if seen[process] != nil {
                actions.append(.write(process))
            } else if !locks || holder == nil {
                actions.append(.read(process))
            }
            if deaths > 0 { actions.append(.giveUp(process)) }
        }
        return actions
    }

    mutating func perform(_ action: Action) -> Violation? {
        switch action {
        case .read(let process):
            seen[process] = value
            holder = process
        case .write(let process):
            value = (seen[process] ?? 0) + 1
            isDone[process] = true
            holder = nil
            if isDone == [true, true], !isMourning, value != 2 {
                return Violation("both are counted", "the counter is \(value)")
            }
        case .giveUp(let process):
            deaths -= 1
            isMourning = true
            isDone[process] = true
        }
        return nil
    }

    mutating func fold(into print: inout Fingerprint, memo: inout FingerprintMemo) {
        print.foldContent(of: [value, deaths])
        print.foldContent(of: seen)
        print.foldContent(of: isDone)
        print.foldContent(of: holder as Any)
    }

    func isFault(_ action: Action) -> Bool {
        switch action {
        case .giveUp: true
        case .read, .write: false
        }
    }

    var isSettled: Bool { isDone == [true, true] }
    var reached: UInt64 { (value == 2 ? 1 : 0) | (seen[0] == 0 && seen[1] == 0 ? 2 : 0) }
    static var landmarks: [String] { ["both were counted", "both read 0"] }
    func brief(_ action: Action) -> String { "\(action)" }
}

@Suite("The explorer")
struct ExplorerTests {
    @Test("A lost update is found on a shortest path")
    func findsShortestPath() {
        let found = Explorer.explore(Counter(locks: false))
        #expect(found.finding?.violation.invariant == "both are counted")
        #expect(found.finding?.path == ["read(0)", "read(1)", "write(0)", "write(1)"])
        #expect(!found.isExhausted)
    }

    @Test("With a lock all orders are walked and nothing is found; equal states are one")
    func exhaustsTheSpace() {
        let found = Explorer.explore(Counter(locks: true))
        #expect(found.finding == nil)
        #expect(found.isExhausted)
        // Nobody; one reads (2), has written (2), the other reads (2), both have written (2: who read what differs).
        #expect(found.states == 9)
        #expect(found.depth == 4)
        #expect(found.reached == 1)
    }

    @Test("A state from which nothing comes right is found, although nothing wrong ever happens")
    func findsStuckStates() {
        let found = Explorer.explore(Counter(locks: true, deaths: 1))
        #expect(found.finding?.violation.invariant == "everything can come right without further faults")
        #expect(found.finding?.path == ["read(0)", "giveUp(0)"])
    }

    @Test("Depth and number of states cut an exploration off, and it says so")
    func isCutOff() {
        let shallow = Explorer.explore(Counter(locks: false), limits: ExplorationLimits(depth: 2))
        #expect(shallow.depth == 2)
        #expect(!shallow.isExhausted)
        let small = Explorer.explore(Counter(locks: false), limits: ExplorationLimits(states: 3))
        #expect(!small.isExhausted)
        #expect(small.finding == nil)
    }
}
