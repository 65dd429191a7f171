import Machine
import Simulation
import Wire

// What a client does next, and where it goes with it.

extension ClusterRun {
    // What draws and looks is `mutating` although not all of it changes something: so a run is asked in its place, and not copied.

    mutating func drawOperation(_ client: Int, _ random: inout SeededRandom) -> ClusterSchedule.Operation {
        // After the faults nobody is in a hurry: what fails then fails for other reasons.
        let isHurried = phase == .faults
        var kind: ClusterSchedule.Operation.Kind
        let key: String
        let isShared = plan.sharedKeys > 0 && random.chance(plan.sharedPercent, in: 100)
        if random.chance(plan.readPercent, in: 100), isShared || !keys.isEmpty {
            kind = .get
            key = isShared ? sharedKey(random.below(plan.sharedKeys)) : keys[random.below(keys.count)].name
        } else {
            key =
                isShared
                ? sharedKey(random.below(plan.sharedKeys)) : keys[ownKey(client, slot: random.below(plan.keysPerClient))].name
            kind = random.chance(plan.deletePercent, in: 100) ? .delete : .put
        }
        if isHurried, random.chance(1, in: 64) { kind = .wrong }
        let reading = kind == .get ? drawReading() : .linearizable
        let once = drawOnce(kind, &random)
        let isDirect = random.chance(plan.directPercent, in: 100) && isHurried && !presentStores.isEmpty
        let process = isDirect ? anyStore(client, kind, key, &random) : anyServer(&random)
        return ClusterSchedule.Operation(
            at: world.now - .zero, client: client, kind: kind, key: key,
            padding: kind == .put ? random.below(plan.padding + 1) : kind == .wrong ? random.below(4) : 0, process: process,
            patience: isHurried ? random.length(plan.patience / 4...plan.patience) : .seconds(8),
            tellsPatience: random.chance(1, in: 2), reading: reading, isOnce: once.isOnce, again: once.again,
            isKept: once.isKept, isFresh: once.isFresh)
    }

    private mutating func drawReading() -> ClusterSchedule.Operation.Reading {
        var random = phase == .faults ? readings.before : readings.after
        let isStale = random.chance(plan.stalePercent, in: 100)
        let isBound = random.chance(1, in: 2)
        let isConfirmed = random.chance(plan.confirmedPercent, in: 100)
        if phase == .faults { readings.before = random } else { readings.after = random }
        if isStale { return isBound ? .seen : .stale }
        return isConfirmed || plan.wildClocks ? .confirmed : .linearizable
    }

    /// How an operation reads. A demand is that of the moment, in a schedule, too: positions differ from run to run.
    mutating func mode(of operation: ClusterSchedule.Operation, key: Int) -> ReadMode {
        switch operation.reading {
        case .linearizable: return plan.wildClocks ? .confirmed : .linearizable
        case .confirmed: return .confirmed
        case .stale: return .stale(atLeast: nil)
        case .seen:
            // Where nothing was written yet there is no telling whose positions matter.
            return .stale(atLeast: keys[key].group.flatMap { clients[operation.client].seen[$0] })
        }
    }

    /// The key in one of a client's slots: a new one where there is none, or where the last write has an unknown outcome.
    private mutating func ownKey(_ client: Int, slot: Int) -> Int {
        while clients[client].keys.count <= slot { clients[client].keys.append(-1) }
        let known = clients[client].keys[slot]
        if known >= 0, keys[known].isOpen { return known }
        // After the healing they are others: what was written before does not decide which.
        let name = "c\(client)\(phase == .faults ? "k" : "h")\(clients[client].keysMade)"
        clients[client].keysMade += 1
        let key = key(named: name)
        clients[client].keys[slot] = key
        return key
    }

    /// Others once a history was given up: those that were written in it are not written again.
    private mutating func sharedKey(_ number: Int) -> String {
        histories.ended == 0 ? "s\(number)" : "s\(number)h\(histories.ended)"
    }

    mutating func anyServer(_ random: inout SeededRandom) -> Int {
        presentServers.isEmpty ? 0 : presentServers[random.below(presentServers.count)]
    }

    /// For a read every other time the one that was the primary of the key's group when it last answered, whatever it is now.
    /// (With a write its client would wait until its patience is over.)
    private mutating func anyStore(
        _ client: Int, _ kind: ClusterSchedule.Operation.Kind, _ key: String, _ random: inout SeededRandom
    ) -> Int {
        let drawn = presentStores[random.below(presentStores.count)]
        guard random.chance(1, in: 2), kind == .get, let index = keyNamed[key], let group = keys[index].group
        else { return drawn }
        return clients[client].answeredBy[group] ?? drawn
    }

    /// A key's index, a new one if need be. Shared keys begin with an `s`.
    mutating func key(named name: String) -> Int {
        if let known = keyNamed[name] { return known }
        keys.append(WorkloadKey(isShared: name.hasPrefix("s"), history: KeyHistory(name: name)))
        keyNamed[name] = keys.count - 1
        return keys.count - 1
    }
}
