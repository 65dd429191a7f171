import Machine

@testable import Simulation

/// A history drawn as people draw them: a line for each client, time to the right.
///
///     |--put 1--|                      returned
///         |--get 1--|    |--get -|     found 1; found nothing
///     |--del +--|  |--del -|           removed something; found nothing
///     |--put 2--?                      outcome unknown
///     |--put 3--x                      refused
func history(_ lines: String...) -> [RegisterOperation] {
    var operations: [RegisterOperation] = []
    for (client, line) in lines.enumerated() {
        var column = 0
        let characters = Array(line)
        while let start = characters[column...].firstIndex(of: "|") {
            guard let end = characters[(start + 1)...].firstIndex(where: { "|?x".contains($0) }) else { break }
            let words = String(characters[(start + 1)..<end]).split(whereSeparator: { " -".contains($0) })
            let argument = words.count > 1 ? words[1] : ""
            let action: RegisterOperation.Action =
                switch words[0] {
                case "put": .put(value: UInt64(argument)!)
                case "get": .get(found: UInt64(argument))
                default: .delete(existed: argument == "+")
                }
            let outcome: RegisterOperation.Outcome =
                switch characters[end] {
                case "|": .returned(moment(end))
                case "?": .unknown
                default: .refused
                }
            operations.append(
                RegisterOperation(
                    number: UInt64(operations.count + 1), client: client, action: action, invoked: moment(start),
                    outcome: outcome))
            column = end + 1
        }
    }
    return operations
}

func moment(_ order: Int) -> RegisterOperation.Moment {
    RegisterOperation.Moment(order: order, time: Instant(nanoseconds: Int64(order) * 1_000_000))
}
