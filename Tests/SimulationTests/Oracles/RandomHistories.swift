import Machine

@testable import Simulation

/// Histories of clients that work on one register at random.
struct RandomHistories {
    struct Shape {
        var clients = 3
        var operations = 6
        var reads = 45
        var deletes = 40
        /// Of 100 operations, how many have an unknown outcome.
        var unknown = 20
        /// Of 100 histories, how many have some answers changed to what might be wrong.
        var wrong = 60
    }

    var random: SeededRandom

    init(seed: UInt64) { random = SeededRandom(seed: seed) }

    /// A real register is operated on, each time at some moment between invocation and response; unknown operations take
    /// effect at any time, or never. So the history is right until an answer is changed.
    mutating func next(_ shape: Shape) -> [RegisterOperation] {
        var made: [RegisterOperation] = []
        var current: [Int?] = Array(repeating: nil, count: shape.clients)
        var waiting: [Int] = []
        var value: UInt64?
        var order = 0
        func effect(_ index: Int) {
            switch made[index].action {
            case .put(let new): value = new
            case .get: made[index].action = .get(found: value)
            case .delete:
                made[index].action = .delete(existed: value != nil)
                value = nil
            }
        }
        while made.count < shape.operations || current.contains(where: { $0 != nil }) {
            order += 1
            if !waiting.isEmpty, random.chance(1, in: 3) {
                effect(waiting.remove(at: random.below(waiting.count)))
                continue
            }
            let client = random.below(shape.clients)
            if let index = current[client] {
                current[client] = nil
                if random.chance(UInt64(shape.unknown), in: 100) {
                    made[index].outcome = .unknown
                    continue
                }
                if let place = waiting.firstIndex(of: index) {
                    waiting.remove(at: place)
                    effect(index)
                }
                made[index].outcome = .returned(moment(order))
            } else if made.count < shape.operations {
                let index = made.count
                let action: RegisterOperation.Action =
                    random.chance(UInt64(shape.reads), in: 100)
                    ? .get(found: nil)
                    : random.chance(UInt64(shape.deletes), in: 100) ? .delete(existed: false) : .put(value: UInt64(index + 1))
                made.append(
                    RegisterOperation(
                        number: UInt64(index + 1), client: client, action: action, invoked: moment(order), outcome: .unknown))
                current[client] = index
                waiting.append(index)
            }
        }
        if random.chance(UInt64(shape.wrong), in: 100) {
            for _ in 0...random.below(2) { spoil(&made) }
        }
        return made
    }

    private mutating func spoil(_ operations: inout [RegisterOperation]) {
        let index = random.below(operations.count)
        switch operations[index].action {
        case .get:
            let puts = operations.compactMap { if case .put(let value) = $0.action { value } else { nil } }
            operations[index].action = .get(
                found: puts.isEmpty || random.chance(1, in: 3) ? nil : puts[random.below(puts.count)])
        case .delete(let existed): operations[index].action = .delete(existed: !existed)
        case .put: if random.chance(1, in: 4) { operations[index].outcome = .refused }
        }
    }
}
