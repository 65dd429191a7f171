import Coordination
import Machine
import Replication
import Storage
import Testing
import Wire

/// A primary with two standbys and minsync 2.
@Suite("minsync")
struct MinSyncTests {
    static let me = MemberID(store: StoreID("me"), number: 1)
    static let standbys = [MemberID(store: StoreID("s"), number: 2), MemberID(store: StoreID("t"), number: 3)]
    static let everybody = [me] + standbys
    static let options = ReplicationOptions(minSync: 2)
    var disk = StoreInMemory()
    var now = Instant.zero + .seconds(100)
    var primary: Primary

    init() { primary = MinSyncTests.primary(of: MinSyncTests.everybody, on: &disk, at: now) }

    private static func primary(of inSync: [MemberID], on disk: inout StoreInMemory, at now: Instant) -> Primary {
        Primary(
            group: "g", me: me, config: GroupConfig(lineage: Lineage("l"), term: 4, primary: me, inSync: inSync), version: 3,
            options: options, port: CoordinationPort(owner: 9, session: SessionToken(1)), store: &disk.store, now: now)
    }

    private mutating func register(_ members: [MemberID]) {
        var map = SortedMap<UInt64, StoreRegistration>()
        for member in members {
            map[member.number] = StoreRegistration(
                address: Address(host: "n\(member.number)", port: 1), store: member.store, whole: true,
                lineage: Lineage("l"), last: .zero, keys: false, guid: "g")
        }
        primary.registered(members.map(\.number), map, store: &disk.store, now: now)
    }

    /// Answers the config that this batch tried to write; nil where it tried none.
    @discardableResult private mutating func endBatch() -> GroupConfig? {
        _ = primary.batchEnded(
            store: &disk.store, promise: Promise(start: .zero, lease: .zero), isIdle: true, now: now, into: &disk.sink)
        disk.flush()
        for case .coordination(.request(_, _, .multi(let operations))) in disk.takeEffects() {
            for case .set(Paths.config(ofGroup: "g"), let data, _) in operations { return GroupConfig(data) }
        }
        return nil
    }

    private mutating func ack(_ verified: UInt64, from members: [MemberID]) {
        for member in members {
            let reply = AppendReply(
                group: "g", term: 4, from: member, verified: verified, echo: now.nanoseconds, round: 0, outcome: .accepted)
            #expect(primary.replied(reply, store: &disk.store, now: now, into: &disk.sink) == nil)
        }
    }

    private mutating func takeOffice(with standbys: [MemberID]) {
        register([Self.me] + standbys)
        for _ in 0..<2 {
            endBatch()
            disk.sync()
        }
        ack(disk.store.last.seq, from: standbys)
        endBatch()
        #expect(primary.isServing)
    }

    private mutating func write() {
        let seq = disk.store.last.seq + 1
        disk.store.append(Entry(position: Position(term: 4, seq: seq), operation: .put(key: [1], value: [2])))
        endBatch()
        disk.sync()
        endBatch()
    }

    /// Time passes in which these are heard, and the others are not.
    private mutating func pass(_ duration: Nanoseconds, hearing members: [MemberID]) -> GroupConfig? {
        let end = now + duration
        while now < end {
            now = now + .milliseconds(100)
            ack(disk.store.last.seq, from: members)
            if let config = endBatch() { return config }
        }
        return nil
    }

    @Test mutating func withTooFewInSyncStoresWritesWaitAndReadsDoNot() {
        primary = Self.primary(of: [Self.me], on: &disk, at: now)
        takeOffice(with: [])
        #expect(disk.store.commit == 1, "the first entry of a term is committed all the same")
        write()
        #expect(disk.store.commit == 1)
        #expect(primary.leaseHolds(at: now))
    }

    @Test mutating func whatIsInheritedIsNotHeldBack() {
        for seq in 1...3 as ClosedRange<UInt64> {
            disk.store.append(Entry(position: Position(term: 3, seq: seq), operation: .put(key: [1], value: [2])))
        }
        primary = Self.primary(of: [Self.me], on: &disk, at: now)
        takeOffice(with: [])
        #expect(disk.store.commit == 4)
    }

    @Test mutating func withEnoughOfThemWritesAreCommitted() {
        takeOffice(with: Self.standbys)
        write()
        #expect(disk.store.commit == 1)
        ack(2, from: [Self.standbys[0]])
        endBatch()
        #expect(disk.store.commit == 1, "minsync is a floor: every in-sync store must have it")
        ack(2, from: [Self.standbys[1]])
        endBatch()
        #expect(disk.store.commit == 2)
    }

    @Test mutating func aSetThatStaysLargeEnoughIsShrunkAtOnce() {
        takeOffice(with: Self.standbys)
        #expect(pass(.seconds(2), hearing: [Self.standbys[0]])?.inSync == [Self.me, Self.standbys[0]])
        #expect(primary.yieldsTo == 0)
    }

    @Test mutating func aPrimaryThatIsCutOffFromEnoughOthersMakesWayBeforeItShrinks() {
        takeOffice(with: Self.standbys)
        #expect(pass(.seconds(2), hearing: []) == nil)
        #expect(primary.yieldsTo == 2)
        #expect(pass(.seconds(2), hearing: [])?.inSync == [Self.me], "nobody took its office: at least it can be read from")
    }

    @Test mutating func itStaysWhereTheOthersAreHeardAgain() {
        takeOffice(with: Self.standbys)
        #expect(pass(.milliseconds(1_700), hearing: []) == nil)
        #expect(primary.yieldsTo == 2)
        #expect(pass(.seconds(2), hearing: Self.standbys) == nil)
        #expect(primary.yieldsTo == 0)
    }

    @Test mutating func itShrinksAtOnceWhereTheOthersAreTooFewWithoutIt() {
        takeOffice(with: Self.standbys)
        register([Self.me, Self.standbys[0]])
        #expect(pass(.milliseconds(200), hearing: [Self.standbys[0]])?.inSync == [Self.me, Self.standbys[0]])
        #expect(primary.yieldsTo == 0)
    }

    /// Cut off from everybody but ZooKeeper, and from one of them a moment later.
    @Test mutating func twoThatFallSilentOneAfterTheOtherCountTogether() {
        takeOffice(with: Self.standbys)
        #expect(pass(.milliseconds(100), hearing: Self.standbys) == nil)
        now = now + .milliseconds(5)
        ack(disk.store.last.seq, from: [Self.standbys[0]])
        var yielded = false
        for _ in 0..<60 {
            now = now + .milliseconds(10)
            primary.witnessed(at: now)
            #expect(endBatch() == nil, "a set of two would be too few to do without this primary")
            yielded = yielded || primary.yieldsTo == 2
        }
        #expect(yielded)
    }

    @Test mutating func oneThatFallsSilentIsNotWaitedForLongBecauseOfOneThatComesBack() {
        takeOffice(with: Self.standbys)
        let began = now
        #expect(pass(.milliseconds(300), hearing: []) == nil)
        #expect(pass(.seconds(2), hearing: [Self.standbys[0]])?.inSync == [Self.me, Self.standbys[0]])
        #expect(now - began <= .milliseconds(600))
    }

    /// A later life of a member stands beside it while its growth is undecided, and is no third store.
    @Test mutating func twoLivesOfOneStoreAreOneStore() {
        var writer = ConfigWriter(
            group: "g", me: Self.me,
            config: GroupConfig(lineage: Lineage("l"), term: 4, primary: Self.me, inSync: [Self.me, Self.standbys[0]]),
            version: 3, port: CoordinationPort(owner: 9, session: SessionToken(1)))
        var next = writer.config
        next.inSync = [Self.me, MemberID(store: Self.standbys[0].store, number: 7)]
        writer.write(next, mustBeRegistered: 7, into: &disk.sink)
        #expect(writer.mayBeInForce.count == 3 && writer.fewestInForce == 2)
    }

    /// What all of the union hold, the smaller set holds: but it is too few.
    @Test mutating func aGrowthThatIsNotDecidedDoesNotCount() {
        var writer = ConfigWriter(
            group: "g", me: Self.me, config: GroupConfig(lineage: Lineage("l"), term: 4, primary: Self.me, inSync: [Self.me]),
            version: 3, port: CoordinationPort(owner: 9, session: SessionToken(1)))
        #expect(writer.fewestInForce == 1)
        var next = writer.config
        next.inSync = [Self.me, Self.standbys[0]]
        writer.write(next, mustBeRegistered: 2, into: &disk.sink)
        #expect(writer.mayBeInForce.count == 2 && writer.fewestInForce == 1)
    }
}
