import Machine
import Storage
import Testing
import Wire

/// What ties a disk to its registrations, and what becomes of a disk that is a copy.
@Suite("Nonces of a store")
struct NonceTests {
    private static func nonce(_ number: Int) -> LifeNonce {
        guard let nonce = LifeNonce("00000000-0000-4000-8000-\(100_000_000_000 + number)") else { preconditionFailure() }
        return nonce
    }

    @Test("From the one that ZooKeeper has, all are kept, durably, through everything that replaces the file")
    func kept() {
        var life = Life.opened()
        let mark = life.act { store, _ in store.remember(nonce: Self.nonce(1), after: nil) }
        #expect(life.store.durableMark < mark)
        life.flushAndSettle()
        #expect(life.store.durableMark >= mark)
        for number in 2...3 { life.act { store, _ in store.remember(nonce: Self.nonce(number), after: Self.nonce(1)) } }
        life.append(.beginTerm)
        life.append(.put("a", "1"))
        life.flushAndSettle()
        #expect(life.store.nonces == (1...3).map(Self.nonce))
        life.act { $0.truncate(after: 1, into: &$1) }
        life.act { store, _ in store.remember(nonce: Self.nonce(4), after: Self.nonce(3)) }
        life.settle()
        #expect(life.store.nonces == [Self.nonce(3), Self.nonce(4)])
        #expect(Life.opened(life.disk.afterProcessCrash()).store.nonces == [Self.nonce(3), Self.nonce(4)])
    }

    @Test("There are sixteen at most: the one that ZooKeeper has, and the last")
    func bounded() {
        var life = Life.opened()
        for number in 1...40 { life.act { store, _ in store.remember(nonce: Self.nonce(number), after: store.nonces.first) } }
        #expect(life.store.nonces == [1].map(Self.nonce) + (26...40).map(Self.nonce))
        life.flushAndSettle()
        #expect(Life.opened(life.disk.afterProcessCrash()).store.nonces == life.store.nonces)
    }

    @Test("A store that becomes another holds the same, and knows no registration")
    func another() {
        var life = Life.opened()
        life.act { store, _ in store.remember(nonce: Self.nonce(1), after: nil) }
        life.append(.beginTerm)
        life.append(.put("a", "1"))
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: 2) }
        let former = life.store.store
        life.act { $0.becomeAnother(into: &$1) }
        let new = life.store.store
        #expect(new != former && life.store.isRewriting)
        life.settle()
        #expect(life.events.last == .truncated && !life.store.isRewriting)
        let next = Life.opened(life.disk.afterProcessCrash())
        #expect(next.store.store == new && next.store.nonces.isEmpty)
        #expect(next.store.last.seq == 2 && next.store.commit == 2 && next.store.value(of: Array("a".utf8)) == Array("1".utf8))
    }
}
