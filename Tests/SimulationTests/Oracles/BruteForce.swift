import Machine

@testable import Simulation

/// Tries every order that real time allows, with every choice of the unknown ones. For a handful of operations.
struct BruteForce {
    private let operations: [RegisterOperation]
    private var isDone: [Bool]

    static func isLinearizable(_ operations: [RegisterOperation]) -> Bool {
        var search = BruteForce(operations: operations.filter { $0.outcome != .refused })
        return search.canFinish(from: nil)
    }

    private init(operations: [RegisterOperation]) {
        self.operations = operations
        isDone = operations.map { _ in false }
    }

    private mutating func canFinish(from value: UInt64?) -> Bool {
        var mustBeDone = false
        for index in operations.indices where !isDone[index] {
            if operations[index].response != nil { mustBeDone = true }
        }
        guard mustBeDone else { return true }
        for index in operations.indices where !isDone[index] && mayBeNext(index) {
            guard let after = effect(of: operations[index], on: value) else { continue }
            isDone[index] = true
            if canFinish(from: after) { return true }
            isDone[index] = false
        }
        return false
    }

    /// Nobody who is left returned before it began.
    private func mayBeNext(_ index: Int) -> Bool {
        for other in operations.indices where !isDone[other] && other != index {
            if let response = operations[other].response, response < operations[index].invoked { return false }
        }
        return true
    }

    /// The value afterwards; nil where the answer does not fit.
    private func effect(of operation: RegisterOperation, on value: UInt64?) -> UInt64?? {
        let isKnown = operation.response != nil
        switch operation.action {
        case .put(let new): return .some(new)
        case .get(let found): return isKnown && found != value ? nil : .some(value)
        case .delete(let existed): return isKnown && existed != (value != nil) ? nil : .some(nil)
        }
    }
}
