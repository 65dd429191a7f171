import Foundation
import Machine
import Synchronization
import TestSupport
import Testing

@testable import FileAdapter

/// A sync that takes as long as a test wants.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var entered = 0
    }
    private let state = Mutex(State())

    var entered: Int { state.withLock { $0.entered } }
    func open() { state.withLock { $0.isOpen = true } }

    func pass() -> Int32 {
        state.withLock { $0.entered += 1 }
        // This blocks one thread of the store, as a slow disk would.
        while !state.withLock({ $0.isOpen }) { usleep(1000) }
        return 0
    }
}

/// What waits for a slow sync, and what does not.
@Suite struct OrderTests {
    let gate = Gate()
    let store: Store

    init() {
        let gate = gate
        store = Store(sync: { _ in gate.pass() })
    }

    @Test func readsAndAppendsPassARunningSync() async throws {
        let first = store.send(.append("one "), .sync(.log))
        try await eventually("the sync runs") { gate.entered == 1 }
        let later = store.send(.append("two"))
        #expect(try await store.ask(.readAll()) == .text("one two"))
        // Performed, but not reported ahead of its turn.
        #expect(store.isCompleted(first[0]) && !store.isCompleted(first[1]) && !store.isCompleted(later[0]))
        gate.open()
        #expect(try await store.result(of: later[0]) == .done)
        #expect(store.completed.map(\.id).filter { first.contains($0) || later.contains($0) } == first + later)
    }

    @Test func namesWaitForASync() async throws {
        let ids = store.send(.append("new", to: .rollback), .sync(.rollback), .rename(.rollback, to: .log), .append("er"))
        try await eventually("the sync runs") { gate.entered == 1 }
        // `ScheduleTests` shows that it waits; here, that the threads obey.
        #expect(store.content("rollback.txt") == "new" && store.content("db.txt") == nil)
        gate.open()
        #expect(try await store.result(of: ids[3]) == .done)
        #expect(store.content("db.txt") == "newer")
        #expect(store.completed.map(\.id) == ids)
    }

    @Test func syncsThatWaitTogetherBecomeOne() async throws {
        store.send(.append("a"), .sync(.log))
        try await eventually("the sync runs") { gate.entered == 1 }
        var ids: [DiskID] = []
        for text in ["b", "c", "d"] { ids += store.send(.append(text), .sync(.log)) }
        #expect(try await store.ask(.readAll()) == .text("abcd"))
        gate.open()
        #expect(try await store.result(of: ids.last!) == .done)
        #expect(gate.entered == 2)
        #expect(store.completed.map(\.id).filter { ids.contains($0) } == ids)
    }

    @Test func shutDownFinishesWhatWasRequested() async throws {
        gate.open()
        let ids = store.send(
            .append("a"), .sync(.log), .rename(.log, to: .rollback), .append("b"), .syncDirectory, .readAll(.rollback))
        store.files.shutDown()
        #expect(Set(store.completed.map(\.id)) == Set(ids))
        #expect(store.content("rollback.txt") == "a" && store.content("db.txt") == "b")
    }
}

/// `Schedule` by itself: no threads, no files.
@Suite struct ScheduleTests {
    private var schedule = Schedule()

    private mutating func add(_ operations: DiskOperation...) {
        for operation in operations {
            lastID += 1
            schedule.add(DiskRequest(id: DiskID(lastID), operation: operation))
        }
    }
    private var lastID: UInt64 = 0

    private func ids(_ completions: [DiskCompletion]) -> [UInt64] { completions.map(\.id.number) }

    @Test mutating func appendsToOneFileAreWrittenTogether() {
        add(.append(.log, [1]), .append(.log, [2]), .append(.rollback, [3]), .append(.log, [4]))
        #expect(schedule.nextWrite() == .append(.log, [[1], [2]]))
        #expect(ids(schedule.finishWrites(2, .done)) == [1, 2])
        #expect(schedule.nextWrite() == .append(.rollback, [[3]]))
        #expect(ids(schedule.finishWrites(1, .done)) == [3])
        #expect(schedule.nextWrite() == .append(.log, [[4]]))
    }

    @Test mutating func aWriteHasABound() {
        let half = [UInt8](repeating: 0, count: Schedule.writeBytes / 2)
        add(.append(.log, half), .append(.log, half), .append(.log, [1]))
        #expect(schedule.nextWrite() == .append(.log, [half, half]))
    }

    @Test mutating func aSyncWaitsForTheWritesBeforeItOnly() {
        add(.append(.log, [1]), .sync(.log), .append(.log, [2]), .sync(.log))
        #expect(schedule.nextSync() == nil)
        // The append behind the sync is written with the one before it.
        #expect(schedule.nextWrite() == .append(.log, [[1], [2]]))
        #expect(ids(schedule.finishWrites(2, .done)) == [1])
        #expect(schedule.nextSync() == .sync(.sync(.log), count: 2))
        #expect(ids(schedule.finishSyncs(2, .done)) == [2, 3, 4])
    }

    @Test mutating func aReadPassesSyncsButNotWrites() {
        add(.sync(.log), .read(.log, offset: 0, length: 1), .append(.log, [1]), .read(.log, offset: 0, length: 2))
        let first = DiskRequest(id: DiskID(2), operation: .read(.log, offset: 0, length: 1))
        #expect(schedule.nextReads() == .read([first]))
        schedule.finishReads(1)
        #expect(schedule.nextReads() == nil)
        #expect(schedule.nextWrite() == .append(.log, [[1]]))
        _ = schedule.finishWrites(1, .done)
        #expect(schedule.nextReads() == .read([DiskRequest(id: DiskID(4), operation: .read(.log, offset: 0, length: 2))]))
    }

    @Test mutating func aRenameWaitsForEverythingBeforeIt() {
        add(.sync(.log), .read(.log, offset: 0, length: 1), .rename(.rollback, to: .log), .sync(.log), .append(.log, [1]))
        #expect(schedule.nextWrite() == nil)
        schedule.finishReads(1)
        #expect(schedule.nextWrite() == nil)
        // The second sync is of the renamed file.
        #expect(schedule.nextSync() == .sync(.sync(.log), count: 1))
        #expect(ids(schedule.finishSyncs(1, .done)) == [1])
        #expect(schedule.nextSync() == nil)
        #expect(schedule.nextWrite() == .alone(.rename(.rollback, to: .log)))
        #expect(ids(schedule.finishWrites(1, .done)) == [3])
        #expect(schedule.nextSync() == .sync(.sync(.log), count: 1))
    }

    @Test mutating func stopsWhenEverythingIsDone() {
        add(.append(.log, [1]), .sync(.log))
        schedule.stop()
        add(.append(.log, [2]))
        #expect(schedule.nextWrite() == .append(.log, [[1]]))
        #expect(schedule.nextSync() == nil)
        #expect(schedule.nextReads() == .stop)
        _ = schedule.finishWrites(1, .done)
        #expect(schedule.nextWrite() == .stop)
        #expect(schedule.nextSync() == .sync(.sync(.log), count: 1))
        _ = schedule.finishSyncs(1, .done)
        #expect(schedule.nextSync() == .stop)
    }
}
