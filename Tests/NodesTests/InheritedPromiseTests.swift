import Machine
import Replication
import Testing
import Wire

@testable import Nodes

/// A data node whose log tells of promises.
@Suite("What a life inherits of promises")
struct InheritedPromiseTests {
    /// A log of format 2, closed, with these control lines.
    private static func log(_ lines: [String]) -> [UInt8] {
        var bytes: [UInt8] = []
        var chain: UInt32 = 0
        for line in ["%aviary 2 01234567-89ab-4cde-8f01-23456789abcd"] + lines + ["%closed 0 0"] {
            let body = Array((line + " ").utf8)
            chain = body.withUnsafeBytes { CRC32.castagnoli.extend(chain, with: $0) }
            let digits = String(chain, radix: 16)
            bytes += body + Array((String(repeating: "0", count: 8 - digits.count) + digits + "\n").utf8)
        }
        return bytes
    }

    /// The node once its store is open, started at 100 s.
    private static func opened(_ log: [UInt8], lease: Nanoseconds) -> DataNode {
        var node = DataNode(
            group: "g", address: Address(host: "d", port: 1), options: DataOptions(replication: .init(lease: lease)),
            random: SeededRandom(seed: 1))
        var sink = Sink()
        node.step(.started, at: .zero + .seconds(100), into: &sink)
        while !node.isOpen {
            let requests = sink.drain().compactMap { if case .disk(let request) = $0 { request } else { nil } }
            guard !requests.isEmpty else { break }
            for request in requests {
                let result: DiskResult
                switch request.operation {
                case .list: result = .listing([FileEntry(file: .log, size: Int64(log.count))])
                case .read(_, let offset, _): result = .data(Array(log.dropFirst(Int(offset))))
                case .lock, .append, .sync, .truncate, .rename, .remove, .syncDirectory: result = .done
                }
                node.step(.disk(DiskCompletion(id: request.id, result: result)), at: .zero + .seconds(101), into: &sink)
            }
        }
        return node
    }

    @Test func aLaterLifeWaitsAsLongAsTheStoreEverPromised() {
        let promised = Self.opened(Self.log(["%lease 3000000000"]), lease: .milliseconds(400))
        #expect(promised.isOpen)
        #expect(promised.promise.until == .zero + .seconds(103), "from its start on")
    }

    @Test func aStoreThatSaysNothingMayHavePromisedWhatItIsSetTo() {
        for log in [Self.log([]), Self.log(["%lease 100000000"])] {
            #expect(Self.opened(log, lease: .milliseconds(400)).promise.until == .zero + .milliseconds(100_400))
        }
    }
}
