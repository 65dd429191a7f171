import Machine
import Storage
import Testing
import Wire

/// The memory of clients' mutations, as committed entries make it.
@Suite("Remembered results")
struct SessionTableTests {
    private static let session = SessionID(opened: Position(term: 1, seq: 1))

    private static func identity(_ sequence: UInt64, lowest: UInt64 = 1, of session: SessionID = session) -> RequestIdentity {
        RequestIdentity(session: session, sequence: sequence, lowestOpen: lowest)
    }

    /// A store with a session, a put (2), a delete of what is there (3) and one of what is not (4), all committed.
    private static func used(_ disk: TestDisk = TestDisk()) -> Life {
        var life = Life.opened(disk)
        life.append(.openSession)
        life.append(.put("a", "1"), as: identity(1))
        life.append(.delete("a"), as: identity(2))
        life.append(.delete("a"), as: identity(3))
        commit(&life)
        return life
    }

    private static func commit(_ life: inout Life) {
        life.flushAndSettle()
        _ = life.act { store, _ in store.commit(through: store.durable) }
    }

    private static func expectUsed(_ store: LogStore) {
        #expect(store.sessions.ids == [session])
        #expect(store.recollection(of: identity(1)) == .happened(seq: 2, .put))
        #expect(store.recollection(of: identity(2)) == .happened(seq: 3, .deleted(existed: true)))
        #expect(store.recollection(of: identity(3)) == .happened(seq: 4, .deleted(existed: false)))
        #expect(store.recollection(of: identity(4)) == .new(lowestOpen: 1))
    }

    @Test("What was committed is remembered, with its entry and its result")
    func remembers() { SessionTableTests.expectUsed(SessionTableTests.used().store) }

    @Test("What is not committed is not remembered")
    func uncommitted() {
        var life = SessionTableTests.used()
        life.append(.put("b", "1"), as: SessionTableTests.identity(4))
        life.append(.openSession)
        life.flushAndSettle()
        SessionTableTests.expectUsed(life.store)
    }

    @Test("A client says what it waits for no more, and that is forgotten")
    func forgetsBelowTheLowestOpen() {
        var life = SessionTableTests.used()
        life.append(.put("b", "1"), as: SessionTableTests.identity(5, lowest: 3))
        SessionTableTests.commit(&life)
        let store = life.store
        #expect(store.recollection(of: SessionTableTests.identity(2)) == .forgotten)
        #expect(store.recollection(of: SessionTableTests.identity(3)) == .happened(seq: 4, .deleted(existed: false)))
        #expect(store.recollection(of: SessionTableTests.identity(4)) == .new(lowestOpen: 3))
        #expect(store.recollection(of: SessionTableTests.identity(5)) == .happened(seq: 5, .put))
        // A late one between them, and one below them all: the first is remembered, and the second is not.
        life.append(.put("c", "1"), as: SessionTableTests.identity(4))
        SessionTableTests.commit(&life)
        #expect(life.store.recollection(of: SessionTableTests.identity(4)) == .happened(seq: 6, .put))
        life.append(.put("c", "2"), as: SessionTableTests.identity(2))
        SessionTableTests.commit(&life)
        #expect(life.store.recollection(of: SessionTableTests.identity(2)) == .forgotten)
    }

    @Test("A session that was closed is unknown, and its mutations begin no memory")
    func closes() {
        var life = SessionTableTests.used()
        life.append(.closeSession(SessionTableTests.session))
        life.append(.put("b", "1"), as: SessionTableTests.identity(4))
        SessionTableTests.commit(&life)
        #expect(life.store.sessions.count == 0)
        #expect(life.store.recollection(of: SessionTableTests.identity(1)) == .unknownSession)
        #expect(life.store.recollection(of: SessionTableTests.identity(4)) == .unknownSession)
    }

    @Test("Who opens the log has the same memory, after a clean end and after a crash", arguments: [true, false])
    func opens(_ cleanly: Bool) {
        var life = SessionTableTests.used()
        // What says that the others are committed.
        life.append(.put("z", "1"))
        SessionTableTests.commit(&life)
        if cleanly { life.close() }
        let again = Life.opened(life.disk.afterProcessCrash())
        #expect(again.report?.wasClosed == cleanly)
        SessionTableTests.expectUsed(again.store)
    }

    @Test("A truncation copies the memory, and opening the copy makes it again")
    func truncates() {
        var life = SessionTableTests.used()
        life.append(.put("b", "1"), as: SessionTableTests.identity(4))
        life.flushAndSettle()
        life.act { $0.truncate(after: 4, into: &$1) }
        life.settle()
        SessionTableTests.expectUsed(life.store)
        life.close()
        SessionTableTests.expectUsed(Life.opened(life.disk.afterProcessCrash()).store)
    }
}
