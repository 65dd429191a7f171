extension Linearizability {
    /// As few operations as possible of those that the search could not place.
    ///
    /// Only such operations are left out as cannot be what makes the rest contradict itself: see each step. Where the rest is
    /// still stuck, what was left out was not needed.
    static func minimal(
        _ operations: [RegisterOperation], _ stuck: RegisterSearch.Stuck, workLimit: Int
    ) -> Contradiction {
        var core = Core(operations: operations, stuck: stuck, workLimit: workLimit)
        core.forgetTheFuture()
        core.forgetThePast()
        core.leaveOut()
        return core.explanation
    }

    private struct Core {
        /// As they were.
        let all: [RegisterOperation]
        /// Those that are left, and what is left of them.
        var operations: [RegisterOperation]
        var stuck: RegisterSearch.Stuck
        let workLimit: Int

        init(operations: [RegisterOperation], stuck: RegisterSearch.Stuck, workLimit: Int) {
            all = operations
            self.operations = operations
            self.stuck = stuck
            self.workLimit = workLimit
        }

        /// Takes fewer operations, if they are still stuck.
        mutating func take(_ fewer: [RegisterOperation]) -> Bool {
            guard case .stuck(let still) = attempt(fewer, workLimit: workLimit) else { return false }
            operations = fewer
            stuck = still
            return true
        }

        /// An operation that says less: a read nothing, and a write only that it may have happened.
        static func weakened(_ operation: RegisterOperation) -> RegisterOperation? {
            switch operation.action {
            case .get: return nil
            case .put, .delete:
                var weaker = operation
                if weaker.outcome != .refused { weaker.outcome = .unknown }
                return weaker
            }
        }

        /// What was invoked after the response that could not be explained had no influence on what had returned until then.
        mutating func forgetTheFuture() {
            guard let end = operations[stuck.operation].response else { return }
            let past = operations.compactMap { operation -> RegisterOperation? in
                if operation.invoked > end { return nil }
                guard let response = operation.response, response > end else { return operation }
                return Core.weakened(operation)
            }
            _ = take(past)
        }

        /// What returned before a put began has no influence on what comes after that put. The latest such put is sought.
        mutating func forgetThePast() {
            let puts = operations.filter { isPut($0) && $0.response != nil }.sorted { $0.invoked > $1.invoked }
            for put in puts.prefix(200) {
                let rest = operations.compactMap { operation -> RegisterOperation? in
                    if operation.invoked >= put.invoked { return operation }
                    if let response = operation.response, response < put.invoked { return nil }
                    return Core.weakened(operation)
                }
                if take(rest) { return }
            }
        }

        /// Leaves out big parts first.
        mutating func leaveOut() {
            var tries = 1_000
            var size = max(1, operations.count / 2)
            while tries > 0 {
                var hasShrunk = false
                var start = 0
                while tries > 0 {
                    // Reads first: a read needs its put to be shown, too.
                    let returned = operations.indices.filter { operations[$0].response != nil }
                    let kept = returned.filter { !isWrite(operations[$0]) } + returned.filter { isWrite(operations[$0]) }
                    guard start < kept.count else { break }
                    let part = kept[start..<min(kept.count, start + size)]
                    var fewer: [RegisterOperation] = []
                    for index in operations.indices {
                        if !part.contains(index) {
                            fewer.append(operations[index])
                        } else if let weaker = Core.weakened(operations[index]) {
                            fewer.append(weaker)
                        }
                    }
                    tries -= 1
                    if take(fewer) { hasShrunk = true } else { start += size }
                }
                if size == 1 && !hasShrunk { return }
                size = max(1, size / 2)
            }
        }

        var explanation: Contradiction {
            let needed = operations.filter { $0.response != nil }
            // Whoever reads a value wants to see who wrote it.
            let sources = operations.filter { operation in
                guard operation.response == nil, case .put(let value) = operation.action else { return false }
                return needed.contains { $0.action == .get(found: value) }
            }
            let involved = (needed + sources).sorted { $0.invoked < $1.invoked }.map { weak in
                all.first { $0.invoked == weak.invoked && $0.number == weak.number } ?? weak
            }
            let last = operations[stuck.operation]
            let possible = operations.lazy.filter { $0.outcome == .unknown }.count - sources.count
            return Contradiction(
                headline:
                    "client \(last.client) #\(last.number) needs the key to be \(stuck.neededAbsence ? "absent" : "present") at "
                    + "some moment, and in no order of these \(involved.count) operations it is"
                    + (possible == 0 ? "" : ", nor with any of the \(possible) other writes that may have happened"),
                operations: involved)
        }

        private func isWrite(_ operation: RegisterOperation) -> Bool {
            switch operation.action {
            case .put, .delete: true
            case .get: false
            }
        }

        private func isPut(_ operation: RegisterOperation) -> Bool {
            switch operation.action {
            case .put: true
            case .get, .delete: false
            }
        }
    }
}
