/// Whether everything in `RegisterBlocks` can have its moment: a sweep through time with all states that are possible.
///
/// A state is: whether the key is present, which of the released values and removals have not happened yet, and how many of
/// the possible puts and deletes have been made use of. It is left alone until something is *due*: at the deadline of a value,
/// a removal or an absence that has not happened, or at the start of a hold. (Whatever happens earlier in some order can be
/// put off until then.) Then it goes on in every way that can matter; `V` is the value of the earliest deadline, `R` the
/// removal of the earliest deadline or else a possible delete:
///
/// | due | the key is absent | the key is present |
/// | --- | --- | --- |
/// | an absence | it has happened | any number of `V`, then `R` |
/// | a removal | at least one `V`, or else a possible put; then the removal | any number of `V`, then the removal |
/// | a value, a hold | the value | the value; or `R`, then the value |
///
/// That is enough. Values differ in their deadlines only: to take the earliest first loses nothing, for two that swap
/// their places both stay in time. The same goes for removals, with possible deletes as removals that are never due. And if a
/// solution has more happen before what is due, the surplus can follow it, at the same moment, to the same effect: it consists
/// of rounds from absent to absent or from present to present. Values before a removal are the exception: they are
/// overwritten at once, and gone without a trace.
///
/// Of two states that differ in numbers only, the one with fewer possible writes made use of and more absences done can do
/// whatever the other can.
struct RegisterSearch {
    struct State {
        var isPresent = false
        /// Released and not yet happened, as bits by slot.
        var values: UInt64 = 0
        var removals: UInt64 = 0
        var putsUsed = 0
        var deletesUsed = 0
        /// How many absences had been released when the key was absent last; 0 while it is absent.
        var absencesDone = 0

        func isAtLeastAsGood(as other: State) -> Bool {
            isPresent == other.isPresent && values == other.values && removals == other.removals && putsUsed <= other.putsUsed
                && deletesUsed <= other.deletesUsed && absencesDone >= other.absencesDone
        }
    }

    /// What nothing explains.
    struct Stuck: Hashable, Sendable {
        var operation: Int
        /// It needed the key to be absent; else to be present.
        var neededAbsence: Bool
    }

    enum Outcome {
        case fits
        case stuck(Stuck)
        case gaveUp(String)
    }

    private enum Event {
        case possiblePut, possibleDelete
        case release(Kind, Int)
        case due(Kind, Int)
        case hold
    }

    private enum Kind { case value, removal, absence }

    /// Items under way, at most 64 of a kind: their deadlines by slot.
    private struct Slots {
        var free = UInt64.max
        var deadlines = Array(repeating: 0, count: 64)

        mutating func take(_ deadline: Int) -> Int? {
            guard free != 0 else { return nil }
            let slot = free.trailingZeroBitCount
            free &= ~(1 << UInt64(slot))
            deadlines[slot] = deadline
            return slot
        }

        mutating func giveBack(_ slot: Int) { free |= 1 << UInt64(slot) }

        /// The bit of the earliest deadline; 0 where there is none.
        func earliest(_ pending: UInt64) -> UInt64 {
            var best: UInt64 = 0
            var deadline = Int.max
            var rest = pending
            while rest != 0 {
                let slot = rest.trailingZeroBitCount
                rest &= rest - 1
                if deadlines[slot] <= deadline && (deadlines[slot] < deadline || best == 0) {
                    deadline = deadlines[slot]
                    best = 1 << UInt64(slot)
                }
            }
            return best
        }
    }

    let workLimit: Int
    private(set) var work = 0
    private var states = [State()]
    private var next: [State] = []
    private var values = Slots()
    private var removals = Slots()
    private var possiblePuts = 0
    private var possibleDeletes = 0
    private var absencesReleased = 0

    init(workLimit: Int) { self.workLimit = workLimit }

    mutating func run(_ blocks: RegisterBlocks) -> Outcome {
        let events = RegisterSearch.events(blocks)
        var slotOfValue = Array(repeating: 0, count: blocks.values.count)
        var slotOfRemoval = Array(repeating: 0, count: blocks.removals.count)
        var numberOfAbsence = Array(repeating: 0, count: blocks.absences.count)
        for event in events {
            switch event {
            case .possiblePut: possiblePuts += 1
            case .possibleDelete: possibleDeletes += 1
            case .release(.value, let index):
                guard let slot = values.take(blocks.values[index].deadline) else { return RegisterSearch.tooMany }
                slotOfValue[index] = slot
                for state in states.indices { states[state].values |= 1 << UInt64(slot) }
            case .release(.removal, let index):
                guard let slot = removals.take(blocks.removals[index].deadline) else { return RegisterSearch.tooMany }
                slotOfRemoval[index] = slot
                for state in states.indices { states[state].removals |= 1 << UInt64(slot) }
            case .release(.absence, let index):
                numberOfAbsence[index] = absencesReleased
                absencesReleased += 1
            case .due(.value, let index):
                let bit: UInt64 = 1 << UInt64(slotOfValue[index])
                goOn({ $0.values & bit != 0 }) { $0.valueIsDue(bit, $1) }
                values.giveBack(slotOfValue[index])
            case .due(.removal, let index):
                let bit: UInt64 = 1 << UInt64(slotOfRemoval[index])
                goOn({ $0.removals & bit != 0 }) { $0.removalIsDue(bit, $1) }
                if states.isEmpty { return stuck(blocks.removals[index], neededAbsence: false) }
                removals.giveBack(slotOfRemoval[index])
            case .due(.absence, let index):
                let number = numberOfAbsence[index]
                goOn({ $0.isPresent && $0.absencesDone <= number }) { $0.absenceIsDue($1) }
                if states.isEmpty { return stuck(blocks.absences[index], neededAbsence: true) }
            case .hold: goOn({ _ in true }) { $0.valueIsDue(0, $1) }
            }
            if work > workLimit { return .gaveUp("more than \(workLimit) states were looked at") }
        }
        return .fits
    }

    private static var tooMany: Outcome { .gaveUp("more than 64 operations of a kind were under way at one moment") }

    private func stuck(_ item: RegisterBlocks.Item, neededAbsence: Bool) -> Outcome {
        .stuck(Stuck(operation: item.operation, neededAbsence: neededAbsence))
    }

    /// In the order of time; at one moment, what is released comes first, and a hold last.
    private static func events(_ blocks: RegisterBlocks) -> [Event] {
        var timed: [(key: Int, event: Event)] = []
        timed.reserveCapacity(2 * (blocks.values.count + blocks.removals.count + blocks.absences.count))
        func add(_ items: [RegisterBlocks.Item], _ kind: Kind) {
            for (index, item) in items.enumerated() {
                timed.append((item.release * 3, .release(kind, index)))
                timed.append((item.deadline * 3 + 1, .due(kind, index)))
            }
        }
        add(blocks.values, .value)
        add(blocks.removals, .removal)
        add(blocks.absences, .absence)
        for release in blocks.possiblePuts { timed.append((release * 3, .possiblePut)) }
        for release in blocks.possibleDeletes { timed.append((release * 3, .possibleDelete)) }
        for hold in blocks.holds { timed.append((hold.start * 3 + 2, .hold)) }
        timed.sort { $0.key < $1.key }
        return timed.map(\.event)
    }

    // MARK: What is due

    /// Lets the states that `isAffected` go on, and keeps the others.
    private mutating func goOn(_ isAffected: (State) -> Bool, _ continue: (inout RegisterSearch, State) -> Void) {
        work += states.count
        guard states.contains(where: isAffected) else { return }
        next.removeAll(keepingCapacity: true)
        for index in states.indices {
            let state = states[index]
            if isAffected(state) { `continue`(&self, state) } else { add(state) }
        }
        swap(&states, &next)
    }

    private mutating func add(_ state: State) {
        work += 1 + next.count / 4
        var kept = 0
        for index in next.indices {
            if next[index].isAtLeastAsGood(as: state) { return }
            if !state.isAtLeastAsGood(as: next[index]) {
                next[kept] = next[index]
                kept += 1
            }
        }
        next.removeLast(next.count - kept)
        next.append(state)
    }

    /// `bit` is 0 for a hold.
    private mutating func valueIsDue(_ bit: UInt64, _ state: State) {
        var present = state
        present.values &= ~bit
        present.isPresent = true
        if !state.isPresent {
            present.absencesDone = absencesReleased
            return add(present)
        }
        add(present)
        // A possible delete is of use here only for those who wait for an absence.
        guard state.removals != 0 || state.absencesDone < absencesReleased, var between = removed(state) else { return }
        between.values &= ~bit
        between.isPresent = true
        between.absencesDone = absencesReleased
        add(between)
    }

    private mutating func absenceIsDue(_ state: State) {
        var state = state
        while true {
            if let absent = removed(state) { add(absent) }
            let value = values.earliest(state.values)
            guard value != 0 else { return }
            state.values &= ~value
        }
    }

    private mutating func removalIsDue(_ bit: UInt64, _ state: State) {
        var state = state
        state.removals &= ~bit
        if !state.isPresent && state.values == 0 {
            guard state.putsUsed < possiblePuts else { return }
            state.putsUsed += 1
            return add(state)
        }
        var isPresent = state.isPresent
        state.isPresent = false
        state.absencesDone = 0
        while true {
            if isPresent { add(state) }
            let value = values.earliest(state.values)
            guard value != 0 else { return }
            state.values &= ~value
            isPresent = true
        }
    }

    /// From present to absent; nil where nothing can do that.
    private func removed(_ state: State) -> State? {
        var state = state
        if state.removals != 0 {
            state.removals &= ~removals.earliest(state.removals)
        } else if state.deletesUsed < possibleDeletes {
            state.deletesUsed += 1
        } else {
            return nil
        }
        state.isPresent = false
        state.absencesDone = 0
        return state
    }
}
