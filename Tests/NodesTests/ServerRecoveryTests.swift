import Coordination
import Machine
import Testing
import Wire

@testable import Nodes

/// An operator gives up the in-sync stores of a group, at the master and at another server.
@Suite("A master that is told to recover a group")
struct ServerRecoveryTests {
    private static func address(_ number: UInt64) -> Address { Address(host: "store\(number)", port: 1) }
    private static func member(_ number: UInt64) -> MemberID { MemberID(store: StoreID("store\(number)"), number: number) }

    var bench = ServerBench()

    /// Group g: 1 and 2 are in-sync and gone; 3 and 4 hold its history, and 5 another one.
    init() {
        bench.send(.started)
        let config = GroupConfig(
            lineage: Lineage("old"), term: 4, primary: Self.member(1), inSync: [Self.member(1), Self.member(2)])
        bench.write("/data/g", [])
        bench.write("/data/g/primary", Array("1".utf8))
        bench.write("/data/g/top", Array("6".utf8))
        bench.write("/data/g/config", config.bytes)
        for number in 3...5 as ClosedRange<UInt64> { register(number, lineage: number == 5 ? "another" : "old") }
        _ = bench.takeSent()
    }

    private mutating func register(_ number: UInt64, lineage: String?, whole: Bool = true) {
        let registration = StoreRegistration(
            address: Self.address(number), store: StoreID("store\(number)"), whole: whole, lineage: lineage.map { Lineage($0) },
            last: .zero, keys: false, guid: "g\(number)")
        bench.write("/data/g/\(number)", registration.bytes)
    }

    private mutating func ask(_ store: String? = nil, accepting: Bool = true, call: UInt64 = 7) {
        let request = RecoverRequest(group: "g", store: store.map { StoreID($0) }, acceptsDataLoss: accepting, by: "ada")
        bench.send(.requested(.recover(request), call: CallID(call)))
    }

    /// The stores say where their logs end; those that are not named are silent.
    private mutating func tell(_ ends: [UInt64: UInt64]) {
        for (message, to) in bench.takeSent() {
            guard case .statusQuery(let id) = message else { continue }
            for (number, seq) in ends where to == Self.address(number) {
                let replica = ReplicaStatus(
                    group: "g", member: Self.member(number), role: .learner, term: 4, last: Position(term: 4, seq: seq),
                    commit: seq, keys: 1, leased: false, coordinated: true)
                bench.send(.received(.statusReply(id: id, replica), from: to))
            }
        }
        bench.pass(.seconds(1))
    }

    private var config: GroupConfig? { bench.data("/data/g/config").flatMap { GroupConfig($0) } }
    private mutating func answer(_ call: UInt64 = 7) -> Recovered? {
        if case .recovered(let result)? = bench.takeReplies()[call] { result } else { nil }
    }
    private mutating func refusal(_ call: UInt64 = 7) -> ClientError? { bench.error(bench.takeReplies()[call]) }

    @Test mutating func theStoreWhoseLogGoesFurthestBeginsANewHistory() throws {
        ask()
        tell([3: 10, 4: 12, 5: 99])
        let result = try #require(answer())
        #expect(result.isDone && result.chosen == .init(member: Self.member(4), last: Position(term: 4, seq: 12)))
        #expect(result.others.map(\.member) == [Self.member(3)], "another history is none to go on with")
        #expect(result.formerInSync == [Self.member(1), Self.member(2)])
        let config = try #require(config)
        #expect(config.primary == Self.member(4) && config.inSync == [Self.member(4)])
        #expect(config.term == 5 && config.lineage == result.lineage && config.lineage != Lineage("old"))
        #expect(config.former == [Lineage("old")])
        #expect(bench.data("/data/g/primary") == Array("4".utf8))
        let record = String(decoding: bench.data("/data/g/recovery-5") ?? [], as: UTF8.self)
        for line in ["by=ada", "former-lineage=old", "former-insync=store2/2", "position=4:12", "other=store3/3 4:10"] {
            #expect(record.split(separator: "\n").contains { $0 == line }, "\(line)")
        }
    }

    /// It holds more than the others, perhaps, and nobody has asked it.
    @Test mutating func itIsRefusedWhereAStoreRegistersMeanwhile() {
        ask()
        // The master has not heard of its registration yet.
        bench.write("/data/g/top", Array("7".utf8))
        tell([3: 10, 4: 12])
        #expect(refusal()?.code == .unavailable)
        #expect(config?.term == 4)
    }

    @Test mutating func withoutTheOperatorsAcceptanceNothingIsDone() throws {
        ask(accepting: false)
        tell([3: 10, 4: 12])
        let result = try #require(answer())
        #expect(!result.isDone && result.chosen.member == Self.member(4) && result.term == 5)
        #expect(config?.term == 4 && bench.data("/data/g/recovery-5") == nil)
    }

    @Test mutating func theOperatorMayChooseAStore() throws {
        ask("store3")
        tell([3: 10, 4: 12])
        #expect(answer()?.chosen.member == Self.member(3))
        #expect(config?.primary == Self.member(3))
    }

    @Test mutating func itIsRefusedWhereAnInSyncStoreIsThere() {
        register(2, lineage: "old")
        ask()
        tell([2: 20, 3: 10, 4: 12])
        #expect(refusal()?.code == .failedPrecondition)
        #expect(config?.lineage == Lineage("old"))
    }

    @Test mutating func itIsRefusedWhereALaterLifeOfAnInSyncStoreIsWhole() {
        let later = StoreRegistration(
            address: Self.address(6), store: StoreID("store2"), whole: true, lineage: Lineage("old"), last: .zero, keys: false,
            guid: "g6")
        bench.write("/data/g/6", later.bytes)
        ask()
        tell([3: 10, 4: 12])
        #expect(refusal() != nil)
        #expect(config?.lineage == Lineage("old") && config?.primary == MemberID(store: StoreID("store2"), number: 6))
    }

    @Test mutating func itIsRefusedWhereNobodyAnswersOrTheChosenOneDoesNot() {
        for (store, ends) in [(nil, [:]), (nil, [5: 7]), ("store4", [3: 10]), ("store9", [3: 10, 4: 12])]
            as [(String?, [UInt64: UInt64])]
        {
            self = Self()
            ask(store)
            tell(ends)
            #expect(refusal()?.code == .failedPrecondition)
            #expect(config?.term == 4)
        }
    }

    /// Its log may go further, and its answer may just have been lost; only the operator can say that it does not matter.
    @Test mutating func itIsRefusedWhereAStoreThatIsRegisteredDoesNotAnswer() {
        ask()
        tell([3: 10])
        #expect(refusal()?.message.contains("store store4 (number 4) is registered and does not answer") == true)
        #expect(config?.term == 4)
        self = Self()
        ask("store3")
        tell([3: 10])
        #expect(answer()?.chosen.member == Self.member(3))
    }

    /// Not whole, because it crashed under a weaker sync policy: it cannot be elected without another word.
    @Test mutating func aStoreThatWasChosenAndEndedBeforeItBeganMayBeChosenAgain() {
        let before = MemberID(store: StoreID("store3"), number: 2)
        let chosen = GroupConfig(
            lineage: Lineage("new"), term: 5, primary: before, inSync: [before], former: [Lineage("older"), Lineage("old")])
        for number in [3, 4] as [UInt64] { bench.delete("/data/g/\(number)") }
        bench.write("/data/g/config", chosen.bytes)
        register(4, lineage: "old")
        register(3, lineage: "old", whole: false)
        ask()
        tell([3: 10, 4: 12])
        #expect(answer()?.chosen.member == Self.member(3), "others that hold the old history put it aside")
        #expect(config?.former == [Lineage("older"), Lineage("old"), Lineage("new")])
    }

    /// What the transaction must prove, not only the view that led to it.
    @Test mutating func anInSyncStoreThatComesBackMeanwhileStopsIt() {
        bench.doomed = ""
        ask()
        register(1, lineage: "old")
        tell([3: 10, 4: 12])
        #expect(refusal() != nil)
        #expect(config?.lineage == Lineage("old"))
    }

    @Test mutating func anotherServerPassesItOnToTheMaster() throws {
        bench = ServerBench.serving(["g": Address(host: "p", port: 1)])
        _ = bench.takeSent()
        ask()
        let passed = bench.takeSent().compactMap { message, to -> (UInt64, Address)? in
            if case .recover(let id, _) = message { (id, to) } else { nil }
        }
        let (id, master) = try #require(passed.first)
        #expect(master == Address(host: "other", port: 1))
        bench.send(.received(.forwardReply(id: id, .failed(ClientError(.failedPrecondition, "no"))), from: master))
        #expect(refusal() == ClientError(.failedPrecondition, "no"))
        ask(call: 8)
        bench.send(.linkDown(master))
        #expect(refusal(8)?.code == .aborted, "it may have happened")
    }

    @Test mutating func theMasterAnswersTheServerThatPassedItOn() {
        let request = RecoverRequest(group: "g", store: nil, acceptsDataLoss: true, by: "ada")
        let other = Address(host: "other", port: 1)
        bench.send(.received(.recover(id: 99, request), from: other))
        tell([3: 10, 4: 12])
        let answers = bench.takeSent().filter { $0.to == other }.map(\.message)
        guard case .forwardReply(id: 99, .recovered(let result))? = answers.first else {
            Issue.record("\(answers)")
            return
        }
        #expect(result.isDone)
    }
}
