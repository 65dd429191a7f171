import Machine

/// The operations on a register as blocks that are present or absent: what is left when values are taken out.
///
/// Times are the `order` of moments. An operation that has to come before or after a hold has its window cut accordingly:
/// afterwards every moment within a window has room.
struct RegisterBlocks {
    /// Something that has to happen at one moment from `release` to `deadline`.
    struct Item {
        var release: Int
        var deadline: Int
        /// The operation, or the put of the value, as an index.
        var operation: Int
    }

    /// A value that the register holds for certain from `start` to `end`.
    struct Hold {
        var start: Int
        var end: Int
        var block: Int
    }

    /// A put and the reads of its value.
    private struct Block {
        var put: Int
        var invoked: Int
        /// The first response and whose it is; nil while nobody returned.
        var first: (order: Int, operation: Int)?
        /// The last invocation and whose it is.
        var last: (order: Int, operation: Int)
        var wasRead = false
    }

    enum Outcome {
        case built
        case contradicts(Linearizability.Contradiction)
        case unfit(String)
    }

    /// Values that are present at some moment.
    private(set) var values: [Item] = []
    /// Deletes that removed something.
    private(set) var removals: [Item] = []
    /// Reads and deletes that found nothing.
    private(set) var absences: [Item] = []
    /// In the order of time; no two overlap.
    private(set) var holds: [Hold] = []
    /// When each put and each delete that may have happened, but need not, was invoked.
    private(set) var possiblePuts: [Int] = []
    private(set) var possibleDeletes: [Int] = []

    private var blocks: [Block] = []

    mutating func build(_ operations: [RegisterOperation]) -> Outcome {
        var blockOfValue = LookupTable<UInt64, Int>()
        for (index, operation) in operations.enumerated() {
            guard case .put(let value) = operation.action else { continue }
            guard blockOfValue[value] == nil else {
                return .unfit("the value \(value) was written twice: values must be unique")
            }
            blockOfValue[value] = blocks.count
            blocks.append(
                Block(
                    put: index, invoked: operation.invoked.order, first: operation.response.map { ($0.order, index) },
                    last: (operation.invoked.order, index)))
        }
        for (index, operation) in operations.enumerated() {
            let release = operation.invoked.order
            switch (operation.action, operation.outcome) {
            case (.put, _), (.get, .unknown), (.get, .refused), (.delete, .refused): break
            case (.delete, .unknown): possibleDeletes.append(release)
            case (.delete(existed: true), .returned(let end)):
                removals.append(Item(release: release, deadline: end.order, operation: index))
            case (.delete(existed: false), .returned(let end)), (.get(found: nil), .returned(let end)):
                absences.append(Item(release: release, deadline: end.order, operation: index))
            case (.get(let found?), .returned(let end)):
                guard let block = blockOfValue[found] else {
                    return contradiction("a value was read that nobody wrote", [index], operations)
                }
                if let found = absorb(index, operation, end.order, into: block, operations) { return .contradicts(found) }
            }
        }
        return place(operations)
    }

    /// Adds a read to the block of its value.
    private mutating func absorb(
        _ index: Int, _ read: RegisterOperation, _ end: Int, into block: Int, _ operations: [RegisterOperation]
    ) -> Linearizability.Contradiction? {
        let put = blocks[block].put
        if operations[put].outcome == .refused {
            return Linearizability.Contradiction(
                headline: "a value was read whose write was reported as certainly not done",
                operations: [operations[put], read])
        }
        if end < blocks[block].invoked {
            return Linearizability.Contradiction(
                headline: "a value was read before it was written", operations: [read, operations[put]])
        }
        blocks[block].wasRead = true
        if end < blocks[block].first?.order ?? .max { blocks[block].first = (end, index) }
        if read.invoked.order > blocks[block].last.order { blocks[block].last = (read.invoked.order, index) }
        return nil
    }

    // MARK: Holds and what has to make room for them

    private mutating func place(_ operations: [RegisterOperation]) -> Outcome {
        for (index, block) in blocks.enumerated() {
            switch (operations[block.put].outcome, block.first) {
            case (.refused, _): break
            case (_, let first?):
                if first.order < block.last.order {
                    holds.append(Hold(start: first.order, end: block.last.order, block: index))
                } else {
                    values.append(Item(release: block.last.order, deadline: first.order, operation: block.put))
                }
            case (_, nil): possiblePuts.append(block.invoked)
            }
        }
        holds.sort { ($0.start, $0.end) < ($1.start, $1.end) }
        for (hold, next) in zip(holds, holds.dropFirst()) where next.start < hold.end {
            return contradiction(
                "two values were each read before and after the other, though each was written once",
                evidence(hold) + evidence(next), operations)
        }
        possiblePuts.sort()
        possibleDeletes.sort()
        if let found = makeRoom(\.values, "a value was written while the register held another for certain", operations) {
            return found
        }
        if let found = makeRoom(\.removals, "a delete removed a value that was read afterwards", operations) { return found }
        if let found = makeRoom(\.absences, "the key was found absent while it held a value for certain", operations) {
            return found
        }
        return .built
    }

    /// The operations that show that a value was there all the time.
    private func evidence(_ hold: Hold) -> [Int] {
        let block = blocks[hold.block]
        return [block.put, block.first?.operation ?? block.put, block.last.operation]
    }

    /// Cuts the windows of items around the holds; a contradiction where nothing is left of one.
    private mutating func makeRoom(
        _ items: WritableKeyPath<RegisterBlocks, [Item]>, _ headline: String, _ operations: [RegisterOperation]
    ) -> Outcome? {
        for index in self[keyPath: items].indices {
            var item = self[keyPath: items][index]
            let (release, deadline) = (item.release, item.deadline)
            let around = holdAround(release)
            if let around { item.release = holds[around].end }
            if let around = holdAround(deadline) { item.deadline = holds[around].start }
            if item.release > item.deadline, let around {
                var involved = evidence(holds[around]) + [item.operation]
                if let block = blocks.first(where: { $0.put == item.operation }) {
                    involved += [block.first?.operation ?? block.put, block.last.operation]
                }
                return contradiction(headline, involved, operations)
            }
            self[keyPath: items][index] = item
        }
        return nil
    }

    /// The hold that a moment is strictly within.
    private func holdAround(_ order: Int) -> Int? {
        var low = 0
        var high = holds.count
        while low < high {
            let middle = (low + high) / 2
            if holds[middle].end <= order { low = middle + 1 } else { high = middle }
        }
        return low < holds.count && holds[low].start < order ? low : nil
    }

    private func contradiction(_ headline: String, _ involved: [Int], _ operations: [RegisterOperation]) -> Outcome {
        var seen: [Int] = []
        for index in involved where !seen.contains(index) { seen.append(index) }
        seen.sort { operations[$0].invoked < operations[$1].invoked }
        return .contradicts(Linearizability.Contradiction(headline: headline, operations: seen.map { operations[$0] }))
    }
}
