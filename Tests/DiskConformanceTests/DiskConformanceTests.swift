import Foundation
import Machine
import Synchronization
import Testing

@testable import FileAdapter
@testable import Simulation

/// The model of a disk, without faults, against real files: the same requests, made together or one by one, must come back
/// with the same results, in an order that the contract allows, and leave the same bytes.
@Suite struct DiskConformanceTests {
    /// Plays batches on both, and compares every completion with the contract and with each other's.
    ///
    /// - Parameter restarts: after these batches both begin a new life.
    static func compare(_ batches: [[DiskOperation]], restarts: [Int] = [], seed: UInt64 = 1) async {
        var plain = PlainDisk()
        var model = ModelPlayer(seed: seed)
        let files = FilePlayer()
        var lastID: UInt64 = 0
        for (number, operations) in batches.enumerated() {
            let expectations = plain.perform(operations)
            let requests = operations.map { operation in
                lastID += 1
                return DiskRequest(id: DiskID(lastID), operation: operation)
            }
            let (a, b) = (model.play(requests), await files.play(requests))
            for (who, completions) in [("model", a), ("files", b)] {
                for (request, expectation) in zip(requests, expectations) {
                    let results = completions.filter { $0.id == request.id }.map { PlainDisk.Outcome($0.result) }
                    guard results.count == 1, expectation.admits(results[0]) else {
                        Issue.record("\(who), batch \(number), \(request.operation): \(results), not \(expectation)")
                        return
                    }
                }
                for isRead in [true, false] {
                    let inOrder = requests.filter { $0.operation.isRead == isRead }.map(\.id)
                    let order = completions.map(\.id).filter { inOrder.contains($0) }
                    #expect(order == inOrder, "\(who), batch \(number)")
                }
            }
            for file in [FileName.log, .rollback] {
                #expect(model.disk.visibleBytes(of: file) == plain.files[file], "model, batch \(number), \(file)")
                #expect(files.content(of: file) == plain.files[file], "files, batch \(number), \(file)")
            }
            if restarts.contains(number) {
                model.restart()
                files.restart()
            }
        }
    }

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
    static func read(_ file: FileName, _ offset: Int64 = 0, _ length: Int = 1_000) -> DiskOperation {
        .read(file, offset: offset, length: length)
    }

    // MARK: Written

    @Test func aFileThatIsNotThere() async {
        await Self.compare([
            [.lock, .list, Self.read(.log), .sync(.log), .truncate(.log, size: 0), .remove(.log)],
            [.rename(.log, to: .rollback), .rename(.log, to: .log), .syncDirectory, .list],
            [.append(.log, []), .list, Self.read(.log), .sync(.log), .sync(.rollback)],
        ])
    }

    @Test func readsAtEveryPlaceAndOfEveryLength() async {
        let text = Self.bytes("0123456789")
        await Self.compare([
            [.append(.log, text), .append(.log, text)],
            (0...22).map { Self.read(.log, $0, 7) },
            (0...22).map { Self.read(.log, 13, $0) },
            [Self.read(.log, 1 << 40, 5), Self.read(.log, 0, 1 << 40)],
        ])
    }

    @Test func sizesThatGoDownAndUp() async {
        let text = Self.bytes("0123456789")
        await Self.compare([
            [.append(.log, text), .truncate(.log, size: 4), Self.read(.log), .append(.log, text), Self.read(.log)],
            [.truncate(.log, size: 30), Self.read(.log), .list, .append(.log, text), Self.read(.log)],
            [.truncate(.log, size: 0), .list, Self.read(.log), .append(.log, text), .sync(.log), Self.read(.log)],
        ])
    }

    @Test func namesThatChange() async {
        await Self.compare(
            [
                [.append(.log, Self.bytes("old")), .append(.rollback, Self.bytes("new")), .sync(.rollback)],
                [.rename(.rollback, to: .log), .syncDirectory, .list, Self.read(.log), Self.read(.rollback)],
                [.append(.log, Self.bytes("er")), .append(.rollback, Self.bytes("again")), Self.read(.log)],
                [.remove(.log), Self.read(.log), .rename(.rollback, to: .log), .append(.log, Self.bytes("!")), .list],
                [.rename(.log, to: .log), Self.read(.log), .remove(.log), .remove(.log), .list],
                [.append(.log, Self.bytes("anew")), Self.read(.log), .syncDirectory],
            ], restarts: [1, 3])
    }

    @Test func muchAtOnce() async {
        let large = (0..<300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        await Self.compare([
            [.append(.log, large), .append(.log, large), .sync(.log)],
            [Self.read(.log, 0, 1 << 20), Self.read(.log, 299_999, 70_000), Self.read(.log, 599_990, 70_000)],
            (0..<200).map { .append(.log, [UInt8($0)]) } + [Self.read(.log, 600_000, 1_000)],
        ])
    }

    // MARK: Random

    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func randomRequests(_ seed: UInt64) async {
        var random = SeededRandom(seed: seed)
        func below(_ count: Int) -> Int { Int(random.next(upperBound: UInt64(count))) }
        func operation() -> DiskOperation {
            let file = below(3) == 0 ? FileName.rollback : .log
            switch below(20) {
            case 0: return .lock
            case 1: return .list
            case 2: return .truncate(file, size: Int64(below(120)))
            case 3: return .rename(file, to: below(5) == 0 ? file : file == .log ? .rollback : .log)
            case 4: return .remove(file)
            case 5: return .syncDirectory
            case 6...8: return .sync(file)
            case 9...13: return .read(file, offset: Int64(below(150)), length: below(4) == 0 ? below(100_000) : below(60))
            default: return .append(file, (0..<below(40)).map { _ in UInt8(below(256)) })
            }
        }
        let batches = (0..<40).map { _ in (0..<(1 + below(12))).map { _ in operation() } }
        let restarts = (0..<batches.count).filter { _ in below(8) == 0 }
        await Self.compare(batches, restarts: restarts, seed: seed)
    }

    // MARK: Order

    @Test func aReadOvertakesASync() async {
        let requests = [
            DiskRequest(id: DiskID(1), operation: .append(.log, Self.bytes("seen"))),
            DiskRequest(id: DiskID(2), operation: .sync(.log)),
            DiskRequest(id: DiskID(3), operation: Self.read(.log)),
        ]
        var options = DiskModel.Options()
        options.syncTime = Spread(.seconds(1))
        var model = ModelPlayer(seed: 1, options: options)
        let order = model.play(requests).map(\.id.number)
        // The sync takes until the read is there; if the read waits for it, for ever, or as long as a test should.
        let player = Mutex<FilePlayer?>(nil)
        let files = FilePlayer(sync: { _ in
            for _ in 0..<5_000 {
                if player.withLock({ $0?.completed.contains { $0.id == DiskID(3) } ?? false }) { return 0 }
                usleep(1_000)
            }
            return 0
        })
        player.withLock { $0 = files }
        let realOrder = await files.play(requests).map(\.id.number)
        player.withLock { $0 = nil }
        #expect(order == [1, 3, 2] && realOrder == order)
    }
}

extension DiskOperation {
    var isRead: Bool { if case .read = self { true } else { false } }
}
