import AviaryClient
import GRPCAdapter
import Machine
import Synchronization
import TestSupport
import Testing
import Wire

/// What a test wrote and what was acknowledged: the truth that the cluster is held to.
final class Ledger: Sendable {
    private struct Book {
        var acknowledged: [String: String] = [:]
        /// Written with a failure that leaves the outcome open; the key may hold this too.
        var open: [String: Set<String>] = [:]
        var failures = 0
    }
    private let book = Mutex(Book())

    var acknowledged: [String: String] { book.withLock { $0.acknowledged } }
    var failures: Int { book.withLock { $0.failures } }

    /// Puts once and keeps the books; true where it was acknowledged.
    @discardableResult
    func put(_ key: String, _ value: String, through client: KVClient, timeout: Nanoseconds = .seconds(10)) async -> Bool {
        do {
            try await client.put(key: key.bytes, value: value.bytes, timeout: timeout)
            book.withLock { $0.acknowledged[key] = value }
            return true
        } catch {
            book.withLock {
                $0.failures += 1
                if error.mayHaveHappened { $0.open[key, default: []].insert(value) }
            }
            return false
        }
    }

    /// The same through the client library, which repeats what failed on the way.
    @discardableResult
    func put(_ key: String, _ value: String, through aviary: AviaryClient) async -> Bool {
        do {
            try await aviary.put(key, value)
            book.withLock { $0.acknowledged[key] = value }
            return true
        } catch {
            book.withLock {
                $0.failures += 1
                if error.outcome == .unknown { $0.open[key, default: []].insert(value) }
            }
            return false
        }
    }

    /// Puts again and again until it is acknowledged: what a client does during a failover.
    func insist(_ key: String, _ value: String, through client: KVClient) async throws {
        try await eventually("\(key) is written", timeout: .seconds(90)) { await self.put(key, value, through: client) }
    }

    /// Every acknowledged key has its value, or one whose outcome was open.
    func verify(through client: KVClient, keys: (String) -> Bool = { _ in true }) async throws {
        let (acknowledged, open) = book.withLock { ($0.acknowledged, $0.open) }
        for (key, value) in acknowledged.sorted(by: { $0.key < $1.key }) where keys(key) {
            let found = try await client.get(key: key.bytes, timeout: .seconds(10)).map { String(decoding: $0, as: UTF8.self) }
            #expect(
                found == value || found.map { open[key]?.contains($0) == true } == true,
                "\(key) was acknowledged as \(value) and is \(found ?? "gone")"
            )
        }
    }
}
